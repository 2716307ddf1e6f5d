"""The release script, with stand-ins for `gh` and `docker` that record their calls."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "ghcr.io/your_org/zerokie-action"
IMAGE = f"{NAME}@sha256:" + "5" * 64
FILES = ("action.yml", "templates/deploy.yml", ".ci/release.py")
CHANGELOG = """# Changelog
## [Unreleased]
## [1.2.0] - 2026-03-07
### Added

- Something.

## [1.1.0] - 2026-02-01
"""
GITHUB = """#!{python} -IS
import json, os, sys
from pathlib import Path

state = Path({state!r})
github = json.loads(state.read_text())
answer, code = None, 0
match sys.argv[1:]:
    case ["api", "--method", method, path, *_]:
        body = json.loads(sys.stdin.read() or "null")
        call = [method, path.removeprefix("repos/{{owner}}/{{repo}}/git/")]
        match call:
            case ["GET", "matching-refs/tags/v"]:
                tags = github["tags"].items()
                answer = [{{"ref": f"refs/tags/{{tag}}", "object": {{"sha": sha}}}} for tag, sha in tags]
            case ["GET", commit]:
                answer = github["commits"][commit.removeprefix("commits/")]
            case ["POST", "trees"]:
                answer = {{"sha": "tree"}}
            case ["POST", "commits"]:
                parents = [{{"sha": parent}} for parent in body["parents"]]
                github["commits"]["made"] = {{"message": body["message"], "parents": parents}}
                answer = {{"sha": "made"}}
            case ["POST", "refs"]:
                github["tags"][body["ref"].removeprefix("refs/tags/")] = body["sha"]
            case ["PATCH", ref]:
                github["tags"][ref.removeprefix("refs/tags/")] = body["sha"]
        github["calls"].append([*call, body])
    case ["release", "view", tag]:
        code = tag not in github["releases"]
    case ["release", "create", tag, "--draft", "--verify-tag", *_] if tag in github["tags"]:
        github["releases"][tag] = {{"isDraft": True, "isPrerelease": False, "notes": sys.stdin.read()}}
    case ["release", "list", "--limit", "1000", "--json", "tagName,isDraft,isPrerelease"]:
        answer = [{{"tagName": tag, **release}} for tag, release in github["releases"].items()]
    case ["release", "edit", tag, "--latest"] if not github["releases"][tag]["isPrerelease"]:
        github["latest"] = tag
    case ["release", "edit", tag, "--prerelease", "--notes", text]:
        github["releases"][tag] |= {{"isPrerelease": True, "notes": text}}
    case ["--config", folder, "buildx", "imagetools", "inspect", image] if not os.listdir(folder):
        code = github["private"]
    case ["buildx", "imagetools", "create", "--tag", moving, image]:
        github["images"][moving] = image
    case ["buildx", "imagetools", "inspect", "--format", "{{{{json .Manifest}}}}", moving]:
        print(json.dumps({{"digest": github["images"][moving].partition("@")[2]}}))
        sys.exit()
    case _:
        sys.exit("unexpected: " + " ".join(sys.argv[1:]))
state.write_text(json.dumps(github))
print(json.dumps(answer))
sys.exit(int(code))
"""

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        "docker://" in (ROOT / "action.yml").read_text("utf-8"),
        reason="a release commit is not released again",
    ),
]


@dataclass
class Repository:
    """A checkout that is ready for release 1.2.0, and its GitHub."""

    folder: Path

    @property
    def github(self) -> dict[str, Any]:
        """Tags, releases, images, and the recorded API calls."""
        state: dict[str, Any] = json.loads((self.folder.parent / "github.json").read_text("utf-8"))
        return state

    def set(self, **state: Any) -> None:
        """Change GitHub's data."""
        (self.folder.parent / "github.json").write_text(json.dumps(self.github | state), "utf-8")

    def git(self, *arguments: str) -> str:
        """Run git in the checkout, and return its output."""
        who = ("-c", "user.name=n", "-c", "user.email=e@example.com")
        command = ["git", *who, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def publish(self, tag: str) -> None:
        """Publish a draft like an owner in the browser."""
        releases = self.github["releases"]
        assert releases[tag]["isDraft"]
        self.set(releases=releases | {tag: releases[tag] | {"isDraft": False}})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script until it ends."""
        return self.sh(shlex.join(["python", ".ci/release.py", *arguments]))

    def sh(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands in the checkout."""
        env = os.environ | {"PATH": f"{self.folder.parent / 'bin'}:{os.environ['PATH']}"}
        command = ["bash", "-e", "-c", commands]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, check=False, text=True)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "checkout"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "zerokie_action").mkdir()
    (folder / "zerokie_action" / "__init__.py").write_text('__version__ = "1.2.0"\n', "utf-8")
    (folder / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    repository = Repository(folder)
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "everything")):
        repository.git(*command)
    state = tmp_path / "github.json"
    maps: dict[str, Any] = {key: {} for key in ("tags", "commits", "releases", "images")}
    state.write_text(json.dumps(maps | {"latest": "", "calls": [], "private": False}), "utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for name in ("gh", "docker"):
        program = tmp_path / "bin" / name
        program.write_text(GITHUB.format(python=sys.executable, state=str(state)), "utf-8")
        program.chmod(0o755)
    return repository


OLD = IMAGE.replace("5", "4")


def live(*versions: str) -> dict[str, Any]:
    """GitHub after releases of these versions, the newest last. Each commit is named after its version."""
    tags = {f"v{version}": version for version in versions}
    return {
        "tags": {**tags, **{f"v{version[0]}": version for version in versions}},
        "commits": {v: {"message": f"Release v{v}\n\nThe image is {OLD}.", "parents": []} for v in versions},
        "releases": {tag: {"isDraft": False, "isPrerelease": False} for tag in tags},
        "latest": f"v{versions[-1]}",
    }


def test_a_release_starts_as_a_draft(repository: Repository) -> None:
    """The tag leads to a child of the commit on main. There, the action and the component pin the digest.

    No moving name has changed yet, because the release isn't published.
    """
    repository.set(**live("1.1.0"))

    done = repository.run("draft", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    github = repository.github
    bodies = {path: body for method, path, body in github["calls"] if method == "POST"}
    assert bodies["trees"]["base_tree"] == repository.git("rev-parse", "HEAD^{tree}")
    files = {entry["path"]: yaml.safe_load_all(entry["content"]) for entry in bodies["trees"]["tree"]}
    assert next(files["action.yml"])["runs"]["image"] == f"docker://{IMAGE}"
    assert next(files["templates/deploy.yml"])["spec"]["inputs"]["action-image"]["default"] == IMAGE
    assert bodies["commits"]["parents"] == [repository.git("rev-parse", "HEAD")]
    assert bodies["commits"]["tree"] == "tree"
    assert github["tags"] == {"v1.1.0": "1.1.0", "v1.2.0": "made", "v1": "1.1.0"}
    assert github["releases"]["v1.2.0"] == {
        "isDraft": True,
        "isPrerelease": False,
        "notes": "### Added\n\n- Something.",
    }
    assert github["latest"] == "v1.1.0"
    assert github["images"] == {f"{NAME}:1.2.0": IMAGE}
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    assert repository.github["tags"] == github["tags"]


def test_tags_move_when_a_release_is_published_or_withdrawn(repository: Repository) -> None:
    """Moving names follow published releases. After a withdrawal, they return to the last good release."""
    repository.set(**live("1.1.0"))
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    early = repository.run("follow", "1.2.0")
    assert (early.returncode, repository.github["tags"]["v1"]) == (1, "1.1.0")
    assert "still a draft" in early.stderr

    repository.publish("v1.2.0")
    for _ in range(2):
        done = repository.run("follow", "1.2.0")
        assert done.returncode == 0, done.stderr
        github = repository.github
        assert github["tags"] == {"v1.1.0": "1.1.0", "v1.2.0": "made", "v1": "made"}
        assert github["images"] == {f"{NAME}:1.2.0": IMAGE, f"{NAME}:1": IMAGE}
        assert github["latest"] == "v1.2.0"

    done = repository.sh(withdrawal().replace("1.2.3", "1.2.0").replace("1.2.2", "1.1.0"))
    assert done.returncode == 0, done.stderr
    github = repository.github
    assert github["tags"] == {"v1.1.0": "1.1.0", "v1.2.0": "made", "v1": "1.1.0"}
    assert github["images"] == {f"{NAME}:1.2.0": IMAGE, f"{NAME}:1": OLD}
    assert github["latest"] == "v1.1.0"
    again = repository.run("follow", "1.2.0")
    assert (again.returncode, repository.github) == (1, github)
    assert "withdrawn" in again.stderr


def withdrawal() -> str:
    """The commands from docs/contributing/releasing.md."""
    page = (ROOT / "docs" / "contributing" / "releasing.md").read_text("utf-8")
    page = page[page.index("## Withdraw a release") :]
    return page[page.index("```sh\n") + 6 : page.index("\n```\n")]


@pytest.mark.parametrize(
    ("before", "v1", "moved"),
    [("1.10.0", "1.10.0", {}), ("1.1.0", "made", {f"{NAME}:1": IMAGE})],
    ids=["of an old version", "of the newest before"],
)
def test_a_fix_of_an_older_major_version_moves_only_its_own_names(
    repository: Repository, before: str, v1: str, moved: dict[str, str]
) -> None:
    """Users of `v1` don't go back, `v2` is unchanged, and *Latest* is the newest release."""
    repository.set(**live(before, "2.0.0"))
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    repository.publish("v1.2.0")
    repository.set(latest="v1.2.0")  # as the browser suggests

    done = repository.run("follow", "1.2.0")

    assert done.returncode == 0, done.stderr
    assert {tag: repository.github["tags"][tag] for tag in ("v1", "v2")} == {"v1": v1, "v2": "2.0.0"}
    assert repository.github["images"] == {f"{NAME}:1.2.0": IMAGE} | moved
    assert repository.github["latest"] == "v2.0.0"


def require_refused(repository: Repository, said: str, *arguments: str) -> None:
    """Check that the script shows the reason, and changes nothing."""
    before = repository.github
    done = repository.run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert {**repository.github, "calls": []} == before


def test_a_version_is_released_only_once(repository: Repository) -> None:
    other = {"message": f"Release v1.2.0\n\nThe image is {IMAGE}.", "parents": [{"sha": "another commit"}]}
    repository.set(tags={"v1.2.0": "other"}, commits={"other": other})
    require_refused(repository, "v1.2.0 already exists", "draft", "1.2.0", IMAGE)


def test_a_private_image_is_not_released(repository: Repository) -> None:
    """The script makes no tag, because tags are permanent."""
    repository.set(private=True)
    require_refused(repository, f"users can't pull {IMAGE} without credentials", "draft", "1.2.0", IMAGE)


@pytest.mark.parametrize("version", ["v1.2.0", "1.2.0-rc1", "1.3.0", "1.1.0"])
def test_only_the_version_of_the_checkout_can_be_released(repository: Repository, version: str) -> None:
    """The package and the changelog must both contain the version."""
    require_refused(repository, "Not released: ", "check", version)


def test_the_version_is_set_before_and_after_a_release(repository: Repository) -> None:
    package = repository.folder / "zerokie_action" / "__init__.py"
    for version in ("1.2.1.dev0", "1.2.0"):
        done = repository.run("set", version)
        assert done.returncode == 0, done.stderr
        assert package.read_text("utf-8") == f'__version__ = "{version}"\n'
        assert repository.run("check", "1.2.0").returncode == (version != "1.2.0")


def test_a_development_version_is_not_released(repository: Repository) -> None:
    """The error shows the command that sets the version."""
    assert repository.run("set", "1.2.0.dev0").returncode == 0
    require_refused(repository, "`python .ci/release.py set 1.2.0`", "check", "1.2.0")
    require_refused(repository, "is not a version like 1.2.3", "check", "1.2.0.dev0")


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0rc1", "1.2.0.dev1", '1.2.0"'])
def test_an_invalid_version_is_not_set(repository: Repository, version: str) -> None:
    require_refused(repository, "is not a version like 1.2.3 or 1.2.4.dev0", "set", version)
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("image", [f"{NAME}:1", IMAGE[:-1], f"{IMAGE}\n  x: y", "docker.io/" + IMAGE])
def test_only_a_digest_can_be_pinned(repository: Repository, image: str) -> None:
    """Any other name of the image could change later."""
    require_refused(repository, "by its digest", "draft", "1.2.0", image)

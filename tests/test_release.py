"""What the release script does, with stand-ins for `gh` and `docker` that remember what they were asked."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
NAME = "ghcr.io/your_org/zerokie-action"
IMAGE = f"{NAME}@sha256:" + "5" * 64
FILES = ("action.yml", "templates/deploy.yml", ".ci/release.py")
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-03-07

### Added

- Something.

## [1.1.0] - 2026-02-01

### Fixed

- Something else.

[1.2.0]: https://example.com
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
    case ["release", "create", tag, *_]:
        github["releases"][tag] = sys.stdin.read()
        github["latest"] += [] if "--latest=false" in sys.argv else [tag]
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
    """A checkout that is ready to be released as 1.2.0, and the GitHub that its commands see."""

    folder: Path

    @property
    def github(self) -> dict[str, Any]:
        """Tags, releases, images, and the calls that were made."""
        state: dict[str, Any] = json.loads((self.folder.parent / "github.json").read_text("utf-8"))
        return state

    def set(self, **state: Any) -> None:
        """Change what GitHub has."""
        (self.folder.parent / "github.json").write_text(json.dumps(self.github | state), "utf-8")

    def git(self, *arguments: str) -> str:
        """Run git in the checkout. Returns what it printed."""
        who = ("-c", "user.name=n", "-c", "user.email=e@example.com")
        command = ["git", *who, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script, to its end."""
        path = f"{self.folder.parent / 'bin'}:{os.environ['PATH']}"
        command = [sys.executable, str(self.folder / ".ci" / "release.py"), *arguments]
        return subprocess.run(
            command, env=os.environ | {"PATH": path}, capture_output=True, check=False, text=True
        )


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
    state.write_text(json.dumps(maps | {"latest": [], "calls": [], "private": False}), "utf-8")
    (tmp_path / "bin").mkdir()
    for name in ("gh", "docker"):
        program = tmp_path / "bin" / name
        program.write_text(GITHUB.format(python=sys.executable, state=str(state)), "utf-8")
        program.chmod(0o755)
    return repository


def test_the_release(repository: Repository) -> None:
    """The tags lead to a commit after that on main, whose action and component pin the image by digest.

    `v1` leaves the last release for this one.
    """
    repository.set(tags={"v1.1.0": "last", "v1": "last"})

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    github = repository.github
    bodies = {path: body for method, path, body in github["calls"] if method == "POST"}
    assert bodies["trees"]["base_tree"] == repository.git("rev-parse", "HEAD^{tree}")
    files = {entry["path"]: yaml.safe_load_all(entry["content"]) for entry in bodies["trees"]["tree"]}
    assert next(files["action.yml"])["runs"]["image"] == f"docker://{IMAGE}"
    assert next(files["templates/deploy.yml"])["spec"]["inputs"]["action-image"]["default"] == IMAGE
    assert bodies["commits"]["parents"] == [repository.git("rev-parse", "HEAD")]
    assert bodies["commits"]["tree"] == "tree"
    assert github["tags"] == {"v1.1.0": "last", "v1.2.0": "made", "v1": "made"}
    assert github["releases"] == {"v1.2.0": "### Added\n\n- Something."}
    assert github["latest"] == ["v1.2.0"]
    assert github["images"] == {f"{NAME}:1.2.0": IMAGE, f"{NAME}:1": IMAGE}


def test_a_late_fix_of_an_old_version_moves_nothing(repository: Repository) -> None:
    """Users of `v1` do not go back."""
    repository.set(tags={"v1.10.0": "newer", "v1": "newer"})

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    assert repository.github["tags"] == {"v1.10.0": "newer", "v1": "newer", "v1.2.0": "made"}
    assert repository.github["images"] == {f"{NAME}:1.2.0": IMAGE}
    assert repository.github["latest"] == []


def test_a_version_is_released_once(repository: Repository) -> None:
    """A tag that exists stays where it is."""
    tags = {"v1.2.0": "other"}
    other = {"message": f"Release v1.2.0\n\nThe image is {IMAGE}.", "parents": [{"sha": "another commit"}]}
    repository.set(tags=tags, commits={"other": other})

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 1
    assert "v1.2.0 exists already" in done.stderr
    assert repository.github["tags"] == tags
    assert repository.github["releases"] == {}


def test_a_private_image_is_not_released(repository: Repository) -> None:
    """No tag is made that could not be taken back; when the package is public, the same job goes on."""
    repository.set(private=True)
    refused = repository.run("publish", "1.2.0", IMAGE)
    assert refused.returncode == 1
    assert "can't be pulled without a login" in refused.stderr
    assert repository.github["calls"] == []
    assert (repository.github["tags"], repository.github["images"]) == ({}, {})

    repository.set(private=False)
    done = repository.run("publish", "1.2.0", IMAGE)
    assert done.returncode == 0, done.stderr
    assert repository.github["tags"] == {"v1.2.0": "made", "v1": "made"}


@pytest.mark.parametrize("version", ["v1.2.0", "1.2.0-rc1", "1.3.0", "1.1.0"])
def test_what_the_checkout_is_not_cannot_be_released(repository: Repository, version: str) -> None:
    """The package and the changelog both have to say so."""
    done = repository.run("check", version)
    assert done.returncode == 1
    assert done.stderr.startswith("Not released: ")


@pytest.mark.parametrize("image", [f"{NAME}:1", IMAGE[:-1], f"{IMAGE}\n  x: y", "docker.io/" + IMAGE])
def test_only_a_digest_is_pinned(repository: Repository, image: str) -> None:
    """Anything else could change later."""
    done = repository.run("publish", "1.2.0", image)
    assert done.returncode == 1
    assert "by its digest" in done.stderr
    assert repository.github["tags"] == {}

"""What the release script does, with stand-ins for `gh` and `docker` that remember what they were asked."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "ghcr.io/zerokie/zerokie-action@sha256:" + "5" * 64
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
import json, sys
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
                answer = {{"parents": [{{"sha": github["parents"][commit.removeprefix("commits/")]}}]}}
            case ["POST", "trees"]:
                answer = {{"sha": "tree"}}
            case ["POST", "commits"]:
                github["parents"]["made"] = body["parents"][0]
                answer = {{"sha": "made"}}
            case ["POST", "refs"]:
                github["tags"][body["ref"].removeprefix("refs/tags/")] = body["sha"]
            case ["PATCH", ref]:
                github["tags"][ref.removeprefix("refs/tags/")] = body["sha"]
        github["calls"].append([*call, body])
    case ["release", "view", tag]:
        code = tag not in github["releases"]
    case ["release", "create", tag, *_]:
        code = github.pop("refuses_the_next_release", 0)
        if not code:
            github["releases"][tag] = sys.stdin.read()
    case ["buildx", "imagetools", "create", "--tag", moving, image]:
        github["images"][moving] = image
state.write_text(json.dumps(github))
print(json.dumps(answer))
sys.exit(int(code))
"""

pytestmark = pytest.mark.skipif(
    "docker://" in (ROOT / "action.yml").read_text("utf-8"), reason="a release commit is not released again"
)


@dataclass
class Repository:
    """A checkout that is ready to be released as 1.2.0, and the GitHub that its commands see."""

    folder: Path
    commit: str

    @property
    def github(self) -> dict[str, Any]:
        """Tags, releases, images, and the calls that were made."""
        state: dict[str, Any] = json.loads((self.folder.parent / "github.json").read_text("utf-8"))
        return state

    def set(self, **state: Any) -> None:
        """Change what GitHub has."""
        (self.folder.parent / "github.json").write_text(json.dumps(self.github | state), "utf-8")

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
    git = ("git", "-c", "user.name=n", "-c", "user.email=e@example.com", "-C", str(folder))
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "everything")):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    state = tmp_path / "github.json"
    state.write_text(
        json.dumps({"tags": {}, "parents": {}, "releases": {}, "images": {}, "calls": []}), "utf-8"
    )
    (tmp_path / "bin").mkdir()
    for name in ("gh", "docker"):
        program = tmp_path / "bin" / name
        program.write_text(GITHUB.format(python=sys.executable, state=str(state)), "utf-8")
        program.chmod(0o755)
    return Repository(folder, head)


def test_the_release_commit_pins_the_image(repository: Repository) -> None:
    """Its parent is the commit on main, and the action and the component name the image by digest."""
    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    bodies = {path: body for method, path, body in repository.github["calls"] if method == "POST"}
    assert bodies["trees"]["base_tree"] == repository.commit
    files = {entry["path"]: yaml.safe_load_all(entry["content"]) for entry in bodies["trees"]["tree"]}
    assert next(files["action.yml"])["runs"]["image"] == f"docker://{IMAGE}"
    assert next(files["templates/deploy.yml"])["spec"]["inputs"]["action-image"]["default"] == IMAGE
    assert bodies["commits"]["parents"] == [repository.commit]
    assert bodies["commits"]["tree"] == "tree"


def test_tags_and_release(repository: Repository) -> None:
    """The version's tag, a release with the changelog's words, and the moving tags."""
    repository.run("publish", "1.2.0", IMAGE)

    github = repository.github
    assert github["tags"] == {"v1.2.0": "made", "v1": "made"}
    assert github["releases"] == {"v1.2.0": "### Added\n\n- Something."}
    assert github["images"] == {"ghcr.io/zerokie/zerokie-action:1": IMAGE}


def test_moving_tags_move(repository: Repository) -> None:
    """`v1` leaves the last release for this one."""
    repository.set(tags={"v1.1.0": "last", "v1": "last", "v2.0.0": "next", "v2": "next"})

    repository.run("publish", "1.2.0", IMAGE)

    assert repository.github["tags"] == {
        "v1.1.0": "last",
        "v1": "made",
        "v2.0.0": "next",
        "v2": "next",
        "v1.2.0": "made",
    }


def test_a_late_fix_of_an_old_version_moves_nothing(repository: Repository) -> None:
    """Users of `v1` do not go back."""
    repository.set(tags={"v1.10.0": "newer", "v1": "newer"})

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    assert repository.github["tags"] == {"v1.10.0": "newer", "v1": "newer", "v1.2.0": "made"}
    assert repository.github["images"] == {}


def test_a_version_is_released_once(repository: Repository) -> None:
    """A tag that exists stays where it is."""
    tags = {"v1.2.0": "other"}
    repository.set(tags=tags, parents={"other": "another commit"})

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 1
    assert "v1.2.0 exists already" in done.stderr
    assert repository.github["tags"] == tags
    assert repository.github["releases"] == {}


def test_a_failed_release_can_be_continued(repository: Repository) -> None:
    """What is done is not done again; what is missing is."""
    repository.set(refuses_the_next_release=1)
    failed = repository.run("publish", "1.2.0", IMAGE)
    assert (failed.returncode, failed.stderr) == (1, "Not released: `gh release create` failed\n")
    assert repository.github["tags"] == {"v1.2.0": "made"}

    done = repository.run("publish", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    assert repository.github["tags"] == {"v1.2.0": "made", "v1": "made"}
    assert [call[:2] for call in repository.github["calls"]].count(["POST", "commits"]) == 1


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0-rc1", "01.2.0", "1.3.0", "1.1.0"])
def test_what_the_checkout_is_not_cannot_be_released(repository: Repository, version: str) -> None:
    """The package and the changelog both have to say so."""
    done = repository.run("check", version)
    assert done.returncode == 1
    assert done.stderr.startswith("Not released: ")


def test_ready(repository: Repository) -> None:
    """Nothing to say then."""
    done = repository.run("check", "1.2.0")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("old", ["## [1.2.0] - 2026-03-07", "### Added\n\n- Something.\n"])
def test_no_release_without_notes(repository: Repository, old: str) -> None:
    """A section with a date, that says something."""
    (repository.folder / "CHANGELOG.md").write_text(CHANGELOG.replace(old, "## [1.2.0]"), "utf-8")
    assert repository.run("check", "1.2.0").returncode == 1


@pytest.mark.parametrize(
    "image", ["ghcr.io/zerokie/zerokie-action:1", IMAGE[:-1], f"{IMAGE}\n  x: y", "docker.io/" + IMAGE]
)
def test_only_a_digest_is_pinned(repository: Repository, image: str) -> None:
    """Anything else could change later."""
    done = repository.run("publish", "1.2.0", image)
    assert done.returncode == 1
    assert "by its digest" in done.stderr
    assert repository.github["tags"] == {}


def test_main_can_be_pinned() -> None:
    """The files of this checkout have the lines that a release rewrites, and nothing else changes."""
    release = runpy.run_path(str(ROOT / ".ci" / "release.py"))
    for path in release["PINNED"]:
        before = (ROOT / path).read_text("utf-8").splitlines()
        after = release["pin"](path, "\n".join(before), IMAGE).splitlines()
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) == 1
        assert changed[0].endswith(IMAGE)


def test_the_workflow_builds_what_the_dockerfile_says() -> None:
    """The same timestamp for all files, and both architectures that the lock has wheels for."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    (epoch,) = re.findall(r"SOURCE_DATE_EPOCH=(\d+)", (ROOT / "Dockerfile").read_text("utf-8"))
    assert f'SOURCE_DATE_EPOCH: "{epoch}"' in workflow
    assert "platforms: linux/amd64,linux/arm64\n" in workflow

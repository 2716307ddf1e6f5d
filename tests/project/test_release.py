"""The release script, with a bare repository and stand-ins for `gh` and `docker`."""

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

from tests.support.release_host import EMPTY

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
HOST = ROOT / "tests" / "support" / "release"

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
    def origin(self) -> Path:
        """The bare repository with GitHub's commits and tags."""
        return self.folder.parent / "origin.git"

    @property
    def host(self) -> dict[str, Any]:
        """Releases, the latest one, and the names of images."""
        state: dict[str, Any] = json.loads((self.origin / "host.json").read_text("utf-8"))
        return state

    @property
    def tags(self) -> dict[str, str]:
        """GitHub's tags with their commits."""
        lines = self.git("ls-remote", "--tags", "origin").splitlines()
        return {ref.removeprefix("refs/tags/"): sha for sha, ref in map(str.split, lines)}

    def set(self, **state: Any) -> None:
        """Change GitHub's releases or the registry's images."""
        (self.origin / "host.json").write_text(json.dumps(self.host | state), "utf-8")

    def git(self, *arguments: str) -> str:
        """Run git in the checkout, and return its output."""
        who = ("-c", "user.name=n", "-c", "user.email=e@example.com")
        command = ["git", *who, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def live(self, *versions: str) -> dict[str, str]:
        """Publish these versions, the newest last. Return the commits of their tags."""
        commits = {}
        for version in versions:
            message = f"Release v{version}\n\nThe image is {OLD}."
            commits[version] = self.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", message)
            names = (f"{commits[version]}:refs/tags/{tag}" for tag in (f"v{version}", f"v{version[0]}"))
            self.git("push", "-q", "--force", "origin", *names)
        releases = {f"v{version}": {"isDraft": False, "isPrerelease": False} for version in versions}
        self.set(releases=releases, latest=f"v{versions[-1]}")
        return commits

    def publish(self, tag: str) -> None:
        """Publish a draft like an owner in the browser."""
        done = self.sh(f"gh release edit {tag} --draft=false")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script until it ends."""
        return self.sh(shlex.join(["python", ".ci/release.py", *arguments]))

    def sh(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands in the checkout."""
        path = f"{HOST}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "RELEASE_ORIGIN": str(self.origin)}
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
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-q", "-m", "everything"),
        ("init", "-q", "--bare", str(repository.origin)),
        ("remote", "add", "origin", str(repository.origin)),
        ("push", "-q", "origin", "main"),
    ):
        repository.git(*command)
    (repository.origin / "host.json").write_text(json.dumps(EMPTY), "utf-8")
    return repository


OLD = IMAGE.replace("5", "4")


def test_a_release_starts_as_a_draft(repository: Repository) -> None:
    """The tag leads to a child of the commit on main. There, the action and the component pin the digest.

    No moving name has changed yet, because the release isn't published.
    """
    old = repository.live("1.1.0")["1.1.0"]

    done = repository.run("draft", "1.2.0", IMAGE)

    assert done.returncode == 0, done.stderr
    tags = repository.tags
    assert tags == {"v1.1.0": old, "v1.2.0": tags["v1.2.0"], "v1": old}
    assert repository.host == EMPTY | {
        "releases": {
            "v1.1.0": {"isDraft": False, "isPrerelease": False},
            "v1.2.0": {
                "isDraft": True,
                "isPrerelease": False,
                "title": "1.2.0",
                "notes": "### Added\n\n- Something.",
            },
        },
        "latest": "v1.1.0",
        "images": {f"{NAME}:1.2.0": IMAGE},
    }
    repository.git("fetch", "-q", "--tags", "origin")
    assert repository.git("rev-parse", "v1.2.0^") == repository.git("rev-parse", "main")
    assert repository.git("diff", "--name-only", "main", "v1.2.0").split() == [
        "action.yml",
        "templates/deploy.yml",
    ]
    action = yaml.safe_load(repository.git("show", "v1.2.0:action.yml"))
    assert action["runs"]["image"] == f"docker://{IMAGE}"
    component = next(yaml.safe_load_all(repository.git("show", "v1.2.0:templates/deploy.yml")))
    assert component["spec"]["inputs"]["action-image"]["default"] == IMAGE
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    assert repository.tags == tags


def test_a_candidate_moves_no_name(repository: Repository) -> None:
    """A candidate is a pre-release with its own tag. Python spells its version differently.

    Even if an owner publishes it as a full release by mistake, `v1`, the image's tag and *Latest* don't move.
    """
    old = repository.live("1.1.0")["1.1.0"]
    candidate = "1.2.0-rc.1"
    assert repository.run("set", candidate).returncode == 0
    changelog = repository.folder / "CHANGELOG.md"
    changelog.write_text(CHANGELOG.replace("[1.2.0]", f"[{candidate}]"), "utf-8")
    repository.git("commit", "-q", "-a", "-m", "candidate")
    repository.git("push", "-q", "origin", "main")

    for command in (("check", candidate), ("try", candidate, IMAGE), ("draft", candidate, IMAGE)):
        done = repository.run(*command)
        assert done.returncode == 0, done.stderr

    assert (repository.folder / "zerokie_action" / "__init__.py").read_text("utf-8") == (
        '__version__ = "1.2.0rc1"\n'
    )
    release = repository.host["releases"][f"v{candidate}"]
    assert (release["isPrerelease"], release["title"]) == (True, candidate)
    repository.publish(f"v{candidate}")
    repository.set(releases={f"v{candidate}": release | {"isPrerelease": False}})
    done = repository.run("follow", candidate)
    assert done.returncode == 1
    assert "a candidate" in done.stderr
    assert set(repository.tags) == {"v1", "v1.1.0", f"v{candidate}"}
    assert repository.tags["v1"] == old
    assert repository.host["images"] == {f"{NAME}:{candidate}": IMAGE}
    assert repository.host["latest"] == "v1.1.0"
    assert repository.run("set", "1.2.0.dev0").returncode == 0


def test_tags_move_when_a_release_is_published_or_withdrawn(repository: Repository) -> None:
    """Moving names follow published releases. After a withdrawal, they return to the last good release."""
    old = repository.live("1.1.0")["1.1.0"]
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    made = repository.tags["v1.2.0"]
    early = repository.run("follow", "1.2.0")
    assert (early.returncode, repository.tags["v1"]) == (1, old)
    assert "still a draft" in early.stderr

    repository.publish("v1.2.0")
    for _ in range(2):
        done = repository.run("follow", "1.2.0")
        assert done.returncode == 0, done.stderr
        assert repository.tags == {"v1.1.0": old, "v1.2.0": made, "v1": made}
        assert repository.host["images"] == {f"{NAME}:1.2.0": IMAGE, f"{NAME}:1": IMAGE}
        assert repository.host["latest"] == "v1.2.0"

    done = repository.sh(withdrawal().replace("1.2.3", "1.2.0").replace("1.2.2", "1.1.0"))
    assert done.returncode == 0, done.stderr
    host, tags = repository.host, repository.tags
    assert tags == {"v1.1.0": old, "v1.2.0": made, "v1": old}
    assert host["images"] == {f"{NAME}:1.2.0": IMAGE, f"{NAME}:1": OLD}
    assert host["latest"] == "v1.1.0"
    again = repository.run("follow", "1.2.0")
    assert (again.returncode, repository.host, repository.tags) == (1, host, tags)
    assert "withdrawn" in again.stderr


def withdrawal() -> str:
    """The commands from docs/contributing/releasing.md."""
    page = (ROOT / "docs" / "contributing" / "releasing.md").read_text("utf-8")
    page = page[page.index("## Withdraw a release") :]
    return page[page.index("```sh\n") + 6 : page.index("\n```\n")]


@pytest.mark.parametrize(
    ("before", "v1", "moved"),
    [("1.10.0", "v1.10.0", {}), ("1.1.0", "v1.2.0", {f"{NAME}:1": IMAGE})],
    ids=["of an old version", "of the newest before"],
)
def test_a_fix_of_an_older_major_version_moves_only_its_own_names(
    repository: Repository, before: str, v1: str, moved: dict[str, str]
) -> None:
    """Users of `v1` don't go back, `v2` is unchanged, and *Latest* is the newest release."""
    repository.live(before, "2.0.0")
    assert repository.run("draft", "1.2.0", IMAGE).returncode == 0
    repository.publish("v1.2.0")
    repository.set(latest="v1.2.0")  # as the browser suggests

    done = repository.run("follow", "1.2.0")

    assert done.returncode == 0, done.stderr
    tags = repository.tags
    assert (tags["v1"], tags["v2"]) == (tags[v1], tags["v2.0.0"])
    assert repository.host["images"] == {f"{NAME}:1.2.0": IMAGE} | moved
    assert repository.host["latest"] == "v2.0.0"


def require_refused(repository: Repository, said: str, *arguments: str) -> None:
    """Check that the script shows the reason, and changes nothing."""
    before = repository.host, repository.tags
    done = repository.run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert (repository.host, repository.tags) == before


def test_a_version_is_released_only_once(repository: Repository) -> None:
    message = f"Release v1.2.0\n\nThe image is {IMAGE}."
    other = repository.git("commit-tree", "HEAD^{tree}", "-m", message)
    repository.git("push", "-q", "origin", f"{other}:refs/tags/v1.2.0")
    require_refused(repository, "v1.2.0 already exists", "draft", "1.2.0", IMAGE)
    repository.git("fetch", "-q", "--tags", "origin")
    require_refused(repository, "each version is built only once", "check", "1.2.0")


def test_a_private_image_is_not_released(repository: Repository) -> None:
    """The script makes no tag, because tags are permanent."""
    repository.set(private=True)
    require_refused(repository, f"users can't pull {IMAGE} without credentials", "draft", "1.2.0", IMAGE)


@pytest.mark.parametrize("version", ["v1.2.0", "1.2.0-rc1", "1.2.0-rc.1", "1.2.0rc1", "1.3.0", "1.1.0"])
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


@pytest.mark.parametrize(
    "version", ["1.2", "v1.2.0", "1.2.0rc1", "1.2.0-rc.0", "1.2.0-rc.1.dev0", "1.2.0.dev1", '1.2.0"']
)
def test_an_invalid_version_is_not_set(repository: Repository, version: str) -> None:
    require_refused(repository, "is not a version like 1.2.3, 1.2.3-rc.1 or 1.2.4.dev0", "set", version)
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("image", [f"{NAME}:1", IMAGE[:-1], f"{IMAGE}\n  x: y", "docker.io/" + IMAGE])
def test_only_a_digest_can_be_pinned(repository: Repository, image: str) -> None:
    """Any other name of the image could change later."""
    require_refused(repository, "by its digest", "draft", "1.2.0", image)

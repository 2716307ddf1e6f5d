"""Container engine, image and local platform for tests in real containers."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.engine import call, succeed
from tests.support.platform import Platform
from tests.support.required import find_program, mark

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "examples" / "site"
TAG = "localhost/zerokie-action:e2e"
PUBLISHED = "ghcr.io/your_org/zerokie-action:1"
"""The image in the examples."""

UPLOADED = 2
"""Number of files that a deploy uploads before it stalls."""
LONGEST_RELEASE = 5.0
ENGINE = 15.0
"""Seconds that the engine and its client may need for cleanup on a busy machine."""

_AUTHOR = ("-c", "user.name=e2e", "-c", "user.email=e2e@example.com")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, Path(__file__).parent, pytest.mark.e2e)


@pytest.fixture(scope="session")
def engine() -> None:
    """A working container engine."""
    find_program("docker", from_="install docker or podman")
    answer = call("docker", "info")
    assert answer.code == 0, f"no container engine answers: {answer.log}"
    # act names its containers after workflow and job: one that a killed run has left is in the way.
    listed = call("docker", "ps", "--all", "--quiet", "--filter", "name=^act-").log
    left = re.findall(r"^[0-9a-f]{12,}$", listed, re.MULTILINE)
    if left:
        call("docker", "rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action as GitHub provides it, an archive of the last commit with the uncommitted changes."""
    folder = tmp_path_factory.mktemp("archive")
    commit = succeed("git", *_AUTHOR, "stash", "create", folder=ROOT).strip() or "HEAD"
    file = folder.with_suffix(".tar")
    succeed("git", "archive", f"--output={file}", commit, folder=ROOT)
    shutil.unpack_archive(file, folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def image(engine: None) -> str:  # noqa: ARG001
    """The name of the action's image, built from this checkout."""
    succeed("docker", "build", "--tag", TAG, ROOT)
    return TAG


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An empty platform."""
    platform = Platform.start(tmp_path / "platform")
    yield platform
    platform.stop()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with a site in `dist`."""
    folder = tmp_path / "workspace"
    shutil.copytree(SITE, folder / "dist")
    return folder


def commit(folder: Path, host: str) -> str:
    """Make the folder a repository of a code host with one commit of all files, and return the commit."""
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        (*_AUTHOR, "commit", "--quiet", "--message=everything"),
        ("remote", "add", "origin", f"git@{host}:example/site.git"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"),
    ):
        succeed("git", *command, folder=folder)
    return succeed("git", "rev-parse", "HEAD", folder=folder).strip()


# --- deploys that are cancelled or killed


def stall(platform: Platform) -> None:
    """Let all uploads hang except the first ones."""
    platform.fault("hang", method="PUT", path="/files/(?!_zerokie/)", skip=UPLOADED, times=None)


def wait_for_stall(platform: Platform) -> None:
    """Wait for the manifest, some uploads and a hanging upload."""
    platform.wait_until(lambda: len(platform.requests("PUT", "/files/")) > 1 + UPLOADED)


def deployments(platform: Platform, app: str = "site") -> list[dict[str, Any]]:
    """Return the app's deployments, and check that its lock is free."""
    state = platform.app(app)
    assert state["lock"] is None
    listed: list[dict[str, Any]] = state["deployments"]
    return listed

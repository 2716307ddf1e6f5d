"""What the tests in real containers share: an engine, the action's image, a platform on loopback."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.engine import Image, call, succeed
from tests.support.platform import Platform
from tests.support.required import find_program, mark

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "examples" / "site"
TAG = "localhost/zerokie-action:e2e"
PUBLISHED = "ghcr.io/your_org/zerokie-action:1"
"""The image that the examples name."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, Path(__file__).parent, pytest.mark.e2e)


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers."""
    find_program("docker", from_="install docker or podman")
    answer = call("docker", "info")
    assert answer.code == 0, f"no container engine answers: {answer.log}"
    # act names its containers after workflow and job: one that a killed run has left is in the way.
    listed = call("docker", "ps", "--all", "--quiet", "--filter", "name=^act-").log
    left = re.findall(r"^[0-9a-f]{12,}$", listed, re.MULTILINE)
    if left:
        call("docker", "rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def image(engine: None) -> Image:  # noqa: ARG001
    """The action's image, built from this checkout."""
    succeed("docker", "build", "--tag", TAG, ROOT)
    return Image(TAG)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An empty platform."""
    platform = Platform.start(tmp_path / "platform")
    yield platform
    platform.stop()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout as a CI has it: a site in `dist`."""
    folder = tmp_path / "workspace"
    shutil.copytree(SITE, folder / "dist")
    return folder

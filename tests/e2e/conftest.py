"""What the tests in real containers share: an engine, the action's image, a platform on loopback."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine import Image, call
from tests.support.platform import Platform
from tests.support.required import mark, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "examples" / "site"
TAG = "localhost/zerokie-action:e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, Path(__file__).parent, pytest.mark.e2e)


def need(program: str, *, from_: str) -> str:
    """The path of a program that these tests run."""
    return shutil.which(program) or unavailable("e2e", f"{program} is not on the PATH; {from_}")


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers."""
    need("docker", from_="install docker or podman")
    answer = call("docker", "info")
    if answer.code:
        unavailable("e2e", f"no container engine answers: {answer.log.strip()[-200:]}")


@pytest.fixture(scope="session")
def image(engine: None) -> Image:  # noqa: ARG001
    """The action's image, built from this checkout."""
    built = call("docker", "build", "--tag", TAG, ROOT)
    assert built.code == 0, built.log
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

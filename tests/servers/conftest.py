"""Fixtures for tests with real servers: a platform and folders to deploy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.deploys import APP, Deploy, Outcome, inputs, make_folder, require_deployed, starting
from tests.servers.nginx import Nginx
from tests.support.platform import Platform
from tests.support.required import mark

Start = Callable[..., Deploy]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, Path(__file__).parent, pytest.mark.servers)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Yield a platform with the empty static app `site`."""
    platform = Platform.start(tmp_path / "platform")
    try:
        platform.create(APP)
        yield platform
    finally:
        platform.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Yield a function that starts deploys. The end of the test stops them."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 3,000 files and an index."""
    sizes = [500 + 37 * number % 3_500 for number in range(3_000)]
    return make_folder(tmp_path_factory.mktemp("large") / "folder", sizes)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 50 files and an index."""
    return make_folder(tmp_path_factory.mktemp("small") / "folder", range(1_000, 51_000, 1_000))


@pytest.fixture(scope="session")
def undisturbed(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return the outcome of a deploy of the large folder through an undisturbed nginx."""
    folder = tmp_path_factory.mktemp("undisturbed")
    platform = Platform.start(folder / "platform")
    try:
        platform.create(APP)
        with Nginx(platform.url) as nginx:
            outcome = Deploy(folder, inputs(nginx.url, large)).wait()
        require_deployed(outcome, platform, large)
    finally:
        platform.stop()
    return outcome

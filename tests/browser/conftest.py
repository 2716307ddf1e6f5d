"""A real Chromium, and a sandbox in its own process."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.deploys import Deploy, inputs, starting
from tests.support import chromium
from tests.support.platform import Platform
from tests.support.required import mark, npm_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, BrowserContext, Page

    Look = Callable[..., AbstractContextManager[Page]]
    Start = Callable[..., Deploy]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, Path(__file__).parent, pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium for this package only, because Playwright keeps an event loop running."""
    with chromium.browser() as program:
        yield program


@pytest.fixture(scope="package")
def axe() -> str:
    """The script of axe-core."""
    return npm_file("axe-core/axe.min.js").read_text("utf-8")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An empty platform."""
    platform = Platform.start(tmp_path / "platform")
    yield platform
    platform.stop()


@pytest.fixture
def look(browser: Browser, platform: Platform) -> Look:
    """Open the page in a block, and fail for console errors and requests to other hosts."""

    @contextmanager
    def look(*, expected: str = "", **options: object) -> Iterator[Page]:
        context: BrowserContext = browser.new_context(base_url=platform.url, **options)  # type: ignore[arg-type]
        problems: list[str] = []
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        context.on(
            "request", lambda request: problems.append(request.url) if is_foreign(request.url) else None
        )
        page.goto("/")
        yield page
        context.close()
        assert [problem for problem in problems if not expected or expected not in problem] == []

    def is_foreign(url: str) -> bool:
        port = platform.url.rpartition(":")[2]
        return not url.startswith((platform.url + "/", f"http://site.localhost:{port}/"))

    return look


@pytest.fixture
def start(platform: Platform, tmp_path: Path) -> Iterator[Start]:
    """Start deploys of a folder to the app `site`, and stop them after the test."""
    with starting(tmp_path) as start:
        yield lambda folder, **more: start(inputs(platform.url, folder, create="true", **more))

"""A real Chromium before the sandbox's page, and a platform in a process of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.servers.deploys import Deploy, inputs
from tests.support.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, BrowserContext, Page

    Look = Callable[..., AbstractContextManager[Page]]
    Start = Callable[..., Deploy]

FLAGS = [
    "--no-sandbox",  # Chromium's own does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=LocalNetworkAccessChecks",  # what a test answers itself counts as from afar
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def unavailable(reason: str) -> NoReturn:
    """Skip; where these tests are required, fail."""
    if os.environ.get("ZEROKIE_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A Chromium without windows. It ends with this package: Playwright keeps an event loop running."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        unavailable("no chromium on the PATH; ./.ci/browser installs it")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  what may be missing
    except ModuleNotFoundError:
        unavailable("Playwright is not installed; `make browser` does it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def axe() -> str:
    """The script of axe-core, which `make browser` has installed beside the programs on the PATH."""
    files = (Path(programs).parent / "axe-core" / "axe.min.js" for programs in os.get_exec_path())
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        unavailable("the npm package axe-core is not installed; `make browser` does it")
    return found.read_text("utf-8")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An empty platform."""
    platform = Platform.start(tmp_path / "platform")
    yield platform
    platform.stop()


@pytest.fixture
def look(browser: Browser, platform: Platform) -> Look:
    """Opens the page, as a block; nothing may be wrong in the console, or asked of another host."""

    @contextmanager
    def look(path: str = "/", *, expected: str = "", **options: object) -> Iterator[Page]:
        context: BrowserContext = browser.new_context(base_url=platform.url, **options)  # type: ignore[arg-type]
        problems: list[str] = []
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        context.on(
            "request", lambda request: problems.append(request.url) if is_foreign(request.url) else None
        )
        page.goto(path)
        yield page
        context.close()
        assert [problem for problem in problems if not expected or expected not in problem] == []

    def is_foreign(url: str) -> bool:
        port = platform.url.rpartition(":")[2]
        return not url.startswith((platform.url + "/", f"http://site.localhost:{port}/"))

    return look


@pytest.fixture
def start(platform: Platform, tmp_path: Path) -> Iterator[Start]:
    """Starts deploys of a folder to the app `site`, and leaves none behind."""
    deploys: list[Deploy] = []

    def start(folder: Path, **more: str) -> Deploy:
        workspace = tmp_path / f"workspace-{len(deploys)}"
        workspace.mkdir()
        deploys.append(Deploy(workspace, inputs(platform.url, folder, create="true", **more)))
        return deploys[-1]

    yield start
    for deploy in deploys:
        deploy.close()

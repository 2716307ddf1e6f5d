"""A real Chromium, driven by Playwright, for the sandbox's page and the pictures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.required import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FLAGS = (
    "--no-sandbox",  # Chromium's own does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=LocalNetworkAccessChecks",  # what a test answers itself counts as from afar
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium.

    Raises:
        FileNotFoundError: when it isn't installed.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of a group that few need

    with sync_playwright() as playwright:
        path = find_program("chromium", "google-chrome", from_="run ./.ci/browser")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()

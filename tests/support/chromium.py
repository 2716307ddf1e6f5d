"""A real Chromium, driven by Playwright: for the tests of the sandbox's page, and for the pictures."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

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


def missing() -> str:
    """What a browser can't be started without, and who installs it; empty when all is there."""
    if not _program():
        return "no chromium on the PATH; ./.ci/browser installs it"
    if not find_spec("playwright"):
        return "Playwright is not installed; `make browser` does it"
    return ""


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without windows."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of a group that few need

    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=_program(), args=FLAGS)
        try:
            yield program
        finally:
            program.close()


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")

"""The sandbox's page without scripts, on small screens and in dark mode."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.deploys import make_folder
from tests.support.platform import API_KEY

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Look, Start
    from tests.support.platform import Platform

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"


def shows(page: Page, selector: str, text: str) -> None:
    """Wait until an element has this text, without reloading the page."""
    page.locator(selector).filter(has_text=text).first.wait_for()


def press(page: Page, button: str, key: str = API_KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name=button).click()


def fill(platform: Platform) -> None:
    """Create many apps and requests, and everything else that the page can show."""
    for number in range(8):
        app = f"site-{number}"
        platform.create(app)
        session = {"deploy_session_id": "550e8400-e29b-41d4-a716-446655440000"}
        platform.client.post(f"/v1/apps/{app}/deploy/lock", json=session)
        for file in range(number * 5):
            platform.client.put(
                f"/v1/apps/{app}/files/assets/{'long-' * number}{file}.js", content=b"x" * file
            )
        if number % 2:
            counts = {"files_uploaded": 9, "files_deleted": 1, "total_bytes": 1234567}
            platform.client.post(f"/v1/apps/{app}/deploy/finalize", json=session | counts)
    images = {"web": "nginx:1", "failed": "nginx:broken", "long": "r.example.com/" + "a" * 90}
    for name, image in images.items():
        platform.client.post("/v1/apps", json={"name": name, "image": image})
    platform.client.post("/v1/apps/site-1/domains", json={"domain": "www.example.com"})
    platform.fault("status", method="PUT", path="/files/", times=20)
    platform.client.put("/v1/apps/site-1/files/a", content=b"x")
    platform.client.get("/v1/apps/nope")


def test_a_deploy_survives_an_outage_from_the_page(
    look: Look, start: Start, platform: Platform, tmp_path: Path
) -> None:
    """The outage starts during the uploads, and the deploy continues after it."""
    with look() as page:
        page.get_by_label("Milliseconds of latency").fill("1000")
        press(page, "Start")
        shows(page, ".now li", "Latency of 1000\N{NO-BREAK SPACE}ms")
        deploy = start(make_folder(tmp_path / "folder", [1000] * 200))
        deploy.wait_until(lambda: len(platform.requests("PUT", "/files/")) > 10)
        page.get_by_label("Seconds of outage").fill("4")
        press(page, "Start")
        shows(page, ".now li", "Outage of 4\N{NO-BREAK SPACE}s")
        shows(page, ".requests .fault", "reset")
        outcome = deploy.wait()
        shows(page, "article dd", "free")
        assert page.locator(".now li").filter(has_text="Outage").count() == 0
    assert (outcome.code, outcome.result["files_uploaded"]) == (0, 201), outcome.log
    assert "; retrying" in outcome.log


def test_the_page_reports_a_stopped_sandbox(look: Look, platform: Platform) -> None:
    """The message is visible at any scroll position."""
    with look(expected="ERR_") as page:
        platform.stop()
        shows(page, "#gone", "The sandbox doesn't respond.")


def test_the_page_works_without_scripts(look: Look, start: Start) -> None:
    """The page is complete, and its switches work."""
    assert start(SITE).wait().code == 0
    with look(java_script_enabled=False, expected="403") as page:
        shows(page, "article", "site")
        shows(page, ".requests tr", "/v1/apps/site/deploy/finalize")
        page.get_by_role("radio", name="Lock").check()
        press(page, "Start", key="wrong")
        shows(page, "#problem", "Wrong API key.")
        wrong = page.locator("[aria-invalid]").evaluate_all("fields => fields.map(({name}) => name)")
        assert wrong == ["key"]
        page.get_by_role("radio", name="Lock").check()
        press(page, "Start")
        shows(page, "article", "held by somebody-else")
        press(page, "Clear all trouble")
        shows(page, "article dd", "free")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_the_page_is_accessible(look: Look, platform: Platform, axe: str, scheme: str, width: int) -> None:
    """axe-core finds no problem, and nothing is wider than the window."""
    fill(platform)
    with look(color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.evaluate(axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", ground)[0]) < 128) is (scheme == "dark")

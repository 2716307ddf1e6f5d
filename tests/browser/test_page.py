"""The sandbox's page as people use it: with the keyboard alone, without scripts, in the dark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.deploys import make_folder
from tests.support.platform import API_KEY

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Look, Start
    from tests.support.platform import Platform

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
WIDTHS = pytest.mark.parametrize("width", [400, 1280])


def shows(page: Page, selector: str, text: str) -> None:
    """Wait until an element has this text, without loading the page again."""
    page.locator(selector).filter(has_text=text).first.wait_for()


def press(page: Page, button: str, key: str = API_KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name=button).click()


def fill(platform: Platform) -> None:
    """A dozen apps, hundreds of requests, and one of everything that the page can show."""
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
    for name, image in {
        "web": "nginx:1",
        "failed": "nginx:broken",
        "long": "r.example.com/" + "a" * 90,
    }.items():
        platform.client.post("/v1/apps", json={"name": name, "image": image})
    platform.client.post("/v1/apps/site-1/domains", json={"domain": "www.example.com"})
    platform.fault("status", method="PUT", path="/files/", times=20)
    platform.client.put("/v1/apps/site-1/files/a", content=b"x")
    platform.client.get("/v1/apps/nope")


def test_a_deploy_waits_for_the_end_of_an_outage(
    look: Look, start: Start, platform: Platform, tmp_path: Path
) -> None:
    """The outage is started on the page, in the middle of the uploads; the deploy goes on after it."""
    with look() as page:
        page.get_by_label("Milliseconds of latency").fill("100")
        press(page, "Start")
        shows(page, ".now li", "Latency of 100\N{NO-BREAK SPACE}ms")
        deploy = start(make_folder(tmp_path / "folder", [1000] * 100), concurrency="4")
        deploy.wait_until(lambda: len(platform.requests("PUT", "/files/")) > 10)
        page.get_by_label("Seconds of outage").fill("4")
        press(page, "Start")
        shows(page, ".now li", "Outage of 4\N{NO-BREAK SPACE}s")
        shows(page, ".requests .fault", "reset")
        outcome = deploy.wait()
        shows(page, "article dd", "free")
        assert page.locator(".now li").filter(has_text="Outage").count() == 0
    assert (outcome.code, outcome.result["files_uploaded"]) == (0, 101), outcome.log
    assert "the platform is back after" in outcome.log


def marked(page: Page) -> list[str]:
    """The names of the fields that are shown to be wrong."""
    names: list[str] = page.locator("[aria-invalid]").evaluate_all("fields => fields.map(({name}) => name)")
    return names


def test_the_sandbox_is_gone(look: Look, platform: Platform) -> None:
    """The page says so wherever one looks at it."""
    with look(expected="ERR_") as page:
        platform.stop()
        shows(page, "#gone", "The sandbox does not answer.")


def test_keyboard_only(look: Look, platform: Platform) -> None:
    """The form is reached, filled and sent with keys; what comes in meanwhile leaves the focus alone."""
    platform.create("site")
    with look() as page:
        reach(page, "outage")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.get_by_role("radio", name="Rate limit").is_checked()
        reach(page, "retry_after")
        page.keyboard.type("600")
        reach(page, "key")
        page.keyboard.type(API_KEY)
        platform.create("another")
        shows(page, "article", "another")
        assert focused(page) == "key"
        page.keyboard.press("Enter")
        shows(page, "#message", "Started.")
        shows(page, ".now li", "Rate limit of 600\N{NO-BREAK SPACE}s")
        for _ in range(2):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        shows(page, "#message", "All trouble is over.")
        shows(page, ".trouble", "None now.")


def focused(page: Page) -> str:
    """What has the focus: its ID or its name."""
    name: str = page.evaluate("document.activeElement.id || document.activeElement.name || ''")
    return name


def reach(page: Page, name: str) -> None:
    """Press Tab until the focus is there; what has the focus has to be visible."""
    for _ in range(50):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", focused(page)
        if focused(page) == name:
            return
    pytest.fail(f"{name} cannot be reached")


def test_without_scripts(look: Look, start: Start) -> None:
    """The page is whole as it is served, and its switches work."""
    assert start(SITE).wait().code == 0
    with look(java_script_enabled=False, expected="403") as page:
        shows(page, "article", "site")
        shows(page, ".requests tr", "/v1/apps/site/deploy/finalize")
        page.get_by_role("radio", name="Lock").check()
        press(page, "Start", key="wrong")
        shows(page, "#problem", "That is not the API key.")
        assert marked(page) == ["key"]
        page.get_by_role("radio", name="Lock").check()
        press(page, "Start")
        shows(page, "article", "held by somebody-else")
        press(page, "Clear all trouble")
        shows(page, "article dd", "free")


# --- a deployed site's scripts

ATTACK = """<!doctype html><title>busy</title><h1>site</h1><script>
const PLATFORM = "PLATFORM_URL";
const outage = new URLSearchParams({key: "KEY", trouble: "outage", outage_seconds: "600"});
const fault = JSON.stringify({kind: "reset", times: null});
const attempts = [
  () => fetch(`${PLATFORM}/_apps/site/index.html`, {mode: "no-cors"}),
  () => fetch(`${PLATFORM}/_sandbox/trouble`, {method: "POST", body: outage, mode: "no-cors"}),
  () => fetch(`${PLATFORM}/_sandbox/trouble`, {method: "POST", body: outage}),
  () => fetch(`${PLATFORM}/_sandbox/faults`, {method: "POST", body: fault, mode: "no-cors"}),
  () => fetch(`${PLATFORM}/_sandbox/faults`, {method: "POST", body: fault,
    headers: {"content-type": "application/json"}}),
  () => fetch(`${PLATFORM}/_sandbox/faults`, {method: "DELETE"}),
  () => fetch(`${PLATFORM}/v1/apps/site`, {method: "DELETE"}),
  () => fetch(`${PLATFORM}/`, {headers: {accept: "text/html"}}).then((answer) => answer.text()),
  () => fetch(`${PLATFORM}/_sandbox/state`).then((answer) => answer.json()),
  () => frame(`${PLATFORM}/`),
  () => post(`${PLATFORM}/_sandbox/trouble`),
];
function frame(url) {
  const frame = document.createElement("iframe");
  frame.src = url;
  document.body.append(frame);
  return new Promise((resolve, reject) => frame.onload = () => {
    try { resolve(frame.contentWindow.document.title); } catch (error) { reject(error); }
  });
}
function post(url) {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: url, target: "elsewhere"});
  for (const [name, value] of outage) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  const frame = Object.assign(document.createElement("iframe"), {name: "elsewhere"});
  document.body.append(frame, form);
  form.submit();
  return new Promise((resolve) => setTimeout(() => resolve("sent"), 500));
}
(async () => {
  const seen = [];
  for (const attempt of attempts) {
    try { const got = await attempt(); seen.push(typeof got === "string" ? got : got.type ?? "read"); }
    catch { seen.push("refused"); }
  }
  document.body.append(JSON.stringify(seen));
  document.title = "done";
})();
</script>"""
SEEN = ["opaque", *["refused"] * 9, "sent"]
"""What the script is told. The first shows that it reaches the platform; the last never learns anything."""


@pytest.mark.parametrize("place", ["its own origin", "below the sandbox's"])
def test_a_site_cannot_change_the_sandbox(browser: Any, platform: Platform, place: str) -> None:
    """Not even with the key: its requests and forms do not come from the page, which it can't read."""
    platform.create("site")
    script = ATTACK.replace("PLATFORM_URL", platform.url).replace("KEY", API_KEY)
    platform.client.put(
        "/v1/apps/site/files/index.html", content=script, headers={"content-type": "text/html"}
    )
    platform.fault("delay", path="^/never/", times=1)
    address = f"{platform.url}/_apps/site/"
    context = browser.new_context()
    page = context.new_page()
    if place != "its own origin":
        # As a browser asks that does not say that it navigates, and so is not sent elsewhere.
        page.route(address, lambda route: route.fulfill(response=route.fetch()))
    page.goto(address)
    assert page.url.startswith(platform.url) is (place != "its own origin")
    page.wait_for_function("document.title === 'done'")
    assert json.loads(page.locator("body").inner_text().removeprefix("site").strip()) == SEEN
    assert page.evaluate("self.origin") in {"null", page.url.rstrip("/")}
    context.close()
    faults = platform.client.get("/_sandbox/faults").json()
    assert [fault["kind"] for fault in faults] == ["delay"]
    assert [app["name"] for app in platform.client.get("/v1/apps").json()] == ["site"]


# --- how it looks


@SCHEMES
@WIDTHS
@pytest.mark.parametrize(
    ("path", "prepare"), [("/", None), ("/", fill), ("/docs", None)], ids=["empty", "full", "reference"]
)
def test_accessible(
    look: Look, platform: Platform, axe: str, scheme: str, width: int, path: str, prepare: Any
) -> None:
    """axe-core finds nothing, and nothing is wider than the window."""
    if prepare:
        prepare(platform)
    with look(path, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.evaluate(axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", ground)[0]) < 128) is (scheme == "dark")

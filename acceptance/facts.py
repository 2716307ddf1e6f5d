"""What the script sees and measures of a platform, for the report. No promise depends on it.

Functions yield questions, as the report shows them, with what the script has seen.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import httpx

from acceptance.platform import FINALIZED_WITHIN, SHOWN_WITHIN, try_only_if, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acceptance.platform import Page, Platform

    Facts = Iterator[tuple[str, str]]
    """If a request fails, the facts that were yielded before are kept."""

AT_ONCE = (4, 8, 16, 32, 64)
"""Uploads at once: the script tries these numbers in order, up to the first that the platform refuses."""
FRONT_PAGE = b"a page"
PAGE = b"""<!doctype html>
<html>  <!-- a comment -->
<body  class='x' ><a href="mailto:someone@example.com">someone@example.com</a>

<script src="/app.1a2b3c4d.js"></script></body></html>
"""
"""HTML that a CDN which rewrites pages would change."""
SITE = {
    "index.html": FRONT_PAGE,
    "about.html": PAGE,
    "404.html": PAGE + b"<!-- 404 -->\n",
    "team/index.html": PAGE + b"<!-- team -->\n",
    "app.1a2b3c4d.js": b"let asset = 1;\n",
}


def facts_of_serving(platform: Platform, app: str, address: str) -> Facts:
    """Deploy a site, and look at what visitors get at the app's address."""

    def visit(path: str) -> Page:
        return platform.visit(f"{address}/{path}")

    yield "A path that does not exist", _described(visit("no-such-page"))
    _lock(platform, app)
    for path, content in SITE.items():
        platform.put(app, path, content)
    platform.release_lock(app)
    until(lambda: visit("about.html").status == "200")
    yield "A path that does not exist, and the site has a `404.html`", _described(visit("no/such/page"))
    yield "`/about`, and the site has `about.html`", _described(visit("about"))
    yield "`/team`, and the site has `team/index.html`", _described(visit("team"))
    yield "`/team/`, and the site has `team/index.html`", _described(visit("team/"))
    page = visit("about.html")
    yield "The headers of a page", _headers(page)
    yield "The headers of a script", _headers(visit("app.1a2b3c4d.js"))
    same = "yes" if page.content == PAGE else f"no, {len(page.content)} bytes for {len(PAGE)}"
    yield "A page comes back byte for byte", same
    _lock(platform, app)
    platform.put(app, "about.html", FRONT_PAGE)
    is_early = visit("about.html").content == FRONT_PAGE
    platform.release_lock(app)
    delay = duration(_seconds_until(lambda: visit("about.html").content == FRONT_PAGE))
    yield "Visitors get a changed page", "before finalize" if is_early else f"{delay} after finalize"


def facts_of_uploads(platform: Platform, app: str) -> Facts:
    """Upload small files, ever more at once, until the platform refuses some."""

    def upload(number: int) -> str:
        try:
            response = platform.send_once("PUT", app, f"/files/uploads/{number}.txt", content=bytes(1000))
        except httpx.HTTPError as error:
            return type(error).__name__
        wait = response.headers.get("retry-after", "none")
        return "" if response.is_success else f"{response.status_code}, Retry-After: {wait}"

    _lock(platform, app)
    for count in AT_ONCE:
        started = time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            refused = Counter(pool.map(upload, range(2 * count)))
        rate = refused.pop("", 0) / (time.monotonic() - started)
        refusals = [f"; {times} of {2 * count} refused ({why})" for why, times in refused.items()]
        yield f"Uploads, {count} at once", f"{rate:.0f} a second{''.join(refusals)}"
        if refusals:
            break


def list_delays(platform: Platform, app: str) -> dict[str, float]:
    """Return how many seconds the list of files is late, by the kind of change; needs the lock."""
    paths = [f"late/{number}.txt" for number in range(4)]  # single entries may be late

    def is_listed(length: int | None) -> bool:
        return set(map(platform.files(app).get, paths)) == {length}

    delays = {}
    for change, method, content in (
        ("new files", "PUT", b"1"), ("other lengths", "PUT", b"22"), ("deletions", "DELETE", b""),
    ):  # fmt: skip
        for path in paths:
            platform.send(method, app, f"/files/{path}", content=content)
        delays[change] = _seconds_until(partial(is_listed, len(content) or None))
    return delays


def facts_of_deletion(platform: Platform, app: str) -> Facts:
    """Delete an app, and watch it until it is gone."""
    first = platform.send("DELETE", app).status_code
    yield "GET after the deletion of an app", _said(platform.send("GET", app))
    gone = _seconds_until(lambda: platform.app(app) is None)
    yield "The deletion of an app", f"DELETE {first}, GET 404 after {duration(gone)}"


def facts_of_domain(platform: Platform, app: str, other: str, domain: str) -> Facts:
    """Attach a domain of `app` to `app` again, and to the new app `other`."""
    platform.create(other)
    until(lambda: platform.app(other) is not None)
    for whose, name in ("the same", app), ("another", other):
        answer = platform.send("POST", name, "/domains", json={"domain": domain})
        yield f"POST of a domain that {whose} app has", _said(answer)


def duration(seconds: float) -> str:
    """Return `0.2 s`, or `more than 30 s` for infinity."""
    return f"{seconds:.1f} s" if seconds < math.inf else f"more than {SHOWN_WITHIN:.0f} s"


def _seconds_until(condition: Callable[[], bool]) -> float:
    """Return how long the condition was false; infinity if it was still false after `SHOWN_WITHIN`."""
    started = time.monotonic()
    return time.monotonic() - started if until(condition, pause=0.2) else math.inf


def _lock(platform: Platform, app: str) -> None:
    try_only_if(until(lambda: platform.take_lock(app), FINALIZED_WITHIN), "the lock is not free")


def _said(response: httpx.Response) -> str:
    return f"{response.status_code} {response.text[:200]}"


def _described(page: Page) -> str:
    """Describe what a visitor gets, such as `404, 404.html` or `301, /team/`."""
    whose = next((path for path, content in SITE.items() if content == page.content), "another page")
    return f"{page.status}, {page.headers.get('location', whose)}"


def _headers(page: Page) -> str:
    names = "content-type", "cache-control"
    return ", ".join(f"{name}: {page.headers.get(name, 'none')}" for name in names)

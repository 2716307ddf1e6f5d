"""What the script sees and measures of a platform, for the report. No promise depends on it."""

from __future__ import annotations

import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from acceptance.platform import SHOWN_WITHIN, as_object, try_only_if, until
from acceptance.report import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acceptance.platform import Page, Platform

    Facts = Mapping[str, Question]

AT_ONCE = (4, 8, 16, 32, 64)
"""Uploads at once: the script tries these numbers in order, up to the first that the platform refuses."""
PAGE = b"""<!doctype html>
<html>
  <!-- a comment -->
  <head><title>A page</title> <script src="/app.1a2b3c4d.js"></script></head>
  <body  class="x" >
    <a href='mailto:someone@example.com'>someone@example.com</a>

  </body>
</html>
"""
"""HTML that a CDN which rewrites pages would change."""
FRONT_PAGE = b"a page"
SITE = {
    "index.html": FRONT_PAGE,
    "about.html": PAGE,
    "404.html": PAGE + b"<!-- 404 -->\n",
    "team/index.html": PAGE + b"<!-- team -->\n",
    "app.1a2b3c4d.js": b"let asset = 1;\n",
}
ADDRESSES = {
    "missing-404": "no/such/page",
    "about": "about",
    "team": "team",
    "team-slash": "team/",
}


def open_facts() -> dict[str, Question]:
    """Return what the script looks at, by name; nothing is seen yet."""
    unread = "no page could be read"
    return {
        "missing": Question("What do visitors get for a path that does not exist?", why=unread),
        "missing-404": Question("And if the site has a `404.html`?", why=unread),
        "about": Question("What do visitors of `/about` get if the site has `about.html`?", why=unread),
        "team": Question("What do visitors of `/team` get if the site has `team/index.html`?", why=unread),
        "team-slash": Question("And visitors of `/team/`?", why=unread),
        "page-headers": Question("Which headers does a page have?", why=unread),
        "asset-headers": Question("Which headers does a script have, `app.1a2b3c4d.js`?", why=unread),
        "bytes": Question("Does a page come back byte for byte?", why=unread),
        "fresh": Question("When do visitors get a new version of a page?", why=unread),
        "list": Question("How late is the list of files?"),
        "uploads": Question("How many uploads does the platform take at once, and how many a second?"),
        "finalize": Question("How long does finalize take after uploads?"),
        "deletion": Question("How long does the deletion of an app take, and what shows meanwhile?"),
        "deploy": Question("What does GET show during a deploy of another image?"),
        "broken-deploy": Question("What does GET show during a deploy of an image that does not exist?"),
        "domain": Question(
            "What does the platform say of a domain that the app, or another app, has already?",
            why="ACCEPTANCE_DOMAIN is not set",
        ),
    }


def ask_list(platform: Platform, app: str, fact: Question) -> float:
    """Measure how late the list of files is, under the lock; return the longest delay in seconds."""
    paths = [f"late/{number}.txt" for number in range(4)]  # single entries may be late

    def put(content: bytes) -> None:
        for path in paths:
            platform.put(app, path, content)

    def delete() -> None:
        for path in paths:
            platform.send("DELETE", app, f"/files/{path}")

    def is_listed(length: int | None) -> bool:
        return set(map(platform.files(app).get, paths)) == {length}

    delays = {}
    changes: tuple[tuple[str, Callable[[], None], int | None], ...] = (
        ("new files", partial(put, b"1"), 1),
        ("other lengths", partial(put, b"22"), 2),
        ("deletions", delete, None),
    )
    for name, change, length in changes:
        change()
        delays[name] = _seconds_until(partial(is_listed, length))
    fact.shape = "; ".join(f"{name} {_duration(seconds)}" for name, seconds in delays.items())
    return min(SHOWN_WITHIN, max(delays.values()))


def ask_serving(platform: Platform, app: str, address: str, facts: Facts) -> None:
    """Upload a site, and look at what visitors get at the app's address."""

    def see(path: str) -> str:
        return _described(platform.visit(f"{address}/{path}"))

    facts["missing"].shape = see("no-such-page")
    _lock(platform, app)
    for path, content in SITE.items():
        platform.put(app, path, content)
    finalized = platform.release_lock(app)
    if finalized is not None:
        facts["finalize"].shape = f"{finalized.status_code} after {finalized.elapsed.total_seconds():.1f} s"
    until(lambda: platform.visit(f"{address}/about.html").status == "200")
    for name, path in ADDRESSES.items():
        facts[name].shape = see(path)
    page, script = (platform.visit(f"{address}/{path}") for path in ("about.html", "app.1a2b3c4d.js"))
    facts["page-headers"].shape, facts["asset-headers"].shape = _headers(page), _headers(script)
    same = page.content == PAGE
    facts["bytes"].shape = "yes" if same else f"no: {len(page.content)} bytes in place of {len(PAGE)}"
    _ask_freshness(platform, app, f"{address}/about.html", facts["fresh"])


def _ask_freshness(platform: Platform, app: str, url: str, fact: Question) -> None:
    """Change the page at `url`, which was visited before."""

    def is_new() -> bool:
        return b"A new page" in platform.visit(url).content

    _lock(platform, app)
    platform.put(app, "about.html", PAGE.replace(b"A page", b"A new page"))
    is_early = is_new()
    platform.release_lock(app)
    fact.shape = "before finalize" if is_early else f"{_duration(_seconds_until(is_new))} after finalize"


def ask_uploads(platform: Platform, app: str, fact: Question) -> None:
    """Upload small files, ever more at once, until the platform refuses some."""

    def upload(number: int) -> str:
        try:
            response = platform.send_once("PUT", app, f"/files/uploads/{number}.txt", content=bytes(1000))
        except httpx.HTTPError as error:
            return type(error).__name__
        wait = response.headers.get("retry-after")
        return str(response.status_code) + (f" with `Retry-After: {wait}`" if wait else "")

    _lock(platform, app)
    seen = []
    for count in AT_ONCE:
        started = time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            answers = Counter(pool.map(upload, range(2 * count)))
        taken = sum(times for answer, times in answers.items() if answer.startswith("2"))
        rate = taken / (time.monotonic() - started)
        refused = [f"{times} answered {answer}" for answer, times in answers.items() if answer[0] != "2"]
        seen.append(f"{count} at once: {rate:.0f} a second" + "".join(f", {text}" for text in refused))
        if refused:
            break
    fact.shape = "; ".join(seen)


def ask_deletion(platform: Platform, app: str, fact: Question) -> None:
    """Delete an app, and watch it until it is gone."""
    seen = [f"DELETE {platform.send('DELETE', app).status_code}"]

    def is_gone() -> bool:
        shown = platform.send("GET", app)
        if shown.is_success and len(seen) == 1:
            again = platform.send("DELETE", app).status_code
            seen.append(f"GET shows `{as_object(shown).get('status')}` and a second DELETE is {again}")
        return shown.status_code == 404

    seen.append(f"GET 404 {_duration(_seconds_until(is_gone))}")
    fact.shape = ", ".join(seen)


def ask_domain(platform: Platform, app: str, other: str, domain: str, fact: Question) -> httpx.Response:
    """Attach a domain of `app` to `app` again, and to the new app `other`; return the first response."""
    own = platform.send("POST", app, "/domains", json={"domain": domain})
    platform.create(other)
    taken = platform.send("POST", other, "/domains", json={"domain": domain})
    fact.shape = f"of the app itself: {_said(own)}; of another app: {_said(taken)}"
    return own


def _said(response: httpx.Response) -> str:
    said = response.text[:200]
    return f"{response.status_code} `{said}`" if said.strip() else f"{response.status_code} without a body"


def _lock(platform: Platform, app: str) -> None:
    try_only_if(platform.take_lock(app), "the lock is not free")


def _seconds_until(condition: Callable[[], bool]) -> float:
    """Return how long the condition was false; infinity if it was still false after `SHOWN_WITHIN`."""
    started = time.monotonic()
    return time.monotonic() - started if until(condition, pause=0.2) else math.inf


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < math.inf else f"not within {SHOWN_WITHIN:.0f} s"


def _described(page: Page) -> str:
    """Describe what a visitor gets, such as `404, 404.html` or `301 to /team/`."""
    if page.status.startswith("3"):
        return f"{page.status} to {urlsplit(page.headers.get('location', '')).path}"
    whose = next((path for path, content in SITE.items() if content == page.content), "another page")
    return f"{page.status}, {whose}" if page.headers else page.status


def _headers(page: Page) -> str:
    return ", ".join(
        f"`{name}: {page.headers.get(name, 'none')}`" for name in ("content-type", "cache-control")
    )

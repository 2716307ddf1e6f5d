"""Measurements of a platform, for the report.

Promises don't depend on them. Functions yield the report's questions and the observed answers.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from acceptance.platform import SHOWN_WITHIN, Page, Platform, until

Facts = Iterator[tuple[str, str]]
"""If a request fails, the report keeps the earlier facts."""

AT_ONCE = (4, 8, 16, 32, 64)
"""Numbers of parallel uploads, tried in this order until the platform refuses some."""
FRONT_PAGE = b"a page"
TEXT = {"content-type": "text/plain"}
PAGE = b"""<!doctype html>
<html>  <!-- a comment -->
<body  class='x' ><a href="mailto:someone@example.com">someone@example.com</a>

<script src="/app.1a2b3c4d.js"></script></body></html>
"""
"""A page that would change in a CDN with HTML optimization."""
SITE = {
    "index.html": FRONT_PAGE,
    "about.html": PAGE,
    "404.html": PAGE + b"<!-- 404 -->\n",
    "team/index.html": PAGE + b"<!-- team -->\n",
    "app.1a2b3c4d.js": b"let asset = 1;\n",
}


def facts_of_serving(platform: Platform, app: str, address: str) -> Facts:
    """Deploy a site, and observe the responses at the app's address."""

    def visit(path: str) -> Page:
        return platform.visit(f"{address}/{path}")

    yield "A path that does not exist", _described(visit("no-such-page"))
    platform.wait_for_lock(app)
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
    platform.wait_for_lock(app)
    platform.put(app, "about.html", FRONT_PAGE)
    is_early = visit("about.html").content == FRONT_PAGE
    platform.release_lock(app)
    delay = time_until(lambda: visit("about.html").content == FRONT_PAGE)
    yield "Visitors get a changed page", "before finalize" if is_early else f"{delay} after finalize"


def facts_of_uploads(platform: Platform, app: str) -> Facts:
    """Upload small files, with more parallel uploads each time, until the platform refuses some."""

    def upload(number: int) -> str:
        try:
            content = {"content": b"x" * 1000, "headers": TEXT}
            response = platform.send_once("PUT", app, f"/files/uploads/{number}.txt", **content)
        except httpx.HTTPError as error:
            return type(error).__name__
        wait = response.headers.get("retry-after", "none")
        return "" if response.is_success else f"{response.status_code}, Retry-After: {wait}"

    platform.wait_for_lock(app)
    for count in AT_ONCE:
        started = time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            refused = Counter(pool.map(upload, range(2 * count)))
        rate = refused.pop("", 0) / (time.monotonic() - started)
        refusals = [f"; {times} of {2 * count} refused ({why})" for why, times in refused.items()]
        yield f"{count} parallel uploads", f"{rate:.0f} a second{''.join(refusals)}"
        if refusals:
            break


def facts_of_list(platform: Platform, app: str) -> Facts:
    """Change files, under the lock, and wait until the list of files shows each change."""
    paths = [f"late/{number}.txt" for number in range(4)]  # The list may be late for some entries only.

    def is_listed(length: int | None) -> bool:
        return set(map(platform.files(app).get, paths)) == {length}

    for change, method, content in (
        ("new files", "PUT", b"1"), ("other lengths", "PUT", b"22"), ("deletions", "DELETE", b""),
    ):  # fmt: skip
        for path in paths:
            platform.send(method, app, f"/files/{path}", content=content, headers=TEXT)
        delay = time_until(partial(is_listed, len(content) or None))
        yield f"The list of files shows {change}", f"after {delay}"


def facts_of_domain(platform: Platform, app: str, other: str, domain: str) -> Facts:
    """Attach a domain of `app` to `app` again, and to the new app `other`."""
    platform.create(other)
    until(lambda: platform.app(other) is not None)
    for whose, name in ("the same", app), ("another", other):
        seen = said(platform.send("POST", name, "/domains", json={"domain": domain}))
        yield f"POST of a domain that {whose} app has", seen


def time_until(condition: Callable[[], bool]) -> str:
    """Wait until the condition is true, and return the elapsed time as text."""
    started = time.monotonic()
    happened = until(condition, pause=0.2)
    return f"{time.monotonic() - started:.1f}s" if happened else f"more than {SHOWN_WITHIN:.0f}s"


def said(response: httpx.Response) -> str:
    """Return the status and the first characters of the body."""
    return f"{response.status_code} {response.text[:200]}".rstrip()


def _described(page: Page) -> str:
    """Describe a response, such as `404, 404.html` or `301, /team/`."""
    whose = next((path for path, content in SITE.items() if content == page.content), "another page")
    return f"{page.status}, {page.headers.get('location', whose)}"


def _headers(page: Page) -> str:
    names = "content-type", "cache-control"
    return ", ".join(f"{name}: {page.headers.get(name, 'none')}" for name in names)

"""Public pages, read as any visitor reads them: without the API key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import anyio

from zerokie_action.errors import ConfigurationError
from zerokie_action.http import URL, InvalidURL, RequestError, Response
from zerokie_action.http.client import extensions, location
from zerokie_action.http.failure import may_change
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.http.client import Http

_MOST_REDIRECTS = 10
_LARGEST_PORT = 65_535
_PAUSES = (0.5, 1.0, 2.0, 2.0)
"""Seconds between two attempts: what serves the pages may restart."""


class PageError(Exception):
    """A page could not be read; the message ends a sentence."""


class Page(NamedTuple):
    """What a URL led to.

    Attributes:
        url: where the response came from in the end, as `shown_url` shows it.
        elsewhere: whether that is another scheme, host or port than the one asked.
        redirected: whether the URL that was asked for answered with a redirect.
        dead_end: why the last redirect could not be followed; empty when it was.
    """

    url: str
    elsewhere: bool
    response: Response
    redirected: bool = False
    dead_end: str = ""


async def read_page(url: str, http: Http, *, max_body: int, seconds: float) -> Response:
    """What one GET brings; a redirect is a response like any other.

    A user and password in the URL are sent along.

    Args:
        url: `http` or `https`; characters that a URL can't have are encoded.
        http: sends the request.
        max_body: bytes of body that are read at most.
        seconds: for the whole response.

    Raises:
        PageError: when no complete response came.
        ConfigurationError: when the proxy or the certificate authorities can't be used.
    """
    request = http.build_request(
        "GET",
        _parse(url),
        headers={"Cache-Control": "no-cache"},
        extensions=extensions("Reading a page", timeout=seconds, max_body=max_body),
    )
    try:
        with anyio.fail_after(seconds):
            return await http.send(request)
    except RequestError as error:
        raise PageError(str(error)) from error
    except TimeoutError:
        raise PageError(f"no answer within {human_seconds(seconds)}") from None


async def read_public(url: str, http: Http, *, max_body: int, seconds: float) -> bytes | None:
    """What an app serves under its public URL; None for anything but a plain 200.

    What may be better the next time is tried again; `seconds` are for all attempts.
    """
    try:
        where = str(_parse(url).copy_with(userinfo=b""))
    except PageError:
        return None
    ends_at = anyio.current_time() + seconds
    for pause in (*_PAUSES, math.inf):
        left = ends_at - anyio.current_time()
        try:
            response = await read_page(where, http, max_body=max_body, seconds=left)
        except ConfigurationError:
            return None
        except PageError:
            pass
        else:
            if response.status_code == 200:  # noqa: PLR2004 - HTTP's own number
                return response.content
            if not may_change(response.status_code):
                return None
        if anyio.current_time() + pause >= ends_at:
            break
        await anyio.sleep(pause)
    return None


async def follow(url: str, http: Http, *, max_body: int, seconds: float) -> Page:
    """Like `read_page`, but a redirect is followed, wherever it leads.

    Raises:
        PageError: when the URL itself gave no complete response.
    """
    ends_at = anyio.current_time() + seconds
    visited = [_parse(url)]
    page: Page | None = None
    try:
        while True:
            here = visited[-1]
            left = max(0.1, ends_at - anyio.current_time())
            response = await read_page(str(here), http, max_body=max_body, seconds=left)
            elsewhere = _origin(here) != _origin(visited[0])
            leads_to = location(response) if 300 <= response.status_code < 400 else None  # noqa: PLR2004 - HTTP's own numbers
            page = Page(shown_url(str(here)), elsewhere, response, bool(leads_to) or len(visited) > 1)
            if not leads_to:
                return page
            visited.append(_next_url(leads_to, visited))
    except PageError as error:
        if page is None:
            raise
        return page._replace(dead_end=str(error))


def _next_url(leads_to: str, visited: list[URL]) -> URL:
    """Where a redirect leads, after all these places.

    Raises:
        PageError: when that is no page, or redirects don't end.
    """
    there = _parse(leads_to, visited[-1])
    if there in visited:
        raise PageError(f"redirects go in a circle ({_chain([*visited, there])})")
    if len(visited) >= _MOST_REDIRECTS:
        raise PageError(f"more than {_MOST_REDIRECTS - 1} redirects ({_chain([*visited, there])})")
    return there


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment: any of them may be a secret. Never raises."""
    try:
        where = _parse(url)
    except PageError:
        return "an invalid URL"
    return f"{where.scheme}://{where.netloc.decode()}{where.path}"


def _parse(url: str, base: URL | None = None) -> URL:
    try:
        where = (base.join(url) if base else URL(url)).copy_with(fragment=None)
        if where.scheme in {"http", "https"} and where.host and (where.port or 0) <= _LARGEST_PORT:
            return where
    except (InvalidURL, ValueError):
        pass
    if base is None:
        raise PageError("this is not the URL of a page")
    raise PageError(f"the redirect from {shown_url(str(base))} leads to an invalid URL")


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _chain(visited: list[URL]) -> str:
    return " -> ".join(shown_url(str(url)) for url in visited)

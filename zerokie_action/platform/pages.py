"""Public pages, read as any visitor reads them: without the API key."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import httpx

from zerokie_action.http.http import HttpTransport
from zerokie_action.http.transport import USER_AGENT, Answer, NoAnswer, Request

if TYPE_CHECKING:
    from zerokie_action.http.network import Network

_HEADERS = {"User-Agent": USER_AGENT, "Cache-Control": "no-cache"}
_MOST_REDIRECTS = 10
_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL led to.

    Attributes:
        url: where the answer came from in the end, as `shown_url` shows it.
        elsewhere: whether that is another scheme, host or port than the one asked.
        redirected: whether the URL that was asked for answered with a redirect.
        dead_end: why the last redirect could not be followed; empty when it was.
    """

    url: str
    elsewhere: bool
    answer: Answer
    redirected: bool = False
    dead_end: str = ""


async def read_page(url: str, network: Network, *, max_answer: int, seconds: float) -> Answer:
    """What one GET brings; a redirect is an answer like any other.

    A user and password in the URL are sent along.

    Args:
        url: `http` or `https`; characters that a URL can't have are encoded.
        network: the way out.
        max_answer: bytes of body that are read at most.
        seconds: for the whole answer.

    Raises:
        NoAnswer: when no complete answer came.
    """
    where = _parse(url)
    user = f"{where.userinfo.decode()}@" if where.userinfo else ""
    transport = HttpTransport(f"{where.scheme}://{user}{where.netloc.decode()}", _HEADERS, network)
    target = where.raw_path.decode()
    try:
        return await transport.send(
            Request("Reading a page", "GET", target, max_answer=max_answer, timeout=seconds)
        )
    finally:
        await transport.aclose()


async def follow(url: str, network: Network, *, max_answer: int, seconds: float) -> Page:
    """Like `read_page`, but a redirect is followed, wherever it leads.

    Raises:
        NoAnswer: when the URL itself gave no complete answer.
    """
    ends_at = anyio.current_time() + seconds
    been = [_parse(url)]
    page: Page | None = None
    try:
        while True:
            here = been[-1]
            left = max(0.1, ends_at - anyio.current_time())
            answer = await read_page(str(here), network, max_answer=max_answer, seconds=left)
            elsewhere = _origin(here) != _origin(been[0])
            location = answer.headers.get("location")
            redirects = bool(300 <= answer.status < 400 and location)  # noqa: PLR2004 - HTTP's own numbers
            page = Page(shown_url(str(here)), elsewhere, answer, redirects or len(been) > 1)
            if not redirects:
                return page
            been.append(_next(location or "", been))
    except NoAnswer as trouble:
        if page is None:
            raise
        return replace(page, dead_end=str(trouble))


def _next(location: str, been: list[httpx.URL]) -> httpx.URL:
    """Where a redirect leads, after all these places.

    Raises:
        NoAnswer: when that is no page, or redirects don't end.
    """
    there = _parse(location, been[-1])
    if there in been:
        raise NoAnswer(f"redirects go in a circle ({_way([*been, there])})", sent=True)
    if len(been) >= _MOST_REDIRECTS:
        raise NoAnswer(f"more than {_MOST_REDIRECTS - 1} redirects ({_way([*been, there])})", sent=True)
    return there


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment: any of them may be a secret. Never raises."""
    try:
        where = _parse(url)
    except NoAnswer:
        return "an invalid URL"
    return f"{where.scheme}://{where.netloc.decode()}{where.path}"


def _parse(url: str, base: httpx.URL | None = None) -> httpx.URL:
    with suppress(httpx.InvalidURL, ValueError):
        where = (base.join(url) if base else httpx.URL(url)).copy_with(fragment=None)
        if where.scheme in {"http", "https"} and where.host and (where.port or 0) <= _LARGEST_PORT:
            return where
    raise _no_page(base)


def _no_page(redirected_from: httpx.URL | None) -> NoAnswer:
    if redirected_from is None:
        return NoAnswer("this is not the URL of a page", sent=False, permanent=True)
    place = shown_url(str(redirected_from))
    return NoAnswer(f"the redirect from {place} leads to an invalid URL", sent=True)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _way(been: list[httpx.URL]) -> str:
    return " -> ".join(shown_url(str(url)) for url in been)

"""Public pages, read as any visitor reads them: without the API key."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import httpx

from zerokie_action.api.http import HttpTransport
from zerokie_action.api.transport import USER_AGENT, Answer, NoAnswer, Request

if TYPE_CHECKING:
    from zerokie_action.api.network import Network

_HEADERS = {"User-Agent": USER_AGENT, "Cache-Control": "no-cache"}
_MOST_REDIRECTS = 10
_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL led to.

    Attributes:
        url: where the answer came from in the end, as `shown_url` shows it.
        elsewhere: whether that is another scheme, host or port than the one asked.
    """

    url: str
    elsewhere: bool
    answer: Answer


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
        NoAnswer: when no complete answer came, or redirects don't end.
    """
    ends_at = anyio.current_time() + seconds
    here = start = _parse(url)
    been = [here]
    while True:
        left = max(0.1, ends_at - anyio.current_time())
        answer = await read_page(str(here), network, max_answer=max_answer, seconds=left)
        location = answer.headers.get("location")
        if not (300 <= answer.status < 400 and location):  # noqa: PLR2004 - HTTP's own numbers
            return Page(shown_url(str(here)), _origin(here) != _origin(start), answer)
        here = _parse(location, here)
        been.append(here)
        if here in been[:-1]:
            raise NoAnswer(f"redirects go in a circle ({_way(been)})", sent=True)
        if len(been) > _MOST_REDIRECTS:
            raise NoAnswer(f"more than {_MOST_REDIRECTS - 1} redirects ({_way(been)})", sent=True)


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

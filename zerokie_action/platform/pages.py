"""Reads public pages, as any visitor can: without the API key. Redirects are not followed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import anyio

from zerokie_action.http import URL, InvalidURL, Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.request import HEADERS, extensions
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.http.retry import RetryingClient

_LARGEST_PORT = 65_535


class PageError(Exception):
    """A page could not be read. The message is the end of a sentence."""


async def read_page(url: str, http: RetryingClient, *, max_body: int, seconds: float) -> Response:
    """The response to one GET. A user and password in the URL are sent along.

    Args:
        url: an `http` or `https` URL; characters that a URL can't have are encoded.
        http: sends the request.
        max_body: the largest accepted body, in bytes.
        seconds: the time limit for the whole response.

    Raises:
        PageError: when the response is not complete in time.
        ConfigurationError: when the proxy or the certificate authorities can't be used.
    """
    request = _request(_parse(url), max_body, seconds)
    with anyio.move_on_after(seconds):
        response = await http.fetch(request)
        if isinstance(response, Failure):
            raise PageError(response.reason)
        return response
    raise PageError(f"no answer within {human_seconds(seconds)}")


async def read_public(url: str, http: RetryingClient, *, max_body: int, silence: float) -> bytes:
    """The body of a page under an app's public URL; the request is sent once.

    Args:
        url: as for `read_page`; a user and password in the URL are not sent.
        http: sends the request.
        max_body: the largest accepted body, in bytes.
        silence: seconds without a byte after which the request fails.

    Raises:
        PageError: when there is no response, or a response other than 2xx.
    """
    response = await http.fetch(_request(_parse(url).copy_with(userinfo=b""), max_body, silence))
    if isinstance(response, Failure):
        raise PageError(response.reason)
    if not response.is_success:
        raise PageError(f"it answered {response.status_code}")
    return response.content


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment, which may be secrets. Never raises."""
    try:
        where = _parse(url)
    except PageError:
        return "an invalid URL"
    return f"{where.scheme}://{where.netloc.decode()}{where.path}"


def _request(url: URL, max_body: int, seconds: float) -> Request:
    headers = {"Host": url.netloc.decode(), **HEADERS, "Cache-Control": "no-cache"}
    if url.userinfo:
        login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return Request(
        "GET",
        url.copy_with(userinfo=b""),
        headers=headers,
        extensions=extensions("Reading a page", timeout=seconds, max_body=max_body),
    )


def _parse(url: str) -> URL:
    try:
        where = URL(url).copy_with(fragment=None)
        if where.scheme in {"http", "https"} and where.host and (where.port or 0) <= _LARGEST_PORT:
            return where
    except (InvalidURL, ValueError):
        pass
    raise PageError("this is not the URL of a page")

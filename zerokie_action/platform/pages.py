"""Reads public pages, as any visitor can: without the API key. Redirects are not followed."""

import base64
from urllib.parse import quote

from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.request import HEADERS, extensions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.url import web_url

_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;="


class PageError(Exception):
    """A page could not be read. The message is the end of a sentence."""


async def read_page(url: str, http: RetryingClient, *, max_body: int, silence: float) -> Response:
    """The response to one GET. A user and password in the URL are sent along.

    Args:
        url: an `http` or `https` URL; characters that a URL can't have are encoded.
        http: sends the request, once.
        max_body: the largest accepted body, in bytes.
        silence: seconds of silence after which the request fails.

    Raises:
        PageError: when there is no response.
        ConfigurationError: when the proxy or the certificate authorities can't be used.
    """
    parsed, headers = _parse(url), {**HEADERS, "Cache-Control": "no-cache"}
    if parsed is None:
        raise PageError("this is not the URL of a page")
    if parsed.username:
        login = f"{parsed.username}:{parsed.password}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    more = extensions("Reading a page", silence=silence, max_body=max_body)
    response = await http.fetch(Request("GET", parsed, headers=headers, extensions=more))
    if isinstance(response, Failure):
        raise PageError(response.reason)
    return response


async def connect_ahead(url: str, http: RetryingClient) -> None:
    """Open a connection for a page at this URL that may be read within seconds. A failure changes nothing."""
    if parsed := _parse(url):
        await http.transport.connect_ahead(parsed)


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment, which may be secrets. Never raises."""
    parsed = _parse(url)
    if parsed is None:
        return "an invalid URL"
    return f"{parsed.scheme}://{parsed.netloc.decode()}{parsed.raw_path.decode().partition('?')[0]}"


def _parse(url: str) -> URL | None:
    return web_url(quote(url, safe=_URL_CHARACTERS))

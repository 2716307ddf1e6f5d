"""Public pages, read without the API key like a visitor.

Health checks and the front page's check must see the pages that visitors see.
"""

import base64
import uuid
from urllib.parse import quote, urljoin

from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.request import HEADERS, RequestOptions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.url import origin, web_url

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;="


class PageError(Exception):
    """A page can't be read. The message is a clause about the page."""


class RedirectError(PageError):
    """A redirect can't be followed."""


async def read_page(
    url: str,
    http: RetryingClient,
    *,
    max_body: int,
    silence: float,
    redirects: int = 0,
    is_uncached: bool = False,
) -> Response:
    """Send a GET, follow redirects within the origin, and return the final response.

    Each request sends the user and password in `url`, if any.

    Args:
        url: an `http` or `https` URL. Invalid characters are encoded.
        http: sends each request once.
        max_body: the largest accepted body, in bytes.
        silence: seconds of silence after which a request fails.
        redirects: how many redirects to follow. With 0, a redirect is returned like any other response.
        is_uncached: whether to bypass caches with a unique query in each request.

    Raises:
        RedirectError: when a redirect leads to another origin, lacks a valid `Location`, or exceeds
            `redirects`.
        PageError: when no response arrives.
        ConfigurationError: when the proxy or the certificate authorities can't be used.
    """
    headers = {**HEADERS, "Cache-Control": "no-cache", **_authorization(url)}
    options = RequestOptions(purpose="Reading a page", silence=silence, max_body=max_body)
    for _ in range(redirects + 1):
        page = _parse(_uncached(url) if is_uncached else url)
        if page is None:
            raise PageError("this is not the URL of a page")
        response = await http.fetch(Request("GET", page, headers=headers, extensions=options.extensions))
        if isinstance(response, Failure):
            raise PageError(response.reason)
        if not redirects or response.status_code not in _REDIRECT_STATUSES:
            return response
        url = _target(page, response.headers.get("Location", ""))
    raise RedirectError(f"it redirects more than {redirects} times")


def shown_url(url: str) -> str:
    """Return the URL without user, password, query and fragment, which may be secrets."""
    page = _parse(url)
    return f"{origin(page)}{page.raw_path.decode().partition('?')[0]}" if page else "an invalid URL"


def _parse(url: str) -> URL | None:
    return web_url(quote(url, safe=_URL_CHARACTERS))


def _authorization(url: str) -> dict[str, str]:
    """Return the header for the user and password in the URL. Empty without them."""
    page = _parse(url)
    if page is None or not page.username:
        return {}
    credentials = f"{page.username}:{page.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def _uncached(url: str) -> str:
    """Return the URL with a unique query, which bypasses caches."""
    url = url.partition("#")[0]
    return f"{url}{'&' if '?' in url else '?'}zerokie={uuid.uuid4()}"


def _target(page: URL, location: str) -> str:
    """Return the URL that a redirect from the page leads to.

    Raises:
        RedirectError: when `location` isn't a web URL, or its origin differs from the page's.
    """
    try:
        url = urljoin(str(page), location)
    except ValueError:  # for example, for the host `[`
        url = ""
    target = _parse(url)
    if target is None or not location:
        raise RedirectError("its redirect lacks a valid `Location`")
    if origin(target) != origin(page):
        # The other origin would receive the credentials, and its pages prove nothing about the app. The
        # message leaves out the path and query, because they may be secrets.
        raise RedirectError(f"it redirects to another origin, {origin(target)}")
    return url

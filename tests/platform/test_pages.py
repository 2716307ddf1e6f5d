"""Reading public pages: without the key, without following redirects, and telling apart what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.http.servers import always, fine, pause, serve
from tests.http.transports import transport
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.pages import PageError, read_page, read_public, shown_url

if TYPE_CHECKING:
    from tests.http.servers import Peer
    from zerokie_action.http import Response


async def page(url: str, seconds: float = 20.0) -> Response:
    async with transport() as sends:
        http = RetryingClient(sends, retries=0, log=print)
        return await read_page(url, http, max_body=1000, seconds=seconds)


async def served(url: str) -> bytes | None:
    async with transport() as sends:
        return await read_public(url, RetryingClient(sends, retries=0, log=print), max_body=1000)


async def trouble(url: str, seconds: float = 20.0) -> str:
    with pytest.raises(PageError) as caught:
        await page(url, seconds)
    return str(caught.value)


async def test_what_is_sent() -> None:
    """The login of the URL, and nothing of the API's."""
    async with serve(fine) as server:
        assert (await page(server.url.replace("//", "//user:pass%20word@"))).content == b"fine"
        assert (await page(server.url)).content == b"fine"
    with_login, without = server.requests
    assert with_login.headers["authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert "authorization" not in without.headers
    assert without.headers["cache-control"] == "no-cache"


async def test_a_redirect_is_an_answer() -> None:
    """It is not followed."""
    async with serve(fine) as elsewhere, serve(always(302, b"", f"Location: {elsewhere.url}")) as server:
        assert (await page(server.url)).status_code == 302
        assert await served(server.url) is None
    assert elsewhere.requests == []


@pytest.mark.parametrize("url", ["", "/path", "my-app.example.com/x", "http://h:99999/", "http://h:x/"])
async def test_no_url(url: str) -> None:
    """What the platform calls a URL need not be one."""
    assert await trouble(url) == "this is not the URL of a page"
    assert await served(url) is None
    assert shown_url(url) == "an invalid URL"


async def test_kinds_of_trouble(refused: int) -> None:
    """Each is told in its own words."""

    async def slow(peer: Peer) -> None:
        await peer.request()
        await pause(30)

    assert await trouble(f"http://127.0.0.1:{refused}/") == "connection refused"
    async with serve(slow) as server:
        assert await trouble(server.url, seconds=5) == "no answer within 5 s"
    async with serve(always(200, bytes(1001))) as server:
        assert await trouble(server.url) == "the response is larger than 1000 bytes"


async def test_what_an_app_serves(refused: int) -> None:
    """It is asked for 20 seconds; anything but a plain 200 is nothing."""

    async def later(peer: Peer) -> None:
        while True:
            await peer.request()
            status = 200 if len(peer.server.requests) > 5 else 503
            await peer.send(b"HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\nfine" % status)

    async with serve(later) as server:
        assert await served(server.url) == b"fine"
    async with serve(always(404)) as server:
        assert await served(server.url) is None
        assert len(server.requests) == 1
    began = anyio.current_time()
    assert await served(f"http://127.0.0.1:{refused}") is None
    assert 19 <= anyio.current_time() - began <= 20.1


def test_shown_url_shows_no_secrets() -> None:
    """Neither user nor password nor query nor fragment."""
    assert shown_url("https://u:p@h.example:8443/a?t=1#f") == "https://h.example:8443/a"

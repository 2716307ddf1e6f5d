"""Reading public pages: without the key, without following redirects, and telling apart what goes wrong."""

import select
import socket

import anyio
import pytest

from tests.http.servers import Peer, fine, serve
from tests.http.transports import transport
from tests.support.world import World
from zerokie_action.http import Response
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.pages import PageError, connect_ahead, read_page, shown_url


async def page(url: str) -> Response:
    async with transport() as sends:
        http = RetryingClient(sends, retry_timeout=0, log=print)
        return await read_page(url, http, max_body=1_000_000, silence=10)


async def test_a_page_gets_its_own_login_and_no_key() -> None:
    """The login of the URL, and nothing of the API's."""
    async with serve(fine) as server:
        assert (await page(server.url.replace("//", "//user:pass%20word@"))).content == b"fine"
        assert (await page(server.url)).content == b"fine"
    with_login, without = server.requests
    assert with_login.headers["authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert "authorization" not in without.headers
    assert without.headers["cache-control"] == "no-cache"


async def test_what_is_no_url_is_told() -> None:
    """What the platform calls a URL need not be one."""
    with pytest.raises(PageError, match="this is not the URL of a page"):
        await page("http://h:x/")
    assert shown_url("http://h:x/") == "an invalid URL"


async def test_ten_seconds_of_silence_end_a_page() -> None:
    """The silence is the caller's."""
    began = anyio.current_time()
    async with serve(Peer.gone) as server:
        with pytest.raises(PageError, match="no answer within 10 s"):
            await page(server.url)
    assert anyio.current_time() - began == pytest.approx(10, abs=0.1)


def test_shown_url_shows_no_secrets() -> None:
    """Neither user nor password nor query nor fragment."""
    assert shown_url("https://u:p@h.example:8443/a?t=1#f") == "https://h.example:8443/a"


async def test_nothing_is_opened_ahead_for_no_url() -> None:
    """An address that would not be asked is not connected to."""
    async with transport() as sends:
        await connect_ahead("ftp://127.0.0.1", RetryingClient(sends, retry_timeout=0, log=print))


def test_the_connection_for_the_manifest_is_opened_while_the_zone_is_listed(world: World) -> None:
    """When the zone is asked for, the connection is there."""
    assert world.run().exit_code == 0
    opened: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.platform.public_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        world.once("GET", "/files$", lambda: opened.append(bool(select.select([silent], [], [], 0)[0])))
        outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert opened == [True]


def test_a_silent_address_that_is_not_needed_costs_no_time(world: World) -> None:
    """A first deploy to an app that exists reads no manifest."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.platform.public_url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds < 2

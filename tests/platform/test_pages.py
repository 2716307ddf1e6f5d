"""Public pages: read without the key, and only from the given origin."""

import socket
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from tests.http.servers import FINE, Handler, Peer, always, fine, serve
from tests.http.transports import transport
from tests.support.world import World
from zerokie_action.http import Response
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.pages import PageError, RedirectError, read_page, shown_url


async def page(url: str, **options: Any) -> Response:
    async with transport() as sends:
        http = RetryingClient(sends, policy=RetryPolicy(0), log=print)
        return await read_page(url, http, max_body=1_000_000, silence=10, **options)


def redirect(locations: Mapping[str, str]) -> Handler:
    """Return a handler that redirects these paths and responds with 200 to others."""

    async def handle(peer: Peer) -> None:
        while True:
            path = (await peer.request()).target[1:].partition("?")[0]
            if path in locations:
                head = f"HTTP/1.1 302 X\r\nLocation: {locations[path]}\r\nContent-Length: 0\r\n\r\n"
                await peer.send(head.encode())
            else:
                await peer.send(FINE)

    return handle


async def test_a_page_receives_its_own_credentials_without_the_key() -> None:
    """The request has the credentials of the URL. It doesn't have the API key."""
    async with serve(fine) as server:
        assert (await page(server.url.replace("//", "//user:pass%20word@"))).content == b"fine"
        assert (await page(server.url)).content == b"fine"
    with_login, without = server.requests
    assert with_login.headers["authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert "authorization" not in without.headers
    assert without.headers["cache-control"] == "no-cache"


async def test_a_redirect_is_the_response_by_default() -> None:
    async with serve(redirect({"a": "/b"})) as server:
        assert (await page(f"{server.url}/a")).status_code == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_each_kind_of_redirect_is_followed(status: int) -> None:
    async with serve(always(status, b"", "Location: /")) as server:
        with pytest.raises(RedirectError, match="it redirects more than 3 times"):
            await page(server.url, redirects=3)
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [300, 304])
async def test_another_3xx_is_a_response(status: int) -> None:
    async with serve(always(status, b"", "Location: /")) as server:
        assert (await page(server.url, redirects=3)).status_code == status


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "/b"),
        ("b", "/b"),
        ("./b?x=1#top", "/b?x=1"),
        ("?x=1", "/a?x=1"),
        ("/%C3%A4 b", "/%C3%A4%20b"),
        ("/../b", "/b"),
        ("/\\evil.example/b", "/%5Cevil.example/b"),
        ("http://www.example.com/b", "/b"),
        ("//www.example.com/b", "/b"),
        ("HTTP://WWW.EXAMPLE.COM:80/b", "/b"),
        ("http://other:secret@www.example.com/b", "/b"),
    ],
)
async def test_each_request_to_the_origin_has_the_credentials(
    monkeypatch: pytest.MonkeyPatch, location: str, target: str
) -> None:
    """They come from the given URL, even if the redirect has others."""
    connect_tcp = anyio.connect_tcp

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(f"HTTP/1.1 301 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
        await fine(peer)

    async with serve(handle) as server:

        async def connect(host: str, port: int) -> ByteStream:
            assert (host, port) == ("www.example.com", 80)
            return await connect_tcp("127.0.0.1", server.port)

        monkeypatch.setattr(anyio, "connect_tcp", connect)
        assert (await page("http://user:pass%20word@www.example.com/a", redirects=1)).content == b"fine"
    assert [request.target for request in server.requests] == ["/a", target]
    assert {request.headers["authorization"] for request in server.requests} == {"Basic dXNlcjpwYXNzIHdvcmQ="}


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("http://127.0.0.1:{other}/b", "http://127.0.0.1:{other}"),
        ("//127.0.0.1:{other}/b", "http://127.0.0.1:{other}"),
        ("//evil.example/b", "http://evil.example"),
        ("http://127.0.0.1:{own}@127.0.0.1:{other}/b", "http://127.0.0.1:{other}"),
        ("http://user:secret@127.0.0.1:{other}/secret?secret", "http://127.0.0.1:{other}"),
        ("http://localhost:{own}/b", "http://localhost:{own}"),
        ("https://127.0.0.1:{own}/b", "https://127.0.0.1:{own}"),
    ],
)
async def test_a_redirect_to_another_origin_is_not_followed(location: str, origin: str) -> None:
    """The other origin would receive the credentials. The error leaves out possible secrets."""
    async with serve(fine) as other:
        locations: dict[str, str] = {}
        async with serve(redirect(locations)) as server:
            ports = {"own": server.port, "other": other.port}
            locations["a"] = location.format(**ports)
            with pytest.raises(RedirectError) as caught:
                await page(server.url.replace("//", "//user:pw@") + "/a", redirects=3)
    assert str(caught.value) == f"it redirects to another origin, {origin.format(**ports)}"
    assert len(server.requests) == 1
    assert other.requests == []


@pytest.mark.parametrize(
    "location", ["", "http://[", "http://h:x/", "mailto:a@b.example", "ftp://127.0.0.1/"]
)
async def test_a_redirect_without_a_valid_location_is_an_error(location: str) -> None:
    async with serve(redirect({"a": location})) as server:
        with pytest.raises(RedirectError, match="its redirect lacks a valid `Location`"):
            await page(f"{server.url}/a", redirects=3)


async def test_a_url_above_the_length_limit_is_an_error() -> None:
    """Only the added query makes the URL too long."""
    location = "/b?" + "\N{PILE OF POO}" * 5_456
    async with serve(redirect({"a": location})) as server:
        with pytest.raises(PageError, match="this is not the URL of a page"):
            await page(f"{server.url}/a", redirects=3, is_uncached=True)


async def test_each_request_past_the_caches_has_its_own_query() -> None:
    """A cache may have the page that a redirect leads to, or the redirect."""
    async with serve(redirect({"a": "/b", "b": "/c?x=1"})) as server:
        await page(f"{server.url}/a?y=2#top", redirects=3, is_uncached=True)
    targets = [request.target.partition("zerokie=") for request in server.requests]
    assert [target[0] for target in targets] == ["/a?y=2&", "/b?", "/c?x=1&"]
    assert len({target[2] for target in targets}) == 3


async def test_an_invalid_url_is_an_error() -> None:
    """The platform's response may contain any text as a URL."""
    with pytest.raises(PageError, match="this is not the URL of a page"):
        await page("http://h:x/")
    assert shown_url("http://h:x/") == "an invalid URL"


async def test_a_page_fails_after_10_seconds_of_silence() -> None:
    """The caller sets the limit."""
    began = anyio.current_time()
    async with serve(Peer.gone) as server:
        with pytest.raises(PageError, match="no response within 10s"):
            await page(server.url)
    assert anyio.current_time() - began == pytest.approx(10, abs=0.1)


def test_shown_url_shows_no_secrets() -> None:
    """It leaves out user, password, query and fragment."""
    assert shown_url("https://u:p@h.example:8443/a?t=1#f") == "https://h.example:8443/a"


def test_a_silent_address_does_not_delay_a_deploy_without_a_manifest(world: World) -> None:
    """A first deploy to an existing app doesn't read a manifest."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.platform.public_url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds < 2

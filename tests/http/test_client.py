"""The httpx client of a run: what it sends, and what it makes of responses."""

from __future__ import annotations

import gc
import gzip
import weakref

import anyio
import pytest

from tests.http.servers import FINE, Peer, always, fine, first, serve
from tests.http.transports import none, outcome, put, reason, transport
from zerokie_action.http.client import USER_AGENT, Http
from zerokie_action.http.network import Network


async def test_what_is_sent() -> None:
    """Nothing but what the request has, and what names us."""
    async with serve(fine) as server, Http(Network({})) as http:
        await http.get(f"{server.url}/page")
    assert server.requests[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": USER_AGENT,
    }


async def test_no_credentials_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Neither a netrc file nor a proxy of the process's environment is looked at."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", f"{tmp_path}/netrc")
    async with serve(fine) as server, Http(Network({})) as http:
        with open(f"{tmp_path}/netrc", "w") as netrc:  # noqa: ASYNC230, PTH123 - a line
            netrc.write("machine 127.0.0.1 login user password secret")
        await http.get(server.url)
    assert "authorization" not in server.requests[0].headers


async def test_a_response_that_nobody_needs() -> None:
    """Its body does not wait for the garbage collector: the next one may be as large."""
    gc.disable()
    try:
        async with serve(fine) as server, Http(Network({})) as http:
            response = weakref.ref(await http.get(server.url))
        assert response() is None
    finally:
        gc.enable()


async def test_no_cookies() -> None:
    """What a server sets is not sent back."""
    async with serve(always(200, b"", "Set-Cookie: a=b")) as server, Http(Network({})) as http:
        await http.get(server.url)
        await http.get(server.url)
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "http:x", "http://xn--/", "//", ""])
async def test_no_redirect(location: str) -> None:
    """A redirect is a response, wherever it leads, and be that no URL at all."""
    async with serve(always(302, b"", f"Location: {location}")) as server, Http(Network({})) as http:
        response = await http.get(server.url)
    assert response.status_code == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_coding_that_nobody_asked_for(coding: str) -> None:
    """A small body is not inflated to a large one: it stays as it came."""
    bomb = gzip.compress(bytes(50_000_000))
    async with (
        serve(always(200, bomb, f"Content-Encoding: {coding}")) as server,
        transport("client", server.url) as carrier,
    ):
        assert await outcome(carrier, put(max_body=len(bomb))) == (200, bomb)
        assert await reason(carrier, put(max_body=1000)) == "the response is larger than 1000 bytes"


async def test_cancelled() -> None:
    """A cancelled request takes its connection with it."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE[:-2])
        await peer.gone()

    async with serve(first(handle)) as server, transport("client", server.url) as carrier:
        with anyio.move_on_after(5) as scope:
            await carrier.send(put())
        assert scope.cancelled_caught
        assert await outcome(carrier) == (200, b"fine")
    assert server.accepted == 2


async def test_many_at_once() -> None:
    """Requests that overlap have their own connections, and their own idea of what was sent."""
    outcomes = []

    async def handle(peer: Peer) -> None:
        request = await peer.request()
        if request.body == b"lost":
            peer.reset()
        await peer.send(FINE)
        await peer.gone()

    async with serve(handle) as server, transport("client", server.url) as carrier:

        async def send(body: bytes) -> None:
            outcomes.append((body, await outcome(carrier, put(body))))

        async with anyio.create_task_group() as tasks:
            for body in (b"lost", b"kept", b"lost", b"kept"):
                tasks.start_soon(send, body)
    assert sorted(outcomes) == [(b"kept", (200, b"fine"))] * 2 + [(b"lost", none(sent=True))] * 2

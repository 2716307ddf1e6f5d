"""Reading public pages: without the key, following redirects, and telling apart what goes wrong."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.http.servers import always, fine, pause, serve
from zerokie_action.http.client import Http
from zerokie_action.http.network import Network
from zerokie_action.platform.pages import Page, PageError, follow, read_page, shown_url

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.http.servers import Handler, Peer

pytestmark = pytest.mark.anyio


async def page(url: str, env: dict[str, str] | None = None, seconds: float = 20.0) -> Page:
    async with Http(Network(env or {})) as http:
        return await follow(url, http, max_body=1000, seconds=seconds)


async def trouble(url: str, seconds: float = 20.0) -> str:
    with pytest.raises(PageError) as caught:
        await page(url, seconds=seconds)
    return str(caught.value)


async def dead_end(url: str, seconds: float = 20.0) -> str:
    """Why the last redirect could not be followed; its answer is there all the same."""
    found = await page(url, seconds=seconds)
    assert found.redirected
    assert 300 <= found.response.status_code < 400
    return found.dead_end


def chain(*locations: str) -> Handler:
    """Redirect from each path `/0`, `/1`, … to these places; the path after the last is fine."""

    async def handle(peer: Peer) -> None:
        while True:
            step = int((await peer.request()).target.split("?")[0][1:])
            if step < len(locations):
                head = f"HTTP/1.1 302 X\r\nLocation: {locations[step]}\r\nContent-Length: 0\r\n\r\n"
                await peer.send(head.encode())
            else:
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\narrived")

    return handle


async def test_redirects_are_followed_and_told() -> None:
    """Relative and absolute ones; the page says where it came from in the end."""
    async with serve(chain("/1?token=secret", "2")) as server:
        found = await page(f"{server.url}/0")
        assert found == Page(f"{server.url}/2", elsewhere=False, response=found.response, redirected=True)
        assert found.response.content == b"arrived"
        assert [request.target for request in server.requests] == ["/0", "/1?token=secret", "/2"]


async def test_another_host_is_told() -> None:
    """A redirect to another port is one to somebody else, and carries nothing of ours."""
    async with serve(fine) as other, serve(always(307, b"", f"Location: {other.url}/x")) as server:
        found = await page(server.url.replace("//", "//user:password@") + "/0")
    assert found.elsewhere
    assert found.url == f"{other.url}/x"
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert "authorization" not in other.requests[0].headers


async def test_a_circle_is_named() -> None:
    """Every stop of it, without the queries: they may hold a token."""
    async with serve(chain("/1?token=secret", "/0?token=secret", "/1?token=secret")) as server:
        said = await dead_end(f"{server.url}/0?token=secret")
    url = server.url
    assert said == f"redirects go in a circle ({url}/0 -> {url}/1 -> {url}/0)"


async def test_endless_redirects_end() -> None:
    """Ten are enough for anybody."""
    async with serve(chain(*(f"/{n}" for n in range(1, 50)))) as server:
        said = await dead_end(f"{server.url}/0")
    assert said.startswith(f"more than 9 redirects ({server.url}/0 -> ")
    assert len(server.requests) == 10


@pytest.mark.parametrize(
    "location",
    [
        "ftp://h/x",
        "javascript:alert(1)",
        "mailto:a",
        "http://h:99999/",
        "http://h:x/",
        "http://xn--/",
        "https:",
    ],
)
async def test_a_redirect_to_no_page(location: str) -> None:
    """It is not followed; the error says where it comes from."""
    async with serve(chain(location)) as server:
        said = await dead_end(f"{server.url}/0")
    assert said == f"the redirect from {server.url}/0 leads to an invalid URL"


@pytest.mark.parametrize("url", ["", "/path", "my-app.example.com/x", "http://h:99999/", "http://h:x/"])
async def test_no_url(url: str) -> None:
    """What the platform calls a URL need not be one."""
    assert await trouble(url) == "this is not the URL of a page"
    assert shown_url(url) == "an invalid URL"


async def test_a_redirect_without_a_place_is_an_answer() -> None:
    """As is any 3xx that names none."""
    async with serve(always(304)) as server:
        assert (await page(server.url)).response.status_code == 304


async def test_kinds_of_trouble(
    refused: int, deaf: int, tls: ssl.SSLContext, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, deaf, slow, unknown name, untrusted certificate: each is told in its own words."""

    async def slow(peer: Peer) -> None:
        await peer.request()
        await pause(30)

    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert await trouble(f"http://127.0.0.1:{refused}/") == "connection refused"
    assert await trouble(f"http://127.0.0.1:{deaf}/", seconds=30) == "no connection within 10 s"
    async with serve(slow) as server:
        assert await trouble(server.url, seconds=5) == "no answer within 5 s"
    async with serve(fine, tls=tls) as server:
        assert "certificate is not trusted" in await trouble(server.url)
        assert (await page(server.url, {"SSL_CERT_FILE": str(bundle)})).response.content == b"fine"
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = await trouble("http://new.example.com/")
    assert said == "the host name can't be resolved (Name or service not known)"


async def test_the_time_is_for_all_redirects_together() -> None:
    """A slow chain does not take the time once for each stop."""

    async def slow(peer: Peer) -> None:
        while True:
            step = int((await peer.request()).target[1:])
            await pause(4)
            head = f"HTTP/1.1 302 X\r\nLocation: /{step + 1}\r\nContent-Length: 0\r\n\r\n"
            await peer.send(head.encode())

    async with serve(slow) as server:
        assert (await dead_end(f"{server.url}/0", seconds=10)).startswith("no answer within")
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("", "/"),
        ("/a/../b", "/b"),
        ("/a b/\u00fc?q=\u00fc#f", "/a%20b/%C3%BC?q=%C3%BC"),
        ("/a%2Fb?x=%26", "/a%2Fb?x=%26"),
        ("?only=query", "/?only=query"),
    ],
)
async def test_targets(url: str, target: str) -> None:
    """What a browser would make of the URL is asked for."""
    async with serve(fine) as server:
        async with Http(Network({})) as http:
            answer = await read_page(server.url + url, http, max_body=1000, seconds=5)
        assert answer.content == b"fine"
        assert server.requests[0].target == target


def test_shown_url_shows_no_secrets() -> None:
    """Neither user nor password nor query nor fragment."""
    assert shown_url("https://u:p@h.example:8443/a?t=1#f") == "https://h.example:8443/a"

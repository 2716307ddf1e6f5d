"""Proxies, certificate authorities and tunnels from the environment."""

import base64
import ssl
import subprocess
from pathlib import Path
from unittest.mock import Mock

import anyio
import certifi
import httpx
import pytest
import trustme

from tests.http.servers import GRANTED, Handler, Peer, always, context_for, fine, serve, tunnel_to
from tests.http.transports import TARGET, Outcome, none, outcome, put, reached, reason, transport
from tests.support.required import find_program
from zerokie_action.errors import ConfigurationError
from zerokie_action.http.transport import Network

API = "https://api.test"
PLATFORM = "https://platform.test"
LOGIN = "Basic " + base64.b64encode("user:p@ss w\u00f6rd".encode()).decode()
WITH_LOGIN = "http://user:p%40ss%20w%C3%B6rd@127.0.0.1:{}"


@pytest.mark.parametrize(
    ("env", "url", "expected"),
    [
        ({}, API, ("api.test", 443)),
        ({}, "http://api.test", ("api.test", 80)),
        ({}, f"{API}:8443", ("api.test", 8443)),
        ({"HTTPS_PROXY": "http://p.test"}, API, ("p.test", 80)),
    ],
)
async def test_the_default_port_is_the_schemes(
    env: dict[str, str], url: str, expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client connects to the URL's port, or to the scheme's default."""
    places: list[tuple[str, int]] = []

    async def connect(host: str, port: int) -> None:
        places.append((host, port))
        raise OSError("no network here")

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    with pytest.raises(httpx.ConnectError):
        await Network(env).connect(url)
    assert places == [expected]


@pytest.mark.parametrize(
    ("env", "url", "expected"),
    [
        ({}, API, None),
        ({"HTTPS_PROXY": "http://p:1"}, API, "http://p:1"),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, API, "http://lower:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, API, None),
        ({"HTTP_PROXY": "http://p:1"}, API, None),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, API, "http://p:1"),
        ({"HTTPS_PROXY": "p:3128"}, API, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "other.test, .test"}, API, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test:8443"}, API + ":8443", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test:8443"}, API, "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "api.test"}, API, None),
        ({"ALL_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1"}, "http://api.test", None),
    ],
)
def test_the_first_variable_names_the_proxy(env: dict[str, str], url: str, expected: str | None) -> None:
    """HTTPS_PROXY wins over ALL_PROXY, lower case over upper, NO_PROXY over both. Plain http uses none."""
    proxy = Network(env).proxy_for(url)
    assert (proxy.name.rpartition(" (")[0] if proxy else None) == (expected and f"the proxy {expected}")


@pytest.mark.parametrize(
    "proxy", ["http://user:secret@", "http://p:x", "https://user:secret@p", "socks5://user:secret@p:1080"]
)
def test_a_wrong_proxy_is_named_by_its_variable(proxy: str) -> None:
    """The error names the variable and the fix, but not the URL, which may contain a password."""
    with pytest.raises(ConfigurationError) as caught:
        Network({"HTTPS_PROXY": proxy}).proxy_for(API)
    assert str(caught.value).startswith("HTTPS_PROXY must be the URL of an HTTP proxy")
    assert "NO_PROXY" in caught.value.hint
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_only_the_named_bundle_is_trusted(variable: str, bundle: Path) -> None:
    """The client trusts only the bundle in the first variable that is set."""
    context = Network({"CURL_CA_BUNDLE": "absent", variable: str(bundle)}).tls
    assert context.cert_store_stats()["x509_ca"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unreadable_bundle_is_exit_2(content: bytes | None, tmp_path: Path) -> None:
    """An unreadable or invalid bundle is a configuration error that names the variable."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    said = f"^Can't load certificate authorities from SSL_CERT_FILE={file}: "
    with pytest.raises(ConfigurationError, match=said):
        _ = Network({"SSL_CERT_FILE": str(file)}).tls


@pytest.fixture(params=["file", "directory", "certifi"])
def store(
    request: pytest.FixtureRequest, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The only store with the test's authority. OpenSSL's variables replace the system's paths."""
    place, directory = str(request.param), tmp_path / "certs"
    directory.mkdir()
    (directory / "ca.pem").write_bytes(bundle.read_bytes())  # OpenSSL ignores this name
    if place == "directory":
        openssl = find_program("openssl", from_="most systems have it")
        command = [openssl, "x509", "-noout", "-hash", "-in", str(bundle)]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        (directory / f"{name}.0").symlink_to("ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle if place == "file" else tmp_path / "absent"))
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    return place


async def test_certifi_is_trusted_only_if_the_system_has_no_certificate(
    store: str, bundle: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has certificates in a file, or in a directory with OpenSSL's names."""
    where = Mock(return_value=str(bundle) if store == "certifi" else certifi.where())
    monkeypatch.setattr(certifi, "where", where)
    async with serve(fine, tls=tls) as server, transport() as http:
        assert await outcome(http, put(server.url)) == (200, b"fine")
    assert where.called is (store == "certifi")


def saying(answer: bytes, then: str, rest: bytearray | None = None) -> Handler:
    """Return a proxy that responds to CONNECT with these bytes. It appends further data to `rest`."""
    heard = bytearray() if rest is None else rest

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        while then == "hang" and (data := await peer.reader.read(65536)):
            heard.extend(data)

    return handle


async def test_neither_side_of_a_tunnel_sees_the_others_secret(tls: ssl.SSLContext, bundle: Path) -> None:
    """The proxy sees the host, the port and its credentials. Only the origin sees the request."""
    async with (
        serve(fine, tls=tls) as origin,
        serve(tunnel_to(origin)) as proxy,
        transport(HTTPS_PROXY=WITH_LOGIN.format(proxy.port), SSL_CERT_FILE=str(bundle)) as http,
    ):
        for _ in range(2):
            assert await outcome(http, put("https://platform.test/prefix")) == (200, b"fine")
    (asked,) = proxy.requests
    assert asked.line == "CONNECT platform.test:443 HTTP/1.1"
    assert asked.headers["host"] == "platform.test:443"
    assert asked.headers["proxy-authorization"] == LOGIN
    assert "authorization" not in asked.headers
    assert origin.requests[0].line == f"PUT /prefix{TARGET} HTTP/1.1"
    assert origin.requests[0].headers["host"] == "platform.test"
    assert "proxy-authorization" not in origin.requests[0].headers
    assert origin.accepted == 1


async def test_a_tunnel_to_ipv6(authority: trustme.CA, bundle: Path) -> None:
    """The address is in brackets."""
    async with (
        serve(fine, tls=context_for(authority, "2001:db8::1")) as origin,
        serve(tunnel_to(origin)) as proxy,
        transport(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(bundle)) as http,
    ):
        for _ in range(2):
            assert await outcome(http, put("https://[2001:DB8::1]")) == (200, b"fine")
    assert [request.line for request in proxy.requests] == ["CONNECT [2001:db8::1]:443 HTTP/1.1"]
    assert proxy.requests[0].headers["host"] == "[2001:db8::1]:443"
    assert "proxy-authorization" not in proxy.requests[0].headers
    assert origin.accepted == 1


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: y", GRANTED])
async def test_each_step_of_connecting_has_10_seconds(answer: bytes) -> None:
    """The limit applies to a proxy or a TLS server that doesn't respond."""
    async with serve(saying(answer, "hang")) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
        began = anyio.current_time()
        said = await reason(http, put(PLATFORM))
        assert said == f"no connection within 10s through the proxy {proxy.url} (HTTPS_PROXY)"
        assert anyio.current_time() - began == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    ("answer", "then"),
    [(b" 403 No", "hang"), (b" 407 Login", "hang"), (b" 200 OK", "close"), (b" 200 OK", "hang")],
)
async def test_a_failed_tunnel_never_shows_the_key_to_the_proxy(answer: bytes, then: str) -> None:
    """The key never reaches the proxy, and a proxy that requires credentials is a 407."""
    rest = bytearray()
    head = b"HTTP/1.1%b\r\nContent-Length: 0\r\n\r\n" % answer
    async with serve(saying(head, then, rest)) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
        expected: Outcome = none(sent=False)
        if b" 407 " in answer:  # an answer, which names the proxy
            expected = 407, f"the proxy {proxy.url} (HTTPS_PROXY)".encode()
        for attempt in range(1, 3):
            assert await outcome(http, put(PLATFORM)) == expected
            assert proxy.accepted == attempt
    assert {request.line for request in proxy.requests} == {"CONNECT platform.test:443 HTTP/1.1"}
    assert all("authorization" not in request.headers for request in proxy.requests)
    assert b"Bearer" not in rest


async def test_a_rejected_tunnel_names_the_proxys_status() -> None:
    """The error contains the proxy's status."""
    async with serve(always(403)) as proxy, transport(HTTPS_PROXY=proxy.url) as http:
        said = await reason(http, put(PLATFORM))
    assert said == f"403 Forbidden through the proxy {proxy.url} (HTTPS_PROXY)"


async def test_a_request_lost_behind_a_proxy_may_have_taken_effect(tls: ssl.SSLContext, bundle: Path) -> None:
    """After the tunnel is open, the failure of a request doesn't blame the proxy."""

    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async with reached("tunnel", tls, bundle, hang_up) as (_, http, url):
        assert await outcome(http, put(url)) == none(sent=True)
        assert "proxy" not in await reason(http, put(url))


async def test_an_unreachable_proxy_is_named_without_its_password() -> None:
    """The error names the proxy and its variable without the password."""
    async with transport(ALL_PROXY="http://user:pass-word@127.0.0.1:1") as http:
        assert await outcome(http, put(PLATFORM)) == none(sent=False)
        said = "connection refused through the proxy http://127.0.0.1:1 (ALL_PROXY)"
        assert await reason(http, put(PLATFORM)) == said

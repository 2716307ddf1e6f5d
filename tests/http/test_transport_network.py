"""What the environment says of proxies and authorities, and how a host is reached."""

import ssl
from pathlib import Path

import anyio
import certifi
import httpx
import pytest

from zerokie_action.errors import ConfigurationError
from zerokie_action.http.transport import Network

API = "https://api.test"


@pytest.mark.parametrize(
    ("env", "url", "expected"),
    [
        ({}, API, ("api.test", 443)),
        ({}, "http://api.test", ("api.test", 80)),
        ({}, f"{API}:8443", ("api.test", 8443)),
        ({"HTTPS_PROXY": "http://p.test"}, API, ("p.test", 80)),
    ],
)
async def test_the_port_is_the_urls_or_the_schemes(
    env: dict[str, str], url: str, expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the port of the URL, or of its scheme."""
    places: list[tuple[str, int]] = []

    async def connect(host: str, port: int) -> None:
        places.append((host, port))
        raise OSError("no network here")

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    with pytest.raises(httpx.ConnectError):
        await Network(env).connect(url)
    assert places == [expected]


class TestProxies:
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
    def test_the_first_variable_names_the_proxy(
        self, env: dict[str, str], url: str, expected: str | None
    ) -> None:
        """HTTPS_PROXY before ALL_PROXY, lower case before upper, NO_PROXY before all; none for plain http."""
        proxy = Network(env).proxy_for(url)
        assert (proxy.name.rpartition(" (")[0] if proxy else None) == (expected and f"the proxy {expected}")

    @pytest.mark.parametrize(
        "proxy", ["http://user:secret@", "http://p:x", "https://user:secret@p", "socks5://user:secret@p:1080"]
    )
    def test_a_wrong_proxy_is_named_by_its_variable(self, proxy: str) -> None:
        """The error names the variable and the fix, and not the URL: it may hold a password."""
        with pytest.raises(ConfigurationError) as caught:
            Network({"HTTPS_PROXY": proxy}).proxy_for(API)
        assert str(caught.value).startswith("HTTPS_PROXY is not the URL of an HTTP proxy")
        assert "NO_PROXY" in caught.value.hint
        assert "secret" not in f"{caught.value} {caught.value.hint}"


class TestAuthorities:
    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_only_the_named_bundle_is_trusted(self, variable: str, bundle: Path) -> None:
        """The named bundle is all that is trusted; the first variable counts."""
        context = Network({"CURL_CA_BUNDLE": "absent", variable: str(bundle)}).tls
        assert context.cert_store_stats()["x509_ca"] == 1
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_an_unreadable_bundle_is_exit_2(self, content: bytes | None, tmp_path: Path) -> None:
        """A bundle that can't be read, or is none, is a configuration error that names the variable."""
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_bytes(content)
        said = f"^SSL_CERT_FILE={file} can't be used as certificate authorities"
        with pytest.raises(ConfigurationError, match=said):
            _ = Network({"SSL_CERT_FILE": str(file)}).tls

    def test_without_system_certificates_certifi_is_trusted(
        self, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A system without certificates is no reason to trust nobody."""
        nothing = ssl.get_default_verify_paths()._replace(cafile="")
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
        monkeypatch.setattr(certifi, "where", lambda: str(bundle))
        assert Network({}).tls.cert_store_stats()["x509_ca"] == 1

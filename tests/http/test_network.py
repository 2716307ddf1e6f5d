"""What the environment says of proxies and authorities, and how a host is reached."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from tests.http.servers import fine, serve
from tests.http.transports import outcome, put, transport
from zerokie_action.errors import ConfigurationError
from zerokie_action.http.network import Network

if TYPE_CHECKING:
    from pathlib import Path

API = "https://api.test"
PATIENCE = 10.0
"""Real seconds after which a thread that should hang goes on, so that a failure is no hang."""


class TestProxies:
    @pytest.mark.parametrize(
        ("env", "url", "expected"),
        [
            ({}, API, None),
            ({"HTTPS_PROXY": "http://p:1"}, API, "http://p:1"),
            ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, API, "http://lower:1"),
            ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, API, None),
            ({"HTTP_PROXY": "http://p:1"}, API, None),
            ({"HTTP_PROXY": "http://p:1"}, "http://api.test", "http://p:1"),
            ({"ALL_PROXY": "http://all:1"}, API, "http://all:1"),
            ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, API, "http://p:1"),
            ({"HTTPS_PROXY": "p:3128"}, API, "http://p:3128"),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test"}, API, None),
            ({"HTTPS_PROXY": "http://p:1", "no_proxy": "other.test, .test"}, API, None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, API, None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test:8443"}, API + ":8443", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test:8443"}, API, "http://p:1"),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "pi.test"}, API, "http://p:1"),
            ({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "api.test"}, API, None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, 10.1.0.0/8 "}, "https://10.1.2.3:8443", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://11.1.2.3", "http://p:1"),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "fe80::/10"}, "https://[fe80::1]", None),
            *(
                ({"ALL_PROXY": "http://p:1", "NO_PROXY": entry}, f"http://{host}", None)
                for entry in ("", "other.test")
                for host in ("localhost:8000", "127.1.2.3", "[::1]:8000", "host.docker.internal:8080")
            ),
        ],
    )
    def test_which_one(self, env: dict[str, str], url: str, expected: str | None) -> None:
        """The scheme's own variable before ALL_PROXY, lower case before upper, NO_PROXY before all."""
        proxy = Network(env).proxy_for(url)
        assert (proxy and proxy.url) == expected

    @pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
    def test_its_variable(self, variable: str) -> None:
        """It is known as it was written."""
        proxy = Network({variable: "http://p:1", "no_proxy": ""}).proxy_for(API)
        assert proxy is not None
        assert proxy.variable == variable

    @pytest.mark.parametrize(
        "proxy", ["http://", "http://:80", "http://user:secret@", "http://[::1", "http://p:x"]
    )
    def test_no_url(self, proxy: str) -> None:
        """A proxy's URL that is none is a configuration error, and is not quoted: it may hold a password."""
        with pytest.raises(ConfigurationError) as caught:
            Network({"HTTPS_PROXY": proxy}).proxy_for(API)
        assert str(caught.value) == "HTTPS_PROXY is not the URL of a proxy"
        assert "secret" not in caught.value.hint


class TestAuthorities:
    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    async def test_a_bundle(self, variable: str, bundle: Path) -> None:
        """The named bundle is all that is trusted."""
        context = await Network({variable: str(bundle)}).tls()
        assert context.cert_store_stats()["x509_ca"] == 1
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname

    async def test_the_first_variable_counts(self, bundle: Path, tmp_path: Path) -> None:
        env = {"CURL_CA_BUNDLE": str(tmp_path / "absent"), "SSL_CERT_FILE": str(bundle)}
        assert (await Network(env).tls()).cert_store_stats()["x509_ca"] == 1

    async def test_a_file_for_keys_that_cannot_be_written(
        self, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Python opens it for every context: then it, and not the bundle, is what is wrong."""
        file = tmp_path / "absent" / "keys"
        monkeypatch.setenv("SSLKEYLOGFILE", str(file))
        for env in ({}, {"SSL_CERT_FILE": str(bundle)}):
            with pytest.raises(ConfigurationError, match=f"^SSLKEYLOGFILE={file} can't be written"):
                await Network(env).tls()

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    async def test_no_bundle(self, variable: str, content: bytes | None, tmp_path: Path) -> None:
        """A bundle that can't be read, or is none, is a configuration error that names the variable."""
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(
            ConfigurationError, match=f"^{variable}={file} can't be used as certificate authorities"
        ):
            await Network({variable: str(file)}).tls()

    @pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl's name hash")
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
    async def test_a_directory(
        self, variable: str, bundle: Path, tls: ssl.SSLContext, tmp_path: Path
    ) -> None:
        """A directory of hashed certificates is trusted; REQUESTS_CA_BUNDLE may name one, too."""
        shutil.copy(bundle, tmp_path / f"{ssl_name_hash(bundle)}.0")
        async with serve(fine, tls=tls) as server, transport(**{variable: str(tmp_path)}) as http:
            assert await outcome(http, put(server.url)) == (200, b"fine")

    async def test_files_that_do_not_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The event loop goes on, and whoever waits can be told to stop."""
        began, goes_on, ended = threading.Event(), threading.Event(), threading.Event()

        def hang(**_: object) -> ssl.SSLContext:
            began.set()
            goes_on.wait(PATIENCE)
            ended.set()
            raise OSError

        monkeypatch.setattr(ssl, "create_default_context", hang)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Network({"SSL_CERT_FILE": "slow"}).tls)
                assert await anyio.to_thread.run_sync(began.wait, PATIENCE), "it was never asked for"
                assert not ended.is_set(), "the event loop was held up"
                tasks.cancel_scope.cancel()
            assert tasks.cancel_scope.cancelled_caught
            assert not ended.is_set(), "the end was waited for"
        finally:
            goes_on.set()

    async def test_certifi_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A system without certificates is no reason to trust nobody."""
        nothing = ssl.get_default_verify_paths()._replace(cafile="")
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
        assert (await Network({}).tls()).cert_store_stats()["x509_ca"] > 50


def ssl_name_hash(bundle: Path) -> str:
    """The name under which OpenSSL looks for a certificate in a directory."""
    command = ["openssl", "x509", "-noout", "-hash", "-in", str(bundle)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

"""Deploys through squid."""

from pathlib import Path

import trustme

from tests.servers.conftest import Start
from tests.servers.deploys import inputs, require_deployed
from tests.servers.nginx import Nginx
from tests.servers.squid import Squid
from tests.support.platform import API_KEY, Platform

PASSWORD = "pass-5e1f"  # noqa: S105 - of a proxy that ends with its test


def test_a_deploy_through_a_proxy(
    platform: Platform, small: Path, authority: trustme.CA, bundle: Path, start: Start
) -> None:
    """Only the proxy can resolve the name, and the platform's certificate is from a private CA."""
    host = "platform.test"
    with Nginx(platform.url, authority=authority, host=host) as nginx, Squid("robot", PASSWORD) as squid:
        proxy = squid.url.replace("://", f"://robot:{PASSWORD}@")
        network = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(bundle)}
        outcome = start(inputs(nginx.url, small) | network).wait()
        seen, answered = squid.seen(), nginx.seen(f" Bearer {API_KEY}")

    require_deployed(outcome, platform, small)
    assert set(seen) == {f"200 CONNECT {host}:{nginx.port}"}
    assert len(answered) > len(list(small.iterdir()))
    assert PASSWORD not in outcome.log

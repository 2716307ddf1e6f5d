"""Behind a company's proxy, with a company's certificate authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.support.platform import contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.engine import Image
    from tests.support.platform import Platform

TLS_HANDSHAKE = b"\x16"


@pytest.fixture
def gateway(platform: Platform) -> Iterator[Gateway]:
    gateway = Gateway(platform)
    yield gateway
    gateway.close()


def test_proxy_and_private_authority(
    image: Image, platform: Platform, gateway: Gateway, workspace: Path
) -> None:
    """Everything goes through the proxy, in a TLS connection that the named authority vouches for."""
    gateway.write_authority(workspace / "ca.pem")
    env = platform.inputs(api_url=gateway.url, app="site", directory="dist", create="true")
    env |= {"HTTPS_PROXY": gateway.proxy, "SSL_CERT_FILE": "/workspace/ca.pem"}
    deploy = image.run(env=env, workspace=workspace)

    assert deploy.code == 0, deploy.log
    assert platform.site("site") == contents(workspace / "dist")
    assert set(gateway.asked) == {"CONNECT platform.test:443 HTTP/1.1"}
    assert set(gateway.began) == {TLS_HANDSHAKE}


def test_unknown_authority(image: Image, platform: Platform, gateway: Gateway, workspace: Path) -> None:
    """Without the authority nothing is sent, and the message names the certificate."""
    env = platform.inputs(api_url=gateway.url, app="site", directory="dist", retries="0")
    env |= {"HTTPS_PROXY": gateway.proxy, "SSL_CERT_FILE": ""}
    deploy = image.run(env=env, workspace=workspace)

    assert deploy.code == 5, deploy.log
    assert "certificate" in deploy.log
    assert platform.state()["requests"] == []


def test_without_the_proxy(image: Image, platform: Platform, gateway: Gateway, workspace: Path) -> None:
    """`NO_PROXY` is honoured: the name cannot be resolved then."""
    env = platform.inputs(api_url=gateway.url, app="site", directory="dist", retries="0")
    env |= {"HTTPS_PROXY": gateway.proxy, "NO_PROXY": "platform.test"}
    deploy = image.run(env=env, workspace=workspace)

    assert deploy.code == 5, deploy.log
    assert "host name" in deploy.log
    assert gateway.asked == []

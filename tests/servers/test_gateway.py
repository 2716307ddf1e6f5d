"""Deploys through a gateway that restarts, reloads or rejects requests."""

import time
from pathlib import Path

import pytest

from tests.servers.conftest import Start
from tests.servers.deploys import APP, Outcome, inputs, make_folder, require_deployed, require_failed
from tests.servers.haproxy import Haproxy
from tests.servers.nginx import Nginx
from tests.support.platform import Platform

MARGIN = 30.0
"""Seconds beside the ideal ones that a busy machine may take."""


def test_a_gateway_restart_delays_the_deploy(
    platform: Platform, large: Path, undisturbed: Outcome, start: Start
) -> None:
    """The restart only delays the deploy, and the log shows it as one event."""
    gap = 6.0
    with Nginx(platform.url) as nginx:
        deploy = start(inputs(nginx.url, large))
        deploy.wait_until(lambda: len(nginx.seen(" PUT ")) >= 1_000)
        nginx.stop()
        time.sleep(gap)
        nginx.start()
        outcome = deploy.wait()

    require_deployed(outcome, platform, large)
    assert outcome.seconds < undisturbed.seconds + gap + MARGIN
    assert "; retrying" in outcome.log
    assert outcome.log.count("\n") <= undisturbed.log.count("\n") + 6 + gap / 5


@pytest.mark.parametrize(
    ("program", "size"), [("nginx", "2.0 MB"), ("nginx", "200 MB"), ("haproxy", "20.0 MB")]
)
def test_a_file_above_the_gateways_limit_fails_the_deploy(
    program: str, size: str, platform: Platform, tmp_path: Path, start: Start
) -> None:
    """A 413 during an upload is final, and the error names the file and its size."""
    folder = make_folder(tmp_path / "folder", [1_000] * 20)
    with (folder / "film.mp4").open("wb") as film:
        film.truncate(int(float(size.split(maxsplit=1)[0]) * 1_000_000))
    gateway = (
        Nginx(platform.url, "client_max_body_size 1m;")
        if program == "nginx"
        else Haproxy(platform.url, "http-request deny deny_status 413 if { req.body_size gt 1000000 }")
    )
    with gateway as server:
        outcome = start(inputs(server.url, folder)).wait()
        refused = [line.split()[:3] for line in server.seen("/film.mp4")]

    require_failed(outcome, platform, 4, "film.mp4", size, "413")
    assert "; retrying" not in outcome.log
    if program == "nginx":
        assert refused == [["413", "PUT", f"/v1/apps/{APP}/files/film.mp4"]]


def test_requests_on_closing_connections_are_retried(
    platform: Platform, large: Path, undisturbed: Outcome, start: Start
) -> None:
    """A gateway that closes idle connections immediately resets some requests."""
    with Haproxy(platform.url, idle="1ms") as gateway:
        outcome = start(inputs(gateway.url, large)).wait()

    require_deployed(outcome, platform, large)
    assert outcome.seconds < undisturbed.seconds + MARGIN


def test_a_deploy_over_a_slow_connection(platform: Platform, tmp_path: Path, start: Start) -> None:
    """At 50 kB/s, the data in the kernel's buffers is still on its way after the last write."""
    folder = make_folder(tmp_path / "folder", [2_000_000])
    limit = (
        "filter bwlim-in slow default-limit 50000 default-period 1s",
        "http-request set-bandwidth-limit slow",
    )
    with Haproxy(platform.url, *limit) as gateway:
        outcome = start(inputs(gateway.url, folder)).wait()

    require_deployed(outcome, platform, folder)
    assert "; retrying" not in outcome.log
    assert outcome.seconds > 30


def test_a_deploy_over_ipv6(platform: Platform, small: Path, start: Start) -> None:
    """The URL has an address in brackets."""
    with Nginx(platform.url, host="[::1]") as gateway:
        outcome = start(inputs(gateway.url, small)).wait()

    require_deployed(outcome, platform, small)

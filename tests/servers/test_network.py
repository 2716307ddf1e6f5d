"""Deploys over IPv6, over a slow line, and with few file descriptors."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.servers.deploys import inputs, make_folder, require_deployed
from tests.servers.line import Line
from tests.servers.nginx import Nginx
from tests.servers.processes import need

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.conftest import Start, Timed
    from tests.servers.deploys import Outcome
    from tests.support.platform import Platform


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_the_api_over_ipv6(platform: Platform, small: Path, start: Start, timed: Timed) -> None:
    """An address of IPv6 in the API's URL."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with Nginx(platform.url, address="[::1]") as nginx:
        outcome = start(inputs(nginx.url, small)).wait()

    timed(outcome, 0.5)
    require_deployed(outcome, platform, small)


def test_few_file_descriptors(
    platform: Platform, large: Path, undisturbed: Outcome, start: Start, timed: Timed
) -> None:
    """Where a process may have 64 open files, there are as many connections as that allows."""
    with Nginx(platform.url) as nginx:
        outcome = start(inputs(nginx.url, large), prefix=(need("prlimit"), "--nofile=64:64")).wait()

    timed(outcome, undisturbed.seconds)
    require_deployed(outcome, platform, large)


@pytest.mark.exhaustive  # takes three minutes
def test_a_very_slow_line(platform: Platform, tmp_path: Path, start: Start, timed: Timed) -> None:
    """8 MB at 50 kB/s are no outage either, although the kernel takes half of it at once."""
    folder = make_folder(tmp_path / "folder", [8_000_000])
    with Nginx(platform.url, "client_max_body_size 10m;") as nginx, Line(nginx.port, rate=50_000) as line:
        outcome = start(inputs(line.url, folder)).wait(300)

    timed(outcome, 160)
    require_deployed(outcome, platform, folder)
    assert outcome.result["retries_used"] == 0


def test_a_slow_line(platform: Platform, tmp_path: Path, start: Start, timed: Timed) -> None:
    """A line that is slow, far and at times silent is no outage, and the log says how far it is."""
    folder = make_folder(tmp_path / "folder", [8_000] * 150 + [1_200_000])
    rate, delay, stalls = 200_000, 0.2, [(600_000, 5.0), (1_800_000, 5.0)]
    with (
        Nginx(platform.url, "client_max_body_size 10m;") as nginx,
        Line(nginx.port, rate=rate, delay=delay, stalls=stalls) as line,
    ):
        outcome = start(inputs(line.url, folder)).wait()

    round_trips = 9  # app, lock, assets, index, look, listing, manifest, finalize, and to connect
    timed(outcome, 2_400_000 / rate + 10 + round_trips * 2 * delay)
    require_deployed(outcome, platform, folder)
    lines = re.findall(r"^Uploading .*, ([\d.]+) ([kM])B of 2\.4 MB", outcome.log, re.MULTILINE)
    told = [float(number) * {"k": 1, "M": 1000}[unit] for number, unit in lines]
    assert len(told) >= 2
    assert told == sorted(told)
    assert outcome.result["retries_used"] == 0

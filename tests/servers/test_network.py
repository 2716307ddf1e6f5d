"""Deploys over a slow line, and with few file descriptors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.servers.deploys import inputs, make_folder, require_deployed
from tests.servers.line import Line
from tests.servers.nginx import Nginx
from tests.servers.processes import need

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.conftest import Start
    from tests.support.platform import Platform


def test_few_file_descriptors(platform: Platform, large: Path, start: Start) -> None:
    """Where a process may have 64 open files, there are as many connections as that allows."""
    with Nginx(platform.url) as nginx:
        outcome = start(inputs(nginx.url, large), prefix=(need("prlimit"), "--nofile=64:64")).wait()

    require_deployed(outcome, platform, large)


def test_a_slow_line(platform: Platform, tmp_path: Path, start: Start) -> None:
    """A slow line is no outage, and the log says how far it is."""
    folder = make_folder(tmp_path / "folder", [8_000] * 150 + [1_200_000])
    with Nginx(platform.url, "client_max_body_size 10m;") as nginx, Line(nginx.port, rate=110_000) as line:
        outcome = start(inputs(line.url, folder)).wait()

    require_deployed(outcome, platform, folder)
    lines = re.findall(r"^Uploading .*, ([\d.]+) ([kM])B of 2\.4 MB", outcome.log, re.MULTILINE)
    told = [float(number) * {"k": 1, "M": 1000}[unit] for number, unit in lines]
    assert len(told) >= 2
    assert told == sorted(told)
    assert outcome.result["retries_used"] == 0

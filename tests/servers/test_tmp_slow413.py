from __future__ import annotations
import pytest
from tests.servers.deploys import inputs, make_folder
from tests.servers.line import Line
from tests.servers.test_gateway import nginx, haproxy

@pytest.mark.parametrize("rate", [1_000_000, 300_000])
@pytest.mark.parametrize("gateway", [nginx, haproxy])
def test_413_slow(platform, tmp_path, start, gateway, rate):
    folder = make_folder(tmp_path / "folder", [1_000] * 3)
    with (folder / "film.mp4").open("wb") as film:
        film.truncate(60_000_000)
    with gateway(platform.url) as server, Line(server.port, rate=rate) as line:
        outcome = start(inputs(line.url, folder, log_level="debug")).wait(400)
        print(gateway, rate, outcome.seconds, outcome.code, outcome.result["error"], outcome.result["hint"])
        print([l for l in outcome.log.splitlines() if "film" in l or "Uploads" in l])

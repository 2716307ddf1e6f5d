from __future__ import annotations

from zerokie_action.sandbox.platform import Platform


def test_everything_survives_a_restart(platform, tmp_path, clock):
    """Apps, statuses, files, locks, deployments and domains are there again under the same folder."""
    platform.put_file("site", "a b/ü%\n", b"content", "text/x-y")
    platform.take_lock("site", "one")
    platform.finalize("site", "one", uploaded=1, deleted=2, total_bytes=3)
    platform.take_lock("site", "two")
    platform.domains.add("site", "www.example.com")
    platform.set_status("api", "crashed")
    again = Platform(tmp_path / "data", clock=clock)
    assert again.apps.list() == platform.apps.list()
    assert again.apps.status(again.apps.get("api")) == "crashed"
    assert again.files("site") == {"a b/ü%\n": b"content"}
    assert again.content_types("site") == {"a b/ü%\n": "text/x-y"}
    assert again.lock("site") == "two"
    assert again.deployments("site") == platform.deployments("site")
    assert again.domains.list("site") == ["www.example.com"]
    clock.now += 1800
    assert again.lock("site") is None

from __future__ import annotations

SITE = "/v1/apps/site"
MINE, YOURS = {"deploy_session_id": "mine"}, {"deploy_session_id": "yours"}
COUNTS = {"files_uploaded": 42, "files_deleted": 3, "total_bytes": 1048576}


async def test_acquire(client, platform):
    """A conflict while anybody holds it, the same session too: the heartbeat tells whose it is."""
    answer = await client.post(f"{SITE}/deploy/lock", json=MINE)
    assert (answer.status_code, answer.json()) == (200, {"locked": True, "deploy_session_id": "mine"})
    for session in (MINE, YOURS):
        answer = await client.post(f"{SITE}/deploy/lock", json=session)
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "another deploy is already in progress"},
        )
    assert platform.lock("site") == "mine"


async def test_a_lock_expires_30_minutes_after_the_last_heartbeat(client, platform, clock):
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    clock.now += 1799
    assert (await client.put(f"{SITE}/deploy/lock", json=MINE)).status_code == 200
    clock.now += 1799
    assert platform.lock("site") == "mine"
    clock.now += 1
    assert platform.lock("site") is None
    assert (await client.put(f"{SITE}/deploy/lock", json=MINE)).status_code == 404
    assert (await client.post(f"{SITE}/deploy/lock", json=YOURS)).status_code == 200
    assert (await client.put(f"{SITE}/deploy/lock", json=MINE)).status_code == 409


async def test_finalize(client, platform):
    """The reference's answer; the lock is free, the deployment recorded."""
    await client.post(f"{SITE}/deploy/lock", json=MINE)
    answer = await client.post(f"{SITE}/deploy/finalize", json=MINE | COUNTS)
    assert answer.status_code == 200
    assert answer.json() == {
        "deploy_id": "d-20260307-170100",
        "timestamp": "2026-03-07T17:01:00Z",
        "cache_purged": True,
        "summary": COUNTS,
    }
    assert platform.lock("site") is None
    (deployment,) = platform.deployments("site")
    assert (deployment.deploy_id, deployment.session) == ("d-20260307-170100", "mine")
    assert (deployment.files_uploaded, deployment.files_deleted, deployment.total_bytes) == (42, 3, 1048576)

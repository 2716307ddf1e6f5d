SITE = "/v1/apps/site"
MINE, YOURS = {"deploy_session_id": "mine"}, {"deploy_session_id": "yours"}


async def test_a_held_lock_cannot_be_acquired_again(client, platform):
    """Even the same session gets a 409. A heartbeat shows whether a session holds the lock."""
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

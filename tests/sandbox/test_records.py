from __future__ import annotations

LOCK = {"deploy_session_id": "mine"}
COUNTS = {"files_uploaded": 1, "files_deleted": 0, "total_bytes": 5}
SITE = "/v1/apps/site"


async def test_what_is_remembered_of_a_deploy(client, platform):
    """Each request with its body's size, its session, who held the lock at its effect, and its status."""
    await client.put(f"{SITE}/files/too%20early", content=b"x")
    await client.post(f"{SITE}/deploy/lock", json=LOCK)
    await client.put(f"{SITE}/files/a%20b", content=b"hello")
    await client.delete(f"{SITE}/files/nope")
    await client.post(f"{SITE}/deploy/finalize", json=LOCK | COUNTS)
    await client.get("/_apps/site/a%20b?q=%31")
    await client.get("/v1/apps")
    rows = [
        (r.index, r.method, r.path, r.query, r.app, r.session, r.lock_holder, r.status)
        for r in platform.requests
    ]
    assert rows == [
        (0, "PUT", f"{SITE}/files/too%20early", "", "site", None, None, 200),
        (1, "POST", f"{SITE}/deploy/lock", "", "site", "mine", None, 200),
        (2, "PUT", f"{SITE}/files/a%20b", "", "site", None, "mine", 200),
        (3, "DELETE", f"{SITE}/files/nope", "", "site", None, "mine", 404),
        (4, "POST", f"{SITE}/deploy/finalize", "", "site", "mine", "mine", 200),
        (5, "GET", "/_apps/site/a%20b", "q=%31", "site", None, None, 200),
        (6, "GET", "/v1/apps", "", "", None, None, 200),
    ]
    assert [platform.requests[i].body_size for i in (0, 2, 3)] == [1, 5, 0]
    assert platform.requests[2].headers["content-length"] == "5"
    assert str(platform.requests[2]) == "2 PUT /v1/apps/site/files/a%20b -> 200"


async def test_state_for_other_processes(client, platform):
    """Apps with files, lock, deployments and domains; records without the key."""
    platform.put_file("site", "a", b"x", "text/plain")
    platform.take_lock("site", "mine")
    platform.finalize("site", "mine", uploaded=1, deleted=0, total_bytes=1)
    platform.take_lock("site", "mine")
    platform.domains.add("site", "www.example.com")
    await client.get("/v1/apps")
    answer = await client.get("/_sandbox/state")
    assert "sandbox-key" not in answer.text
    state = answer.json()
    site = state["apps"]["site"]
    assert (site["type"], site["status"], site["lock"], site["domains"]) == (
        "static",
        "running",
        "mine",
        ["www.example.com"],
    )
    assert [(file["path"], file["length"], file["content_type"]) for file in site["files"]] == [
        ("a", 1, "text/plain")
    ]
    assert [deployment["deploy_id"] for deployment in site["deployments"]] == ["d-20260307-170100"]
    assert state["request_count"] == 1
    assert state["requests"][0]["path"] == "/v1/apps"

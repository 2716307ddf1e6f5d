from __future__ import annotations

LOCK = {"deploy_session_id": "mine"}
COUNTS = {"files_uploaded": 1, "files_deleted": 0, "total_bytes": 5}
SITE = "/v1/apps/site"


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

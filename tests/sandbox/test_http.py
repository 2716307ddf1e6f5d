from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "header",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": "sandbox-key"}, {"authorization": "Basic x"}],
)
@pytest.mark.parametrize("path", ["/v1/apps", "/v1/apps/nope", "/v1/nope"])
async def test_a_key_is_needed(client, header, path):
    """401 comes before anything else, a 404 included."""
    del client.headers["authorization"]
    answer = await client.get(path, headers=header)
    assert (answer.status_code, answer.json()) == (401, {"error": "missing or invalid API key"})
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/apps", "GET, POST"),
        ("/v1/apps/site", "DELETE, GET"),
        ("/v1/apps/site/files", "GET"),
        ("/v1/apps/site/files/a/b", "DELETE, PUT"),
        ("/v1/apps/site/deploy/lock", "POST, PUT"),
    ],
)
async def test_a_wrong_method(client, path, allowed):
    """405 says which methods there are."""
    answer = await client.patch(path)
    assert (answer.status_code, answer.json()) == (405, {"error": "method not allowed"})
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff",
        b"null",
        b"[1",
        b"[" * 100_000,
        b'{"deploy_session_id": "\xff"}',
        b'{"deploy_session_id": "\\ud800"}',
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)
async def test_a_body_that_is_no_valid_json_object(client, body):
    """400, and the record of it can be shown."""
    answer = await client.post(
        "/v1/apps/site/deploy/lock", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert (await client.get("/_sandbox/state")).json()["requests"][0]["body_size"] == len(body)


async def test_a_defect_is_a_500(client, platform, monkeypatch, caplog):
    """The reference's format, and a traceback in the log."""

    def explode(_name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(platform.apps, "get", explode)
    answer = await client.get("/v1/apps/site")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal server error"})
    assert "ZeroDivisionError" in caplog.text


async def test_connections_are_kept(dial, platform):
    """One connection serves many requests, with bodies read and unread."""
    wire = await dial()
    for target in ("/v1/apps/site/files/a", "/v1/apps/nope/files/a", "/v1/apps/site/files/b"):
        wire.send("PUT", target, b"x" * 100_000)
        head = await wire.head()
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await wire.reader.readexactly(length)
    assert [record.status for record in platform.requests] == [200, 404, 200]
    assert sorted(platform.files("site")) == ["a", "b"]

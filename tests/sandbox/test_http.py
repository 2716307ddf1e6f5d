from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "header",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": "sandbox-key"}],
)
@pytest.mark.parametrize("path", ["/v1/apps", "/v1/apps/nope", "/v1/nope"])
async def test_a_key_is_needed(client, header, path):
    """401 comes before anything else, a 404 included."""
    del client.headers["authorization"]
    answer = await client.get(path, headers=header)
    assert (answer.status_code, answer.json()) == (401, {"error": "missing or invalid API key"})
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [b"{", b"null", b"[" * 100_000, b'{"deploy_session_id": "\\ud800"}'],
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

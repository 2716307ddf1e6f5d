import pytest


@pytest.mark.parametrize("key", ["", "Bearer wrong", "sandbox-key"])
async def test_a_key_is_needed(client, key):
    """401 comes before anything else, a 404 included."""
    answer = await client.get("/v1/apps/nope", headers={"authorization": key})
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

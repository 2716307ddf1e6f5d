import pytest


@pytest.mark.parametrize("key", ["", "Bearer wrong", "sandbox-key"])
async def test_a_request_needs_the_key(client, key):
    """The 401 comes before any other error, such as a 404."""
    answer = await client.get("/v1/apps/nope", headers={"authorization": key})
    assert (answer.status_code, answer.json()) == (401, {"error": "missing or invalid API key"})
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [b"{", b"null", b"[" * 100_000, b'{"deploy_session_id": "\\ud800"}'],
    ids=lambda body: body[:30].decode(errors="replace"),
)
async def test_an_invalid_json_body_is_a_400(client, body):
    """The record of such a request can be shown too."""
    answer = await client.post(
        "/v1/apps/site/deploy/lock", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert (await client.get("/_sandbox/state")).json()["requests"][0]["body_size"] == len(body)

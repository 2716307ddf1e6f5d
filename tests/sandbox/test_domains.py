from __future__ import annotations

import pytest

DOMAINS = "/v1/apps/site/domains"


async def test_add_and_delete(client, platform):
    """201 with the CNAME target, 204 without a body, 404 the second time."""
    answer = await client.post(DOMAINS, json={"domain": "WWW.Example.com"})
    assert (answer.status_code, answer.json()) == (
        201,
        {"domain": "www.example.com", "cname_target": "site.localhost", "tls_status": "pending"},
    )
    assert platform.domains.list("site") == ["www.example.com"]
    answer = await client.delete(f"{DOMAINS}/www.example.com")
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await client.delete(f"{DOMAINS}/www.example.com")
    assert (answer.status_code, answer.json()) == (404, {"error": "domain not found"})


@pytest.mark.parametrize(
    ("domain", "error"),
    [
        ("example.com", "apex domains are not supported"),
        ("www.example.com\n", "invalid domain"),
    ],
)
async def test_invalid_domains(client, platform, domain, error):
    answer = await client.post(DOMAINS, json={"domain": domain})
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert platform.domains.list("site") == []

"""Custom domains: attached after the deploy, each result told."""

import pytest

from sandbox.faults import Kind
from tests.support.containers import lines
from tests.support.schema import check_result
from tests.support.world import World

WWW = "www.example.com"
RECORD = f"{WWW} CNAME site.localhost"


def attached(world: World) -> list[str]:
    return world.platform.domains.list("site")


def test_domains_are_attached_after_the_deploy(world: World) -> None:
    """When the new version is live; with the DNS record to set, in the log, the outputs and the summary."""
    outcome = world.run(domains=[WWW])
    assert outcome.exit_code == 0
    assert attached(world) == [WWW]
    assert lines(outcome)[-2] == f"Attached '{WWW}' (TLS pending); set the DNS record: {RECORD}"
    assert outcome.outputs["domains"] == [
        {"domain": WWW, "cname_target": "site.localhost", "tls_status": "pending", "dns_record": RECORD}
    ]
    assert f"| `{WWW}` | `site.localhost` | pending |" in outcome.summary
    paths = [record.path for record in outcome.requests]
    assert paths.index("/v1/apps/site/deploy/finalize") < paths.index("/v1/apps/site/domains")


def test_a_domain_that_is_attached_already_is_no_news(world: World) -> None:
    """Every deploy brings its domains again: no warning, no failure. Neither case nor a dot changes it."""
    world.run(domains=[WWW])
    outcome = world.run(domains=["WWW.Example.com."])
    assert outcome.exit_code == 0
    check_result(outcome.outputs)
    assert outcome.outputs["warnings"] == []
    assert outcome.outputs["domains"] == [
        {"domain": WWW, "status": "attached already", "answer": '409: "domain already exists"'}
    ]
    assert len(outcome.sent("POST", "/domains$")) == 1
    assert lines(outcome)[-2] == (
        f"'{WWW}' is attached already, to this app or another: "
        'the platform said 409: "domain already exists"'
    )
    assert f"| `{WWW}` | attached already |  |" in outcome.summary


def test_a_deploy_in_progress_is_waited_for(world: World) -> None:
    """A conflict with it does not say that the domain is attached. A domain alone is a change."""
    world.run()
    world.platform.dialect.speak("domain-busy=once")
    outcome = world.run(domains=[WWW])
    assert (outcome.exit_code, outcome.outputs["changed"]) == (0, True), outcome.log
    assert attached(world) == [WWW]
    assert "Waiting for another deploy of 'site' to end" in outcome.log


def test_a_domain_that_the_platform_refuses_is_quoted_and_the_deploy_is_done(world: World) -> None:
    """The other domain is attached."""
    refusal = b'{"error": "apex domains are not supported"}'
    world.fault(Kind.STATUS, "POST", "/domains$", status=400, body=refusal)
    outcome = world.run(domains=["example.co.uk", WWW])
    check_result(outcome.outputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"] == (
        "Attaching 'example.co.uk' was refused (400: \"apex domains are not supported\"); "
        "the new version is deployed"
    )
    assert attached(world) == [WWW]
    (deployment,) = world.platform.deployments("site")
    assert outcome.outputs["deploy_id"] == deployment.deploy_id
    assert outcome.outputs["files_uploaded"] == 4
    assert world.platform.lock("site") is None
    assert [sorted(domain) for domain in outcome.outputs["domains"]] == [
        ["domain", "error"],
        ["cname_target", "dns_record", "domain", "tls_status"],
    ]


def test_domains_are_removed_and_need_not_be_there(world: World) -> None:
    world.run(domains=[WWW])
    outcome = world.run(remove_domains=[WWW, "other.example.com"])
    assert (outcome.exit_code, outcome.outputs["changed"]) == (0, True)
    assert attached(world) == []
    assert outcome.outputs["notes"] == [f"Removed '{WWW}'.", "'other.example.com' was not attached."]


ATTACHED, REFUSED, WAITED = 0, 4, 6


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (409, "conflict", ATTACHED),
        (422, "www.example.com already exists", ATTACHED),
        (400, "unknown domain", REFUSED),
        (409, "already in use by another account", REFUSED),
        (422, "www.example.com exists and belongs to someone else", REFUSED),
        (409, "domain_claimed", REFUSED),
        (409, "app is locked", WAITED),
        (409, "already attached to 'site', not to smart-lock or lock.example.com", ATTACHED),
        (400, "lock", REFUSED),
    ],
)
def test_the_platforms_words_decide_and_are_quoted(world: World, status: int, said: str, code: int) -> None:
    body = f'{{"error": "{said}"}}'.encode()
    world.fault(Kind.STATUS, "POST", "/domains$", status=status, body=body, times=None)
    outcome = world.run(domains=[WWW], lock_timeout=0)
    assert outcome.exit_code == code, outcome.log
    assert f'{status}: "{said}"' in outcome.log
    (domain,) = outcome.outputs["domains"]
    assert said in domain["answer" if code == ATTACHED else "error"]


def test_the_apps_own_name_is_no_word_of_a_refusal(world: World) -> None:
    """An app may be named `lock`: a domain that it has already is no deploy in progress."""
    body = b'{"error": "already attached to app lock"}'
    world.fault(Kind.STATUS, "POST", "/domains$", status=409, body=body, times=None)
    outcome = world.run(app="lock", create=True, domains=[WWW], lock_timeout=0)
    assert outcome.exit_code == 0, outcome.log


@pytest.mark.parametrize(
    ("status", "said", "code", "waited"),
    [(409, "busy", 6, 20), (503, "busy", 5, 0), (409, "taken by another app", 4, 0)],
    ids=["busy", "away", "somebody else's"],
)
def test_a_domain_that_fails_stops_neither_the_others_nor_the_health_check(
    world: World, status: int, said: str, code: int, waited: int
) -> None:
    """`lock-timeout` counts once, for all of them."""
    body = f'{{"error": "{said}"}}'.encode()
    world.fault(Kind.STATUS, "POST", "/domains$", status=status, body=body, times=None)
    world.platform.domains.add("site", WWW)
    outcome = world.run(
        domains=["a.example.com", "b.example.com"],
        remove_domains=[WWW],
        health_check="/",
        lock_timeout="20s",
        retry_timeout="20s",
    )
    assert outcome.exit_code == code, outcome.log
    assert attached(world) == []
    assert "serves 'index.html' as deployed" in outcome.log
    assert [domain["domain"] for domain in outcome.outputs["domains"]] == ["a.example.com", "b.example.com"]
    assert ("20 s of it waiting for the deploy lock" in outcome.summary) is bool(waited)


def test_a_domain_and_a_health_check_that_fail_are_both_told(world: World) -> None:
    """The first one's exit code counts."""
    world.fault(Kind.STATUS, "POST", "/domains$", status=400, body=b'{"error": "no such zone"}')
    outcome = world.run(domains=[WWW], health_check="/missing", health_check_timeout="1s")
    assert outcome.exit_code == 4
    assert "no such zone" in outcome.outputs["error"]
    assert "/missing is not healthy after" in outcome.outputs["error"]

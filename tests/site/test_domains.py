"""Custom domains, attached and removed after the deploy."""

import json

import pytest

from sandbox.dialects import QUESTIONS
from sandbox.faults import Kind
from tests.support.containers import lines
from tests.support.schema import check_result
from tests.support.world import World

WWW = "www.example.com"
RECORD = f"{WWW} CNAME site.localhost"


def attached(world: World) -> list[str]:
    return world.platform.domains.list("site")


def test_domains_are_attached_after_the_deploy(world: World) -> None:
    """Log, outputs and summary have the DNS record to set."""
    outcome = world.run(domains=[WWW])
    assert outcome.exit_code == 0
    assert attached(world) == [WWW]
    assert lines(outcome)[-2] == f"Attached '{WWW}' (TLS pending). Set the DNS record: {RECORD}"
    assert outcome.outputs["domains"] == [
        {"domain": WWW, "cname_target": "site.localhost", "tls_status": "pending", "dns_record": RECORD}
    ]
    assert f"| `{WWW}` | `site.localhost` | pending |" in outcome.summary
    paths = [record.path for record in outcome.requests]
    assert paths.index("/v1/apps/site/deploy/finalize") < paths.index("/v1/apps/site/domains")


def test_an_attached_domain_is_not_an_error(world: World) -> None:
    """Every deploy sends its domains, so it doesn't warn again. Case and a final dot don't matter."""
    world.run(domains=[WWW])
    outcome = world.run(domains=["WWW.Example.com."])
    assert outcome.exit_code == 0
    check_result(outcome.outputs)
    assert outcome.outputs["warnings"] == []
    assert outcome.outputs["domains"] == [
        {"domain": WWW, "status": "attached already", "answer": '409: "domain already exists"'}
    ]
    assert len(outcome.sent("POST", "/domains$")) == 1
    note = f"Domain '{WWW}' is already attached. The platform said 409: \"domain already exists\""
    assert lines(outcome)[-2] == note
    assert outcome.outputs["notes"] == [f"{note}."]
    assert f"| `{WWW}` | attached already |  |" in outcome.summary


def test_only_a_refusal_advises_to_check_the_domain(world: World) -> None:
    world.fault(Kind.STATUS, "POST", "/domains$", status=401, times=None)
    outcome = world.run(domains=[WWW])
    assert outcome.exit_code == 3
    assert "attach-a-custom-domain" not in outcome.outputs["hint"]


def test_a_refused_domain_fails_the_run_after_the_deploy(world: World) -> None:
    """The error quotes the platform, and the other domain is attached."""
    refusal = b'{"error": "apex domains are not supported"}'
    world.fault(Kind.STATUS, "POST", "/domains$", status=400, body=refusal)
    outcome = world.run(domains=["example.co.uk", WWW])
    check_result(outcome.outputs)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"] == (
        "Attaching 'example.co.uk' was refused (400: \"apex domains are not supported\"); "
        "the new version is deployed"
    )
    assert outcome.outputs["hint"].endswith("/static-sites.md#attach-a-custom-domain")
    assert attached(world) == [WWW]
    (deployment,) = world.platform.deployments("site")
    assert outcome.outputs["deploy_id"] == deployment.deploy_id
    assert outcome.outputs["files_uploaded"] == 4
    assert world.platform.lock("site") is None
    assert [sorted(domain) for domain in outcome.outputs["domains"]] == [
        ["domain", "error"],
        ["cname_target", "dns_record", "domain", "tls_status"],
    ]


def test_removing_a_missing_domain_is_not_an_error(world: World) -> None:
    world.run(domains=[WWW])
    outcome = world.run(remove_domains=[WWW, "other.example.com"])
    assert (outcome.exit_code, outcome.outputs["changed"]) == (0, True)
    assert attached(world) == []
    assert outcome.outputs["notes"] == [f"Removed '{WWW}'.", "'other.example.com' was not attached."]


ATTACHED, REFUSED = 0, 4
WORDS = (
    "another other different else taken claimed owned belongs limit busy lock locked in-progress in_progress"
)


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (409, "conflict", ATTACHED),
        (409, "domain already exists", ATTACHED),
        (422, "www.example.com already exists", ATTACHED),
        (400, "domain_already_attached", ATTACHED),
        (400, "unknown domain", REFUSED),
        (422, "invalid", REFUSED),
        (404, "already attached", REFUSED),
        # words that mean another app
        *((409, f"the domain: {word}.", REFUSED) for word in WORDS.split()),
        (409, "already in use by another account", REFUSED),
        (422, "www.example.com exists and belongs to someone else", REFUSED),
        (409, "domain_claimed", REFUSED),
        (409, "deploy lock conflict", REFUSED),
        (409, "another deploy is in progress", REFUSED),
        (400, "Already exists, but LOCKED", REFUSED),
        # parts of other words
        (409, "already attached: smart-lock, lock.example.com, e-other", ATTACHED),
        (409, "unlimited, misplaced, blocked", ATTACHED),
        # the name of another app or site
        (409, "already configured on app blue-shop", REFUSED),
        (422, "already exists (app: 'blue-shop')", REFUSED),
        (409, "app: shop", REFUSED),
        (409, "already attached to app shop", REFUSED),
        (409, "already attached to the app shop.", REFUSED),
        (409, "app shop2 has this domain", REFUSED),
        (409, "site 'shop' has this domain", REFUSED),
        (409, "already attached to site other-site", REFUSED),
        (409, "already attached to app site-2", REFUSED),
        (409, "app=shop", REFUSED),
        (409, "app name: shop", REFUSED),
        (409, "exists in the app named `shop`", REFUSED),
        # the name of this app, or no name
        (409, "already attached to app site", ATTACHED),
        (409, "already attached to 'site'", ATTACHED),
        (409, "already attached to app 'site', site: site", ATTACHED),
        (409, "app site already has www.example.com", ATTACHED),
        (409, "app name: site", ATTACHED),
        (409, "this app already has this domain", ATTACHED),
        (409, "one of the app's domains already", ATTACHED),
        (409, "attached to this app already", ATTACHED),
        (409, "already exists for site www.example.com", ATTACHED),
        (409, "already points to app site.platform-dev.zerokie.com", ATTACHED),
        (409, "the website shop-2 exists", ATTACHED),
    ],
)
def test_the_words_of_a_refusal_decide_its_meaning(world: World, status: int, said: str, code: int) -> None:
    """The log and the result quote the words, and the run doesn't retry."""
    body = json.dumps({"error": said}).encode()
    world.fault(Kind.STATUS, "POST", "/domains$", status=status, body=body, times=None)
    outcome = world.run(domains=[WWW])
    assert (outcome.exit_code, outcome.seconds) == (code, 0), outcome.log
    assert f'{status}: "{said}"' in outcome.log
    assert len(outcome.sent("POST", "/domains$")) == 1
    (domain,) = outcome.outputs["domains"]
    assert said in domain["answer" if code == ATTACHED else "error"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b'{"code": "exists", "app": "lock"}', ATTACHED),
        (b'{"code": "exists", "app": "blue"}', REFUSED),
        (b"exists on app lock", ATTACHED),
        (b"exists on app lock: locked", REFUSED),
        (b"", ATTACHED),
    ],
)
def test_the_apps_own_name_does_not_decide(world: World, said: bytes, code: int) -> None:
    """In this test, the app has the name `lock`, a word that refusals contain."""
    world.platform.apps.create_static("lock")
    world.fault(Kind.STATUS, "POST", "/domains$", status=409, body=said, times=None)
    outcome = world.run(app="lock", domains=[WWW])
    assert outcome.exit_code == code, outcome.log


@pytest.mark.parametrize("answer", QUESTIONS["domain-taken"].answers[1:])
def test_a_domain_of_another_app_is_refused(world: World, answer: str) -> None:
    world.platform.dialect.speak(f"domain-taken={answer}")
    world.platform.apps.create_static("blue-shop")
    world.platform.domains.add("blue-shop", WWW)
    assert world.run(domains=[WWW]).exit_code == REFUSED


@pytest.mark.parametrize(("is_lost", "code"), [(False, 4), (True, 0)])
def test_a_new_app_has_no_domain_unless_a_response_was_lost(
    world: World, *, is_lost: bool, code: int
) -> None:
    """So a 409 means that someone else has the domain."""
    world.fault(Kind.STATUS, "POST", "/domains$", status=502, after=True, times=int(is_lost))
    world.fault(Kind.STATUS, "POST", "/domains$", status=409, body=b'{"error": "domain already exists"}')
    outcome = world.run(app="new", create=True, domains=[WWW])
    assert outcome.exit_code == code, outcome.log


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [(409, "busy", 4), (503, "busy", 5), (409, "taken by another app", 4)],
    ids=["busy", "unavailable", "another app's"],
)
def test_after_a_failed_domain_the_run_continues_with_others_and_health_check(
    world: World, status: int, said: str, code: int
) -> None:
    body = f'{{"error": "{said}"}}'.encode()
    world.fault(Kind.STATUS, "POST", "/domains$", status=status, body=body, times=None)
    world.platform.domains.add("site", WWW)
    outcome = world.run(
        domains=["a.example.com", "b.example.com"],
        remove_domains=[WWW],
        health_check="/",
        retry_timeout="20s",
    )
    assert outcome.exit_code == code, outcome.log
    assert attached(world) == []
    assert "serves 'index.html' as deployed" in outcome.log
    assert [domain["domain"] for domain in outcome.outputs["domains"]] == ["a.example.com", "b.example.com"]


def test_a_failed_domain_and_a_failed_health_check_are_both_reported(world: World) -> None:
    """The exit code is that of the first failure."""
    world.fault(Kind.STATUS, "POST", "/domains$", status=400, body=b'{"error": "no such zone"}')
    outcome = world.run(domains=[WWW], health_check="/missing", wait="1s")
    assert outcome.exit_code == 4
    assert "no such zone" in outcome.outputs["error"]
    assert "/missing is not healthy after" in outcome.outputs["error"]

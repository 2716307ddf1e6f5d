"""Comment and deployment by outcome of the run, and failures of the code host.

`tests/previews/test_comment.py` and `test_deployments.py` have their contents and later edits.
"""

import json
from typing import Any

import pytest

from tests.http.servers import Handler, Peer, always
from tests.previews import code_host as hosts
from tests.previews.code_host import TOKEN, CodeHost, Deployment, active, hang, warnings
from tests.report.results import make_report
from tests.support.containers import tell
from tests.support.world import API_KEY, Outcome, World

BOTH: dict[str, Any] = {"comment": True, "preview_environment": "previews"}
EVENT = json.dumps({"pull_request": {"number": 12, "head": {"sha": "new"}}})


def run(world: World, host: CodeHost | Handler, **inputs: Any) -> Outcome:
    """Run a deploy with a comment and a deployment on the pull request."""
    return hosts.run(world, host, **{**BOTH, "event": EVENT, **inputs})


# --- by outcome


@pytest.mark.parametrize(
    ("operation", "status", "is_dry", "expected"),
    [
        ("deploy", "deployed", False, ["new success"]),
        ("deploy", "failed", False, ["old success", "new failure"]),
        ("deploy", "rolled-back", False, ["old success", "new failure"]),
        ("deploy", "superseded", False, ["old success"]),
        ("deploy", "cancelled", False, ["old success"]),
        ("deploy", "skipped", False, ["old success"]),
        ("deploy", "planned", True, ["old success"]),
        ("deploy", "failed", True, ["old success"]),
        ("restart", "restarted", False, ["old success"]),
        ("destroy", "destroyed", False, []),
        ("destroy", "failed", False, ["old success"]),
    ],
)
def test_the_button_leads_to_the_live_version(
    world: World, operation: str, status: str, expected: list[str], *, is_dry: bool
) -> None:
    """A failed deploy adds a deployment and keeps the older one active. Almost every run comments."""
    old = {"ref": "old", "task": "zerokie:site", "environment": "previews"}
    host = CodeHost(deployments={501: Deployment(old, [{"state": "success"}])})
    hosts.tell(world, host, make_report(operation, "site", dry_run=is_dry, status=status), EVENT, **BOTH)
    assert active(host, "zerokie:site") == expected
    assert any("deployments" in line for line in host.requests) is (expected != ["old success"])
    assert len(host.comments) == (status not in {"cancelled", "skipped"})


def test_an_invalid_url_is_not_sent(world: World) -> None:
    """One URL contained a secret. The URL of the log is missing."""
    host = CodeHost()
    hosts.tell(world, host, make_report("deploy", "site", status="deployed", url="https://***.x/"), EVENT)
    assert host.deployments is not None
    (status,) = host.deployments[501].statuses
    assert (status["environment_url"], status["log_url"]) == ("", "")


@pytest.mark.parametrize(
    "inputs",
    [
        {"max_deletes": -1},
        {"api_key": None, "skip_without_key": True},
        {"comment": None, "preview_environment": None},
    ],
    ids=["wrong inputs", "a skipped fork", "not configured"],
)
def test_a_run_with_nothing_to_report_sends_nothing(world: World, inputs: dict[str, object]) -> None:
    host = CodeHost()
    run(world, host, **inputs)
    assert host.requests == []


def test_a_stop_by_a_safety_check_is_a_failed_deployment(world: World) -> None:
    world.platform.put_file("site", "by-hand.html", b"")
    host = CodeHost()
    assert run(world, host).exit_code == 2
    assert active(host, "zerokie:site") == ["new failure"]


@pytest.mark.parametrize("inputs", [{}, {"operation": "destroy", "directory": None}])
def test_a_wrong_key_leaves_the_comment_as_it_is(world: World, inputs: dict[str, object]) -> None:
    """The comment's hidden line depends on the key, so the run would add a second comment forever."""
    host = CodeHost()
    run(world, host)
    comments = dict(host.comments)
    outcome = run(world, host, api_key="wrong", **inputs)
    assert outcome.exit_code == 3
    assert host.comments == comments
    assert active(host, "zerokie:site")[-1] == ("new success" if inputs else "new failure")
    assert warnings(outcome.log) == []


@pytest.mark.parametrize("env", hosts.NO_JOB)
def test_a_shell_is_told_that_comments_need_github_or_gitlab(world: World, env: dict[str, str]) -> None:
    """Even if `pull-request` is set."""
    world.env = env
    for inputs in ({}, {"pull_request": 5}):
        outcome = world.run(comment=True, github_token=TOKEN, gitlab_token=TOKEN, **inputs)
        last = outcome.log.splitlines()[-1]
        assert last == "`comment` and `preview-environment` need the variables of a job on GitHub or GitLab"


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_run_without_a_pull_request_sends_nothing_and_does_not_warn(
    world: World, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push lacks a pull request. `pull-request` sets it, for example after a fork's build."""
    monkeypatch.setitem(hosts.GITLAB, "CI_MERGE_REQUEST_IID", "")
    host = CodeHost()
    outcome = run(world, host, ci=ci, event="{}", preview_environment=None)
    last = outcome.log.splitlines()[-1]
    assert last == "This run has no pull or merge request. To choose one, set `pull-request`"
    assert (warnings(outcome.log), host.requests) == ([], [])
    run(world, host, ci=ci, event="{}", preview_environment=None, pull_request=5)
    assert [*host.about.values()] == [5]


def test_preview_environment_has_no_effect_on_gitlab(world: World) -> None:
    """GitLab has the job's `environment`, so there is no warning."""
    host = CodeHost()
    outcome = run(world, host, ci="gitlab", comment=None)
    assert (outcome.exit_code, outcome.outputs["warnings"], host.requests) == (0, [], [])


# --- failures of the code host

NO_PERMISSION = b'{"message": "Resource not accessible by integration"}'
FAILURES: dict[str, tuple[CodeHost | Handler, str, bool]] = {
    # name: the code host, text in both warnings, whether they name the permission
    "no permission": (
        CodeHost(refuse={"POST": (403, NO_PERMISSION)}),
        'accessible by integration"}"). ',
        True,
    ),
    # A redirect isn't followed, because the token would go with it.
    "a redirect": (always(302, b"", "Location: http://127.0.0.1:9/"), " was refused (302). ", True),
    # If a response is lost, a retry would create a second comment, so there is only one attempt.
    "an error": (CodeHost(refuse={"POST": (502, b"")}), " failed after 1 attempt: ", False),
    # After an invalid list, the run doesn't comment, because its comment may already exist.
    "a page": (always(200, b"<html>Sign in</html>"), ": the response isn't JSON (200: an HTML page", False),
    "null": (always(200, b"null"), " failed, because the response is not as expected (TypeError", False),
    "no record": (always(200, b"[]"), " failed, because the response is not as expected (TypeError", False),
    "nothing": (hang, " failed: no response within 20s", False),
    "the limit": (
        CodeHost(allowance=0),
        "If the token reached its rate limit, run the job again later.",
        True,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_each_failure_of_the_code_host_is_a_warning(world: World, case: str) -> None:
    """Comment and deployment get a warning each within 20s. The run succeeds with complete reports."""
    host, words, is_permission = FAILURES[case]
    world.loop.jump(60)  # the event loop's clock starts before the run
    outcome = run(world, host)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed")
    told = sorted(warnings(outcome.log))
    assert [words in line for line in told] == [True, True]
    permissions = ("`permissions: pull-requests: write`", "`permissions: deployments: write`")
    assert [name in line for name, line in zip(permissions, told, strict=True)] == [is_permission] * 2
    # A page of a gateway is retried, like an outage.
    assert outcome.seconds == pytest.approx(20 if case in {"nothing", "a page"} else 0, abs=2)
    assert outcome.outputs["warnings"] == []  # the reports are written before
    assert outcome.outputs["duration_seconds"] == pytest.approx(0, abs=0.1)
    if isinstance(host, CodeHost):
        assert len(host.requests) <= 3


@pytest.mark.parametrize(("inputs", "count"), [({}, 1), ({"comment": False, "dry_run": True}, 0)])
def test_a_missing_token_is_one_warning_if_there_is_anything_to_send(
    world: World, inputs: dict[str, object], count: int
) -> None:
    """The permission doesn't matter before the code host refuses a request."""
    host = CodeHost()
    outcome = run(world, host, github_token=None, **inputs)
    missing = "Can't update pull request #12, because `github-token` is not set"
    assert warnings(outcome.log) == [f"::warning::The deploy succeeded. {missing}"] * count
    assert (outcome.exit_code, host.requests) == (0, [])


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_requests_are_retried_after_a_short_outage(world: World, method: str) -> None:
    """Only the creation of a comment or a deployment isn't retried."""
    host = CodeHost()
    run(world, host)
    host.refuse[method] = (503, b"")
    world.loop.call_later(1.5, host.refuse.clear)
    assert warnings(run(world, host).log) == []
    assert len(host.comments) == 1


def test_a_signal_cancels_comment_and_deployment(world: World) -> None:
    """The run keeps its exit code and status."""

    async def signalled(peer: Peer) -> None:
        tell(world, after=2)
        await hang(peer)

    outcome = run(world, signalled)
    assert (outcome.exit_code, outcome.outputs["status"], warnings(outcome.log)) == (0, "deployed", [])
    assert outcome.seconds == pytest.approx(2, abs=0.1)


# --- secrets


def test_comment_and_deployment_send_each_secret_to_its_own_origin(world: World) -> None:
    """The platform gets the key, the code host gets the token. Comments, deployments and log show neither."""
    host = CodeHost()
    seen: list[str] = []
    world.platform.on_request = lambda record: seen.append(f"{record}")
    outcome = run(world, host)
    assert API_KEY not in "".join(host.received)
    assert all(f"Bearer {TOKEN}" in line for line in host.received)
    assert TOKEN not in f"{seen} {host.deployments} {host.comments}"
    said = outcome.log + outcome.summary + json.dumps(outcome.outputs)
    assert not [secret for secret in (API_KEY, TOKEN) if secret in said]

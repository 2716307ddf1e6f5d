"""What the end of a run tells the forge, and what a forge can't break.

`tests/previews/test_comment.py` and `test_deployments.py` have what becomes of comments and deployments.
"""

import json
from typing import Any

import pytest

from tests.http.servers import Handler, Peer, always
from tests.previews import code_host as forges
from tests.previews.code_host import TOKEN, Deployment, Forge, active, hang, warnings
from tests.support.containers import tell
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.report.report import Result

BOTH: dict[str, Any] = {"comment": True, "preview_environment": "previews"}
EVENT = json.dumps({"pull_request": {"number": 12, "head": {"sha": "new"}}})


def run(world: World, forge: Forge | Handler, **inputs: Any) -> Outcome:
    """A deploy that the request gets a comment and a deployment of."""
    return forges.run(world, forge, **{**BOTH, "event": EVENT, **inputs})


# --- which outcome tells what


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
def test_the_button_leads_to_what_is_live(
    world: World, operation: str, status: str, expected: list[str], *, is_dry: bool
) -> None:
    """A failed deploy is shown, and leaves the older deployment active. A comment tells of almost any end."""
    old = {"ref": "old", "task": "zerokie:site", "environment": "previews"}
    forge = Forge(deployments={501: Deployment(old, [{"state": "success"}])})
    forges.tell(world, forge, Result(operation, "site", is_dry, status), EVENT, **BOTH)
    assert active(forge, "zerokie:site") == expected
    assert any("deployments" in line for line in forge.requests) is (expected != ["old success"])
    assert len(forge.comments) == (status not in {"cancelled", "skipped"})


def test_an_address_that_is_none_is_not_sent(world: World) -> None:
    """Such as one that had a secret, or that of the log of a run that has none."""
    forge = Forge()
    forges.tell(world, forge, Result("deploy", "site", status="deployed", url="https://***.x/"), EVENT)
    assert forge.deployments is not None
    (status,) = forge.deployments[501].statuses
    assert (status["environment_url"], status["log_url"]) == ("", "")


@pytest.mark.parametrize(
    "inputs",
    [
        {"concurrency": 0},
        {"api_key": None, "skip_without_key": True},
        {"comment": None, "preview_environment": None},
    ],
    ids=["wrong inputs", "a fork that is skipped", "nobody asks for it"],
)
def test_the_forge_hears_nothing_where_there_is_nothing_to_tell(
    world: World, inputs: dict[str, object]
) -> None:
    forge = Forge()
    run(world, forge, **inputs)
    assert forge.requests == []


def test_a_stop_before_any_change_is_a_failure(world: World) -> None:
    world.platform.put_file("site", "by-hand.html", b"")
    forge = Forge()
    assert run(world, forge).exit_code == 2
    assert active(forge, "zerokie:site") == ["new failure"]


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_run_without_a_request_tells_nothing_and_warns_of_nothing(
    world: World, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push; `pull-request` says where to comment, for example after a fork's build."""
    monkeypatch.setitem(forges.GITLAB, "CI_MERGE_REQUEST_IID", "")
    forge = Forge()
    outcome = run(world, forge, ci=ci, event="{}", preview_environment=None)
    assert outcome.log.splitlines()[-1] == (
        "This run is not for a pull or merge request on GitHub or GitLab, so none shows it; "
        "to name one, set `pull-request`"
    )
    assert (warnings(outcome.log), forge.requests) == ([], [])
    run(world, forge, ci=ci, event="{}", preview_environment=None, pull_request=5)
    assert [*forge.about.values()] == [5]


def test_preview_environment_has_no_effect_on_gitlab(world: World) -> None:
    """GitLab has the job's `environment`. Nobody is warned."""
    forge = Forge()
    outcome = run(world, forge, ci="gitlab", comment=None)
    assert (outcome.exit_code, outcome.outputs["warnings"], forge.requests) == (0, [], [])


# --- a forge that does not do it

NO_PERMISSION = b'{"message": "Resource not accessible by integration"}'
FAILURES: dict[str, tuple[Forge | Handler, str, bool]] = {
    # name: the forge, words of both warnings, whether they name the permission
    "no token": (Forge(), " is not possible: `github-token` is not set; ", True),
    "no permission": (Forge(refuse={"POST": (403, NO_PERMISSION)}), 'accessible by integration"}"); ', True),
    # A redirect is not followed: the token would go along.
    "a redirect": (always(302, b"", "Location: http://127.0.0.1:9/"), " was refused (302); ", True),
    # The answer may be lost, and there would be two comments: each is asked for once.
    "an error": (Forge(refuse={"POST": (502, b"")}), " failed after 1 attempt: ", False),
    # No comment is made of nonsense: there may be one already.
    "a page": (always(200, b"<html>Sign in</html>"), " failed: the response of 127.0.0.1 has no IDs", False),
    "null": (always(200, b"null"), " failed: the response of 127.0.0.1 has no IDs", False),
    "no record": (always(200, b"[]"), " failed: ", False),
    "nothing": (hang, " failed: no answer within 20 s", False),
    "the limit": (
        Forge(allowance=0),
        "If the token reached its rate limit, run the job again later.",
        True,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_forge_that_fails_is_a_warning_each(world: World, case: str) -> None:
    """One for the comment and one for the deployment, within 20 s; exit 0, and the reports are complete."""
    forge, words, is_permission = FAILURES[case]
    world.loop.jump(60)  # the clock does not begin with the run
    outcome = run(world, forge, **({"github_token": None} if case == "no token" else {}))
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed")
    told = sorted(warnings(outcome.log))
    assert [words in line for line in told] == [True, True]
    permissions = ("`permissions: pull-requests: write`", "`permissions: deployments: write`")
    assert [name in line for name, line in zip(permissions, told, strict=True)] == [is_permission] * 2
    assert outcome.seconds == pytest.approx(20 if forge is hang else 0, abs=0.1)
    assert outcome.outputs["warnings"] == []  # the reports are written before
    assert outcome.outputs["duration_seconds"] == pytest.approx(0, abs=0.1)
    if isinstance(forge, Forge):
        assert len(forge.requests) <= 3


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_short_outage_of_the_forge_is_waited_out(world: World, method: str) -> None:
    """Only a new comment and a new deployment are asked for once."""
    forge = Forge()
    run(world, forge)
    forge.refuse[method] = (503, b"")
    world.loop.call_later(1.5, forge.refuse.clear)
    assert warnings(run(world, forge).log) == []
    assert len(forge.comments) == 1


def test_a_signal_gives_comment_and_deployment_up(world: World) -> None:
    """Five seconds are left: they are given up at once; the run is what it was."""

    async def signalled(peer: Peer) -> None:
        tell(world, after=2)
        await hang(peer)

    outcome = run(world, signalled)
    assert (outcome.exit_code, outcome.outputs["status"], warnings(outcome.log)) == (0, "deployed", [])
    assert outcome.seconds == pytest.approx(2, abs=0.1)


# --- secrets


def test_comment_and_deployment_send_each_secret_to_its_own_origin(world: World) -> None:
    """The key to the platform, the token to the forge; neither is in what the forge keeps, nor in the log."""
    forge = Forge()
    seen: list[str] = []
    world.platform.on_request = lambda record: seen.append(f"{record}")
    outcome = run(world, forge)
    assert API_KEY not in "".join(forge.received)
    assert all(f"Bearer {TOKEN}" in line for line in forge.received)
    assert TOKEN not in f"{seen} {forge.deployments} {forge.comments}"
    said = outcome.log + outcome.summary + json.dumps(outcome.outputs)
    assert not [secret for secret in (API_KEY, TOKEN) if secret in said]

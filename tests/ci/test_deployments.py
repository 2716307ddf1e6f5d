"""`preview-environment`, whole runs against a forge that keeps state: which deployment is active, and when.

A deployment is active while its newest status is not `inactive`. The forge has GitHub's defaults, which would
merge, wait for checks, and make the deployments of all other pull requests inactive.
"""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from tests.ci.forge import GITHUB, TOKEN, Answer, Deployment, Forge
from tests.ci.forge import run as run_on_forge
from tests.http.servers import Handler, Peer
from tests.support.containers import BROKEN, NEW, running_web, says, tell
from tests.support.schema import check_result
from tests.support.world import API_KEY, Outcome, World, close_signals
from zerokie_action.sandbox.faults import Kind
from zerokie_action.signals import Signals

APP = "my-site-pr-12"
LOG = "https://github.example.com/o/r/actions/runs/1"


def event(commit: str, number: int = 12) -> str:
    return json.dumps({"pull_request": {"number": number, "head": {"sha": commit}}})


def run(world: World, forge: Forge | Handler, event: str = "{}", **inputs: object) -> Outcome:
    given: dict[str, Any] = {"app": APP, "preview_environment": "previews", **inputs}
    outcome = run_on_forge(world, forge, event=event, **given)
    if outcome.outputs:
        check_result(outcome.outputs)
    return outcome


def push(
    world: World, forge: Forge | Handler, commit: str = "c1", number: int = 12, **inputs: Any
) -> Outcome:
    """A deploy of a commit of a pull request."""
    world.write({"index.html": commit.encode()})
    given: dict[str, Any] = {"create": True, **inputs}
    return run(world, forge, event(commit, number), **given)


def fail(world: World, forge: Forge, commit: str, **inputs: Any) -> Outcome:
    """A deploy that the platform refuses, after the lock."""
    world.fault(Kind.STATUS, "PUT", "/files/", status=400)
    outcome = push(world, forge, commit, **inputs)
    assert (outcome.exit_code, outcome.outputs["status"]) == (4, "failed")
    world.platform.faults.clear()
    return outcome


def active(forge: Forge, task: str = f"zerokie:{APP}") -> list[str]:
    """The commits of the active deployments of a task, the oldest first, with their states."""
    assert forge.deployments is not None
    return [
        f"{found.fields['ref']} {found.state}"
        for found in forge.deployments.values()
        if found.fields["task"] == task and found.state != "inactive"
    ]


def warnings(outcome: Outcome) -> list[str]:
    return [line for line in outcome.log.splitlines() if line.startswith(("::warning::", "Warning: "))]


def asked(forge: Forge) -> list[str]:
    """The requests, without the API's path; then none are known."""
    found = [line.replace("/repos/o/r/deployments", "") for line in forge.requests]
    forge.requests.clear()
    return found


# --- pushes


def test_the_first_deploy_shows_the_button(world: World) -> None:
    """A deployment of the pull request's own commit, and one status with the button's URL."""
    forge = Forge()
    outcome = push(world, forge)
    assert (outcome.exit_code, warnings(outcome)) == (0, [])
    assert outcome.log.splitlines()[-1] == f"Updated the deployment of '{APP}' on pull request #12"
    assert forge.deployments == {
        501: Deployment(
            {
                "ref": "c1",
                "task": f"zerokie:{APP}",
                "environment": "previews",
                "transient_environment": True,
                "production_environment": False,
                "auto_merge": False,
                "required_contexts": [],
            },
            [
                {
                    "state": "success",
                    "auto_inactive": False,
                    "environment_url": outcome.outputs["url"],
                    "log_url": LOG,
                }
            ],
        )
    }
    assert asked(forge) == [
        "POST ",
        "POST /501/statuses",
        f"GET ?task=zerokie%3A{APP}&per_page=100&page=1",
    ]


def test_the_second_deploy_makes_the_first_inactive(world: World) -> None:
    """The older one becomes inactive, in whatever environment it is."""
    forge = Forge()
    push(world, forge, "c1")
    push(world, forge, "c2", preview_environment="previews-2")
    assert active(forge) == ["c2 success"]
    assert forge.deployments is not None
    assert [found.fields["environment"] for found in forge.deployments.values()] == ["previews", "previews-2"]
    assert forge.deployments[501].statuses[-1] == {"state": "inactive", "auto_inactive": False}


def test_push_40_takes_as_many_requests_as_push_3(world: World) -> None:
    """It takes as many requests as push 3."""
    forge = Forge()
    taken = []
    for number in range(40):
        push(world, forge, f"c{number}")
        assert active(forge) == [f"c{number} success"]
        taken.append(len(asked(forge)))
    assert taken == [3, 5, *[6] * 38]


def test_two_apps_and_a_stranger_keep_their_deployments(world: World) -> None:
    """In one environment each app keeps its own deployment, and so does any other task."""
    forge = Forge()
    stranger = {"ref": "main", "task": "deploy", "environment": "previews"}
    assert forge.deployments is not None
    forge.deployments[7] = Deployment(stranger, [{"state": "success"}])
    for commit in ("c1", "c2"):
        for app in (APP, "docs-pr-12"):
            push(world, forge, commit, app=app)
    push(world, forge, "d1", 13, app="my-site-pr-13")
    assert active(forge) == ["c2 success"]
    assert active(forge, "zerokie:docs-pr-12") == ["c2 success"]
    assert active(forge, "zerokie:my-site-pr-13") == ["d1 success"]
    assert forge.deployments[7] == Deployment(stranger, [{"state": "success"}])


def test_another_task_stays_as_it_is(world: World) -> None:
    """Another task in the list stays as it is."""
    forge = Forge()
    push(world, forge)
    listed = [{"id": 700, "task": "deploy"}, {"id": 501, "task": f"zerokie:{APP}x"}]

    async def list_all(line: str) -> None:
        is_list = line.startswith("GET ") and "/deployments?" in line
        forge.answer_deployments = (200, {}, json.dumps(listed).encode()) if is_list else None

    forge.before = list_all
    outcome = push(world, forge, "c2")
    assert warnings(outcome) == []
    assert active(forge) == ["c1 success", "c2 success"]


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("is_first", [True, False], ids=["the first", "a later"])
def test_two_runs_at_once_leave_the_newest_active(world: World, at: int, *, is_first: bool) -> None:
    """A run waits before its request `at` for the end of another: one deployment is active, the newest."""
    forge = Forge()
    if not is_first:
        push(world, forge, "c0")
        push(world, forge, "c1")
        forge.requests.clear()
    ended = []

    async def other_run(_line: str) -> None:
        if len(forge.requests) == at - 1:
            forge.before = None
            (world.folder.parent / "event.json").write_text(event("other"))
            inputs = {"app": APP, "preview_environment": "previews", "github_token": TOKEN}
            other = replace(world, signals=Signals())
            ended.append((await other.arun(**inputs)).exit_code)
            close_signals(other.signals)

    forge.before = other_run
    outcome = push(world, forge, "ours")
    assert outcome.exit_code == 0
    assert warnings(outcome) == []
    assert forge.deployments is not None
    newest = forge.deployments[max(forge.deployments)].fields["ref"]
    assert active(forge) == [f"{newest} success"]
    # The last one to be created is the last one to end; with fewer requests, no other run came in between.
    assert (newest == "ours") is (at == 1 or not ended)
    assert ended == [0] * (at <= (3 if is_first else 6))


def test_an_old_run_that_ends_last_is_active(world: World) -> None:
    """What it deployed is live, so its deployment is the active one, as that of a run that is run again."""
    forge = Forge()
    push(world, forge, "new")
    push(world, forge, "old")
    assert active(forge) == ["old success"]
    push(world, forge, "new")
    assert active(forge) == ["new success"]


def test_the_oldest_becomes_inactive_first(world: World) -> None:
    """The oldest becomes inactive first, so nothing is left behind an inactive one."""
    forge = Forge()
    push(world, forge, "c1")
    for commit in ("c2", "c3", "c4"):
        fail(world, forge, commit)
    inactive = 0

    def die(line: str) -> None:
        nonlocal inactive
        inactive += line.startswith("POST") and active(forge)[:1] != ["c1 success"]
        if inactive == 1:
            forge.allowance = 0

    forge.on_request = die
    push(world, forge, "c5")
    assert active(forge) == ["c2 failure", "c3 failure", "c4 failure", "c5 success"]
    forge.allowance = math.inf
    push(world, forge, "c6")
    assert active(forge) == ["c6 success"]


def test_a_failed_deploy_leaves_the_older_one_active(world: World) -> None:
    """It is shown, without a button, and the older one stays active: the button leads to what is live."""
    forge = Forge()
    push(world, forge, "c1")
    asked(forge)
    fail(world, forge, "c2")
    assert active(forge) == ["c1 success", "c2 failure"]
    assert asked(forge) == ["POST ", "POST /502/statuses"]
    assert forge.deployments is not None
    failure = {"state": "failure", "auto_inactive": False, "environment_url": "", "log_url": LOG}
    assert forge.deployments[502].statuses == [failure]
    push(world, forge, "c3")
    assert active(forge) == ["c3 success"]


def test_a_stop_before_any_change_is_a_failure(world: World) -> None:
    """A stop before anything was changed is a failure."""
    world.platform.put_file("site", "by-hand.html", b"")
    forge = Forge()
    outcome = push(world, forge, app="site")
    assert outcome.exit_code == 2
    assert active(forge, "zerokie:site") == ["c1 failure"]


def test_a_failed_dry_run_shows_nothing(world: World) -> None:
    """It stops as the deploy would."""
    world.platform.put_file("site", "by-hand.html", b"")
    forge = Forge()
    assert push(world, forge, app="site", dry_run=True).exit_code == 2
    assert forge.requests == []


def test_a_rollback_is_a_failure(world: World) -> None:
    running_web(world)
    forge = Forge()
    image = {"app": "web", "image": BROKEN, "rollback": True}
    outcome = run(world, forge, event("c1"), **image)
    assert outcome.outputs["status"] == "rolled-back", outcome.log
    assert active(forge, "zerokie:web") == ["c1 failure"]


def test_three_pages_are_read_until_one_is_inactive(world: World) -> None:
    """All are looked at until one is inactive. Then the list is read no further."""
    forge = Forge()
    fields = {"ref": "c0", "task": f"zerokie:{APP}", "environment": "previews"}
    forge.deployments = {number: Deployment(fields, [{"state": "failure"}]) for number in range(1, 251)}
    outcome = push(world, forge, "c1")
    assert warnings(outcome) == []
    assert active(forge) == ["c1 success"]
    assert sum("page=" in line and line.startswith("GET ?") for line in asked(forge)) == 3
    push(world, forge, "c2")
    assert active(forge) == ["c2 success"]
    assert sum(line.startswith("GET ?") for line in asked(forge)) == 1


# --- which commit


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"workflow_run": {"head_sha": "of-the-run"}}, "of-the-run"),
        ({"pull_request": {"number": 5, "head": {"sha": "of-the-event"}}}, "of-the-event"),
        ({"issue": {"number": 12}}, "of-the-request"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_commit_is_the_head_of_the_event_or_of_the_request(
    world: World, given: dict[str, Any], expected: str
) -> None:
    """The head of the run's own event; where it has none, of the request that `pull-request` names."""
    forge = Forge(states={12: "open"}, heads={12: "of-the-request"})
    run(world, forge, json.dumps(given), create=True, pull_request=12)
    assert active(forge) == [f"{expected} success"]


# --- the end of a preview


def test_destroy_makes_all_of_the_app_inactive(world: World) -> None:
    """All deployments of the app become inactive, whatever the input's value is; other apps keep theirs."""
    forge = Forge()
    push(world, forge, "d1", app="docs-pr-12")
    push(world, forge, "c1")
    fail(world, forge, "c2")
    outcome = run(world, forge, event("c2"), operation="destroy", preview_environment="any")
    assert (outcome.exit_code, warnings(outcome)) == (0, [])
    assert active(forge) == []
    assert active(forge, "zerokie:docs-pr-12") == ["d1 success"]


def test_destroy_of_an_app_that_is_gone_makes_all_inactive(world: World) -> None:
    forge = Forge()
    push(world, forge)
    run(world, forge, event("c1"), operation="destroy", preview_environment=None)
    assert active(forge) == ["c1 success"]  # nobody asked for it
    run(world, forge, event("c1"), operation="destroy")
    assert active(forge) == []


def test_a_destroy_that_fails_changes_no_deployment(world: World) -> None:
    """The app is still there, and so is its deployment."""
    forge = Forge()
    push(world, forge)
    world.fault(Kind.STATUS, "DELETE", f"{APP}$", status=400)
    assert run(world, forge, event("c1"), operation="destroy").exit_code == 4
    assert active(forge) == ["c1 success"]


def sweep(world: World, forge: Forge, **inputs: Any) -> Outcome:
    given: dict[str, Any] = {"app": "my-site-pr-*", "operation": "sweep", **inputs}
    outcome = run(world, forge, **given)
    assert outcome.exit_code == 0, outcome.log
    return outcome


def test_a_sweep_makes_deployments_of_closed_requests_inactive(world: World) -> None:
    """Those of closed requests become inactive, on their own; all others stay."""
    forge = Forge()
    for number in range(1, 31):
        push(world, forge, f"c{number}", number, app=f"my-site-pr-{number}")
        forge.states[number] = "open" if number % 3 else "closed"
    assert warnings(sweep(world, forge)) == []
    for number in range(1, 31):
        expected = [f"c{number} success"] if number % 3 else []
        assert active(forge, f"zerokie:my-site-pr-{number}") == expected


def test_a_sweep_of_an_app_that_is_gone_makes_all_inactive(world: World) -> None:
    """Somebody deleted it by hand before its request was closed, which needs no comment."""
    forge = Forge(states={12: "closed"})
    push(world, forge)
    world.platform.delete_app(APP)
    outcome = sweep(world, forge, pull_request=12, comment=True)
    assert outcome.outputs["apps"] == []
    assert active(forge) == []
    assert forge.comments == {}


def test_a_dry_run_of_a_sweep_sends_nothing(world: World) -> None:
    forge = Forge(states={12: "closed"})
    push(world, forge)
    outcome = sweep(world, forge, dry_run=True)
    assert outcome.outputs["apps"] == [APP]
    assert active(forge) == ["c1 success"]


def test_a_reopened_request_keeps_its_deployment(world: World) -> None:
    """An old run of the cleanup changes nothing. After a cleanup, the next push shows its deployment."""
    forge = Forge(states={12: "open"})
    push(world, forge, "c1")
    sweep(world, forge, pull_request=12)
    assert active(forge) == ["c1 success"]
    forge.states[12] = "closed"
    sweep(world, forge, pull_request=12)
    assert active(forge) == []
    push(world, forge, "c2")
    assert active(forge) == ["c2 success"]


# --- nothing to show


def test_a_restart_warns_of_no_effect(world: World) -> None:
    """The input has no effect there, and one warning says so."""
    running_web(world)
    forge = Forge()
    outcome = run(world, forge, event("c1"), app="web", operation="restart")
    (line,) = warnings(outcome)
    assert "`preview-environment` (ZEROKIE_PREVIEW_ENVIRONMENT): no effect with `operation: restart`" in line
    assert forge.requests == []


def test_a_superseded_deploy_sends_nothing(world: World) -> None:
    """What is live is another deploy's, which shows itself."""
    running_web(world)
    says(world, skip=1, times=None, status="running", image="nginx:9")
    forge = Forge()
    outcome = run(world, forge, event("c1"), app="web", image=NEW)
    assert outcome.outputs["status"] == "superseded", outcome.log
    assert forge.requests == []


@pytest.mark.parametrize(
    "inputs",
    [{"concurrency": 0}, {"dry_run": True}, {"api_key": None, "skip_without_key": True}],
    ids=["wrong inputs", "dry run", "skipped"],
)
def test_wrong_inputs_dry_runs_and_skips_send_nothing(world: World, inputs: dict[str, Any]) -> None:
    forge = Forge()
    push(world, forge, **inputs)
    assert forge.requests == []


def test_a_push_sends_nothing_and_warns_of_nothing(world: World) -> None:
    """There is no request, and no warning. `pull-request` names one."""
    forge = Forge()
    outcome = run(world, forge, create=True)
    assert (outcome.exit_code, warnings(outcome), forge.requests) == (0, [], [])
    assert "to name one, set `pull-request`" in outcome.log


def test_a_cancelled_deploy_sends_nothing(world: World) -> None:
    forge = Forge()
    world.fault(Kind.HANG, "PUT", "/files/", times=None)
    tell(world, after=2)
    outcome = push(world, forge)
    assert outcome.outputs["status"] == "cancelled"
    assert forge.requests == []


async def hang(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


def test_a_signal_gives_the_deployment_up(world: World) -> None:
    """Five seconds are left: the deployment is given up at once; the run is what it was."""

    async def signalled(peer: Peer) -> None:
        tell(world, after=2)
        await hang(peer)

    outcome = push(world, signalled)
    assert (outcome.exit_code, outcome.outputs["status"], warnings(outcome)) == (0, "deployed", [])
    assert outcome.seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("env", [{}, {"GITLAB_CI": "true"}], ids=["a shell", "GitLab"])
def test_gitlab_has_its_own_way_in_one_warning(world: World, env: dict[str, str]) -> None:
    """One warning, which names GitLab's own way."""
    world.env = env
    outcome = world.run(preview_environment="previews")
    assert outcome.exit_code == 0
    assert [found for found in outcome.outputs["warnings"] if "the job's `environment`" in found]
    assert len(outcome.outputs["warnings"]) == 1


# --- a forge that does not do it

PERMISSION = "`github-token` needs `permissions: deployments: write`"


def says_no(status: int, body: bytes, **headers: str) -> Answer:
    return status, headers, body


NO_PERMISSION = says_no(403, b'{"message": "Resource not accessible by integration"}')
MOVED = says_no(302, b"", location="http://127.0.0.1:9/")
FAILURES: dict[str, tuple[Forge | Handler, str, bool]] = {
    # name: the forge, words of the warning, whether it names the permission
    "403": (Forge(answer_deployments=NO_PERMISSION), 'was refused (403: "{"message": "Resource not', True),
    "404": (Forge(answer_deployments=says_no(404, b"")), "was refused (404)", True),
    "422": (Forge(answer_deployments=says_no(422, b'{"message": "No ref found"}')), "No ref found", True),
    "a redirect": (Forge(answer_deployments=MOVED), "was refused (302)", True),
    "Gitea": (Forge(deployments=None), "Gitea and Forgejo have no deployments", True),
    "the limit": (Forge(allowance=1), "answers no more requests with `github-token` for now", False),
    "500": (Forge(answer_deployments=says_no(500, b"oops")), "failed after 1 attempt: ", False),
    "500 to a GET": (Forge(refuse={"GET": (500, b"oops")}), "Updating the deployment failed", False),
    "HTML": (Forge(answer_deployments=says_no(200, b"<html>Sign in</html>")), "has no IDs", False),
    "null": (Forge(answer_deployments=says_no(200, b"null")), "has no IDs", False),
    "an empty list": (
        Forge(answer_deployments=says_no(200, b"[]")),
        "Updating the deployment failed: ",
        False,
    ),
    "nothing": (hang, "Updating the deployment failed: no answer within 20 s", False),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_deployment_is_one_warning(world: World, case: str) -> None:
    """One warning within 20 s, exit 0, and all that the deploy reported."""
    forge, words, names_permission = FAILURES[case]
    world.loop.jump(60)
    outcome = push(world, forge)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed")
    (line,) = warnings(outcome)
    assert words in line
    assert (PERMISSION in line) is names_permission
    assert outcome.seconds <= 20
    assert outcome.outputs["warnings"] == []  # the reports are written before


def test_no_token_is_one_warning(world: World) -> None:
    forge = Forge()
    outcome = push(world, forge, github_token=None)
    (line,) = warnings(outcome)
    assert "`github-token` is not set" in line
    assert PERMISSION in line
    assert (outcome.exit_code, forge.requests) == (0, [])


def test_comment_and_deployment_are_sent_at_once(world: World) -> None:
    """Both at once, 20 s in all, and neither keeps the other from being done."""
    forge = Forge()
    outcome = push(world, forge, comment=True)
    assert warnings(outcome) == []
    assert active(forge) == ["c1 success"]
    assert len(forge.comments) == 1
    refused = Forge(answer_deployments=NO_PERMISSION)
    assert len(warnings(push(world, refused, comment=True))) == 1
    assert len(refused.comments) == 1
    began = world.loop.now
    silent = push(world, hang, comment=True)
    assert len(warnings(silent)) == 2
    assert silent.ended - began == pytest.approx(20, abs=0.1)


def test_only_what_can_be_repeated_is_sent_again(world: World) -> None:
    """A status and the list; not a deployment, of which there would be two."""
    forge = Forge(refuse={"GET": (503, b"")})
    world.loop.call_later(1.5, forge.refuse.clear)
    assert warnings(push(world, forge)) == []
    assert active(forge) == ["c1 success"]


# --- secrets


def test_a_deployment_sends_each_secret_to_its_own_origin(world: World) -> None:
    """The key to the platform, the token to the forge; neither is in what the forge keeps, nor in the log."""
    forge = Forge()
    seen: list[str] = []
    world.platform.on_request = lambda record: seen.append(f"{record}")
    outcome = push(world, forge)
    outcome = run(world, forge, event("c1"), operation="destroy")
    assert API_KEY not in "".join(forge.received)
    assert TOKEN not in "".join(seen)
    assert TOKEN not in f"{forge.deployments}"
    assert all(f"Bearer {TOKEN}" in line for line in forge.received)
    said = outcome.log + outcome.summary + json.dumps(outcome.outputs)
    assert not [secret for secret in (API_KEY, TOKEN) if secret in said]


def test_a_url_with_a_secret_is_not_sent(world: World) -> None:
    """What the platform says is shown without secrets; a URL that is none is not sent."""
    running_web(world)
    forge = Forge()
    body = json.dumps({"name": "web", "status": "running", "image": NEW, "url": f"https://{API_KEY}.x/"})
    world.fault(Kind.STATUS, "GET", "/apps/web$", skip=1, times=None, status=200, body=body.encode())
    outcome = run(world, forge, event("c1"), app="web", image=NEW)
    assert outcome.exit_code == 0, outcome.log
    assert active(forge, "zerokie:web") == ["c1 success"]
    assert API_KEY not in f"{forge.deployments}"


def test_without_a_log_no_log_url_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(GITHUB, "GITHUB_RUN_ID")
    forge = Forge()
    push(world, forge)
    assert forge.deployments is not None
    assert forge.deployments[501].statuses[0]["log_url"] == ""

"""GitHub deployments of a pull request, on a code host that keeps their state.

A deployment is active until its newest status is `inactive`. The code host has GitHub's defaults, which would
merge, wait for checks, and make the deployments of all other pull requests inactive.
`tests/previews/test_notify.py` has the state for each outcome, and failures of the code host.
"""

import json
import math
from typing import Any

import pytest

from tests.previews import code_host as hosts
from tests.previews.code_host import CodeHost, Deployment, tell_here, warnings
from tests.report.results import make_report
from tests.support.world import Outcome, World
from zerokie_action.report.report import Report

APP = "my-site-pr-12"
TASK = f"zerokie:{APP}"


def event(commit: str) -> str:
    return json.dumps({"pull_request": {"number": 12, "head": {"sha": commit}}})


def deployed(app: str = APP, status: str = "deployed") -> Report:
    return make_report("deploy", app, status=status)


def push(world: World, host: CodeHost, commit: str, result: Report | None = None, **inputs: Any) -> list[str]:
    """Report a deploy of this commit, and return the warnings."""
    return warnings(hosts.tell(world, host, result or deployed(), event(commit), **inputs))


def active(host: CodeHost, task: str = TASK) -> list[str]:
    return hosts.active(host, task)


def asked(host: CodeHost) -> list[str]:
    """Return the requests so far without the API's path, and forget them."""
    found = [line.replace("/repos/o/r/deployments", "") for line in host.requests]
    host.requests.clear()
    return found


# --- pushes


def test_the_first_deploy_shows_the_button(world: World) -> None:
    """It has the pull request's own commit, and one status with the button's URL."""
    host = CodeHost()
    inputs: dict[str, Any] = {"app": APP, "create": True, "preview_environment": "previews"}
    outcome = hosts.run(world, host, event=event("c1"), **inputs)
    assert (outcome.exit_code, warnings(outcome.log)) == (0, [])
    assert outcome.log.splitlines()[-1] == f"Updated the deployment of '{APP}' on pull request #12"
    assert host.deployments == {
        501: Deployment(
            {
                "ref": "c1",
                "task": TASK,
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
                    "log_url": "https://github.example.com/o/r/actions/runs/1",
                }
            ],
        )
    }
    assert asked(host) == [
        "POST ",
        "POST /501/statuses",
        f"GET ?task=zerokie%3A{APP}&per_page=100",
    ]


def test_each_deploy_makes_the_previous_one_inactive(world: World) -> None:
    """The environment doesn't matter. From the fourth deploy on, the number of requests is constant."""
    host = CodeHost()
    taken = []
    for number in range(5):
        push(world, host, f"c{number}", preview_environment=f"previews-{number}")
        assert active(host) == [f"c{number} success"]
        taken.append(len(asked(host)))
    assert taken == [3, 5, 6, 6, 6]
    assert host.deployments is not None
    assert host.deployments[501].statuses[-1] == {"state": "inactive", "auto_inactive": False}


def test_other_apps_and_tasks_keep_their_deployments(world: World) -> None:
    """Apps and other tasks can share an environment."""
    fields = {"ref": "main", "task": "deploy", "environment": "previews"}
    other = Deployment(fields, [{"state": "success"}])
    host = CodeHost(deployments={7: other})
    for commit in ("c1", "c2"):
        for app in (APP, "docs-pr-12"):
            push(world, host, commit, deployed(app))
    assert active(host) == active(host, "zerokie:docs-pr-12") == ["c2 success"]
    assert other.statuses == [{"state": "success"}]


def test_another_task_in_the_list_does_not_change(world: World) -> None:
    """A code host may ignore the filter of the request."""
    host = CodeHost()
    push(world, host, "c1")
    listed = [{"id": 700, "task": "deploy"}, {"id": 501, "task": f"{TASK}x"}]

    async def list_all(line: str) -> None:
        is_list = line.startswith("GET ") and "/deployments?" in line
        host.answer_deployments = (200, {}, json.dumps(listed).encode()) if is_list else None

    host.before = list_all
    assert push(world, host, "c2") == []
    assert active(host) == ["c1 success", "c2 success"]


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("status", ["deployed", "failed"])
def test_a_run_leaves_newer_deployments_alone(world: World, at: int, status: str) -> None:
    """Another run happens before request `at`. If it failed, this run's deployment is still active."""
    host = CodeHost()
    push(world, host, "c0")
    push(world, host, "c1")
    host.requests.clear()
    told = []

    async def other_run(_line: str) -> None:
        if len(host.requests) == at - 1:
            host.before = None
            (world.folder.parent / "event.json").write_text(event("other"))
            told.append(await tell_here(world.env, deployed(status=status)))

    host.before = other_run
    assert push(world, host, "own") == warnings(told[0]) == []
    if status == "failed" or at == 1:
        assert "own success" in active(host)
    else:
        assert active(host)[-1] == "other success"


def test_the_oldest_becomes_inactive_first(world: World) -> None:
    """If a run ends early, all active deployments are newer than the inactive ones."""
    host = CodeHost()
    push(world, host, "c1")
    for commit in ("c2", "c3", "c4"):
        push(world, host, commit, deployed(status="failed"))
    inactive = 0

    def die(line: str) -> None:
        nonlocal inactive
        inactive += line.startswith("POST") and active(host)[:1] != ["c1 success"]
        if inactive == 1:
            host.allowance = 0

    host.on_request = die
    push(world, host, "c5")
    assert active(host) == ["c2 failure", "c3 failure", "c4 failure", "c5 success"]
    host.allowance = math.inf
    push(world, host, "c6")
    assert active(host) == ["c6 success"]


def test_after_a_failed_deploy_older_deployments_do_not_change(world: World) -> None:
    """The button still leads to the live version, so the run doesn't request the older ones."""
    host = CodeHost()
    result = make_report("deploy", APP, url="https://a.b/", status="failed")
    push(world, host, "c1", result)
    assert asked(host) == ["POST ", "POST /501/statuses"]
    assert host.deployments is not None
    (status,) = host.deployments[501].statuses
    assert (status["state"], status["environment_url"]) == ("failure", "")


def test_the_run_reads_one_page_of_old_deployments(world: World) -> None:
    """The page has the newest 100 of the app, including its own. Older ones don't change."""
    fields = {"ref": "c0", "task": TASK, "environment": "previews"}
    failed = [Deployment(fields, [{"state": "failure"}]) for _ in range(102)]
    host = CodeHost(deployments=dict(enumerate(failed, 1)))
    for commit in ("c1", "c2"):
        assert push(world, host, commit) == []
        assert active(host) == [*["c0 failure"] * 3, f"{commit} success"]
        assert sum(line.startswith("GET ?") for line in asked(host)) == 1


def test_deployments_on_gitea_and_forgejo_are_a_warning(world: World) -> None:
    """The comment is still posted."""
    host = CodeHost(deployments=None)
    (warning,) = push(world, host, "c1", comment=True)
    assert "Updating the deployment on 127.0.0.1 was refused (404" in warning
    assert "Gitea and Forgejo don't have deployments" in warning
    assert len(host.comments) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"workflow_run": {"head_sha": "of-the-run"}}, "of-the-run"),
        ({"pull_request": {"number": 5, "head": {"sha": "of-the-event"}}}, "of-the-event"),
        ({"issue": {"number": 12}}, "of-the-request"),
    ],
)
def test_the_commit_is_the_head_of_the_event_or_pull_request(
    world: World, given: dict[str, Any], expected: str
) -> None:
    """If the event has no commit, it is the head of the pull request in `pull-request`."""
    host = CodeHost(states={12: "open"}, heads={12: "of-the-request"})
    hosts.tell(world, host, deployed(), json.dumps(given), pull_request=12)
    assert active(host) == [f"{expected} success"]


# --- the end of a preview


def test_destroy_makes_all_deployments_of_the_app_inactive(world: World) -> None:
    """The value of `preview-environment` doesn't matter. Other apps keep their deployments."""
    host = CodeHost()
    push(world, host, "d1", deployed("docs-pr-12"))
    push(world, host, "c1")
    push(world, host, "c2", deployed(status="failed"))
    assert (
        push(world, host, "c2", make_report("destroy", APP, status="destroyed"), preview_environment="any")
        == []
    )
    assert active(host) == []
    assert active(host, "zerokie:docs-pr-12") == ["d1 success"]


def sweep(world: World, host: CodeHost, **inputs: Any) -> Outcome:
    given: dict[str, Any] = {"app": "my-site-pr-*", "operation": "sweep", **inputs}
    outcome = hosts.run(world, host, preview_environment="previews", **given)
    assert (outcome.exit_code, warnings(outcome.log)) == (0, [])
    return outcome


def test_a_sweep_makes_deployments_of_closed_pull_requests_inactive(world: World) -> None:
    """Other deployments don't change. A dry run changes none."""
    host = CodeHost(states={1: "open", 2: "closed", 3: "open"})
    apps = [f"my-site-pr-{number}" for number in host.states]
    for app in apps:
        world.platform.apps.create_static(app)
        push(world, host, "c1", deployed(app))
    for is_dry, left in ((True, apps), (False, [apps[0], apps[2]])):
        sweep(world, host, dry_run=is_dry)
        assert [app for app in apps if active(host, f"zerokie:{app}")] == left


def test_a_sweep_of_a_deleted_app_makes_its_deployments_inactive(world: World) -> None:
    """The app was deleted before its pull request was closed, so the sweep doesn't comment."""
    host = CodeHost(states={12: "closed"})
    push(world, host, "c1")
    outcome = sweep(world, host, pull_request=12, comment=True)
    assert outcome.outputs["apps"] == []
    assert active(host) == []
    assert host.comments == {}

"""Previews in the examples, and their protection against forks."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.previews.code_host import TOKEN, CodeHost, Deployment, run
from tests.project.pipelines import (
    EXAMPLES,
    ROOT,
    bash,
    commands,
    evaluate,
    fill,
    inputs,
    pipeline,
    step,
    triggers,
    workflow,
)
from tests.support.component import passed_on
from tests.support.world import API_KEY, World

needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not on the PATH")
GITHUB = sorted(path.name for path in (EXAMPLES / "github").iterdir())
NAMES = ("PREVIEWS_API_KEY", "FORK_PREVIEWS_API_KEY", "PLAN_API_KEY")
KEYS: dict[str, object] = {f"secrets.{name}": API_KEY for name in NAMES}


def secrets(name: str) -> set[str]:
    return set(re.findall(r"secrets\.(\w+)", json.dumps(workflow(name))))


# --- previews and plans


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("preview.yml", {"pull_request": {"number": 7, "head": {"sha": "c0ffee"}}}),
        ("preview-fork.yml", {}),  # It gets the commit from the code host.
    ],
)
def test_a_preview_has_an_app_and_a_deployment(
    world: World, tmp_path: Path, name: str, event: dict[str, object]
) -> None:
    """The app's name has the pull request's number. The deployment belongs to the pull request's commit."""
    shutil.copytree(world.folder, tmp_path / "dist")
    number = {"github.event.number": 7, "steps.pull-request.outputs.number": 7}
    given = inputs(workflow(name)["jobs"]["deploy"], KEYS | number)
    host = CodeHost(states={7: "open"}, heads={7: "c0ffee"})
    outcome = run(world, host, event=json.dumps(event), **given)

    assert outcome.exit_code == 0, outcome.log
    assert world.stored("my-site-pr-7") == world.read()
    assert "is live after" in outcome.log
    (comment,) = host.comments.values()
    assert "`my-site-pr-7` is live" in comment
    assert host.deployments
    (shown,) = host.deployments.values()
    assert (shown.fields["environment"], shown.fields["ref"]) == ("previews", "c0ffee")
    assert shown.state == "success"


def test_a_plan_is_a_comment_and_changes_nothing(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder, tmp_path / "dist")
    world.platform.apps.create_static("my-site")
    host = CodeHost()
    outcome = run(world, host, **inputs(workflow("plan.yml")["jobs"]["plan"], KEYS))

    assert outcome.exit_code == 0, outcome.log
    (comment,) = host.comments.values()
    assert "4 files to upload" in comment
    assert outcome.writes == []


@pytest.mark.parametrize(
    ("name", "job", "own", "fork", "bot"),
    [
        ("preview.yml", "deploy", True, False, True),  # without a key it is skipped, which is green
        ("plan.yml", "build", True, False, False),
        ("preview-fork.yml", "deploy", False, True, False),
    ],
)
def test_only_allowed_pull_requests_are_deployed(
    name: str, job: str, *, own: bool, fork: bool, bot: bool
) -> None:
    """Forks get no secrets, so nobody has to approve a run without them."""

    def runs(repository: str, author: str = "somebody", built: str = "success") -> object:
        values = {
            "github.repository": "o/r",
            "github.event.pull_request.head.repo.full_name": repository,
            "github.event.pull_request.user.login": author,
            "github.event.workflow_run.head_repository.full_name": repository,
            "github.event.workflow_run.event": "pull_request",
            "github.event.workflow_run.conclusion": built,
        }
        return evaluate(workflow(name)["jobs"][job]["if"], values)

    assert (runs("o/r"), runs("fork/r"), runs("o/r", "dependabot[bot]")) == (own, fork, bot)
    assert not runs("fork/r", built="failure")


PULL: dict[str, Any] = {"number": 7, "head": {"sha": "c0ffee", "repo": {"full_name": "fork/site"}}}
OTHERS = [
    {"number": 6, "head": {"sha": "c0ffee", "repo": {"full_name": "fork/site-2"}}},  # of the same owner
    {"number": 8, "head": {"sha": "c0ffee", "repo": None}},  # which is gone
]


def find_pull_request(folder: Path, pulls: object, branch: str = "topic") -> dict[str, str]:
    """Run the step of preview-fork.yml with a code host that has these pull requests, or is down (None)."""
    script = step(workflow("preview-fork.yml")["jobs"]["deploy"], "pull-request")
    assert "${{" not in script["run"]
    run = "github.event.workflow_run"
    values = {f"{run}.head_repository.full_name": "fork/site", f"{run}.head_repository.owner.login": "fork"}
    values |= {f"{run}.head_branch": branch, f"{run}.head_sha": "c0ffee", "github.token": TOKEN}
    env = {name: fill(value, values) for name, value in script["env"].items()} | commands(folder)
    shutil.copy(ROOT / "tests" / "support" / "gh", folder / "programs")
    if pulls is not None:
        (folder / "pulls.json").write_text(json.dumps(pulls), "utf-8")
    output = folder / "output"
    done = bash(
        script["run"],
        folder,
        CODE_HOST=str(folder),
        GITHUB_REPOSITORY="owner/site",
        GITHUB_OUTPUT=str(output),
        **env,
    )
    done.check_returncode()
    answer = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
    assert ("::notice::" in done.stdout) == (answer == {"number": ""})
    return answer


@needs_jq
def test_the_pull_request_of_a_fork_is_found(tmp_path: Path) -> None:
    """The step finds it by owner and branch, even if the owner has another fork and a deleted one."""
    assert find_pull_request(tmp_path, [*OTHERS, PULL]) == {"number": "7"}
    call = (tmp_path / "calls").read_text("utf-8")
    assert "head=fork:topic" in call
    assert "state=open" in call


@needs_jq
@pytest.mark.parametrize(
    "pulls",
    [[], [PULL | {"head": PULL["head"] | {"sha": "newer"}}], [PULL, PULL | {"number": 8}]],
    ids=["closed", "updated", "two"],
)
def test_a_closed_or_updated_pull_request_is_not_deployed(tmp_path: Path, pulls: object) -> None:
    """A change before the approval, or an ambiguous pull request, stops the deploy."""
    assert find_pull_request(tmp_path, pulls) == {"number": ""}


@needs_jq
def test_a_forks_branch_name_is_only_text(tmp_path: Path) -> None:
    """The owner of a fork chooses the branch name."""
    branch = '"; $(touch pwned); "&state=all'
    assert find_pull_request(tmp_path, [PULL], branch) == {"number": "7"}
    assert f"head=fork:{branch}" in (tmp_path / "calls").read_text("utf-8")
    assert not (tmp_path / "pwned").exists()


@needs_jq
def test_an_unavailable_code_host_fails_the_job(tmp_path: Path) -> None:
    """The job deploys nothing, and the failure is visible."""
    with pytest.raises(subprocess.CalledProcessError):
        find_pull_request(tmp_path, None)


def test_a_forks_build_is_not_run() -> None:
    """The job with the key runs only the workflow's own script, without a checkout.

    The key is a secret of the environment only, because the repository's secrets need no approval.
    """
    job = workflow("preview-fork.yml")["jobs"]["deploy"]
    used = [found["uses"].split("@")[0] for found in job["steps"] if "uses" in found]
    assert used == ["actions/download-artifact", "YOUR_ORG/zerokie-action"]
    assert [found["id"] for found in job["steps"] if "run" in found] == ["pull-request"]
    assert job["environment"]["name"] == "fork-previews"
    assert "secrets.FORK_PREVIEWS_API_KEY" in json.dumps(job)
    assert secrets("preview-fork.yml") == {"FORK_PREVIEWS_API_KEY", "PREVIEWS_API_KEY"}
    assert secrets("preview.yml") == {"PREVIEWS_API_KEY"}
    assert all("pull-request.outputs.number" in found["if"] for found in job["steps"] if "uses" in found)


@pytest.mark.parametrize("name", GITHUB)
def test_pull_requests_do_not_get_the_production_key(name: str) -> None:
    """The author of a pull request can change the workflow and print its secrets."""
    if {"pull_request", "pull_request_target", "workflow_run"} & set(triggers(name)):
        assert "ZEROKIE_API_KEY" not in secrets(name)


@pytest.mark.parametrize("name", GITHUB)
def test_a_build_has_no_key(name: str) -> None:
    """A job that checks out and runs a script has no environment, and only GitHub's own secret."""
    for job in workflow(name)["jobs"].values():
        is_checked_out = any("actions/checkout@" in found.get("uses", "") for found in job["steps"])
        if is_checked_out and any("run" in found for found in job["steps"]):
            assert "secrets." not in json.dumps(job)
            assert "environment" not in job


# --- the sweeps


@pytest.fixture
def deployed(world: World) -> World:
    """Previews of two sites for the pull requests 1 to 3. Only 3 is open."""
    for site in ("my-site", "docs"):
        for kind in ("pr", "mr"):
            for number in (1, 2, 3):
                world.platform.apps.create_static(f"{site}-{kind}-{number}")
    return world


def left(world: World, prefix: str) -> set[int]:
    """Return the numbers of the remaining previews."""
    names = [app.name for app in world.platform.apps.list()]
    return {int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)}


def cleanup_inputs(name: str, key: str, number: int | None) -> dict[str, str]:
    """Return the inputs of the job *cleanup* for a closed pull request, or at night."""
    event = {"github.event_name": "pull_request" if number else "schedule", "github.event.number": number}
    return inputs(workflow(name)["jobs"]["cleanup"], event | {"secrets.PREVIEWS_API_KEY": key})


CLEANUPS: dict[str, tuple[str, int | None, set[int]]] = {
    "closed": ("preview.yml", 1, {2, 3}),
    "at night": ("preview.yml", None, {3}),
    "of forks, at night": ("preview-fork.yml", None, {3}),
}
"""The workflow, the number in its event, and the previews that are left."""


@pytest.mark.parametrize("case", CLEANUPS)
def test_the_github_cleanup_deletes_previews_of_closed_pull_requests(deployed: World, case: str) -> None:
    """It deletes the previews of the event's pull request, or of all closed pull requests."""
    name, number, expected = CLEANUPS[case]
    shown = {each: Deployment({"task": f"zerokie:my-site-pr-{each}"}) for each in (1, 2, 3)}
    host = CodeHost(states={1: "closed", 2: "closed", 3: "open"}, deployments=shown)
    outcome = run(deployed, host, "github", **cleanup_inputs(name, API_KEY, number))

    assert outcome.exit_code == 0, outcome.log
    assert left(deployed, "my-site-pr-") == expected
    assert left(deployed, "docs-pr-") == {1, 2, 3}
    assert {each for each in shown if shown[each].state != "inactive"} == expected
    assert len(host.comments) == 3 - len(expected)


@pytest.mark.parametrize("number", [1, None], ids=["closed", "at night"])
def test_the_github_cleanup_skips_without_a_key(world: World, number: int | None) -> None:
    """Dependabot's pull requests get no secrets. At night, the secret may be missing, which is an error."""
    outcome = run(world, CodeHost(), "github", **cleanup_inputs("preview.yml", "", number))
    assert outcome.exit_code == (0 if number else 2), outcome.log


@pytest.mark.parametrize(
    ("event", "action", "repository", "expected"),
    [
        ("pull_request", "opened", "o/r", {"build", "deploy"}),
        ("pull_request", "synchronize", "o/r", {"build", "deploy"}),
        ("pull_request", "synchronize", "fork/r", {"build"}),
        ("pull_request", "closed", "o/r", {"cleanup"}),
        ("pull_request", "closed", "fork/r", set()),  # so that preview-fork.yml doesn't request a review
        ("schedule", None, None, {"cleanup"}),
    ],
)
def test_each_event_of_a_preview_has_its_jobs(
    event: str, action: str | None, repository: str | None, expected: set[str]
) -> None:
    """A job without a job that it needs is skipped, like on GitHub."""
    values = {
        "github.event_name": event,
        "github.event.action": action,
        "github.event.pull_request.head.repo.full_name": repository,
        "github.repository": "o/r",
    }
    jobs = workflow("preview.yml")["jobs"]
    runs = {name for name, job in jobs.items() if evaluate(job["if"], values)}
    assert {name for name in runs if jobs[name].get("needs", name) in runs} == expected
    assert set(triggers("preview.yml")) == {"pull_request", "schedule"}
    assert {"opened", "reopened", "synchronize", "closed"} == set(
        triggers("preview.yml")["pull_request"]["types"]
    )


def test_the_gitlab_cleanup_deletes_previews_of_closed_merge_requests(
    deployed: World, tmp_path: Path
) -> None:
    """It uses the token of the job, which may not write comments."""
    job = pipeline("review.yml")["zerokie-deploy-sweep"]
    env = passed_on(job, tmp_path, CI_JOB_TOKEN=TOKEN)
    prefix = re.compile("(?:INPUT|ZEROKIE)_")
    set_inputs = {prefix.sub("", name).lower(): text for name, text in env.items() if prefix.match(name)}
    host = CodeHost(states={1: "closed", 2: "merged", 3: "opened"})
    outcome = run(deployed, host, "gitlab", **{name: text for name, text in set_inputs.items() if text})

    assert outcome.exit_code == 0, outcome.log
    assert left(deployed, "my-site-mr-") == {3}
    assert left(deployed, "docs-mr-") == {1, 2, 3}
    assert not host.comments


def test_no_job_uses_the_environment_of_the_previews() -> None:
    """Otherwise its deployments would make all others inactive."""
    environments = [
        json.dumps(job.get("environment")) for name in GITHUB for job in workflow(name)["jobs"].values()
    ]
    assert not [name for name in environments if '"previews' in name]


@pytest.mark.parametrize("name", ["preview.yml", "preview-fork.yml"])
def test_a_cleanup_runs_only_the_action(name: str) -> None:
    """It has the key, so it checks out nothing."""
    steps = workflow(name)["jobs"]["cleanup"]["steps"]
    assert [found["uses"].split("@")[0] for found in steps] == ["YOUR_ORG/zerokie-action"]


def test_the_cleanup_waits_for_the_deploy() -> None:
    """Runs of a pull request wait for each other, so none deletes a preview during a deploy."""
    group = workflow("preview.yml")["concurrency"]
    assert fill(group["group"], {"github.event.number": 7}) == "preview-7"
    assert fill(group["group"], {}) == "preview-nightly"
    assert group["cancel-in-progress"] is False

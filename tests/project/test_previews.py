"""The examples of previews deploy and delete the right ones, and run nothing that a stranger chose."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.ci.forge import TOKEN, Deployment, Forge, run
from tests.project.test_examples import commands
from tests.support.world import API_KEY, World

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not on the PATH")


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "github" / name).read_text("utf-8"))
    return found


def secrets(name: str) -> set[str]:
    return set(re.findall(r"secrets\.(\w+)", json.dumps(workflow(name))))


def bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a runner does, with nothing but this in its environment."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        check=False,
        text=True,
    )


# --- GitHub


class Step:
    """A step with a script, run as GitHub's runner runs it, beside a forge that is files."""

    def __init__(self, folder: Path, name: str, job: str, step: str) -> None:
        document = workflow(name)
        (self._step,) = [found for found in document["jobs"][job]["steps"] if found.get("id") == step]
        self._env = document.get("env", {}) | self._step["env"]
        self._folder = folder
        self._path = commands(folder)
        shutil.copy(ROOT / "tests" / "support" / "gh", folder / "programs")

    def answer(self, **answers: object) -> None:
        """What the forge knows."""
        for name, found in answers.items():
            (self._folder / f"{name}.json").write_text(json.dumps(found), "utf-8")

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it; `env` stands for the expressions in its own."""
        expressions = {name for name, value in self._env.items() if "${{" in value}
        assert expressions <= {*env, "GH_TOKEN"}
        assert "${{" not in self._step["run"]
        (self._folder / "output").write_text("", "utf-8")
        return bash(
            self._step["run"],
            self._folder,
            FORGE=str(self._folder),
            GITHUB_REPOSITORY="owner/site",
            GITHUB_OUTPUT=str(self._folder / "output"),
            **self._path,
            **{**self._env, "GH_TOKEN": TOKEN, **env},
        )

    def outputs(self) -> dict[str, str]:
        """What later steps read."""
        lines = (self._folder / "output").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def calls(self) -> list[str]:
        """The command lines of `gh`."""
        return (self._folder / "calls").read_text("utf-8").splitlines()


@needs_jq
class TestForkOnGitHub:
    """The pull request whose newest commit was built, from what the forge says."""

    EVENT: ClassVar = {"OWNER": "fork", "REPOSITORY": "fork/site", "BRANCH": "topic", "COMMIT": "c0ffee"}

    @pytest.fixture
    def step(self, tmp_path: Path) -> Step:
        return Step(tmp_path, "preview-fork.yml", "deploy", "pull-request")

    def number(self, step: Step, *pulls: tuple[int, str | None, str], **event: str) -> str:
        listed = [
            {"number": number, "head": {"sha": sha, "repo": repository and {"full_name": repository}}}
            for number, repository, sha in pulls
        ]
        step.answer(pulls=listed)
        run = step.run(**{**self.EVENT, **event})
        assert run.returncode == 0, run.stderr
        assert ("::notice::" in run.stdout) == (step.outputs() == {"number": ""})
        return step.outputs()["number"]

    def test_the_forks_pull_request_is_found(self, step: Step) -> None:
        """Asked for by the fork's owner and branch, beside another fork of that owner and a gone one."""
        pulls = ((6, "fork/site-2", "c0ffee"), (7, "fork/site", "c0ffee"), (8, None, "c0ffee"))
        assert self.number(step, *pulls) == "7"
        assert "head=fork:topic" in step.calls()[0]
        assert "state=open" in step.calls()[0]

    @pytest.mark.parametrize(
        "pulls",
        [[], [(7, "fork/site", "newer")], [(7, "fork/site", "c0ffee"), (8, "fork/site", "c0ffee")]],
        ids=["closed", "updated", "two"],
    )
    def test_a_closed_or_updated_pull_request_is_not_deployed(
        self, step: Step, pulls: list[tuple[int, str, str]]
    ) -> None:
        """What was closed or updated before the approval is not deployed; nor is what is unclear."""
        assert self.number(step, *pulls) == ""

    @pytest.mark.parametrize("branch", ['"; $(touch pwned); "', "a&state=all"])
    def test_a_strangers_branch_name_is_only_text(self, step: Step, branch: str, tmp_path: Path) -> None:
        """A stranger chooses its name."""
        assert self.number(step, (7, "fork/site", "c0ffee"), BRANCH=branch) == "7"
        assert f"head=fork:{branch}" in step.calls()[0]
        assert not (tmp_path / "pwned").exists()

    def test_no_answer_of_the_forge_fails_the_job(self, step: Step) -> None:
        """The job fails."""
        assert step.run(**self.EVENT).returncode != 0
        assert step.outputs() in ({}, {"number": ""})


def test_what_a_fork_built_is_not_run() -> None:
    """With the key at hand one script runs, the workflow's own; nothing is checked out.

    The key is a secret of the environment alone: the repository's would be there without an approval too.
    """
    job = workflow("preview-fork.yml")["jobs"]["deploy"]
    used = [step["uses"].split("@")[0] for step in job["steps"] if "uses" in step]
    assert used == ["actions/download-artifact", "YOUR_ORG/zerokie-action"]
    assert [step["id"] for step in job["steps"] if "run" in step] == ["pull-request"]
    assert job["environment"]["name"] == "fork-previews"
    assert secrets("preview-fork.yml") == {"FORK_PREVIEWS_API_KEY"}
    assert secrets("preview.yml") == {"PREVIEWS_API_KEY"}
    assert all("pull-request.outputs.number" in step["if"] for step in job["steps"] if "uses" in step)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "github").glob("*.yml")), ids=lambda path: path.name)
def test_pull_requests_do_not_get_the_key_for_production(path: Path) -> None:
    """Whoever opens one can change the workflow and print its secrets."""
    events = set({str(key): value for key, value in workflow(path.name).items()}["True"])  # `on`, to YAML
    if events & {"pull_request", "pull_request_target", "workflow_run"}:
        assert "ZEROKIE_API_KEY" not in secrets(path.name)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "github").glob("*.yml")), ids=lambda path: path.name)
def test_a_build_has_no_key(path: Path) -> None:
    """A job that checks out and runs a script has neither a secret but GitHub's own nor an environment."""
    for job in workflow(path.name)["jobs"].values():
        used = [step.get("uses", "") for step in job["steps"]]
        runs_site = any("run" in step or "build-push" in step.get("uses", "") for step in job["steps"])
        if any(name.startswith("actions/checkout@") for name in used) and runs_site:
            assert "secrets." not in json.dumps(job)
            assert "environment" not in job


# --- the sweeps


def deployed(world: World, kind: str) -> None:
    """Previews of the requests 1 to 3, the last of which is open, of two sites."""
    for site in ("my-site", "docs"):
        for number in (1, 2, 3):
            world.platform.apps.create_static(f"{site}-{kind}-{number}")


def left(world: World) -> list[str]:
    return sorted(app.name for app in world.platform.apps.list() if app.name != "site")


EVENTS = {
    "closed": ({"github.event.number": "1", "inputs.dry-run": ""}, {1}),
    "at night": ({"github.event.number": "", "inputs.dry-run": ""}, {1, 2}),
    "by hand": ({"github.event.number": "", "inputs.dry-run": "true"}, set()),
    "by hand, not a dry run": ({"github.event.number": "", "inputs.dry-run": "false"}, {1, 2}),
}


IS_CLOSED = "github.event_name == 'pull_request_target'"


def cleanup_inputs(event: str, key: str) -> dict[str, str]:
    """The inputs of preview-cleanup.yml, with what GitHub puts in place of its expressions."""
    expressions, _ = EVENTS[event]
    expressions |= {IS_CLOSED: str(event == "closed").lower()}
    expressions |= {"secrets.PREVIEWS_API_KEY": key, "github.token": TOKEN}
    (step,) = workflow("preview-cleanup.yml")["jobs"]["sweep"]["steps"]
    return {
        name.replace("-", "_"): re.sub(r"\$\{\{ (.*?) \}\}", lambda found: expressions[found[1]], f"{value}")
        for name, value in step["with"].items()
    }


@pytest.mark.parametrize("event", EVENTS)
def test_the_sweep_on_github_deletes_previews_of_closed_requests(world: World, event: str) -> None:
    """It deletes the previews of all closed requests, or of the one that the event is about."""
    _, gone = EVENTS[event]
    inputs = cleanup_inputs(event, API_KEY)
    deployed(world, "pr")
    shown = {number: Deployment({"task": f"zerokie:my-site-pr-{number}"}) for number in (1, 2, 3)}
    forge = Forge(states={1: "closed", 2: "closed", 3: "open"}, deployments=shown)
    outcome = run(world, forge, "github", **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert {name for name in left(world) if name.startswith("my")} == {
        f"my-site-pr-{number}" for number in {1, 2, 3} - gone
    }
    assert sum(name.startswith("docs") for name in left(world)) == 3
    assert {number for number, deployment in shown.items() if deployment.state == "inactive"} == gone


@pytest.mark.parametrize("event", EVENTS)
def test_the_sweep_on_github_skips_without_a_key(world: World, event: str) -> None:
    """Pull requests that Dependabot closes get none; at night and by hand the secret is missing."""
    outcome = run(world, Forge(), "github", **cleanup_inputs(event, ""))
    assert outcome.exit_code == (0 if event == "closed" else 2), outcome.log


def test_the_sweep_on_gitlab_deletes_previews_of_closed_requests(world: World) -> None:
    """With the variables of the job, and several sites as its comment shows."""
    job = yaml.safe_load((EXAMPLES / "gitlab" / "sweep.yml").read_text("utf-8"))["sweep-review-apps"]
    assert job["script"] == ["zerokie-deploy"]
    inputs = {
        name.removeprefix("ZEROKIE_").lower(): value
        for name, value in job["variables"].items()
        if name.startswith("ZEROKIE_")
    }
    assert "CI_JOB_TOKEN" in inputs["gitlab_token"]
    inputs["gitlab_token"] = TOKEN
    deployed(world, "mr")
    forge = Forge(states={1: "closed", 2: "merged", 3: "opened"})
    outcome = run(world, forge, "gitlab", **{**inputs, "app": f"{inputs['app']}\ndocs-mr-*\n"})
    assert outcome.exit_code == 0, outcome.log
    assert left(world) == ["docs-mr-3", "my-site-mr-3"]
    assert not forge.comments, "a job's token may not write comments"


def test_no_job_has_the_environment_of_the_previews() -> None:
    """Its deployments would make those of all other pull requests inactive. Each site has one of its own."""
    jobs = [
        job for path in (EXAMPLES / "github").glob("*.yml") for job in workflow(path.name)["jobs"].values()
    ]
    environments = {json.dumps(job["environment"]) for job in jobs if "environment" in job}
    given = {
        step["with"]["preview-environment"]
        for name in ("preview.yml", "preview-fork.yml")
        for step in workflow(name)["jobs"]["deploy"]["steps"]
        if "preview-environment" in step.get("with", {})
    }
    assert given == {"previews-${{ matrix.site }}"}
    assert not [name for name in environments if '"previews' in name]


def test_a_closed_pull_request_is_not_checked_out() -> None:
    """The trigger that strangers can pull gets the pull request's number and no other text."""
    jobs = workflow("preview-cleanup.yml")["jobs"]
    used = {step["uses"].split("@")[0] for job in jobs.values() for step in job["steps"] if "uses" in step}
    assert used == {"YOUR_ORG/zerokie-action"}
    given = set(re.findall(r"\$\{\{ (.*?) \}\}", json.dumps([job["steps"] for job in jobs.values()])))
    allowed = {"github.event.number", "github.token", IS_CLOSED}
    assert {name for name in given if name.startswith("github.")} == allowed


def test_the_cleanup_waits_for_the_previews_workflow() -> None:
    """No preview is deleted while it is deployed: the cleanup waits for the workflow of the pull request."""
    groups = [workflow(name)["concurrency"] for name in ("preview.yml", "preview-cleanup.yml")]
    assert [re.sub(r"\$\{\{ github.event.number.*\}\}", "N", found["group"]) for found in groups] == [
        "previews-N"
    ] * 2
    assert [found["cancel-in-progress"] for found in groups] == [False, False]

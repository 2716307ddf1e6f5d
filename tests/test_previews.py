"""The scripts in the examples of previews find the right ones, and run nothing that a stranger chose."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.support.rest import Rest, rest
from tests.test_examples import commands

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
API = "https://api.platform-dev.zerokie.com"
KEY = "key-93b1"
TOKEN = "token-4f77"  # noqa: S105 - of a forge that is a file
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not on the PATH")


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "github" / name).read_text("utf-8"))
    return found


def secrets(name: str) -> set[str]:
    return set(re.findall(r"secrets\.(\w+)", json.dumps(workflow(name))))


def apps(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "status": "running"} for name in names]


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
    """A step with a script, run as GitHub's runner runs it, beside a forge and a platform that are files."""

    def __init__(self, folder: Path, name: str, job: str, step: str) -> None:
        document = workflow(name)
        (self._step,) = [found for found in document["jobs"][job]["steps"] if found.get("id") == step]
        self._env = document.get("env", {}) | self._step["env"]
        self._folder = folder
        self._path = commands(folder, curl='cat > "$FORGE/sent"; cat "$FORGE/apps.json"')
        shutil.copy(ROOT / "tests" / "support" / "gh", folder / "programs")

    def answer(self, **answers: object) -> None:
        """What forge and platform know."""
        for name, found in answers.items():
            (self._folder / f"{name}.json").write_text(json.dumps(found), "utf-8")

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it; `env` stands for the expressions in its own."""
        expressions = {name for name, value in self._env.items() if "${{" in value}
        assert expressions <= {*env, "GH_TOKEN", "CLOSED"}
        assert "${{" not in self._step["run"]
        (self._folder / "output").write_text("", "utf-8")
        return bash(
            self._step["run"],
            self._folder,
            FORGE=str(self._folder),
            GITHUB_REPOSITORY="owner/site",
            GITHUB_OUTPUT=str(self._folder / "output"),
            **self._path,
            **{**self._env, "GH_TOKEN": TOKEN, "CLOSED": "", **env},
        )

    def outputs(self) -> dict[str, str]:
        """What later steps read."""
        lines = (self._folder / "output").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def calls(self) -> list[str]:
        """The command lines of `gh` and `curl`."""
        return (self._folder / "calls").read_text("utf-8").splitlines()


@needs_jq
class TestSweepOnGitHub:
    """Apps that are exactly `<site>-pr-<number>`, and whose pull request is not open."""

    @pytest.fixture
    def step(self, tmp_path: Path) -> Step:
        return Step(tmp_path, "preview-cleanup.yml", "find", "find")

    def test_what_is_not_open_is_found(self, step: Step) -> None:
        """For each site by its name; whatever else the account has stays."""
        others = ["si.te", "si.te-pr-", "si.te-pr-07", "si.te-pr-0", "si.te-pr-1-old", "si.te-pr-x"]
        others += ["my-si.te-pr-5", "site-pr-5", "si.te-pr-8\n9", "SI.TE-pr-5", "si.te_pr_5", "si.te-pr-5.1"]
        others += ["si.te-pr-٣", "si.te-pr-5-pr-6", "-pr-5"]
        names = ["si.te-pr-3", *others, "si.te-pr-40", "si.te-pr-4", "docs-pr-1", "docs-pr-4"]
        step.answer(apps=apps(*names), pulls=[{"number": 4}, {"number": 5}, {"number": 100}])
        run = step.run(ZEROKIE_API_KEY=KEY, SITES="docs si.te")
        assert run.returncode == 0, run.stderr
        previews = json.loads(step.outputs()["previews"])
        found = {preview["app"]: str(preview["number"]) for preview in previews}
        assert found == {"docs-pr-1": "1", "si.te-pr-3": "3", "si.te-pr-40": "40"}

    def test_those_of_a_closed_pull_request_are_found(self, step: Step, tmp_path: Path) -> None:
        """Nobody is asked: the platform does not know a preview that is still to be created."""
        assert step.run(ZEROKIE_API_KEY=KEY, SITES="docs si.te", CLOSED="12").returncode == 0
        assert json.loads(step.outputs()["previews"]) == [
            {"app": "docs-pr-12", "number": "12"},
            {"app": "si.te-pr-12", "number": "12"},
        ]
        assert not (tmp_path / "calls").exists()

    @pytest.mark.parametrize("missing", ["apps", "pulls"])
    def test_no_answer_removes_nothing(self, step: Step, missing: str) -> None:
        """Without the list of what is open everything would seem closed: the job fails, without an output."""
        answers: dict[str, object] = {"apps": apps("my-site-pr-1"), "pulls": []}
        del answers[missing]
        step.answer(**answers)
        assert step.run(ZEROKIE_API_KEY=KEY).returncode != 0
        assert step.outputs() == {}

    def test_the_key_is_in_no_command_line(self, step: Step, tmp_path: Path) -> None:
        """Other processes can read those. It goes to the platform, and curl follows no redirect."""
        step.answer(apps=[], pulls=[])
        assert step.run(ZEROKIE_API_KEY=KEY).returncode == 0
        assert step.outputs()["previews"] == "[]"
        assert (tmp_path / "sent").read_text("utf-8") == f"authorization: Bearer {KEY}\n"
        assert len(step.calls()) == 2
        assert KEY not in "".join(step.calls())
        assert TOKEN not in "".join(step.calls())
        assert f"{API}/v1/apps" in step.calls()[0]
        assert not {"-L", "--location"} & set(step.calls()[0].split())


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

    def test_found(self, step: Step) -> None:
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
    def test_none(self, step: Step, pulls: list[tuple[int, str, str]]) -> None:
        """What was closed or updated before the approval is not deployed; nor is what is unclear."""
        assert self.number(step, *pulls) == ""

    @pytest.mark.parametrize("branch", ['"; $(touch pwned); "', "a&state=all"])
    def test_a_branch_is_only_text(self, step: Step, branch: str, tmp_path: Path) -> None:
        """A stranger chooses its name."""
        assert self.number(step, (7, "fork/site", "c0ffee"), BRANCH=branch) == "7"
        assert f"head=fork:{branch}" in step.calls()[0]
        assert not (tmp_path / "pwned").exists()

    def test_no_answer(self, step: Step) -> None:
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


def test_a_closed_pull_request_is_not_checked_out() -> None:
    """The trigger that strangers can pull gets the pull request's number and no other text."""
    jobs = workflow("preview-cleanup.yml")["jobs"]
    used = {step["uses"].split("@")[0] for job in jobs.values() for step in job["steps"] if "uses" in step}
    assert used == {"YOUR_ORG/zerokie-action"}
    given = set(re.findall(r"\$\{\{ (.*?) \}\}", json.dumps([job["steps"] for job in jobs.values()])))
    assert {name for name in given if name.startswith("github.")} == {"github.event.number", "github.token"}


def test_the_same_group() -> None:
    """No preview is deleted while it is deployed: the cleanup waits for the workflow of the pull request."""
    deploys, deletes = workflow("preview.yml"), workflow("preview-cleanup.yml")["jobs"]["destroy"]
    groups = [found["concurrency"]["group"] for found in (deploys, deletes)]
    assert [re.sub(r"\$\{\{.*\}\}", "N", group) for group in groups] == ["previews-N", "previews-N"]
    assert deletes["concurrency"]["queue"] == "max"  # several sites wait


# --- GitLab


MERGE_REQUESTS = "/projects/7/merge_requests?state=opened&per_page=100&page="
BRANCHES = "/projects/7/repository/branches?&per_page=100&page=1"
ENVIRONMENTS = "/projects/7/environments?search=review/&per_page=100&page=1"
DELETE = "DELETE /projects/7/environments/review_apps?limit=1000&dry_run=false"
NONE: dict[str, Any] = {"scheduled_entries": [], "unprocessable_entries": []}


@pytest.fixture
def api() -> Iterator[Rest]:
    """Forge and platform at once."""
    with rest() as api:
        yield api


class TestSweepOnGitLab:
    """Apps that are exactly `<site>-mr-<number>` or `<site>-<slug of an environment>`, and abandoned."""

    def run(self, folder: Path, api: Rest, **env: str) -> subprocess.CompletedProcess[str]:
        job = yaml.safe_load((EXAMPLES / "gitlab" / "sweep.yml").read_text("utf-8"))["sweep-review-apps"]
        (script,) = job["script"]
        told = "$ZEROKIE_OPERATION $ZEROKIE_APP $ZEROKIE_COMMENT $ZEROKIE_PULL_REQUEST $ZEROKIE_DRY_RUN"
        path = commands(folder, zerokie_deploy=f'echo {told} >> "{folder}/told"')
        (folder / "programs" / "python").symlink_to(sys.executable)
        given = {
            "CI_API_V4_URL": api.url,
            "CI_PROJECT_ID": "7",
            "ZEROKIE_API_KEY": KEY,
            "ZEROKIE_GITLAB_TOKEN": TOKEN,
            **job["variables"],
            "ZEROKIE_API_URL": api.url,
            "SITES": "si.te",
        }
        return bash(script, folder, **path, **given | env)

    def calls(self, folder: Path) -> list[str]:
        file = folder / "told"
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def fill(self, api: Rest, *names: str) -> None:
        """Of the merge requests 4 and 5 are open, on two pages; no environment was stopped a month ago."""
        nothing = {"message": {**NONE, "message": "No environments found for scheduled deletion."}}
        api.statuses = {DELETE: 400}
        api.answers = {
            f"GET {BRANCHES}": ([{"name": "main"}, {"name": "Feature/new_Menü"}], {"X-Next-Page": ""}),
            f"GET {ENVIRONMENTS}": (
                [
                    {"name": "review/feature-new-men", "slug": "review-feature-new-a1b2c3"},
                    {"name": "review/feature-new-men-", "slug": "review-feature-new-d4e5f6"},
                    {"name": "review/old/docs", "slug": "review-old-docs-g7h8i9"},
                    {"name": "review/4", "slug": "review-4-j1k2l3"},
                    {"name": "preview/old", "slug": "preview-old-m4n5o6"},
                ],
                {"X-Next-Page": ""},
            ),
            "GET /v1/apps": (apps(*names), {}),
            f"GET {MERGE_REQUESTS}1": ([{"iid": 4}], {"X-Next-Page": "2"}),
            f"GET {MERGE_REQUESTS}2": ([{"iid": 5}], {"X-Next-Page": ""}),
            DELETE: (nothing, {}),
        }

    def test_what_is_not_open_is_removed(self, api: Rest, tmp_path: Path) -> None:
        """For each site by its name, with comment and environment; whatever else there is stays."""
        others = ["si.te", "site-mr-1", "si.te-mr-", "si.te-mr-07", "si.te-mr-1-old", "a-si.te-mr-1"]
        self.fill(
            api, "si.te-mr-3", *others, "si.te-mr-1\n", "si.te-mr-4", "si.te-mr-5", "docs-mr-1", "docs-mr-4"
        )
        run = self.run(tmp_path, api, SITES="si.te docs")
        assert run.returncode == 0, run.stderr
        assert self.calls(tmp_path) == ["destroy si.te-mr-3 true 3", "destroy docs-mr-1 true 1"]
        assert api.requests[0] == "GET /v1/apps"
        assert api.requests[-1] == DELETE
        assert [("authorization" in sent, "private-token" in sent) for sent in api.headers] == [
            (True, False),
            *[(False, True)] * 5,
        ]

    def test_what_has_no_branch_is_removed(self, api: Rest, tmp_path: Path) -> None:
        """An app whose environment GitLab does not know is somebody else's, however it is called."""
        kept = ["si.te-review-feature-new-a1b2c3", "si.te-review-board", "si.te-preview-old-m4n5o6"]
        gone = ["si.te-review-feature-new-d4e5f6", "docs-review-old-docs-g7h8i9"]
        self.fill(api, *kept, "web-review-old-docs-g7h8i9", *gone)
        run = self.run(tmp_path, api, SITES="si.te docs")
        assert run.returncode == 0, run.stderr
        assert self.calls(tmp_path) == [f"destroy {app}" for app in gone]

    @pytest.mark.parametrize(
        ("status", "answer", "error"),
        [
            (200, {"scheduled_entries": [{"id": 1}], "unprocessable_entries": []}, ""),
            (400, NONE, ""),
            (400, {"message": {**NONE, "unprocessable_entries": [{"id": 1}]}}, "HTTP Error 400"),
            (401, {"message": {**NONE, "message": "You do not have permission"}}, "HTTP Error 401"),
            (404, {}, "HTTP Error 404"),
        ],
    )
    def test_environments(self, api: Rest, tmp_path: Path, status: int, answer: object, error: str) -> None:
        """On most nights there is none to delete. Else the job fails, after the apps were removed."""
        self.fill(api, "si.te-mr-3")
        api.answers[DELETE], api.statuses[DELETE] = (answer, {}), status
        run = self.run(tmp_path, api)
        assert run.returncode == bool(error), run.stderr
        assert error in run.stderr
        assert len(self.calls(tmp_path)) == 1

    @pytest.mark.parametrize(
        "missing", ["/v1/apps", f"{MERGE_REQUESTS}1", f"{MERGE_REQUESTS}2", BRANCHES, ENVIRONMENTS]
    )
    def test_no_answer_removes_nothing(self, api: Rest, tmp_path: Path, missing: str) -> None:
        """Without the list of what is open everything would seem closed."""
        self.fill(api, "si.te-mr-3")
        del api.answers[f"GET {missing}"]
        assert self.run(tmp_path, api).returncode != 0
        assert self.calls(tmp_path) == []

    def test_the_key_is_not_sent_on(self, api: Rest, tmp_path: Path) -> None:
        """A redirect ends the job."""
        api.answers = {"GET /v1/apps": ({}, {"Location": f"{api.url}/elsewhere"})}
        assert self.run(tmp_path, api).returncode != 0
        assert api.requests == ["GET /v1/apps"]

    def test_modules_of_a_checkout_are_not_run(self, api: Rest, tmp_path: Path) -> None:
        """Such as one that a runner has left, while both secrets are in the environment."""
        (tmp_path / "json.py").write_text("raise SystemExit(9)", "utf-8")
        self.fill(api)
        assert self.run(tmp_path, api).returncode == 0

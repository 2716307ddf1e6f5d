"""The action in a workflow runner (nektos/act), and after GitHub's cancel and kill."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.ci.grammar import file_command
from tests.e2e.conftest import (
    ENGINE,
    LONGEST_RELEASE,
    ROOT,
    UPLOADED,
    commit,
    deployments,
    stall,
    wait_for_stall,
)
from tests.e2e.engine import Container, Outcome, call, run, succeed
from tests.previews.code_host import TOKEN, CodeHost
from tests.support.platform import API_KEY, Platform
from tests.support.required import find_program
from tests.support.rest import serve

ACTION = "YOUR_ORG/zerokie-action"
ACTIONS_IMAGE = f"act-{re.sub('[^a-z0-9]', '-', ACTION.lower())}-v1-dockeraction:latest"
RUNNER = "docker.io/library/python:3.13-slim-trixie"

STAND_INS = {
    "upload-artifact": 'A="$CODE_HOST/${{ inputs.name }}"; rm -rf "$A"; cp -r "${{ inputs.path }}" "$A"',
    "download-artifact": 'mkdir -p "${{ inputs.path }}" && cp -r "$CODE_HOST/${{ inputs.name }}/." "$_"',
}
STAND_IN = """\
inputs: {name: {}, path: {}, include-hidden-files: {}, if-no-files-found: {}, retention-days: {}}
runs:
  using: composite
  steps:
    - run: %s
      shell: bash
"""


class Repository:
    """A repository with the examples as workflows, and a runner for them.

    Artifacts are folders, because stand-ins replace other projects' pinned actions.

    Attributes:
        head: its only commit.
    """

    def __init__(self, platform: Platform, archive: Path, folder: Path, **examples: str) -> None:
        self._folder, self._code_host = folder / "repository", folder / "host"
        workflows = self._folder / ".github" / "workflows"
        workflows.mkdir(parents=True)
        pins = set()
        for name, added in examples.items():
            text = (ROOT / "examples" / "github" / f"{name}.yml").read_text("utf-8")
            text = re.sub(
                r"^( +)api-key: \$.*", rf"\g<0>\n\1api-url: {platform.url}", text, flags=re.MULTILINE
            )
            # act refuses the key `deployment` of an environment.
            text = re.sub(r"^ +deployment: .*\n", "", text, flags=re.MULTILINE)
            (workflows / f"{name}.yml").write_text(text + added, "utf-8")
            pins |= set(re.findall(rf"(actions/({'|'.join(STAND_INS)})@\w+)", text))
        self._options = [f"--local-repository={ACTION}@v1={archive}", f"--env=CODE_HOST={self._code_host}"]
        for pin, name in pins:
            action = self._code_host / "actions" / name / "action.yml"
            action.parent.mkdir(parents=True)
            action.write_text(STAND_IN % STAND_INS[name], "utf-8")
            self._options.append(f"--local-repository={pin}={action.parent}")
        self.head = commit(self._folder, "github.com")

    def run(
        self,
        workflow: str,
        event: str,
        *options: str,
        payload: dict[str, Any] | None = None,
    ) -> str:
        """Run a workflow, check that it succeeds, and return the log."""
        done = self.attempt(workflow, event, *options, payload=payload)
        assert done.code == 0, done.log
        return done.log

    def attempt(
        self,
        workflow: str,
        event: str,
        *options: str,
        payload: dict[str, Any] | None = None,
    ) -> Outcome:
        """Run a workflow, and return its exit code and log."""
        file = self._code_host / "event.json"
        file.write_text(json.dumps(payload or {}), "utf-8")
        return call(
            find_program("act", from_="install the dependency group `ci`"),
            event,
            f"--workflows=.github/workflows/{workflow}.yml",
            f"--eventpath={file}",
            f"--platform=ubuntu-latest={RUNNER}",
            "--pull=false",
            "--rebuild=false",
            "--network=host",
            f"--container-options=--stop-signal=KILL --volume={self._code_host}:{self._code_host}",
            *(f"--secret={name}={API_KEY}" for name in ("ZEROKIE_API_KEY", "PREVIEWS_API_KEY")),
            *self._options,
            *options,
            folder=self._folder,
        )


Open = Callable[..., Repository]


@pytest.fixture
def repository(image: str, archive: Path, platform: Platform, tmp_path: Path) -> Open:
    """Return a function that makes a repository. The runner finds the action's image under its usual name."""
    succeed("docker", "tag", image, f"docker.io/library/{ACTIONS_IMAGE}")
    return partial(Repository, platform, archive, tmp_path)


LATER = """\
      - run: echo "live at $URL, $COUNT file"
        env:
          URL: ${{ steps.zerokie.outputs.url }}
          COUNT: ${{ fromJSON(steps.zerokie.outputs.result || '{}').files_uploaded }}
"""


def test_the_readmes_workflow_deploys_a_site(repository: Open, platform: Platform) -> None:
    """The repository contains nothing else. Later steps read the outputs, and the post step does nothing."""
    site = repository(deploy=LATER)

    log = site.run("deploy", "push")

    assert platform.site("my-site") == {"index.html": f"<h1>This is commit {site.head}</h1>\n".encode()}
    assert f"live at {platform.app('my-site')['url']}, 1 file\n" in log
    assert f"Success - Post {ACTION}@v1" in log
    assert "Failure - Post" not in log
    assert API_KEY not in log


def test_a_manual_run_continues_after_a_safety_check(repository: Open, platform: Platform) -> None:
    """The message names the input. A dry run changes nothing."""
    site = repository(deploy="")
    platform.create("my-site")
    platform.client.put("/v1/apps/my-site/files/by-hand.html", content=b"by hand").raise_for_status()
    stopped = site.attempt("deploy", "push")
    assert stopped.code != 0
    assert "To continue, set `take-over: true` for one manual run: https://" in stopped.log

    inputs = {"take-over": "true", "dry-run": "true"}
    log = site.run("deploy", "workflow_dispatch", payload={"inputs": inputs})
    assert "Dry run: nothing was changed" in log
    assert set(platform.site("my-site")) == {"by-hand.html"}

    site.run("deploy", "workflow_dispatch", payload={"inputs": {"take-over": "true"}})
    assert set(platform.site("my-site")) == {"index.html"}


def test_a_preview_exists_while_its_pull_request_is_open(repository: Open, platform: Platform) -> None:
    """Each push deploys and has a deployment. Closing deletes the app. The job's token is enough."""
    previews, host = repository(preview=""), CodeHost(states={12: "closed"})
    with serve(host) as url:

        def run(action: str, commit: str) -> str:
            head = {"sha": commit, "repo": {"full_name": "example/site"}}
            payload = {"action": action, "number": 12, "pull_request": {"number": 12, "head": head}}
            options = (f"--env=GITHUB_API_URL={url}", f"--secret=GITHUB_TOKEN={TOKEN}")
            return previews.run("preview", "pull_request", *options, payload=payload)

        run("opened", "c0ffee")
        assert set(platform.site("my-site-pr-12")) == {"index.html"}
        assert host.deployments is not None
        (first,) = host.deployments.values()
        assert (first.fields["ref"], first.fields["environment"]) == ("c0ffee", "previews")
        assert first.state == "success"

        run("synchronize", "c0ffee2")
        _, second = host.deployments.values()
        assert (first.state, second.state, second.fields["ref"]) == ("inactive", "success", "c0ffee2")
        (comment,) = host.comments
        # The runner's commit is the same, so the build is, too.
        assert "`my-site-pr-12` is up to date" in host.comments[comment]

        platform.create("my-site-pr-13")
        log = run("closed", "c0ffee2")
        assert "upload-artifact" not in log
        assert set(platform.state()["apps"]) == {"my-site-pr-13"}
        assert second.state == "inactive"
        assert "`my-site-pr-12` is deleted" in host.comments[comment]


# --- GitHub's own runner: a container for the step, and another one for post


class Step:
    """A step like the runner's, with dashes in the names of inputs, and with files for the outputs."""

    def __init__(self, image: str, platform: Platform, workspace: Path) -> None:
        self._image, self._platform, self._workspace = image, platform, workspace
        self._files = workspace / "file_commands"
        self._files.mkdir()
        self._env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/workspace"}
        for name in ("OUTPUT", "STATE", "STEP_SUMMARY"):
            (self._files / name).touch()
            self._env[f"GITHUB_{name}"] = f"/workspace/file_commands/{name}"
        inputs = {
            "api-url": platform.url,
            "api-key": API_KEY,
            "app": "site",
            "directory": "dist",
            "create": "true",
        }
        self._env |= {f"INPUT_{name.upper()}": value for name, value in inputs.items()}

    @contextmanager
    def stalled(self) -> Iterator[Container]:
        """Start the step, and wait until its uploads stall."""
        stall(self._platform)
        with Container(self._image, workspace=self._workspace, env=self._env) as container:
            wait_for_stall(self._platform)
            yield container

    def post(self) -> Outcome:
        """Run the post step with the saved state."""
        state = {f"STATE_{name}": value for name, value in self.answers("STATE").items()}
        options = ("--entrypoint=zerokie-cleanup",)
        return run(self._image, workspace=self._workspace, env=self._env | state, options=options)

    def answers(self, name: str) -> dict[str, str]:
        """Return the content of one of the step's files."""
        return file_command((self._files / name).read_text("utf-8"))


@pytest.fixture
def step(image: str, platform: Platform, workspace: Path) -> Step:
    return Step(image, platform, workspace)


def test_a_cancel_during_uploads_releases_the_lock(step: Step, platform: Platform) -> None:
    """Process 1 releases the lock with true counts before GitHub's SIGTERM, so the post step does nothing."""
    with step.stalled() as container:
        told = time.time()
        container.signal(signal.SIGINT)
        deploy = container.wait()
        seconds = time.time() - told

    assert deploy.code == 128 + signal.SIGINT, deploy.log
    (deployment,) = deployments(platform)
    assert deployment["finished_at"] - told < LONGEST_RELEASE
    assert seconds < LONGEST_RELEASE + ENGINE
    assert deployment["files_uploaded"] == UPLOADED
    assert step.answers("OUTPUT")["status"] == "cancelled"

    post = step.post()
    assert post.code == 0, post.log
    assert len(deployments(platform)) == 1


def test_the_post_step_releases_the_lock_after_a_kill(step: Step, platform: Platform) -> None:
    """It uses GitHub's saved state, and logs the release."""
    with step.stalled() as container:
        container.kill()
        assert container.wait().code == 128 + signal.SIGKILL
    assert platform.app("site")["lock"]

    post = step.post()

    assert post.code == 0, post.log
    assert [each["files_uploaded"] for each in deployments(platform)] == [0]
    assert "released" in post.log.lower()

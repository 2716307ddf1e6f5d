"""The component in a pipeline runner (gitlab-ci-local), and after GitLab's cancel and kill."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, UPLOADED, commit, deployments, stall, wait_for_stall
from tests.e2e.engine import Container, Outcome, succeed
from tests.previews.code_host import TOKEN, CodeHost
from tests.support.component import component
from tests.support.platform import API_KEY, Platform, contents
from tests.support.required import find_program
from tests.support.rest import serve

PROJECT = 7
DOCKER = Path(__file__).parent / "docker-tidied"
COMPONENT = "component: $CI_SERVER_FQDN/<YOUR_GROUP>/zerokie-action/deploy@1"


def save_pipeline(repository: Path, example: str, image: str, added: str) -> None:
    """Use an example as the pipeline, with the component and image of this checkout."""
    text = (ROOT / "examples" / "gitlab" / example).read_text("utf-8")
    text = text.replace(COMPONENT, "local: templates/deploy.yml").replace('"123"', f'"{PROJECT}"')
    text = re.sub(r"^( +)inputs:\n", rf"\g<0>\1  action-image: {image}\n", text, flags=re.MULTILINE)
    (repository / ".gitlab-ci.yml").write_text(text + added, "utf-8")
    shutil.copytree(ROOT / "templates", repository / "templates")


def run_jobs(repository: Path, platform: Platform, *jobs: str, **variables: object) -> str:
    """Run jobs of the pipeline in the host's network, check that they succeed, and return the log."""
    runner = find_program("gitlab-ci-local", from_="install the tools in .ci/package.json")
    find_program("rsync", from_="gitlab-ci-local copies the repository with it")
    project = {"ZEROKIE_API_URL": platform.url, "ZEROKIE_API_KEY": API_KEY, "CI_PROJECT_ID": PROJECT}
    given = [f"--variable={name}={value}" for name, value in (project | variables).items()]
    options = [f"--container-executable={DOCKER}", "--pull-policy=if-not-present", "--network=host"]
    options.append("--json-schema-validation=false")  # its schema lacks `hooks` and `id_tokens` in `inherit`
    return succeed(runner, *options, *given, *jobs, folder=repository)


CHECK = """
check:
  stage: .post
  image: %s
  script: [echo "$ZEROKIE_RESULT_APP is $ZEROKIE_RESULT_STATUS at $ZEROKIE_RESULT_URL"]
"""


def test_the_readmes_pipeline_deploys_a_site(image: str, platform: Platform, tmp_path: Path) -> None:
    """The project contains nothing else. Later jobs read the address, and after_script does nothing."""
    repository = tmp_path / "repository"
    repository.mkdir()
    save_pipeline(repository, "component.yml", image, CHECK % image)
    head = commit(repository, "gitlab.com")

    log = run_jobs(repository, platform)

    assert platform.site("my-site") == {"index.html": f"<h1>This is commit {head}</h1>\n".encode()}
    assert f"my-site is deployed at {platform.app('my-site')['url']}\n" in log
    assert log.count("$ zerokie-cleanup") == 1
    assert API_KEY not in log


DEFAULT = """
default:
  image: node:24
  services: [postgres:17]
  before_script: [npm ci]
  after_script: [npm run bye]
  cache: { key: npm, paths: [node_modules] }
  artifacts: { paths: [build] }
  interruptible: true
"""


def test_a_review_app_exists_while_its_merge_request_is_open(
    image: str, platform: Platform, workspace: Path
) -> None:
    """The pipeline creates it with a comment, and GitLab's stop job deletes it.

    The project's defaults don't affect the component's jobs, because its image lacks `npm`.
    """
    save_pipeline(workspace, "review.yml", image, DEFAULT)
    commit(workspace, "gitlab.com")
    host = CodeHost()
    with serve(host) as url:
        merge_request = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": 3,
            "CI_API_V4_URL": url,
            "ZEROKIE_GITLAB_TOKEN": TOKEN,
            "ZEROKIE_COMMENT": "true",
        }

        run_jobs(workspace, platform, "zerokie-deploy-preview", **merge_request)
        assert platform.site("my-site-mr-3") == contents(workspace / "dist")
        (comment,) = host.comments
        assert "`my-site-mr-3` is live" in host.comments[comment]

        run_jobs(workspace, platform, "zerokie-deploy-preview-stop", **merge_request)
        assert platform.state()["apps"] == {}
        assert "`my-site-mr-3` is deleted" in host.comments[comment]


# --- a runner with Docker: a container for the script, and another one for after_script


class Job:
    """The component's job, whose script runs in a shell as the container's first process."""

    def __init__(self, image: str, platform: Platform, workspace: Path) -> None:
        self._image, self._platform, self._workspace = image, platform, workspace
        inputs = {"app": "site", "directory": "dist", "create": True, "api_url": platform.url}
        self._job = component(**inputs)["zerokie-deploy"]

    @contextmanager
    def stalled(self) -> Iterator[Container]:
        """Start the script, and wait until its uploads stall."""
        stall(self._platform)
        with self._start("script") as container:
            wait_for_stall(self._platform)
            yield container

    def after_script(self) -> Outcome:
        """Run the script that GitLab always runs after the job."""
        with self._start("after_script") as container:
            return container.wait()

    def _start(self, part: str) -> Container:
        lines = "\n".join([*self._job[part], "exit 0"])
        env = {name: str(value) for name, value in self._job["variables"].items()}
        env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/workspace", "ZEROKIE_API_KEY": API_KEY}
        command = ("-eo", "pipefail", "-c", lines)
        options = ("--entrypoint=bash",)
        return Container(self._image, *command, workspace=self._workspace, env=env, options=options)


@pytest.fixture
def job(image: str, platform: Platform, workspace: Path) -> Job:
    return Job(image, platform, workspace)


def test_a_cancel_during_uploads_releases_the_lock(job: Job, platform: Platform, workspace: Path) -> None:
    """SIGTERM reaches all processes except the first, and the deploy releases the lock with true counts."""
    with job.stalled() as container:
        container.execute("sh", "-c", "kill -TERM -1")
        deploy = container.wait()

    assert deploy.code == 128 + signal.SIGTERM, deploy.log
    assert [each["files_uploaded"] for each in deployments(platform)] == [UPLOADED]
    report = workspace / "zerokie-reports" / "result.env"
    assert "ZEROKIE_RESULT_STATUS=cancelled\n" in report.read_text("utf-8")

    after = job.after_script()
    assert after.code == 0, after.log
    assert len(deployments(platform)) == 1


def test_after_script_releases_the_lock_after_a_kill(job: Job, platform: Platform) -> None:
    """It uses the deploy's state file in the checkout, and logs the release."""
    with job.stalled() as container:
        container.kill()
        assert container.wait().code == 128 + signal.SIGKILL
    assert platform.app("site")["lock"]

    after = job.after_script()

    assert after.code == 0, after.log
    assert [each["files_uploaded"] for each in deployments(platform)] == [0]
    assert "released" in after.log.lower()

"""The component in a runner of GitLab pipelines (gitlab-ci-local)."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT, need
from tests.e2e.engine import Image, Outcome, call
from tests.e2e.platform import API_KEY, contents
from tests.e2e.repository import commit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.platform import Platform

PIPELINE = """\
stages: [deploy, check]
include:
  - local: templates/deploy.yml
    inputs:
      app: site-$CI_COMMIT_REF_SLUG
      directory: dist
      create: true
      review: true
      environment: review/$CI_COMMIT_REF_SLUG
      action-image: %(image)s
      rules: %(rules)s
  - local: templates/deploy.yml
    inputs:
      job-name: deploy-image
      stage: check
      app: api
      image: nginx:1
      create: true
      action-image: %(image)s
check:
  stage: check
  image: %(image)s
  needs: [zerokie-deploy]
  script:
    - echo "$ZEROKIE_APP is $ZEROKIE_STATUS at $ZEROKIE_URL"
"""


@pytest.fixture
def repository(image: Image, workspace: Path) -> Path:
    """A repository with a pipeline of two deploys and a job that reads what they report."""
    shutil.copytree(ROOT / "templates", workspace / "templates")
    rules = json.dumps([{"if": "$CI_COMMIT_BRANCH"}])
    (workspace / ".gitlab-ci.yml").write_text(PIPELINE % {"image": image.tag, "rules": rules}, "utf-8")
    commit(workspace)
    return workspace


def run_jobs(platform: Platform, repository: Path, *jobs: str) -> Outcome:
    """Run the pipeline, or some of its jobs, in the host's network."""
    runner = need("gitlab-ci-local", from_="install the tools in .ci/package.json")
    need("rsync", from_="gitlab-ci-local copies the repository with it")
    variables = {"ZEROKIE_API_URL": platform.url, "ZEROKIE_API_KEY": API_KEY}
    options = [option for name, value in variables.items() for option in ("--variable", f"{name}={value}")]
    return call(runner, "--pull-policy=if-not-present", "--network=host", *options, *jobs, folder=repository)


def test_pipeline(platform: Platform, repository: Path) -> None:
    """Variables reach later jobs; a later deploy is not led astray by them; after_script is content."""
    run = run_jobs(platform, repository)

    assert run.code == 0, run.log
    site = platform.app("site-main")
    assert platform.site("site-main") == contents(repository / "dist")
    assert f"site-main is deployed at {site['url']}\n" in run.log
    assert platform.app("api")["image"] == "nginx:1"
    assert run.log.count("$ zerokie-cleanup") == 2
    assert API_KEY not in run.log


def test_stop_job_destroys_the_review_app(platform: Platform, repository: Path) -> None:
    """The job that `on_stop` names removes the app."""
    call("git", "checkout", "--quiet", "-b", "feature", folder=repository)
    assert run_jobs(platform, repository, "zerokie-deploy").code == 0
    assert list(platform.state()["apps"]) == ["site-feature"]

    stop = run_jobs(platform, repository, "zerokie-deploy-stop")

    assert stop.code == 0, stop.log
    assert platform.state()["apps"] == {}


def test_failing_deploy(platform: Platform, repository: Path) -> None:
    """The job fails with the contract's exit code, and after_script still runs."""
    shutil.rmtree(repository / "dist")

    run = run_jobs(platform, repository, "zerokie-deploy")

    assert run.code != 0
    assert "`directory`" in run.log
    assert "$ zerokie-cleanup" in run.log
    assert platform.state()["apps"] == {}

"""The action in a runner of GitHub workflows (nektos/act)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT, need
from tests.e2e.engine import Outcome, call
from tests.e2e.platform import API_KEY, contents
from tests.e2e.repository import commit, copy_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engine import Image
    from tests.e2e.platform import Platform

ACTIONS_IMAGE = "act-zerokie-zerokie-action-v1-dockeraction:latest"
RUNNER = "docker.io/library/python:3.13-slim-trixie"
WORKFLOW = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    outputs:
      url: ${{ steps.zerokie.outputs.url }}
    steps:
      - uses: actions/checkout@v7
      - id: zerokie
        uses: zerokie/zerokie-action@v1
        with:
          api-key: ${{ secrets.ZEROKIE_API_KEY }}
          api-url: %s
          app: site
          create: true
          directory: dist
      - run: echo "live at ${{ steps.zerokie.outputs.url }}"
      - run: echo "with ${{ steps.zerokie.outputs.files-uploaded }} files"
      - id: failing
        uses: zerokie/zerokie-action@v1
        continue-on-error: true
        with:
          api-key: ${{ secrets.ZEROKIE_API_KEY }}
          api-url: %s
          app: site
          directory: nowhere
      - run: echo "then ${{ steps.failing.outcome }}, ${{ steps.failing.outputs.status }}"
  after:
    needs: deploy
    runs-on: ubuntu-latest
    steps:
      - run: echo "another job knows ${{ needs.deploy.outputs.url }}"
"""


@pytest.fixture
def act(image: Image) -> str:
    """The runner. It finds the action's image under the name that it would give it, and does not build it."""
    runner = need("act", from_="install the dependency group `ci`")
    call("docker", "tag", image.tag, f"docker.io/library/{ACTIONS_IMAGE}")
    return runner


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action as its users get it."""
    folder = tmp_path_factory.mktemp("action")
    copy_checkout(ROOT, folder)
    return folder


def run_workflow(act: str, action: Path, folder: Path) -> Outcome:
    """Run the workflow of a push."""
    return call(
        act,
        "push",
        f"--platform=ubuntu-latest={RUNNER}",
        "--pull=false",
        "--rebuild=false",
        "--network=host",
        "--container-options=--stop-signal=KILL",
        f"--secret=ZEROKIE_API_KEY={API_KEY}",
        f"--local-repository=zerokie/zerokie-action@v1={action}",
        folder=folder,
    )


def test_workflow(act: str, action: Path, platform: Platform, workspace: Path) -> None:
    """Outputs reach later steps and jobs, also of a step that failed; the post step is content."""
    workflow = workspace / ".github/workflows/deploy.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(WORKFLOW % (platform.url, platform.url), "utf-8")
    commit(workspace)

    run = run_workflow(act, action, workspace)

    assert run.code == 0, run.log
    url = platform.app("site")["url"]
    dist = contents(workspace / "dist")
    assert platform.site("site") == dist
    assert f"live at {url}\n" in run.log
    assert f"with {len(dist)} files\n" in run.log
    assert "then failure, failed" in run.log
    assert f"another job knows {url}" in run.log
    assert "Success - Post zerokie/zerokie-action@v1" in run.log
    assert "Failure - Post" not in run.log
    assert API_KEY not in run.log

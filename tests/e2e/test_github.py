"""The action in a runner of GitHub workflows (nektos/act)."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.engine import call, succeed
from tests.e2e.repository import commit, extract_archive
from tests.support.platform import API_KEY, contents
from tests.support.required import find_program
from tests.support.rest import rest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.engine import Image
    from tests.support.platform import Platform
    from tests.support.rest import Rest

ACTION = "zerokie/zerokie-action"
ACTIONS_IMAGE = f"act-{ACTION.replace('/', '-').lower()}-v1-dockeraction:latest"
RUNNER = "docker.io/library/python:3.13-slim-trixie"
ON_THIS_MACHINE = "-self-hosted"
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
    runner = find_program("act", from_="install the dependency group `ci`")
    call("docker", "tag", image.tag, f"docker.io/library/{ACTIONS_IMAGE}")
    return runner


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action as its users get it."""
    folder = tmp_path_factory.mktemp("action")
    extract_archive(ROOT, folder)
    return folder


def run_workflow(
    act: str,
    action: Path,
    folder: Path,
    *options: str,
    event: str = "push",
    on: str = RUNNER,
    key: str = API_KEY,
    **env: str,
) -> str:
    """Run the workflows of an event, which succeed. Returns the log."""
    return succeed(
        act,
        event,
        f"--platform=ubuntu-latest={on}",
        "--pull=false",
        "--rebuild=false",
        "--network=host",
        "--container-options=--stop-signal=KILL",
        *(f"--secret={name}={key}" for name in ("ZEROKIE_API_KEY", "PREVIEWS_API_KEY", "PLAN_API_KEY")),
        f"--local-repository={ACTION}@v1={action}",
        *options,
        folder=folder,
        env=env,
    )


API = "https://api.platform-dev.zerokie.com"


def of_this_platform(example: str, platform: Platform) -> str:
    """An example whose steps talk to this platform."""
    text = (ROOT / "examples" / "github" / example).read_text("utf-8").replace(API, platform.url)
    return re.sub(r"^( +)api-key: \$.*", rf"\g<0>\n\1api-url: {platform.url}", text, flags=re.MULTILINE)


def use_example(workspace: Path, example: str, platform: Platform) -> None:
    """Make an example the only workflow of a repository: all that is added to it is a line `api-url`."""
    workflow = workspace / ".github" / "workflows" / example
    workflow.parent.mkdir(parents=True)
    workflow.write_text(of_this_platform(example, platform), "utf-8")


def test_first_workflow(act: str, action: Path, platform: Platform, tmp_path: Path) -> None:
    """The one that the README begins with, in a repository that has nothing else: a site is live."""
    use_example(tmp_path, "deploy.yml", platform)
    commit(tmp_path)

    run_workflow(act, action, tmp_path)

    head = succeed("git", "rev-parse", "HEAD", folder=tmp_path).strip()
    assert platform.site("my-site") == {"index.html": f"<h1>This is commit {head}</h1>\n".encode()}


def test_command_of_the_sandbox_page(act: str, action: Path, platform: Platform, tmp_path: Path) -> None:
    """What it says to type, in a repository with the README's workflow as it is."""
    page = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
    (command,) = re.findall(r"^act (push (?:.*\\\n)*.*)", page, re.MULTILINE)
    command = command.replace("http://127.0.0.1:8080", platform.url).replace("my-key", API_KEY)
    command = command.replace("/path/to/a/checkout", str(action))
    command = command.replace("catthehacker/ubuntu:act-latest", RUNNER)  # which is here already
    workflow = tmp_path / ".github" / "workflows" / "deploy.yml"
    workflow.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "github" / "deploy.yml", workflow)
    commit(tmp_path)

    here = "--pull=false --rebuild=false --container-options=--stop-signal=KILL"
    succeed("sh", "-c", f"{act} {command} {here}", folder=tmp_path)

    assert platform.site("my-site").keys() == {"index.html"}


def test_workflow(act: str, action: Path, platform: Platform, workspace: Path) -> None:
    """Outputs reach later steps and jobs, also of a step that failed; the post step is content."""
    workflow = workspace / ".github/workflows/deploy.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(WORKFLOW % (platform.url, platform.url), "utf-8")
    commit(workspace)

    log = run_workflow(act, action, workspace)

    url = platform.app("site")["url"]
    dist = contents(workspace / "dist")
    assert platform.site("site") == dist
    assert f"live at {url}\n" in log
    assert f"with {len(dist)} files\n" in log
    assert "then failure, failed" in log
    assert log.count("::error title=Deploy failed::") == 1
    assert "'nowhere' does not exist; did you mean 'dist'?" in log
    assert f"another job knows {url}" in log
    assert f"Success - Post {ACTION}@v1" in log
    assert "Failure - Post" not in log
    assert API_KEY not in log


STAND_INS = {
    "upload-artifact": 'cp -r "${{ inputs.path }}" "$FORGE/artifact"',
    "download-artifact": 'cp -r "$FORGE/artifact" "${{ inputs.path }}"',
    "setup-node": "true",
    "login-action": "true",
    "build-push-action": 'docker build --tag "${{ inputs.tags }}" "${{ inputs.context }}"',
}
STAND_IN = """\
inputs:
  {name: {}, path: {}, run-id: {}, github-token: {}, include-hidden-files: {}, if-no-files-found: {},
   node-version: {}, registry: {}, username: {}, password: {}, context: {}, push: {}, tags: {}}
runs:
  using: composite
  steps:
    - run: %s
      shell: bash
"""


def stand_ins(folder: Path, *workflows: Path) -> list[str]:
    """Options that make the runner take stand-ins for the pinned actions of others."""
    texts = "".join(workflow.read_text("utf-8") for workflow in workflows)
    options = []
    for pin, name in sorted(set(re.findall(rf"((?:actions|docker)/({'|'.join(STAND_INS)})@\w+)", texts))):
        (folder / name).mkdir(parents=True)
        (folder / name / "action.yml").write_text(STAND_IN % STAND_INS[name], "utf-8")
        options.append(f"--local-repository={pin}={folder / name}")
    return options


def test_image(act: str, action: Path, platform: Platform, workspace: Path, tmp_path: Path) -> None:
    """Built under the commit's own name in lower case, and deployed by the job after it."""
    use_example(workspace, "image.yml", platform)
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY dist /\n", "utf-8")
    commit(workspace)
    call("git", "remote", "set-url", "origin", "git@github.com:Example/Site.git", folder=workspace)

    options = stand_ins(tmp_path / "forge", workspace / ".github" / "workflows" / "image.yml")
    secrets = ("--secret=REGISTRY_TOKEN=token", "--secret=GITHUB_TOKEN=token")
    log = run_workflow(act, action, workspace, *options, *secrets, on=ON_THIS_MACHINE)

    name = platform.app("my-api")["image"]
    head = succeed("git", "rev-parse", "HEAD", folder=workspace).strip()
    assert name == f"ghcr.io/example/site:{head}"
    succeed("docker", "image", "rm", name)
    assert "/healthz is healthy" in log


def test_several_folders(act: str, action: Path, platform: Platform, workspace: Path) -> None:
    """Each is deployed to an app of its own."""
    use_example(workspace, "matrix.yml", platform)
    for app, folder in (("my-docs", "docs/build"), ("my-blog", "blog/public")):
        copied = shutil.copytree(workspace / "dist", workspace / folder)
        (copied / "index.html").write_text(app, "utf-8")
        platform.create(app)
    commit(workspace)

    run_workflow(act, action, workspace)

    assert platform.site("my-docs") == contents(workspace / "docs" / "build")
    assert platform.site("my-blog") == contents(workspace / "blog" / "public")


def test_npm(act: str, action: Path, platform: Platform, tmp_path: Path) -> None:
    """What `npm run build` makes is live."""
    find_program("npm", from_="install Node.js")
    folder = tmp_path / "workspace"
    use_example(folder, "npm.yml", platform)
    scripts = {"build": "mkdir dist && echo built > dist/index.html"}
    package = {"name": "site", "version": "1.0.0", "scripts": scripts}
    lock = {"name": "site", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}}
    (folder / "package.json").write_text(json.dumps(package), "utf-8")
    (folder / "package-lock.json").write_text(json.dumps(lock), "utf-8")
    commit(folder)

    options = stand_ins(tmp_path / "forge", folder / ".github" / "workflows" / "npm.yml")
    run_workflow(act, action, folder, *options, on=ON_THIS_MACHINE)

    assert platform.site("my-site") == {"index.html": b"built\n"}


# --- a monorepo, through a team's reusable workflow


def test_monorepo(act: str, action: Path, platform: Platform, workspace: Path, tmp_path: Path) -> None:
    """Three sites and a container app are deployed by a workflow of the team's."""
    team = tmp_path / "team" / ".github" / "workflows"
    team.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "github" / "reusable.yml", team / "zerokie.yml")
    workflows = workspace / ".github" / "workflows"
    workflows.mkdir(parents=True)
    text = (ROOT / "examples" / "github" / "monorepo.yml").read_text("utf-8")
    text = re.sub(r"^    with:$", rf"\g<0>\n      api-url: {platform.url}", text, flags=re.MULTILINE)
    (workflows / "deploy.yml").write_text(text, "utf-8")
    (pin,) = set(re.findall(r"uses: (example/ci)/\S+?(@\w+)", text))
    sites = ("web", "docs", "status")
    for site in sites:
        folder = shutil.copytree(workspace / "dist", workspace / "sites" / site)
        (folder / "index.html").write_text(f"<h1>{site}</h1>", "utf-8")
        platform.create(f"shop-{site}")
    platform.client.post("/v1/apps", json={"name": "shop-api", "image": "nginx:1"}).raise_for_status()
    commit(workspace)

    options = stand_ins(tmp_path / "forge", team / "zerokie.yml")
    options.append(f"--local-repository={''.join(pin)}={tmp_path / 'team'}")
    run_workflow(act, action, workspace, *options)

    for site in sites:
        assert platform.site(f"shop-{site}") == contents(workspace / "sites" / site)
    assert platform.app("shop-api")["image"].startswith("ghcr.io/example/shop-api:")


# --- the examples of previews


class Previews:
    """A repository with the examples as its workflows.

    `gh` and the actions for artifacts are stand-ins, which read and write files.
    """

    def __init__(self, act: str, action: Path, platform: Platform, folder: Path, api: Rest) -> None:
        self._act, self._action, self._folder, self._api = act, action, folder, api
        self._forge = folder.parent / "forge"
        programs = self._forge / "programs"
        programs.mkdir(parents=True)
        shutil.copy(ROOT / "tests" / "support" / "gh", programs)
        workflows = folder / ".github" / "workflows"
        workflows.mkdir(parents=True)
        for example in (ROOT / "examples" / "github").glob("p*.yml"):
            (workflows / example.name).write_text(of_this_platform(example.name, platform), "utf-8")
        self._options = stand_ins(self._forge, *workflows.iterdir())

    def run(self, workflow: str, event: str, on: str = RUNNER, key: str = API_KEY, **payload: Any) -> str:
        """Run a workflow; `payload` is the event's."""
        file = self._forge / "event.json"
        payload = {"repository": {"name": "site", "full_name": "example/site"}, **payload}
        file.write_text(json.dumps(payload), "utf-8")
        return run_workflow(
            self._act,
            self._action,
            self._folder,
            f"--workflows=.github/workflows/{workflow}",
            f"--eventpath={file}",
            "--secret=GITHUB_TOKEN=token",
            f"--secret=FORK_PREVIEWS_API_KEY={API_KEY}",
            f"--env=GITHUB_API_URL={self._api.url}",
            *self._options,
            event=event,
            on=on,
            key=key,
            FORGE=str(self._forge),
            PATH=f"{self._forge}/programs:{os.environ['PATH']}",
        )

    def comment(self, number: int) -> str:
        """What was written last on a pull request; it has no comment of ours before."""
        asked = f"POST {_comments(number)}"
        bodies = [
            body
            for request, body in zip(self._api.requests, self._api.bodies, strict=True)
            if request == asked
        ]
        return str(json.loads(bodies[-1])["body"])

    def pulls(self, *pulls: dict[str, Any]) -> None:
        """The open pull requests that the forge knows."""
        (self._forge / "pulls.json").write_text(json.dumps(pulls), "utf-8")


def _comments(number: int) -> str:
    return f"/repos/example/site/issues/{number}/comments"


@pytest.fixture
def previews(act: str, action: Path, platform: Platform, workspace: Path) -> Iterator[Previews]:
    """Needs `jq` and `curl`, as GitHub's machines have them."""
    for program in ("jq", "curl"):
        find_program(program, from_="install the system's package")
    with rest() as api:
        for number in (7, 12, 30):
            api.answers |= {
                f"GET {_comments(number)}?per_page=100&page=1&sort=asc&order_by=created_at": ([], {}),
                f"POST {_comments(number)}": ({"id": number}, {}),
            }
        previews = Previews(act, action, platform, workspace, api)
        commit(workspace)
        call("git", "remote", "set-url", "origin", "git@github.com:example/site.git", folder=workspace)
        yield previews


def pull_request(number: int, repository: str = "example/site") -> dict[str, Any]:
    head = {"ref": "topic", "repo": {"full_name": repository}}
    return {"number": number, "pull_request": {"number": number, "head": head}}


def test_preview_of_a_pull_request(previews: Previews, platform: Platform, workspace: Path) -> None:
    """Created when it is opened, removed when it is closed; a plan changes nothing."""
    previews.run("preview.yml", "pull_request", action="opened", **pull_request(12))
    assert platform.site("my-site-pr-12") == contents(workspace / "dist")
    assert "`my-site-pr-12` is deployed" in previews.comment(12)

    platform.create("my-site")
    previews.run("plan.yml", "pull_request", action="opened", **pull_request(12))
    assert f"A deploy would upload {len(contents(workspace / 'dist'))} files" in previews.comment(12)
    assert platform.site("my-site") == {}

    previews.run("preview-closed.yml", "pull_request_target", action="closed", **pull_request(12))
    assert list(platform.state()["apps"]) == ["my-site"]
    assert "`my-site-pr-12` is deleted" in previews.comment(12)


def test_previews_of_a_monorepo(previews: Previews, platform: Platform, workspace: Path) -> None:
    """A pull request has an app of each site."""
    sites = ("web", "docs", "status")
    for site in sites:
        copied = shutil.copytree(workspace / "dist", workspace / "sites" / site)
        (copied / "index.html").write_text(site, "utf-8")
    call("git", "add", "--all", folder=workspace)

    previews.run("preview-monorepo.yml", "pull_request", action="opened", **pull_request(12))

    assert set(platform.state()["apps"]) == {f"shop-{site}-pr-12" for site in sites}
    for site in sites:
        assert platform.site(f"shop-{site}-pr-12") == contents(workspace / "sites" / site)


def test_sweep(previews: Previews, platform: Platform) -> None:
    """By hand a dry run; at night what is not open goes, and nothing else."""
    for app in ("my-site-pr-1", "my-site-pr-2", "my-site-pr-30", "my-site-pr-3-old", "my-site"):
        platform.create(app)
    previews.pulls({"number": 2})

    log = previews.run("preview-sweep.yml", "workflow_dispatch", ON_THIS_MACHINE, inputs={"dry-run": "true"})
    assert "would destroy app 'my-site-pr-30'" in log
    assert len(platform.state()["apps"]) == 5

    previews.run("preview-sweep.yml", "schedule", ON_THIS_MACHINE)
    assert set(platform.state()["apps"]) == {"my-site-pr-2", "my-site-pr-3-old", "my-site"}
    assert "`my-site-pr-30` is deleted" in previews.comment(30)


def test_preview_of_a_fork(previews: Previews, platform: Platform, workspace: Path) -> None:
    """Built without the key, deployed with it under the number that the forge knows; only for forks."""
    previews.pulls({"number": 7, "head": {"sha": "c0ffee", "repo": {"full_name": "fork/site"}}})

    log = previews.run(
        "preview.yml",
        "pull_request",
        ON_THIS_MACHINE,
        key="",
        action="opened",
        **pull_request(7, "fork/site"),
    )
    assert "`api-key` is empty" in log
    dist = contents(workspace / "dist")
    shutil.rmtree(workspace / "dist")
    assert platform.state()["apps"] == {}

    def deploy(repository: str) -> None:
        run = {
            "id": 1,
            "event": "pull_request",
            "conclusion": "success",
            "head_branch": "topic",
            "head_sha": "c0ffee",
            "head_repository": {"full_name": repository, "owner": {"login": "fork"}},
        }
        previews.run("preview-fork.yml", "workflow_run", ON_THIS_MACHINE, workflow_run=run)

    deploy("example/site")
    assert platform.state()["apps"] == {}

    deploy("fork/site")
    assert platform.site("my-site-pr-7") == dist
    assert "`my-site-pr-7` is deployed" in previews.comment(7)

"""The action in a runner of GitHub workflows (nektos/act)."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.forge import TOKEN, Forge
from tests.e2e.conftest import ROOT
from tests.e2e.engine import Image, call, succeed
from tests.e2e.repository import commit, extract_archive
from tests.support.platform import API_KEY, Platform, contents
from tests.support.required import find_program
from tests.support.rest import Rest, rest

ACTION = "YOUR_ORG/zerokie-action"
ACTIONS_IMAGE = f"act-{re.sub('[^a-z0-9]', '-', ACTION.lower())}-v1-dockeraction:latest"
RUNNER = "docker.io/library/python:3.13-slim-trixie"
ON_THIS_MACHINE = "-self-hosted"
CONTAINERS = "--container-options=--stop-signal=KILL"
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
        uses: YOUR_ORG/zerokie-action@v1
        with:
          api-key: ${{ secrets.ZEROKIE_API_KEY }}
          api-url: %s
          app: site
          create: true
          directory: dist
      - run: echo "live at ${{ steps.zerokie.outputs.url }}"
      - run: echo "with ${{ steps.zerokie.outputs.files-uploaded }} files"
      - id: failing
        uses: YOUR_ORG/zerokie-action@v1
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


def command_line(act: str, action: Path, event: str, on: str = RUNNER, key: str = API_KEY) -> list[str]:
    """The runner's command line for the workflows of an event."""
    secrets = ("ZEROKIE_API_KEY", "PREVIEWS_API_KEY", "PLAN_API_KEY", "FORK_PREVIEWS_API_KEY")
    return [
        act,
        event,
        f"--platform=ubuntu-latest={on}",
        "--pull=false",
        "--rebuild=false",
        "--network=host",
        CONTAINERS,
        *(f"--secret={name}={key}" for name in secrets),
        f"--local-repository={ACTION}@v1={action}",
    ]


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
    command = command_line(act, action, event, on, key)
    return succeed(*command, *options, folder=folder, env=env)


API = "https://api.platform-dev.zerokie.com"


def as_act_reads_it(example: str) -> str:
    """An example without the keys of GitHub's that this act refuses: `deployment` and `queue`."""
    text = (ROOT / "examples" / "github" / example).read_text("utf-8")
    text = re.sub(r", deployment: [^}]+ \}", " }", text)
    return re.sub(r"^ +(deployment|queue): .*\n", "", text, flags=re.MULTILINE)


def of_this_platform(text: str, platform: Platform) -> str:
    """A workflow whose steps talk to this platform: all that is added is a line `api-url`."""
    text = text.replace(API, platform.url)
    return re.sub(r"^( +)api-key: \$.*", rf"\g<0>\n\1api-url: {platform.url}", text, flags=re.MULTILINE)


def save_workflow(folder: Path, name: str, text: str) -> Path:
    """Make it a workflow of the repository."""
    workflow = folder / ".github" / "workflows" / name
    workflow.parent.mkdir(parents=True, exist_ok=True)
    workflow.write_text(text, "utf-8")
    return workflow


STAND_INS = {
    "upload-artifact": 'A="$FORGE/${{ inputs.name }}"; rm -rf "$A"; cp -r "${{ inputs.path }}" "$A"',
    "download-artifact": 'mkdir -p "${{ inputs.path }}" && cp -r "$FORGE/${{ inputs.name }}/." "$_"',
}
STAND_IN = """\
inputs:
  {name: {}, path: {}, run-id: {}, github-token: {}, include-hidden-files: {}, if-no-files-found: {},
   retention-days: {}}
runs:
  using: composite
  steps:
    - run: %s
      shell: bash
"""


def stand_ins(forge: Path, *workflows: Path) -> list[str]:
    """Options that make the runner take stand-ins for the pinned actions of others; artifacts are folders."""
    texts = "".join(workflow.read_text("utf-8") for workflow in workflows)
    options = [f"--env=FORGE={forge}", f"{CONTAINERS} --volume={forge}:{forge}"]
    for pin, name in sorted(set(re.findall(rf"(actions/({'|'.join(STAND_INS)})@\w+)", texts))):
        folder = forge / "actions" / name
        folder.mkdir(parents=True)
        (folder / "action.yml").write_text(STAND_IN % STAND_INS[name], "utf-8")
        options.append(f"--local-repository={pin}={folder}")
    return options


def test_the_readmes_workflow_makes_a_site_live(
    act: str, action: Path, platform: Platform, tmp_path: Path
) -> None:
    """The one that the README begins with, in a repository that has nothing else: a site is live."""
    folder = tmp_path / "workspace"
    workflow = save_workflow(folder, "deploy.yml", of_this_platform(as_act_reads_it("deploy.yml"), platform))
    commit(folder)

    run_workflow(act, action, folder, *stand_ins(tmp_path / "forge", workflow))

    head = succeed("git", "rev-parse", "HEAD", folder=folder).strip()
    assert platform.site("my-site") == {"index.html": f"<h1>This is commit {head}</h1>\n".encode()}


def with_a_run_by_hand(example: str) -> str:
    """An example with the lines of docs/rollback.md."""
    page = (ROOT / "docs" / "rollback.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(on:\n(?:.*\n)*?)```", page, re.MULTILINE)
    added, document = yaml.safe_load(block), yaml.safe_load(as_act_reads_it(example))
    document["on"] = {**document.pop(True), **added[True]}
    job, lines = document["jobs"]["deploy"], added["jobs"]["deploy"]
    environment = lines["environment"]
    assert environment.pop("deployment") == "${{ !inputs.dry-run }}"  # which this act refuses
    assert environment == job["environment"]
    (step,) = [step for step in job["steps"] if step.get("id") == "zerokie"]
    step["with"] |= lines["steps"][0]["with"]
    return yaml.safe_dump(document, width=1000)


def test_a_run_by_hand_answers_the_check_that_stopped_a_push(
    act: str, action: Path, platform: Platform, tmp_path: Path
) -> None:
    """It answers the check that stopped a push; as a dry run, it changes nothing."""
    folder = tmp_path / "workspace"
    text = of_this_platform(with_a_run_by_hand("deploy.yml"), platform)
    workflow = save_workflow(folder, "deploy.yml", text)
    commit(folder)
    options = stand_ins(tmp_path / "forge", workflow)
    platform.create("my-site")
    platform.client.put("/v1/apps/my-site/files/old.html", content=b"old").raise_for_status()

    assert "set `take-over: true`" in call(*command_line(act, action, "push"), *options, folder=folder).log

    def by_hand(*given: str) -> str:
        inputs = ("--input=take-over=true", *given)
        return run_workflow(act, action, folder, *options, *inputs, event="workflow_dispatch")

    assert "Dry run: nothing was changed" in by_hand("--input=dry-run=true")
    assert set(platform.site("my-site")) == {"old.html"}
    by_hand()
    assert set(platform.site("my-site")) == {"index.html"}


def test_outputs_reach_later_steps_and_jobs(
    act: str, action: Path, platform: Platform, workspace: Path
) -> None:
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
    assert log.count("::error::") == 1
    assert "or correct the path: did you mean 'dist'?" in log
    assert f"another job knows {url}" in log
    assert f"Success - Post {ACTION}@v1" in log
    assert "Failure - Post" not in log
    assert API_KEY not in log


def test_an_image_is_built_and_deployed_by_digest(
    act: str, action: Path, platform: Platform, workspace: Path, tmp_path: Path
) -> None:
    """Built and pushed under the commit's own name in lower case, then deployed by digest."""
    save_workflow(workspace, "image.yml", of_this_platform(as_act_reads_it("image.yml"), platform))
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY dist /\n", "utf-8")
    commit(workspace)
    call("git", "remote", "set-url", "origin", "git@github.com:Example/Site.git", folder=workspace)
    docker = tmp_path / "programs" / "docker"  # the machine's own engine builds; there is no registry
    docker.parent.mkdir()
    calls = f'echo "$*" >> {tmp_path}/calls; case $1 in login | push) exit ;; esac'
    docker.write_text(f'#!/bin/sh\n{calls}\nexec {find_program("docker", from_="")} "$@"\n', "utf-8")
    docker.chmod(0o755)

    secrets = ("--secret=REGISTRY_PASSWORD=token", "--secret=GITHUB_TOKEN=token")
    path = f"{docker.parent}:{os.environ['PATH']}"
    log = run_workflow(act, action, workspace, *secrets, on=ON_THIS_MACHINE, PATH=path)

    assert re.fullmatch("ghcr.io/example/site@sha256:[0-9a-f]{64}", platform.app("my-api")["image"])
    head = succeed("git", "rev-parse", "HEAD", folder=workspace).strip()
    assert f"push ghcr.io/example/site:{head}\n" in (tmp_path / "calls").read_text("utf-8")
    succeed("docker", "image", "rm", f"ghcr.io/example/site:{head}")
    assert "/healthz is healthy" in log


SITES = ("web", "docs", "status")


@pytest.fixture
def monorepo(workspace: Path, platform: Platform) -> Path:
    """A repository with three sites, whose apps exist."""
    for site in SITES:
        folder = shutil.copytree(workspace / "dist", workspace / "sites" / site)
        (folder / "index.html").write_text(f"<h1>{site}</h1>", "utf-8")
        platform.create(f"shop-{site}")
    return workspace


def test_a_monorepo_deploys_each_site_to_its_app(
    act: str, action: Path, platform: Platform, monorepo: Path, tmp_path: Path
) -> None:
    """Each site is deployed to an app of its own; steps after it read what changed, and why it failed."""
    text = of_this_platform(as_act_reads_it("monorepo.yml"), platform)
    text = text.replace("run: exit 1", "run: cp -r sites out")
    workflow = save_workflow(monorepo, "deploy.yml", text)
    commit(monorepo)
    options = stand_ins(tmp_path / "forge", workflow)

    log = run_workflow(act, action, monorepo, *options)
    for site in SITES:
        assert platform.site(f"shop-{site}") == contents(monorepo / "sites" / site)
        assert f"{platform.app(f'shop-{site}')['url']} has changed" in log

    platform.client.post(
        "/v1/apps/shop-web/deploy/lock", json={"deploy_session_id": "00000000-0000-4000-8000-000000000000"}
    ).raise_for_status()
    command = command_line(act, action, "push")
    log = call(*command, *options, "--env=ZEROKIE_LOCK_TIMEOUT=0", folder=monorepo).log
    assert "has changed" not in log
    assert "Another deploy holds the lock" in log


def test_a_repository_calls_the_workflow_of_its_team(
    act: str, action: Path, platform: Platform, monorepo: Path, tmp_path: Path
) -> None:
    """A repository calls the workflow of the team as its first lines show."""
    team = tmp_path / "team"
    text = as_act_reads_it("reusable.yml")
    reusable = save_workflow(team, "zerokie.yml", text)
    (call_of_it,) = re.findall(r"^#   deploy:\n(?:#   .*\n)+", text, re.MULTILINE)
    (pin,) = set(re.findall(r"uses: (\S+?)/\.github\S+(@\w+)", call_of_it))
    deploy = re.sub(r"^# ", "", call_of_it, flags=re.MULTILINE)
    deploy = deploy.replace("with:\n", f"with:\n      api-url: {platform.url}\n", 1)
    build = as_act_reads_it("deploy.yml").split("  deploy:\n")[0]
    workflow = save_workflow(monorepo, "deploy.yml", build + deploy)
    platform.create("my-site")
    commit(monorepo)

    options = stand_ins(tmp_path / "forge", reusable, workflow)
    options.append(f"--local-repository={''.join(pin)}={team}")
    run_workflow(act, action, monorepo, *options)

    assert platform.site("my-site")["index.html"].startswith(b"<h1>This is commit ")


# --- the examples of previews


class Previews:
    """A repository with the examples as its workflows, for two sites.

    `gh` and the actions for artifacts are stand-ins, which read and write files.

    Attributes:
        hub: the forge's comments and deployments.
    """

    SITES = ("shop-web", "shop-docs")
    BUILD = "; ".join(f"mkdir -p previews/{site}; echo {site} > previews/{site}/index.html" for site in SITES)

    def __init__(self, act: str, action: Path, platform: Platform, folder: Path, api: Rest) -> None:
        self._act, self._action, self._folder, self._api = act, action, folder, api
        self.hub = Forge()
        api.respond = lambda method, target, body, headers: self.hub.respond(
            method, target.replace("/repos/example/site/", "/repos/o/r/"), body, headers
        )
        self._forge = folder.parent / "forge"
        programs = self._forge / "programs"
        programs.mkdir(parents=True)
        shutil.copy(ROOT / "tests" / "support" / "gh", programs)
        workflows = []
        for example in sorted((ROOT / "examples" / "github").glob("p*.yml")):
            text = of_this_platform(as_act_reads_it(example.name), platform)
            text = text.replace("site: [my-site]", "site: [shop-web, shop-docs]")
            sites = "".join(f"\n            {site}-pr-*" for site in self.SITES)
            text = re.sub(r"app: my-site-pr-\*.*", f"app: |{sites}", text)
            text = re.sub(r"mkdir -p previews/(.*\n).*", self.BUILD, text)
            workflows.append(save_workflow(folder, example.name, text))
        self._options = stand_ins(self._forge, *workflows)

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
            f"--secret=GITHUB_TOKEN={TOKEN}",
            f"--env=GITHUB_API_URL={self._api.url}",
            *self._options,
            event=event,
            on=on,
            key=key,
            FORGE=str(self._forge),
            PATH=f"{self._forge}/programs:{os.environ['PATH']}",
        )

    def comments(self, number: int) -> str:
        """All that was written on a pull request."""
        written = self.hub.comments.items()
        return "\n".join(text for comment, text in written if self.hub.about[comment] == number)

    def shown(self, app: str) -> list[tuple[str, str, str]]:
        """The deployments of an app: environment, commit and state."""
        assert self.hub.deployments is not None
        of_app = [each for each in self.hub.deployments.values() if each.fields["task"] == f"zerokie:{app}"]
        return [(each.fields["environment"], each.fields["ref"], each.state) for each in of_app]

    def pulls(self, *pulls: dict[str, Any]) -> None:
        """The open pull requests that the forge knows."""
        (self._forge / "pulls.json").write_text(json.dumps(pulls), "utf-8")


@pytest.fixture
def previews(act: str, action: Path, platform: Platform, workspace: Path) -> Iterator[Previews]:
    """Needs `jq` and `curl`, as GitHub's machines have them."""
    for program in ("jq", "curl"):
        find_program(program, from_="install the system's package")
    with rest() as api:
        previews = Previews(act, action, platform, workspace, api)
        commit(workspace)
        call("git", "remote", "set-url", "origin", "git@github.com:example/site.git", folder=workspace)
        yield previews


def pull_request(number: int, repository: str = "example/site") -> dict[str, Any]:
    head = {"ref": "topic", "sha": "c0ffee", "repo": {"full_name": repository}}
    request = {"number": number, "head": head, "user": {"login": "somebody"}}
    return {"number": number, "pull_request": request}


def test_previews_come_and_go_with_the_pull_request(previews: Previews, platform: Platform) -> None:
    """Each site has one. They are created when it is opened, and deleted when it is closed."""
    previews.run("preview.yml", "pull_request", action="opened", **pull_request(12))
    assert set(platform.state()["apps"]) == {f"{site}-pr-12" for site in previews.SITES}
    for site in previews.SITES:
        assert platform.site(f"{site}-pr-12") == {"index.html": f"{site}\n".encode()}
        assert previews.shown(f"{site}-pr-12") == [(f"previews-{site}", "c0ffee", "success")]

    platform.create("shop-web-pr-13")
    previews.hub.states[12] = "closed"
    previews.run(
        "preview-cleanup.yml", "pull_request_target", ON_THIS_MACHINE, action="closed", **pull_request(12)
    )
    assert set(platform.state()["apps"]) == {"shop-web-pr-13"}
    for site in previews.SITES:
        assert previews.shown(f"{site}-pr-12") == [(f"previews-{site}", "c0ffee", "inactive")]


def test_a_plan_is_a_comment_and_changes_nothing(
    previews: Previews, platform: Platform, workspace: Path
) -> None:
    """It changes nothing; a fork's is not made."""
    platform.create("my-site")
    previews.run("plan.yml", "pull_request", action="opened", **pull_request(12))
    assert f"{len(contents(workspace / 'dist'))} files to upload" in previews.comments(12)
    assert platform.site("my-site") == {}

    log = previews.run("plan.yml", "pull_request", action="opened", **pull_request(7, "fork/site"))
    assert "upload" not in log
    assert previews.comments(7) == ""


def test_a_fork_gets_a_preview_and_no_key(previews: Previews, platform: Platform) -> None:
    """Built without the key, deployed with it under the number that the forge knows; only for forks."""
    previews.pulls({"number": 7, "head": {"sha": "c0ffee", "repo": {"full_name": "fork/site"}}})
    # On this machine, act does not show the event to the container: the forge is asked for the commit.
    previews.hub.states[7], previews.hub.heads[7] = "open", "c0ffee"

    previews.run("preview.yml", "pull_request", key="", action="opened", **pull_request(7, "fork/site"))
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
    for site in previews.SITES:
        assert platform.site(f"{site}-pr-7") == {"index.html": f"{site}\n".encode()}
        assert previews.shown(f"{site}-pr-7") == [(f"previews-{site}", "c0ffee", "success")]

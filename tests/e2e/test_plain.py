"""The image in any place that runs containers."""

import json
import re
from pathlib import Path

from tests.e2e.conftest import PUBLISHED, ROOT
from tests.e2e.engine import Image, succeed
from tests.support.platform import API_KEY, Platform, contents

REPORTS = {"output_file": "result.json", "dotenv_file": "deploy.env", "summary_file": "summary.md"}


def test_the_image_deploys_a_folder_and_reports(image: Image, platform: Platform, workspace: Path) -> None:
    """The site equals the folder, and all reports tell of it."""
    env = platform.inputs(app="site", directory="dist", create="true", **REPORTS)
    deploy = image.run(env=env, workspace=workspace)

    assert deploy.code == 0, deploy.log
    assert platform.site("site") == contents(workspace / "dist")
    app = platform.app("site")
    assert app["lock"] is None
    result = json.loads((workspace / "result.json").read_text("utf-8"))
    assert result["status"] == "deployed"
    assert result["created"] is True
    assert result["deploy_id"] == app["deployments"][-1]["deploy_id"]
    assert result["files_uploaded"] == len(contents(workspace / "dist"))
    assert f"ZEROKIE_RESULT_URL={app['url']}\n" in (workspace / "deploy.env").read_text("utf-8")
    assert app["url"] in (workspace / "summary.md").read_text("utf-8")
    assert app["url"] in deploy.log
    assert API_KEY not in deploy.log


def test_modules_of_the_checkout_are_not_run(image: Image, platform: Platform, workspace: Path) -> None:
    """A job's PYTHONPATH is for its own programs; the action's has the key."""
    for name in ("httptools.py", "http/__init__.py", "sitecustomize.py"):
        (workspace / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / "src" / name).write_text("raise SystemExit(77)")
    env = platform.inputs(app="site", directory="dist", create="true") | {"PYTHONPATH": "src:."}
    for command in ("zerokie-deploy", "zerokie-cleanup"):
        options = (f"--entrypoint={command}",)
        seen = image.run(env=env, workspace=workspace, options=options)
        assert seen.code == 0, seen.log
    assert platform.site("site") == contents(workspace / "dist")


def test_the_readmes_command_deploys(image: Image, platform: Platform, workspace: Path) -> None:
    """What it says to type, with this image and this platform."""
    (command,) = re.findall(
        r"^docker run (?:.*\\\n)*.*", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE
    )
    here = f"docker run --network=host -e ZEROKIE_API_URL={platform.url}"
    command = command.replace("docker run", here).replace(PUBLISHED, image.tag)

    succeed("sh", "-c", command, folder=workspace, env={"ZEROKIE_API_KEY": API_KEY})

    assert platform.site("my-site") == contents(workspace / "dist")


def test_any_user_deploys_without_home_on_a_read_only_file_system(
    image: Image, platform: Platform, workspace: Path
) -> None:
    """Kubernetes and Jenkins run images so; nothing outside the workspace is written."""
    options = ("--user=12345:12345", "--read-only", "--entrypoint=env")
    env = platform.inputs(app="site", directory="dist", create="true")
    deploy = image.run("--unset=HOME", "zerokie-deploy", env=env, workspace=workspace, options=options)

    assert deploy.code == 0, deploy.log
    assert platform.site("site") == contents(workspace / "dist")


def test_jenkins_runs_commands_beside_cat(image: Image, platform: Platform, workspace: Path) -> None:
    """Jenkins starts the image with `cat` under a user of the host and executes the steps beside it."""
    env = platform.inputs(app="site", directory="dist", create="true")
    agent = image.start("cat", env=env, workspace=workspace, options=("--user=1000:1000", "--tty"))
    try:
        platform.wait_until(lambda: agent.execute("true").code == 0)
        deploy = agent.execute("sh", "-c", "zerokie-deploy")
        cleanup = agent.execute("sh", "-c", "zerokie-cleanup")
    finally:
        agent.close()

    assert deploy.code == 0, deploy.log
    assert cleanup.code == 0, cleanup.log
    assert platform.site("site") == contents(workspace / "dist")

"""The image on any system that runs containers."""

import json
import re
import signal
import time
from pathlib import Path
from subprocess import Popen

from tests.e2e.conftest import (
    ENGINE,
    LONGEST_RELEASE,
    PUBLISHED,
    ROOT,
    UPLOADED,
    deployments,
    stall,
    wait_for_stall,
)
from tests.e2e.engine import Container, run, start, succeed, wait
from tests.support.platform import API_KEY, Platform, contents


def test_the_readmes_command_deploys_a_site(image: str, platform: Platform, workspace: Path) -> None:
    """The site equals the folder, and all reports describe the deploy."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^docker run (?:.*\\\n)*.*", readme, re.MULTILINE)
    here = f"docker run --network=host -e ZEROKIE_API_URL={platform.url} -e ZEROKIE_REPORT_DIR=."
    command = command.replace("docker run", here).replace(PUBLISHED, image)

    log = succeed("sh", "-c", command, folder=workspace, env={"ZEROKIE_API_KEY": API_KEY})

    files = contents(workspace / "dist")
    assert platform.site("my-site") == files
    (deployment,) = deployments(platform, "my-site")
    result = json.loads((workspace / "result.json").read_text("utf-8"))
    assert (result["status"], result["created"], result["files_uploaded"]) == ("deployed", True, len(files))
    assert result["deploy_id"] == deployment["deploy_id"]
    url = platform.app("my-site")["url"]
    assert f"ZEROKIE_RESULT_URL={url}\n" in (workspace / "result.env").read_text("utf-8")
    assert url in (workspace / "summary.md").read_text("utf-8")
    assert url in log
    assert API_KEY not in log


SCRIPT = ROOT / "examples" / "shell" / "deploy.sh"


def start_script(image: str, platform: Platform, workspace: Path) -> Popen[str]:
    """Start the example's script with this image, and wait until its deploy stalls."""
    text = SCRIPT.read_text("utf-8").replace(PUBLISHED, image)
    (workspace / "deploy.sh").write_text(text.replace("set -- --rm", "set -- --rm --network=host"), "utf-8")
    stall(platform)
    inputs = platform.inputs(app="site", directory="dist", create="true")
    script = start("sh", "deploy.sh", folder=workspace, env=inputs)
    wait_for_stall(platform)
    return script


def test_a_cancel_of_the_script_releases_the_lock(image: str, platform: Platform, workspace: Path) -> None:
    """A CI signals only the script, which forwards the signal, waits for the container and cleans up."""
    script = start_script(image, platform, workspace)
    told = time.monotonic()
    script.terminate()
    ended = wait(script)

    assert ended.code == 128 + signal.SIGTERM, ended.log
    assert time.monotonic() - told < LONGEST_RELEASE + 2 * ENGINE
    assert [each["files_uploaded"] for each in deployments(platform)] == [UPLOADED]
    assert "Cancelled by SIGTERM" in ended.log
    assert "Cleanup: " in ended.log.splitlines()[-1]
    assert not (workspace / ".zerokie-state-site.json").exists()


def test_the_script_cleans_up_after_a_kill(image: str, platform: Platform, workspace: Path) -> None:
    """After a SIGKILL of its container, it releases the lock and returns the container's exit code."""
    script = start_script(image, platform, workspace)
    (container,) = succeed("docker", "ps", "--quiet", "--filter", f"ancestor={image}").split()
    succeed("docker", "kill", container)
    ended = wait(script)

    assert ended.code == 128 + signal.SIGKILL, ended.log
    assert [each["files_uploaded"] for each in deployments(platform)] == [0]
    assert "released" in ended.log.splitlines()[-1].lower()


# --- as others run it


def test_modules_of_the_checkout_are_not_run(image: str, platform: Platform, workspace: Path) -> None:
    """The job's PYTHONPATH has no effect on the action, because the action has the key."""
    for name in ("httptools.py", "http/__init__.py", "sitecustomize.py"):
        (workspace / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / "src" / name).write_text("raise SystemExit(77)")
    env = platform.inputs(app="site", directory="dist", create="true") | {"PYTHONPATH": "src:."}
    for command in ("zerokie-deploy", "zerokie-cleanup"):
        seen = run(image, env=env, workspace=workspace, options=(f"--entrypoint={command}",))
        assert seen.code == 0, seen.log
    assert platform.site("site") == contents(workspace / "dist")


def test_any_user_can_deploy_without_home_on_a_read_only_file_system(
    image: str, platform: Platform, workspace: Path
) -> None:
    """Kubernetes and Jenkins run images like this. The deploy writes only in the workspace."""
    options = ("--user=12345:12345", "--read-only", "--entrypoint=env")
    env = platform.inputs(app="site", directory="dist", create="true")
    deploy = run(image, "--unset=HOME", "zerokie-deploy", env=env, workspace=workspace, options=options)

    assert deploy.code == 0, deploy.log
    assert platform.site("site") == contents(workspace / "dist")


def test_jenkins_can_run_commands_next_to_cat(image: str, platform: Platform, workspace: Path) -> None:
    """Jenkins starts the image with `cat` as a user of the host, and executes the steps in it."""
    env = platform.inputs(app="site", directory="dist", create="true")
    options = ("--user=1000:1000", "--tty")
    with Container(image, "cat", env=env, workspace=workspace, options=options) as agent:
        platform.wait_until(lambda: agent.execute("true").code == 0)
        deploy = agent.execute("sh", "-c", "zerokie-deploy")
        cleanup = agent.execute("sh", "-c", "zerokie-cleanup")

    assert deploy.code == 0, deploy.log
    assert cleanup.code == 0, cleanup.log
    assert platform.site("site") == contents(workspace / "dist")

"""Cancelled and killed: whatever ends the container, the deploy lock is released."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import github
from tests.e2e.conftest import PUBLISHED, ROOT
from tests.e2e.engine import DEADLINE, Container, Image, Outcome, start
from tests.support.platform import Platform

UPLOADED = 2
SITES_OWN = "/files/(?!_zerokie/)"
LONGEST_RELEASE = 5.0
ENGINE = 15.0
"""Seconds that the engine and its client may take to tidy up on a busy machine."""
CLEANUP = ("--entrypoint=zerokie-cleanup",)


@contextmanager
def deploying(image: Image, platform: Platform, workspace: Path, env: dict[str, str]) -> Iterator[Container]:
    """A deploy that hangs after some uploads."""
    platform.fault("hang", method="PUT", path=SITES_OWN, skip=UPLOADED, times=None)
    container = image.start(env=env, workspace=workspace)
    try:
        platform.wait_until(lambda: has_stalled(platform))
        yield container
    finally:
        container.close()


def has_stalled(platform: Platform) -> bool:
    """Whether the manifest, some files and one that hangs have been sent."""
    return len(platform.requests("PUT", "/files/")) > 1 + UPLOADED


def clean_up(image: Image, env: dict[str, str], workspace: Path) -> Outcome:
    """The post step, in a container of its own."""
    return image.run(env=github.post(env, workspace), workspace=workspace, options=CLEANUP)


def test_a_cancel_in_mid_upload_releases_the_lock(image: Image, platform: Platform, workspace: Path) -> None:
    """Process 1 releases the lock with true counts, long before GitHub's SIGTERM; post has nothing to do."""
    env = github.step(platform, workspace, app="site", directory="dist", create="true")
    with deploying(image, platform, workspace, env) as container:
        told = time.time()
        container.signal(signal.SIGINT)
        deploy = container.wait()
        ended = time.time()

    assert deploy.code == 128 + signal.SIGINT, deploy.log
    app = platform.app("site")
    assert max(deployment["finished_at"] for deployment in app["deployments"]) - told < LONGEST_RELEASE
    assert ended - told < LONGEST_RELEASE + ENGINE
    assert app["lock"] is None
    assert [deployment["files_uploaded"] for deployment in app["deployments"]] == [UPLOADED]
    assert github.outputs(workspace)["status"] == "cancelled"

    post = clean_up(image, env, workspace)
    assert post.code == 0, post.log
    assert len(platform.app("site")["deployments"]) == 1


def test_the_post_step_after_a_kill_releases_the_lock(
    image: Image, platform: Platform, workspace: Path
) -> None:
    """After a SIGKILL the post step releases the lock with what GitHub kept of the state, and says so."""
    env = github.step(platform, workspace, app="site", directory="dist", create="true")
    with deploying(image, platform, workspace, env) as container:
        container.kill()
        assert container.wait().code == 128 + signal.SIGKILL
    assert platform.app("site")["lock"]

    post = clean_up(image, env, workspace)

    assert post.code == 0, post.log
    app = platform.app("site")
    assert app["lock"] is None
    assert [deployment["files_uploaded"] for deployment in app["deployments"]] == [0]
    assert "released" in post.log.lower()


SCRIPT = ROOT / "examples" / "shell" / "deploy.sh"


def test_a_cancel_of_the_shell_script_reaches_the_container(
    image: Image, platform: Platform, workspace: Path
) -> None:
    """A CI signals the script alone: it passes that on, waits for the container, and then cleans up."""
    platform.fault("hang", method="PUT", path=SITES_OWN, skip=UPLOADED, times=None)
    text = SCRIPT.read_text("utf-8").replace(PUBLISHED, image.tag)
    (workspace / "deploy.sh").write_text(text.replace("set -- --rm", "set -- --rm --network=host"), "utf-8")

    inputs = platform.inputs(app="my-site", directory="dist", create="true")
    run = start("sh", "deploy.sh", folder=workspace, env=inputs)
    platform.wait_until(lambda: has_stalled(platform))
    told = time.monotonic()
    run.terminate()
    log, _ = run.communicate(timeout=DEADLINE)
    seconds = time.monotonic() - told

    assert run.returncode == 128 + signal.SIGTERM, log
    assert seconds < LONGEST_RELEASE + 2 * ENGINE
    app = platform.app("my-site")
    assert app["lock"] is None
    assert [deployment["files_uploaded"] for deployment in app["deployments"]] == [UPLOADED]
    assert "Cancelled by SIGTERM" in log
    assert "Cleanup: " in log.splitlines()[-1]
    assert (workspace / ".zerokie-state-my-site.json").read_bytes() == b""

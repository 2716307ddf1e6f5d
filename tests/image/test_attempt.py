"""A deploy's request and wait: which image and status end it, and how outages affect it."""

import re
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.http.servers import always, serve
from tests.support import timewarp
from tests.support.containers import (
    LOOK,
    NEW,
    OLD,
    asked,
    deploy,
    lines,
    running_web,
    says,
    takes,
    tell,
)
from tests.support.world import Outcome, World

DIGEST = f"nginx@sha256:{'2' * 64}"
BACK = "to go back, deploy 'nginx:1' (after a failure, `rollback: true` does that)"
CAUSES = "the container listens on port 80 and gets all variables that it needs in `env`."


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_a_deploy_is_green_when_the_app_runs(world: World) -> None:
    """The log has the reason for the wait every half minute."""
    takes(world, 40)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert 40 <= outcome.seconds < 50
    first, waiting, still, runs, last = lines(outcome)
    assert first == "Deploying 'nginx:2' (was 'nginx:1')"
    assert waiting == "Waiting for 'web' to run: status 'deploying'; 5m 00s left"
    assert still.startswith("Waiting for 'web' to run: status 'deploying'; 4m ")
    assert runs.startswith("'web' runs 'nginx:2' after 4")
    assert last.startswith("web is deployed and runs after 4")


def test_debug_shows_each_new_status_once(world: World) -> None:
    takes(world, 5)
    shown = re.findall("'web' has the status (.*)", deploy(world, log_level="debug").log)
    assert shown == ["'deploying'", "'running'"]


# --- statuses


@pytest.mark.parametrize("field", ["error", "message"])
def test_a_lasting_failure_is_exit_8_with_the_platforms_message(world: World, field: str) -> None:
    """The case of the status doesn't matter."""
    words: dict[str, Any] = {field: "exit code 137"}
    says(world, image=NEW, status="CRASHED", times=None, **words)
    outcome = deploy(world)
    assert outcome.exit_code == 8
    assert outcome.seconds == pytest.approx(15.5, abs=0.6)
    said = "The platform reports that 'web' is 'CRASHED': \"exit code 137\""
    outputs = outcome.outputs
    state = "'web' now has the image 'nginx:2' and the status 'CRASHED'"
    assert outputs["error"] == f"{said}; {state}; {BACK}"
    assert (outputs["image"], outputs["previous_image"], outputs["status"]) == (NEW, OLD, "failed")


def test_an_unknown_status_means_not_yet(world: World) -> None:
    """The API reference doesn't list all statuses, so an unknown one proves nothing."""
    says(world, image=NEW, status="failing over", times=None)
    outcome = deploy(world, wait="20s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(20)
    said = "'web' doesn't run 'nginx:2' after 20s: status 'failing over'"
    state = "'web' now has the image 'nginx:2' and the status 'failing over'"
    assert outcome.outputs["error"] == f"{said}; {state}; {BACK}"


def test_an_app_that_runs_at_the_end_of_wait_is_green(world: World) -> None:
    """The last lookup is at the time limit."""
    takes(world, 12.5)
    outcome = deploy(world, wait="20s")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds == pytest.approx(20)


# --- images


def test_the_name_in_the_response_to_the_deploy_is_the_new_image(world: World) -> None:
    """A platform may have its own name for the image."""
    accepted = b'{"name": "web", "image": "apps/web:build-7", "status": "deploying"}'
    world.fault(Kind.STATUS, "POST", "/deploy$", status=200, body=accepted, after=True)
    says(world, image="apps/web:build-7", status="running", times=None)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert "'web' runs 'apps/web:build-7'" in outcome.log


@pytest.mark.parametrize("status", ["running", "deploying", "failed"])
def test_another_deploys_image_is_reported_and_kept(world: World, status: str) -> None:
    """The run doesn't roll back, whether the other image runs, starts or has failed."""

    def other() -> None:
        world.platform.apps.deploy("web", image="nginx:9", private=False)
        world.platform.apps.set_status("web", status)

    world.loop.call_later(20, other)
    takes(world, 30)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"], asked(outcome)) == (8, "superseded", 1)
    assert outcome.summary.startswith("## ⚠️ `web` has another deploy's image")
    assert outcome.seconds == pytest.approx(20 + 15, abs=2)
    assert outcome.outputs["image"] == "nginx:9"
    assert outcome.outputs["error"] == (
        "Another deploy replaced 'nginx:2' with 'nginx:9'; not rolled back; "
        f"'web' now has the image 'nginx:9' and the status {status!r}"
    )


# --- hints about a failure


@pytest.mark.parametrize("status", ["failed", "ErrImagePull", "crashed"])
def test_each_failure_has_the_same_hint(world: World, status: str) -> None:
    """The hint has both likely causes, and the error ends with how to go back."""
    says(world, image=NEW, status=status, port="80", times=None)
    outcome = deploy(world, wait="20s")
    pull = "Check that the platform can pull 'nginx:2' (it got no credentials)"
    assert outcome.outputs["hint"].startswith(f"{pull}, and that {CAUSES} The API has no logs")
    assert outcome.outputs["error"].endswith(f"; {BACK}")


def test_a_timeout_says_that_running_must_last(world: World) -> None:
    """The platform never shows `deploying`, so the status counts after 15s and must hold for seven more."""
    takes(world, 0)
    outcome = deploy(world, wait="20s")
    assert outcome.exit_code == 9
    assert "status 'running' (must hold for 7s)" in outcome.outputs["error"]


def test_the_hint_for_a_failed_pull_names_the_credentials(world: World) -> None:
    """The pull is the first cause in the hint."""
    world.platform.dialect.speak("pull=back-off")
    login = {"registry_username": "ci", "registry_password": "pass-word"}
    outcome = deploy(world, wait="20s", **login)
    assert outcome.exit_code == 9
    given = "(it got the credentials of 'ci' for Docker Hub)"
    assert outcome.outputs["hint"].startswith(f"Check that the platform can pull 'nginx:2' {given}, ")
    assert "pass-word" not in outcome.log


def test_the_hint_for_another_deploys_image_does_not_mention_causes(world: World) -> None:
    """The image didn't fail, and a rollback wouldn't help."""
    says(world, image="nginx:9", status="deploying", times=None)
    outputs = deploy(world, wait="20s").outputs
    assert outputs["hint"].startswith(
        "If that deploy is newer, do nothing. Otherwise, run this deploy again."
    )
    assert "to go back" not in outputs["error"]


def test_the_error_suggests_a_rollback_only_if_one_is_possible(world: World) -> None:
    """Not for two versions with the same name, after the platform went back, or for a restart."""
    world.platform.set_page("web", 500)
    check: dict[str, Any] = {"health_check": "/", "wait": 1}
    said = "the previous version can't be deployed again: 'nginx:1' may be the new version as well"
    assert said in deploy(world, OLD, **check).outputs["error"]
    assert "deployed again" not in world.run(operation="restart", app="web", **check).outputs["error"]
    says(world, image=NEW, status="deploying", times=5)
    says(world, image=OLD, status="running", skip=0, times=None)
    assert "to go back" not in deploy(world, wait=15).outputs["error"]


# --- outages and time limits


def test_an_app_that_is_destroyed_ends_the_wait(world: World) -> None:
    takes(world, 60)
    world.loop.call_later(20, world.platform.delete_app, "web")
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("App 'web' doesn't exist (404: ")


@pytest.mark.parametrize("skip", [2, 5], ids=["from the deploy on", "later"])
def test_an_outage_does_not_end_the_wait_before_the_end_of_wait(world: World, skip: int) -> None:
    """The platform continues the deploy. After `wait`, the error has the cause of the outage."""
    takes(world, 1000)
    world.fault(Kind.HANG, "GET", LOOK, skip=skip, times=None)
    outcome = deploy(world, wait="5m")
    assert outcome.exit_code == 9
    assert outcome.seconds <= 300 + 5 + 10, "the last lookup, and one for the report"
    error = outcome.outputs["error"]
    assert error.startswith("'web' doesn't run 'nginx:2' after 5m 0")
    assert "s: looking up app 'web' failed (" in error
    assert outcome.outputs["hint"].startswith("Check the app before you run the job again")
    assert "; the image of 'web' is unknown" in error


@pytest.mark.parametrize(("wait", "code", "seconds"), [(20, 0, 27), (500, 9, 307)])
def test_retry_after_delays_all_lookups_except_the_last(
    world: World, wait: int, code: int, seconds: int
) -> None:
    """The last lookup is at the end of `wait`."""
    world.fault(Kind.STATUS, "GET", LOOK, status=503, headers={"retry-after": str(wait)}, skip=2)
    outcome = deploy(world, retry_timeout=0, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (code, 1), outcome.log
    assert outcome.seconds == pytest.approx(seconds, abs=2)


def test_timeout_ends_the_wait(world: World) -> None:
    """`timeout` limits the whole run, and the error has the cause of an outage."""
    takes(world, 1000)
    outcome = deploy(world, timeout="10s")
    assert outcome.exit_code == 9
    state = "'web' now has the image 'nginx:2' and the status 'deploying'"
    assert outcome.outputs["error"] == f"The deploy did not end within 10s; {state}; {BACK}"
    assert outcome.seconds == pytest.approx(10)
    world.fault(Kind.STATUS, "GET", LOOK, skip=2, times=None, status=503)
    outcome = deploy(world, "nginx:3", timeout="1m")
    assert outcome.exit_code == 9
    assert "looking up app 'web' failed (the platform responded with 503" in outcome.outputs["error"]


def test_the_previous_image_proves_nothing_for_15_seconds(world: World) -> None:
    """A GET may show the deploy late."""
    world.platform.dialect.speak("deploying=late")
    tell(world, after=5)
    outcome = deploy(world)
    assert outcome.exit_code == 143
    assert "; the image of 'web' is unknown" in outcome.outputs["error"]
    assert outcome.outputs["image"] is None


# --- API variants


@pytest.mark.parametrize(("text", "wait", "seconds"), [("ok", "5m", 22), (None, "30s", 22)])
def test_the_same_digest_under_another_name_is_green_with_a_warning(
    world: World, text: str | None, wait: str, seconds: int
) -> None:
    """The API shows only digests, and the digest doesn't change. Only a text proves the new version.

    The deploy neither fails at the end of the wait nor is it rolled back.
    """
    says(world, skip=0, image=DIGEST, status="running", times=None)

    async def run() -> Outcome:
        async with serve(always(200, b"ok")) as server:
            check = {"health_check": f"{server.url}/", "health_check_text": text, "wait": wait}
            return await world.arun(app="web", image=NEW, rollback=True, **check)

    outcome = timewarp.run(world.loop, run())
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.seconds == pytest.approx(seconds, abs=3)
    assert outcome.outputs["image"] == DIGEST
    (warning,) = outcome.outputs["warnings"]
    assert f"and shows {DIGEST!r}. Either 'nginx:2' is the same image, or it was replaced" in warning
    assert (" is live" in outcome.log) is bool(text)
    assert "Deployed and running" not in outcome.log


def test_the_error_does_not_mention_a_lost_response_from_before(world: World) -> None:
    """The response to the deploy was lost. Minutes later, only the app's status matters."""
    world.platform.dialect.speak("deploy-answer=lost")
    takes(world, 1000)
    error = deploy(world, wait=30).outputs["error"]
    assert ": status 'deploying'" in error
    assert "502" not in error


def test_a_status_that_is_a_value_of_env_is_shown(world: World) -> None:
    """A status of one word isn't masked. The platform's message is."""
    takes(world, 10)
    says(world, image=NEW, status="deploying", times=2)
    says(world, image=NEW, status="failed", error="bad token hush-hush", times=None)
    outcome = deploy(world, env="MODE=deploying\nSTATE=failed\nTOKEN=hush-hush")
    assert "status 'deploying'" in outcome.log
    assert "'web' is 'failed': \"bad token ***\"" in outcome.log


# --- the request, during another deploy


def test_after_another_deploy_the_previous_image_is_that_deploys(world: World) -> None:
    """`lock-timeout` limits the wait for the other deploy."""
    world.platform.hold_deploy("web")

    def end() -> None:
        world.platform.release_deploy("web")
        world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.loop.call_later(20, end)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["previous_image"] == "nginx:other"
    assert re.search(r"[23]\ds of it waiting for the deploy lock", outcome.summary)
    assert "Waiting for another deploy of 'web' to end; 10m 00s left" in outcome.log


def test_another_deploy_that_outlasts_lock_timeout_is_exit_6(world: World) -> None:
    """Nothing is deployed."""
    world.platform.hold_deploy("web")
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert "30s of it waiting for the deploy lock" in outcome.summary
    assert outcome.outputs["error"].startswith("Another deploy of 'web' is still in progress after 30s: ")
    assert "Nothing was changed." in outcome.log
    assert world.platform.apps.get("web").image == OLD


# --- lost responses


@pytest.mark.parametrize(("arrives", "code"), [(False, 5), (True, 0)])
def test_retry_timeout_0_requests_once(world: World, *, arrives: bool, code: int) -> None:
    """The app shows whether the request arrived."""
    world.fault(Kind.RESET, "POST", "/deploy$", after=arrives)
    outcome = deploy(world, retry_timeout=0)
    assert (outcome.exit_code, asked(outcome)) == (code, 1), outcome.log
    assert (
        "The platform didn't confirm the deploy, and the app doesn't show it" in outcome.log
    ) is not arrives


def test_a_lost_request_is_sent_at_most_twice(world: World) -> None:
    """The deploy may still take effect, so `changed` is true, and the error shows the app as it is."""
    world.fault(Kind.RESET, "POST", "/deploy$", times=None)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (5, 2)
    assert outcome.seconds == pytest.approx(15 + 15, abs=1)
    assert outcome.outputs["error"].startswith(
        "The platform didn't confirm the deploy, and the app doesn't show it"
    )
    assert "; 'web' now has the image 'nginx:1' and the status 'running'" in outcome.outputs["error"]
    assert outcome.outputs["image"] == OLD
    assert outcome.outputs["changed"] is True


@pytest.mark.parametrize("wait", [True, False])
def test_after_a_lost_response_another_deploys_image_stays(world: World, *, wait: bool) -> None:
    """The deploy isn't requested again."""

    def other() -> None:
        world.platform.apps.deploy("web", image="nginx:9", private=False)
        world.platform.apps.set_status("web", "running")

    world.fault(Kind.RESET, "POST", "/deploy$")
    world.loop.call_later(3, other)
    outcome = deploy(world, rollback=True, wait=wait, health_check=None if wait else "/")
    assert (outcome.exit_code, asked(outcome)) == (5, 1), outcome.log
    assert outcome.outputs["status"] == "failed"
    assert world.platform.apps.get("web").image == outcome.outputs["image"] == "nginx:9"
    assert "the app doesn't show it: " in outcome.outputs["error"]
    assert outcome.seconds == pytest.approx(3, abs=2)


def test_a_rejection_after_a_lost_request_is_exit_4(world: World) -> None:
    """A 400 doesn't show that this run's deploy is in progress."""
    world.fault(Kind.RESET, "POST", "/deploy$")
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = deploy(world)
    assert (outcome.exit_code, asked(outcome)) == (4, 2), outcome.log


def test_a_conflict_after_a_lost_request_restarts_the_app_once(world: World) -> None:
    """The app doesn't show the first request yet, so the 409 may be about another deploy. The run waits."""
    takes(world, 30)
    world.fault(Kind.RESET, "POST", "/deploy$", after=True)
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, body=b"")
    says(world, image=OLD, status="running", times=17)
    outcome = deploy(world)
    assert (outcome.exit_code, asked(outcome)) == (0, 3), outcome.log


def test_a_lost_response_with_a_retry_after_of_an_hour_ends_the_run(world: World) -> None:
    """The run doesn't poll for an hour."""
    wait = {"Retry-After": "3600"}
    world.fault(Kind.STATUS, "POST", "/deploy$", status=503, headers=wait)
    outcome = deploy(world)
    assert (outcome.exit_code, outcome.seconds < 5) == (5, True)
    assert "and a Retry-After of 1h 00m" in outcome.outputs["error"]

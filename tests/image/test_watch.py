"""Waiting for a container app: when is it ours, when has it failed, and what when nobody says."""

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
CAUSES = "Does the container listen on port 80, and does it get all that it needs in `env`?"


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_green_when_the_platform_says_running(world: World) -> None:
    """Green means that the platform says so; the log says what is waited for, at a calm rhythm."""
    takes(world, 40)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert 40 <= outcome.seconds < 50
    first, waiting, still, runs, last = lines(outcome)
    assert first == "Deploying 'nginx:2' (was 'nginx:1')"
    assert waiting == "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left"
    assert still.startswith("Waiting for 'web' to run: its status is 'deploying'; 4 m ")
    assert runs.startswith("'web' runs 'nginx:2' after 4")
    assert last.startswith("Deployed and running after 4")


def test_debug_shows_each_new_status_and_image_once(world: World) -> None:
    """And nothing for the looks between."""
    takes(world, 5)
    shown = re.findall("shows the status (.*) and the image", deploy(world, log_level="debug").log)
    assert shown == ["'deploying'", "'running'"]


# --- which status counts


@pytest.mark.parametrize("field", ["error", "message"])
def test_a_failure_that_lasts_is_exit_8_with_the_platforms_words(world: World, field: str) -> None:
    """With what the platform says of it; whatever the case of the word."""
    words: dict[str, Any] = {field: "exit code 137"}
    says(world, image=NEW, status="CRASHED", times=None, **words)
    outcome = deploy(world)
    assert outcome.exit_code == 8
    assert outcome.seconds == pytest.approx(15.5, abs=0.6)
    said = "The platform reports that 'web' is 'CRASHED': \"exit code 137\""
    outputs = outcome.outputs
    assert outputs["error"] == f"{said}; 'web' was left with 'nginx:2' and the status 'CRASHED'"
    assert (outputs["image"], outputs["previous_image"], outputs["status"]) == (NEW, OLD, "failed")


def test_an_unknown_status_means_not_yet(world: World) -> None:
    """The reference lists no words, so an unknown one proves nothing."""
    says(world, image=NEW, status="failing over", times=None)
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(20)
    said = "'web' does not run 'nginx:2' after 20 s: its status is 'failing over'"
    assert outcome.outputs["error"] == f"{said}; 'web' was left with 'nginx:2' and the status 'failing over'"


def test_an_app_that_runs_at_the_last_look_is_green(world: World) -> None:
    """An app that runs within `wait-timeout`, however late, is green."""
    takes(world, 12.5)
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds == pytest.approx(20)


# --- which image is ours


def test_the_platforms_own_name_of_the_image_is_ours(world: World) -> None:
    """What the platform called it when it accepted the deploy is our image as well."""
    accepted = b'{"name": "web", "image": "apps/web:build-7", "status": "deploying"}'
    world.fault(Kind.STATUS, "POST", "/deploy$", status=200, body=accepted, after=True)
    says(world, image="apps/web:build-7", status="running", times=None)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert "'web' runs 'apps/web:build-7'" in outcome.log


def test_a_third_image_that_runs_is_left_alone_and_told(world: World) -> None:
    """What somebody else deployed is not ours. Once it runs, for certain, it is left alone, and said."""
    world.loop.call_later(20, lambda: world.platform.apps.deploy("web", image="nginx:9", private=False))
    takes(world, 30)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"], asked(outcome)) == (8, "superseded", 1)
    assert outcome.summary.startswith("## ⚠️ `web` runs another deploy's image")
    assert outcome.seconds == pytest.approx(20 + 30 + 15, abs=20)
    assert outcome.outputs["image"] == "nginx:9"
    assert outcome.outputs["error"] == (
        "Another deploy has replaced 'nginx:2': 'web' runs 'nginx:9'; "
        "not rolled back: another deploy has changed the image; "
        "'web' was left with 'nginx:9' and the status 'running'"
    )


# --- what is said of a failure


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("failed", f"Can the platform pull 'nginx:2' (it got no login)? {CAUSES} "),
        ("ErrImagePull", "Can the platform pull 'nginx:2' (it got no login)? The app's own log may "),
        ("crashed", f"{CAUSES} The app's own log may "),
    ],
)
def test_the_status_rules_out_likely_causes(world: World, status: str, hint: str) -> None:
    """The status rules some out. How to go back stands beside them."""
    says(world, image=NEW, status=status, port="80", times=None)
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.outputs["hint"].startswith(hint)
    back = "To go back, deploy 'nginx:1', or set `rollback: true` for the next time."
    assert outcome.outputs["hint"].endswith(back)


def test_a_crash_loop_was_pulled(world: World) -> None:
    """An image that runs at the end, but not for long enough, was pulled."""
    takes(world, 0)
    outcome = deploy(world, wait_timeout="5s")
    assert outcome.exit_code == 9
    assert "'running', which has to last for 7 s" in outcome.outputs["error"]
    assert outcome.outputs["hint"].startswith("Does the container listen on port 80")


def test_a_failed_pull_says_with_which_login(world: World) -> None:
    """The hint asks about that first, and says with which login."""
    world.platform.dialect.speak("pull=back-off")
    login = {"registry_username": "ci", "registry_password": "pass-word"}
    outcome = deploy(world, wait_timeout="20s", **login)
    assert outcome.exit_code == 9
    given = "(it got the login of 'ci' for Docker Hub, the default)"
    assert outcome.outputs["hint"].startswith(f"Can the platform pull 'nginx:2' {given}?")
    assert "pass-word" not in outcome.log


def test_another_image_at_the_end_gets_no_advice_about_time(world: World) -> None:
    """It has changed the image and does not run either: neither more time nor a rollback would help."""
    says(world, image="nginx:9", status="deploying", times=None)
    hint = deploy(world, wait_timeout="20s").outputs["hint"]
    assert hint == "Another deploy has changed the image: run this deploy again."


def test_no_rollback_is_suggested_where_none_is_possible(world: World) -> None:
    """Both versions have one name, or the platform went back by itself; a restart has one version only."""
    world.platform.set_page("web", 500)
    check: dict[str, Any] = {"health_check": "/", "health_check_timeout": 1}
    said = "The previous version can't be deployed again: both versions have the same name, 'nginx:1'"
    assert said in deploy(world, OLD, **check).outputs["hint"]
    assert "deployed again" not in world.run(operation="restart", app="web", **check).outputs["hint"]
    says(world, image=NEW, status="deploying", skip=1, times=5)
    says(world, image=OLD, status="running", skip=0, times=None)
    assert "To go back" not in deploy(world, wait_timeout=15).outputs["hint"]


# --- what ends it


def test_an_app_that_is_destroyed_ends_the_wait(world: World) -> None:
    takes(world, 60)
    world.loop.call_later(20, world.platform.delete_app, "web")
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("App 'web' doesn't exist (404: ")


@pytest.mark.parametrize("skip", [1, 4], ids=["from the deploy on", "later"])
def test_an_outage_is_asked_through_until_wait_timeout(world: World, skip: int) -> None:
    """The deploy goes on without us: ask until `wait-timeout`, then tell what does not work."""
    takes(world, 1000)
    world.fault(Kind.HANG, "GET", LOOK, skip=skip, times=None)
    outcome = deploy(world, wait_timeout="5m")
    assert outcome.exit_code == 9
    assert outcome.seconds <= 300 + 5 + 2, "the last look, and one for the report"
    error = outcome.outputs["error"]
    assert error.startswith("'web' does not run 'nginx:2' after 5 m 0")
    assert " s: looking up app 'web' failed (" in error
    assert outcome.outputs["hint"].startswith("Look at the app on the platform.")
    assert error.endswith("; it is not known which image 'web' was left with")


@pytest.mark.parametrize(("wait", "code", "seconds"), [(20, 0, 27), (500, 9, 307)])
def test_retry_after_is_waited_for_but_for_the_last_look(
    world: World, wait: int, code: int, seconds: int
) -> None:
    """`Retry-After` is honoured, but for the last look, at the end of `wait-timeout`; no rollback."""
    world.fault(Kind.STATUS, "GET", LOOK, status=503, headers={"retry-after": str(wait)}, skip=1)
    outcome = deploy(world, retry_timeout=0, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (code, 1), outcome.log
    assert outcome.seconds == pytest.approx(seconds, abs=2)


def test_timeout_ends_the_wait(world: World) -> None:
    """`timeout` is for all of it, and says what does not work."""
    takes(world, 1000)
    outcome = deploy(world, timeout="10s")
    assert outcome.exit_code == 9
    state = "'web' was left with 'nginx:2' and the status 'deploying'"
    assert outcome.outputs["error"] == f"The deploy did not end within 10 s; {state}"
    assert outcome.seconds == pytest.approx(10)
    world.fault(Kind.STATUS, "GET", LOOK, skip=1, times=None, status=503)
    outcome = deploy(world, "nginx:3", timeout="1m")
    assert outcome.exit_code == 9
    assert "looking up app 'web' failed (the platform responded with 503" in outcome.outputs["error"]


def test_the_previous_image_says_nothing_for_15_seconds(world: World) -> None:
    """Within 15 s of the deploy, the image from before says nothing."""
    world.platform.dialect.speak("deploying=late")
    tell(world, after=5)
    outcome = deploy(world)
    assert outcome.exit_code == 143
    assert outcome.outputs["error"].endswith("it is not known which image 'web' was left with")
    assert outcome.outputs["image"] == NEW


# --- what only some platforms do


@pytest.mark.parametrize(("text", "wait", "seconds"), [("ok", "5m", 60), (None, "20s", 37)])
def test_the_same_digest_under_another_name_is_green_with_a_warning(
    world: World, text: str | None, wait: str, seconds: int
) -> None:
    """Only digests show, and the digest is the one from before: a warning, and no claim, but with a text.

    Nothing speaks against it: no failure at the end of the wait, and no rollback to itself.
    """
    says(world, skip=0, image=DIGEST, status="running", times=None)

    async def run() -> Outcome:
        async with serve(always(200, b"ok")) as server:
            check = {"health_check": f"{server.url}/", "health_check_text": text, "wait_timeout": wait}
            return await world.arun(app="web", image=NEW, rollback=True, **check)

    outcome = timewarp.run(world.loop, run())
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.seconds == pytest.approx(seconds, abs=3)
    assert outcome.outputs["image"] == DIGEST
    (warning,) = outcome.outputs["warnings"]
    assert f"shows the same image as before, {DIGEST!r}" in warning
    assert (" is live" in outcome.log) is bool(text)
    assert "Deployed and running" not in outcome.log


def test_a_failure_that_is_over_is_not_told(world: World) -> None:
    """The deploy's answer was lost, and minutes later the app does not run: its status says why."""
    world.platform.dialect.speak("deploy-answer=lost")
    takes(world, 1000)
    error = deploy(world, wait_timeout=30).outputs["error"]
    assert ": its status is 'deploying'" in error
    assert "502" not in error


def test_a_status_that_is_a_value_of_env_is_shown(world: World) -> None:
    """A word that the platform says of the app's state is no secret; what else it says may be."""
    takes(world, 10)
    says(world, image=NEW, status="deploying", times=2)
    says(world, image=NEW, status="failed", error="bad token hush-hush", times=None)
    outcome = deploy(world, env="MODE=deploying\nSTATE=failed\nTOKEN=hush-hush")
    assert "its status is 'deploying'" in outcome.log
    assert "'web' is 'failed': \"bad token ***\"" in outcome.log

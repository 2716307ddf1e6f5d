"""Waiting for a container app: when is it ours, when has it failed, and what when nobody says."""

from typing import Any

import pytest

from tests.http.servers import always, serve
from tests.support import timewarp
from tests.support.containers import (
    BROKEN,
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
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.records import Record

DIGEST, OTHER_DIGEST = f"nginx@sha256:{'2' * 64}", f"nginx@sha256:{'3' * 64}"


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)


def test_green_when_the_platform_says_running(world: World) -> None:
    """Green means that the platform says so; the log says what is waited for, at a calm rhythm."""
    takes(world, 40)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert 40 <= outcome.seconds < 50
    first, waiting, still, nearly, runs, last = lines(outcome)
    assert first == "Deploying 'nginx:2' (was 'nginx:1')"
    assert waiting == "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left"
    assert still.startswith("Waiting for 'web' to run: its status is 'deploying'; 4 m ")
    assert "its status is 'running', which has to last for 7 s; 4 m " in nearly
    assert runs.startswith("'web' runs 'nginx:2' after 4")
    assert last.startswith("Deployed and running after 4")


# --- which status counts


def test_a_failure_that_lasts_is_exit_8_with_the_platforms_words(world: World) -> None:
    """With what the platform says of it; whatever the case of the word."""
    says(world, image=NEW, status="CRASHED", error="exit code 137", times=None)
    outcome = deploy(world)
    assert outcome.exit_code == 8
    assert outcome.seconds == pytest.approx(15.5, abs=0.6)
    said = "The platform reports that 'web' is 'CRASHED': \"exit code 137\""
    outputs = outcome.outputs
    assert outputs["error"] == f"{said}; 'web' was left with 'nginx:2' and the status 'CRASHED'"
    assert (outputs["image"], outputs["previous_image"], outputs["status"]) == (NEW, OLD, "failed")


@pytest.mark.parametrize("word", ["unhealthy", "", "failing over"])
def test_an_unknown_status_means_not_yet(world: World, word: str) -> None:
    """The reference lists no words, so an unknown one proves nothing."""
    says(world, image=NEW, status=word, times=None)
    outcome = deploy(world, wait_timeout="20s")
    assert outcome.exit_code == 9
    assert outcome.seconds == pytest.approx(20)
    said = f"'web' does not run 'nginx:2' after 20 s: its status is {word!r}"
    assert outcome.outputs["error"] == f"{said}; 'web' was left with 'nginx:2' and the status {word!r}"


def test_an_app_that_runs_at_the_last_look_is_green(world: World) -> None:
    """An app that runs within `wait-timeout`, however late, is green."""
    takes(world, 92.5)
    outcome = deploy(world, wait_timeout="100s")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.seconds == pytest.approx(100)


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


CAUSES = "Does the container listen on port 80, and does it get all that it needs in `env`?"


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


LOGIN = {"registry_username": "ci", "registry_password": "pass-word"}


@pytest.mark.parametrize(
    ("image", "server", "host"),
    [
        ("ghcr.io/o/web:2", None, "ghcr.io"),
        ("GHCR.io/o/web:2", None, "ghcr.io"),
        ("localhost:5000/web", None, "localhost:5000"),
        ("ghcr.io/o/web:2", "proxy.example.com", ""),
        ("o/web:2", None, ""),
        ("docker.io/o/web:2", None, ""),
        ("index.docker.io/o/web:2", None, ""),
    ],
)
def test_a_login_without_its_registry_is_exit_2(
    world: World, image: str, server: str | None, host: str
) -> None:
    """It would go to Docker Hub: the error names the line to add. A written one may be a proxy's."""
    outcome = deploy(world, image, dry_run=True, registry_server=server, **LOGIN)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (2 if host else 0, []), outcome.log
    assert bool(host) is (outcome.requests == [])
    if host:
        assert outcome.outputs["error"].endswith(f"is on {host!r}: add `registry-server: {host}`")
        assert "pass-word" not in outcome.log


def test_a_restart_asks_nothing_about_its_login(world: World) -> None:
    """It names no image, so nobody can tell which registry is meant."""
    world.platform.apps.deploy("web", image="ghcr.io/o/web:2", private=True)
    outcome = restart(world, dry_run=True, **LOGIN)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])


@pytest.mark.parametrize("answer", ["refused", "back-off"])
def test_a_failed_pull_says_with_which_login(world: World, answer: str) -> None:
    """The hint asks about that first, and says with which login."""
    world.platform.dialect.speak(f"pull={answer}")
    outcome = deploy(world, wait_timeout="20s", **LOGIN)
    assert outcome.exit_code == (8 if answer == "refused" else 9)
    login = "(it got the login of 'ci' for Docker Hub, the default)"
    assert outcome.outputs["hint"].startswith(f"Can the platform pull 'nginx:2' {login}?")
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
    assert "deployed again" not in restart(world, **check).outputs["hint"]
    says(world, image=NEW, status="deploying", skip=1, times=5)
    says(world, image=OLD, status="running", skip=0, times=None)
    assert "To go back" not in deploy(world, wait_timeout=15).outputs["hint"]


def test_debug_shows_each_new_status_and_image_once(world: World) -> None:
    """A line when one of them changes, and none for the looks between."""
    takes(world, 5)
    log = deploy(world, log_level="debug").log
    assert log.count("'web' shows the status 'deploying' and the image 'nginx:2'") == 1
    assert log.count("'web' shows the status 'running' and the image 'nginx:2'") == 1


def test_requested_image_is_an_output_after_a_rollback(world: World) -> None:
    """An output of its own: after a dry run and after a rollback, `image` is none, or another one."""
    planned = deploy(world, dry_run=True).outputs
    assert (planned["image"], planned["requested_image"]) == (None, NEW)
    rolled_back = deploy(world, BROKEN, rollback=True).outputs
    assert (rolled_back["image"], rolled_back["requested_image"]) == (OLD, BROKEN)


# --- what becomes of an answer that is lost


@pytest.mark.parametrize(("arrives", "code"), [(False, 5), (True, 0)])
def test_retry_timeout_0_asks_once(world: World, *, arrives: bool, code: int) -> None:
    """`retry-timeout: 0` asks once; the app shows whether that arrived."""
    world.fault(Kind.RESET, "POST", "/deploy$", after=arrives)
    outcome = deploy(world, retry_timeout=0)
    assert (outcome.exit_code, asked(outcome)) == (code, 1), outcome.log
    assert ("The deploy was requested, and the app shows no sign of it" in outcome.log) is not arrives


def test_a_lost_request_is_sent_twice_and_no_more(world: World) -> None:
    """Twice, and no more; what was asked for may still come."""
    world.fault(Kind.RESET, "POST", "/deploy$", times=None)
    outcome = deploy(world, rollback=True)
    assert (outcome.exit_code, asked(outcome)) == (5, 2)
    assert outcome.seconds == pytest.approx(15 + 15, abs=1)
    assert outcome.outputs["error"].startswith("The deploy was requested, and the app shows no sign of it")
    assert outcome.outputs["error"].endswith("; it is not known which image 'web' was left with")
    assert (outcome.outputs["image"], outcome.outputs["previous_image"]) == (None, OLD)


@pytest.mark.parametrize("wait", [True, False])
def test_a_lost_answer_overwrites_no_colleagues_deploy(world: World, *, wait: bool) -> None:
    """Their image stays: the deploy is not requested again. Once it runs for certain, that is said."""

    def other() -> None:
        world.platform.apps.deploy("web", image="nginx:9", private=False)
        world.platform.apps.set_status("web", "running")

    world.fault(Kind.RESET, "POST", "/deploy$")
    world.loop.call_later(3, other)
    outcome = deploy(world, rollback=True, wait=wait, health_check=None if wait else "/")
    assert (outcome.exit_code, asked(outcome)) == (8 if wait else 5, 1), outcome.log
    assert outcome.outputs["status"] == ("superseded" if wait else "failed")
    assert world.platform.apps.get("web").image == outcome.outputs["image"] == "nginx:9"
    said = (
        "Another deploy has replaced 'nginx:2': " if wait else "requested, and the app shows no sign of it: "
    )
    assert said in outcome.outputs["error"]
    assert outcome.seconds == pytest.approx(3 + 15 if wait else 3, abs=2)


def test_a_refusal_after_a_lost_request_is_no_deploy_of_ours(world: World) -> None:
    """The second request is refused: that is no deploy of ours that is in progress."""
    world.fault(Kind.RESET, "POST", "/deploy$")
    world.fault(Kind.STATUS, "POST", "/deploy$", status=400)
    outcome = deploy(world)
    assert (outcome.exit_code, asked(outcome)) == (4, 2), outcome.log


def test_a_conflict_after_a_lost_request_is_our_own_deploy(world: World) -> None:
    """The answer was lost, nothing shows yet, and the next request meets a deploy: it is ours."""
    takes(world, 30)
    world.fault(Kind.RESET, "POST", "/deploy$", after=True)
    world.fault(Kind.STATUS, "POST", "/deploy$", status=409, body=b"")
    says(world, image=OLD, status="running", times=16)
    outcome = deploy(world, lock_timeout=0)
    assert (outcome.exit_code, asked(outcome)) == (0, 2), outcome.log


# --- what ends it


def test_an_app_that_is_destroyed_ends_the_wait(world: World) -> None:
    """There is no more to wait for."""
    takes(world, 60)
    world.loop.call_later(20, world.platform.delete_app, "web")
    outcome = deploy(world, rollback=True)
    assert outcome.exit_code == 4
    assert outcome.outputs["error"].startswith("There is no app 'web' (404: ")


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.HTML])
def test_an_outage_is_asked_through_until_wait_timeout(world: World, kind: Kind) -> None:
    """The deploy goes on without us: ask until `wait-timeout`, then tell what does not work."""
    takes(world, 1000)
    world.fault(kind, "GET", LOOK, skip=4, times=None)
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


@pytest.mark.parametrize(
    ("image", "status", "why"),
    [
        (OLD, "running", "'web' runs 'nginx:1' again, after it showed 'nginx:2'"),
        ("nginx:9", "running", "Another deploy has replaced 'nginx:2': 'web' runs 'nginx:9'"),
        (NEW, "crashed", "The platform reports that 'web' is 'crashed'"),
    ],
)
def test_another_version_after_the_health_check_is_told(
    world: World, image: str, status: str, why: str
) -> None:
    """The new one ran, and was not healthy; then the platform, or somebody else, has replaced it."""
    world.fault(Kind.STATUS, "GET", "^/_apps/web", status=500, times=5)
    world.loop.call_later(10, lambda: says(world, skip=0, times=None, image=image, status=status))
    outcome = deploy(world, health_check="/")
    expected = "superseded" if image == "nginx:9" else "failed"
    assert (outcome.exit_code, outcome.outputs["status"]) == (8, expected), outcome.log
    assert "is healthy after" in outcome.log
    assert outcome.outputs["error"].startswith(why)
    assert outcome.outputs["image"] == image
    assert outcome.seconds < 60


def test_one_more_look_shows_that_the_version_stays(world: World) -> None:
    """One more look, and no more, shows that the version which runs is the one that has answered."""
    outcome = deploy(world, health_check="/")
    assert outcome.exit_code == 0
    asked_last = [record.path for record in outcome.requests if record.method == "GET"][-2:]
    assert asked_last == ["/_apps/web/", "/v1/apps/web"]
    assert outcome.log.count("Waiting for 'web' to run") == 2
    assert "Waiting for 'web' to show" not in outcome.log


@pytest.mark.parametrize("status", ["503", "403", "deploying", "scaling"])
def test_no_answer_after_the_health_check_is_green(world: World, status: str) -> None:
    """After the health check: the platform is away, a firewall refuses, or the status is another."""

    def look(record: Record) -> None:
        if record.path == "/_apps/web/":
            world.platform.on_request = None
            if status.isdigit():
                world.fault(Kind.STATUS, "GET", LOOK, status=int(status), times=None)
            else:
                says(world, skip=0, times=None, image=NEW, status=status)

    world.platform.on_request = look
    outcome = deploy(world, health_check="/", rollback=True, timeout=20)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.seconds < 30


def test_without_wait_the_previous_version_may_have_answered(world: World) -> None:
    """Without `wait`, the previous one may have answered the health check; a text would tell."""
    outcome = deploy(world, wait=False, health_check="/")
    assert outcome.outputs["notes"] == ["`wait` is off: it was not checked which version answers."]
    assert outcome.seconds < 5, "and no look at the app"
    assert outcome.summary.startswith("## ⏳ `web`: the platform accepted the deploy; it was not checked")
    outcome = deploy(world, OLD, wait=False, health_check="/", health_check_text="nginx:1")
    assert (outcome.exit_code, outcome.outputs["notes"]) == (0, []), outcome.log


def test_wait_false_claims_nothing(world: World) -> None:
    """`wait: false` asks nothing after the deploy, and claims nothing: not in the log, not in the reports."""
    outcome = deploy(world, BROKEN, wait=False, rollback=True)
    assert outcome.exit_code == 0
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`rollback` has no effect without `wait` or `health-check`: nothing is checked"
    assert [record.method for record in outcome.requests] == ["GET", "POST"]
    assert lines(outcome)[1:] == [
        "Deploying 'nginx:broken' (was 'nginx:1')",
        "`wait` is off: it was not checked whether the app runs",
        "Deploy accepted after 0 s; nothing was checked: http://platform/_apps/web",
    ]
    assert outcome.summary.startswith("## ⏳ `web`: the platform accepted the deploy; nothing was checked")
    assert outcome.outputs["notes"] == ["`wait` is off: it was not checked whether the app runs."]


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
    assert "looking up app 'web' failed (the platform answered 503" in outcome.outputs["error"]


def test_a_409_waits_and_the_previous_image_is_the_other_deploys(world: World) -> None:
    """409 waits under `lock-timeout`; the previous image is then the one that the other deploy left."""
    world.platform.hold_deploy("web")

    def end() -> None:
        world.platform.release_deploy("web")
        world.platform.apps.deploy("web", image="nginx:other", private=False)

    world.loop.call_later(20, end)
    outcome = deploy(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["previous_image"] == "nginx:other"
    assert 20 <= outcome.outputs["lock_wait_seconds"] < 36
    assert "Waiting for another deploy of 'web' to end; 10 m 00 s left" in outcome.log


def test_another_deploy_that_outlasts_lock_timeout_is_exit_6(world: World) -> None:
    """Then nothing was deployed, and the exit code says why."""
    world.platform.hold_deploy("web")
    outcome = deploy(world, lock_timeout="30s")
    assert outcome.exit_code == 6
    assert outcome.outputs["lock_wait_seconds"] == pytest.approx(30)
    assert outcome.outputs["error"].startswith("Another deploy of 'web' is still in progress after 30 s: ")
    assert "Nothing was changed." in outcome.log
    assert world.platform.apps.get("web").image == OLD


def test_the_previous_image_says_nothing_for_15_seconds(world: World) -> None:
    """Within 15 s of the deploy, the image from before says nothing."""
    world.platform.dialect.speak("deploying=late")
    tell(world, after=5)
    outcome = deploy(world)
    assert outcome.exit_code == 143
    assert outcome.outputs["error"].endswith("it is not known which image 'web' was left with")
    assert outcome.outputs["image"] == NEW


def test_a_lost_answer_with_an_hours_retry_after_is_given_up(world: World) -> None:
    """Nobody looks for an hour."""
    wait = {"Retry-After": "3600"}
    world.fault(Kind.STATUS, "POST", "/deploy$", status=503, headers=wait)
    outcome = deploy(world)
    assert (outcome.exit_code, outcome.seconds < 5) == (5, True)
    assert "it asks to wait until" in outcome.outputs["error"]


# --- what only some platforms do


@pytest.mark.parametrize(("text", "wait", "seconds"), [(None, "5m", 60), ("ok", "5m", 60), (None, "20s", 37)])
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


def test_the_same_tag_where_only_digests_show_claims_nothing(world: World) -> None:
    """Nobody can tell whether the image was pulled again: no claim, though the health check is answered."""
    world.platform.dialect.speak("image=bare-digest")
    outcome = deploy(world, OLD, health_check="/")
    assert outcome.exit_code == 0, outcome.log
    assert "shows the same image as before" in outcome.outputs["warnings"][0]
    assert " is live" not in outcome.log


def test_a_status_that_is_a_value_of_env_is_shown(world: World) -> None:
    """A word that the platform says of the app's state is no secret; what else it says may be."""
    takes(world, 10)
    says(world, image=NEW, status="deploying", times=2)
    says(world, image=NEW, status="failed", error="bad token hush-hush", times=None)
    outcome = deploy(world, env="MODE=deploying\nSTATE=failed\nTOKEN=hush-hush")
    assert "its status is 'deploying'" in outcome.log
    assert "'web' is 'failed': \"bad token ***\"" in outcome.log


# --- a restart


def restart(world: World, app: str = "web", **inputs: object) -> Outcome:
    return world.run(operation="restart", app=app, **inputs)


def test_a_restart_waits_for_the_same_image(world: World) -> None:
    """The same image, waited for; what ran before the restart does not count."""
    takes(world, 5)
    outcome = restart(world)
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "restarted"
    assert outcome.outputs["image"] == outcome.outputs["previous_image"] == OLD
    assert outcome.outputs["deploy_id"]
    assert lines(outcome) == [
        "Restarting 'web'",
        "Waiting for 'web' to run: its status is 'deploying'; 5 m 00 s left",
        "Waiting for 'web' to run: its status is 'running', which has to last for 7 s; 4 m 55 s left",
        "'web' runs 'nginx:1' after 12 s",
        "Restarted and running after 12 s: http://platform/_apps/web",
    ]


def test_a_restart_reports_the_image_that_it_pulled(world: World) -> None:
    """The output is the image that runs, not the image of the same name that ran before."""
    says(world, skip=0, image=DIGEST, status="running")
    says(world, skip=0, image=OTHER_DIGEST, status="running", times=None)
    outputs = restart(world).outputs
    assert (outputs["previous_image"], outputs["image"]) == (DIGEST, OTHER_DIGEST)


def test_a_restart_without_an_image_does_without_its_name(world: World) -> None:
    """The error and its hint do without a name."""
    world.platform.dialect.speak("image=not-in-get")
    takes(world, 60)
    outputs = restart(world, wait_timeout=20).outputs
    assert outputs["error"].startswith("'web' does not run the image after 20 s: its status is 'deploying'")
    assert outputs["hint"].startswith("Can the platform pull the image (it got no login)?")


def test_a_restart_is_health_checked(world: World) -> None:
    """A restart that brings the app down is no success; there is nothing to roll back to."""
    world.platform.set_page("web", 500)
    outcome = restart(world, health_check="/", health_check_timeout=5, rollback=True)
    assert outcome.exit_code == 10
    assert outcome.outputs["status"] == "failed"
    assert len(outcome.writes) == 1
    assert "rolled back" not in outcome.outputs["error"]


@pytest.mark.parametrize("app", ["site", "nothing"])
def test_a_static_app_or_none_can_not_be_restarted(world: World, app: str) -> None:
    """A static app (2), and none at all (4)."""
    outcome = restart(world, app)
    assert outcome.exit_code == (2 if app == "site" else 4)
    assert {record.method for record in outcome.requests} == {"GET"}
    if app == "site":
        said = "App 'site' is a static app; `operation: restart` is for container apps"
        assert outcome.outputs["error"] == said
        assert "destroy" not in outcome.outputs["hint"]
    else:
        assert outcome.outputs["hint"].startswith("Check `app`. A deploy with `create: true` creates an app")

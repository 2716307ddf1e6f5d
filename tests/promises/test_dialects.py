"""Whole operations on every API variant."""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sandbox.dialects import PLATFORMS, QUESTIONS
from sandbox.faults import Kind
from tests.support.containers import asked
from tests.support.world import SITE, Outcome, World, world
from zerokie_action.docs import page

FOLDER_QUESTIONS = (
    "last-modified same-content url",
    "listed-paths listing empty-zone new-site delete-missing",
    "conflict lock-lost heartbeat finalize delete same-name",
    "finalize-time hidden domain-attached",
    "at-once rate new-app app-deletion shown-type static-app",
)
IMAGE_QUESTIONS = (
    "image",
    "before-deploying deploying get-image broken-deploy",
    "numbers deploy-answer new-app container-files",
)
"""Groups of questions. Answers in different groups don't affect each other.

The stories with an image skip questions about folders, and questions with the same effect on both.
"""
UNREAD = ("times", "date", "updated-at")
"""The client doesn't read these values, so they are tested only in pairs."""
UNASKED = (
    "above",
    "app-limit",
    "clean-urls",
    "domain-taken",
    "file-limit",
    "firewall",
    "locked-app",
    "pull",
)
"""Questions that don't affect the stories."""
NO_STORY = {"finalize=no-effect", "static-app=image"}
"""The client can't release the lock. A deploy mistakes a static app with an image for a container app."""
NO_TIMES = {"last-modified=absent", "last-modified=null"}
NOTHING_IS_SKIPPED = NO_TIMES | {f"url={answer}" for answer in ("bare", "absent", "redirect", "login")}
"""The manifest is unreadable, or the file list proves nothing, so the action uploads everything again."""
SHOWS_NO_NAME = {"image=not-in-get", "image=bare-digest"}
"""The action can't determine the previous image."""
NEVER_FAILED = {"get-image=runs-degraded", "get-image=runs-progressing"}
"""GET never shows a failure or the new image."""
SHOWS_WHAT_RUNS = NEVER_FAILED | {"get-image=runs"}
"""GET shows only running images."""
RESTORES_IMAGE = "broken-deploy=8s"
"""The platform restores the image before the failure lasts 15s, so the client trusts no failure."""
CRASHES = "broken-deploy=crash-loop"
"""The status is always `crashed`, with any other answers."""
TIMED_OUT = 9
UNDECIDABLE = (
    # The new image shows as `stopped`, then as `running`, then as `failed`.
    {"deploying=none", "before-deploying=stopped"},
    # A second deploy of the same tag isn't visible, so the run sends it twice and ends with exit code 5.
    {"deploying=none", "deploy-answer=lost"},
    {"deploying=none", "deploy-answer=empty"},
    # GET doesn't show the image, and the platform restores the old one before the failure lasts 15s.
    {"broken-deploy=8s", "image=not-in-get"},
    # A failed deploy has a minute to release its lock, but finalize takes longer.
    {"hidden=refused", "finalize-time=70s"},
    {"hidden=unlisted", "finalize-time=70s"},
)
NO_SIGN_OF_A_ROLLBACK = (
    # The request has no effect, but the crash loop's next status looks like one.
    {"deploy-answer=lost-before", "broken-deploy=crash-loop"},
    # GET always shows the previous image, and the status would change anyway.
    *(
        {answer, f"get-image=runs-{status}"}
        for answer in ("deploy-answer=lost", "deploy-answer=empty")
        for status in ("degraded", "progressing")
    ),
)
"""The response to the rollback is lost too, so the result is unknown."""
HIDDEN = ".well-known/security.txt"
HIDDEN_NAMES = {"hidden=refused": 4, "hidden=unlisted": 5}
EDITED = {path: body for path, body in SITE.items() if path != "empty"} | {
    "index.html": b"<h1>HELLO</h1>",
    "empty/page.html": b"new",
    HIDDEN: b"mailto:",
}


def step(world: World, code: int = 0, **inputs: object) -> Outcome:
    """Run a step some time after the previous one, and check its exit code and its duration."""
    world.loop.jump(90)
    outcome = world.run(**inputs)
    assert outcome.exit_code == code, outcome.log
    assert outcome.seconds < (100 if code != TIMED_OUT else 400), outcome.log
    assert "Traceback" not in outcome.log
    return outcome


def folder_story(world: World, dialect: Collection[str]) -> None:
    """Create with a domain, repeat, change, wait for a lock, destroy.

    The change has a hidden name, and a folder with the name of an earlier file.
    """
    skips = NOTHING_IS_SKIPPED.isdisjoint(dialect)
    domain = "www.example.com"
    created = step(world, app="new", create=True, domains=domain)
    assert created.outputs["created"] is True
    again = step(world, app="new", domains=domain)
    assert again.outputs["files_uploaded"] == (0 if skips else len(SITE))
    assert "again, because the file list can't confirm" in again.log or NO_TIMES.isdisjoint(dialect)
    assert again.outputs["url"] is None or again.outputs["url"].startswith("http")
    for done in (created, again):
        assert [one["domain"] for one in done.outputs["domains"]] == [domain]
    world.write(EDITED)
    if refused := next((code for name, code in HIDDEN_NAMES.items() if name in dialect), 0):
        assert "`ignore`" in step(world, refused, app="new").log
        (world.folder / HIDDEN).unlink()
    changed = step(world, app="new")
    assert {**world.stored("new"), HIDDEN: b""} == {**world.read(), HIDDEN: b""}
    if not refused:
        assert "`ignore`" not in changed.log
        assert changed.outputs["files_uploaded"] == (3 if skips else len(EDITED))
        assert changed.outputs["files_deleted"] == 1
    world.write(world.read() | {"index.html": b"while another deploy holds the lock"})
    world.platform.take_lock("new", "somebody else")
    step(world, 6, app="new", lock_timeout=0)
    world.platform.expire_lock("new")
    destroy(world, "new")


def image_story(world: World, dialect: Collection[str]) -> None:
    """Create, deploy another tag, the same tag, restart, deploy a broken tag with `rollback`, destroy."""
    step(world, app="web", image="nginx:1", rollback=True, create=True)
    tag: dict[str, Any] = {"image": "nginx:2", "rollback": True}
    for inputs in (tag, tag, {"operation": "restart"}):
        done = step(world, app="web", **inputs)
        assert asked(done) == (2 if "deploy-answer=lost-before" in dialect else 1)
        assert runs(world) == ("nginx:2", "running")
    stays = bool(SHOWS_NO_NAME.intersection(dialect))
    is_quick, is_hidden = RESTORES_IMAGE in dialect, bool(SHOWS_WHAT_RUNS.intersection(dialect))
    # If GET never shows the new image, the run waits for it until `wait`.
    shows_nothing = (is_quick and is_hidden) or (
        NEVER_FAILED.intersection(dialect) and CRASHES not in dialect
    )
    goes_back = is_hidden or not is_quick
    broken: dict[str, Any] = {"image": "nginx:broken", "rollback": True, "wait": "2m"}
    failed = step(world, TIMED_OUT if shows_nothing else 8, app="web", **broken)
    if includes_one_of(dialect, NO_SIGN_OF_A_ROLLBACK):
        assert failed.outputs["status"] == "failed"
        assert "the rollback to 'nginx:2' failed as well" in failed.outputs["error"]
    else:
        assert failed.outputs["status"] == ("rolled-back" if goes_back and not stays else "failed")
        image, status = runs(world)
        is_left = stays and not is_quick
        assert (image == "nginx:broken") is is_left
        assert status == ("failed" if is_left else "running") or CRASHES in dialect
    destroy(world, "web", take_over="image=not-in-get" in dialect)


def destroy(world: World, app: str, **inputs: Any) -> None:
    step(world, app=app, operation="destroy", **inputs)
    world.loop.jump(60)  # the accepted deletion is the end of the run, not of the app
    assert app not in {one.name for one in world.platform.apps.list()}


def runs(world: World) -> tuple[str | None, str]:
    """Return the container app's image and status."""
    app = world.platform.apps.get("web")
    return app.image, world.platform.apps.status(app)


def includes_one_of(dialect: Collection[str], pairs: Collection[set[str]]) -> bool:
    return any(pair.issubset(dialect) for pair in pairs)


def other_answers(questions: str) -> list[str]:
    """Return all answers to these questions except the defaults."""
    answers = [f"{name}={answer}" for name in questions.split() for answer in QUESTIONS[name].answers[1:]]
    return [answer for answer in answers if answer not in NO_STORY]


def each_answer(groups: Collection[str]) -> pytest.MarkDecorator:
    """Return platforms that together cover each answer, with one answer per group of questions."""
    answers = [other_answers(questions) for questions in groups]
    count = max(map(len, answers))
    platforms = [" ".join(some[number % len(some)] for some in answers) for number in range(count)]
    return pytest.mark.parametrize("platform", [*platforms, *PLATFORMS])


def test_every_question_is_covered() -> None:
    named = " ".join(FOLDER_QUESTIONS + IMAGE_QUESTIONS + UNREAD + UNASKED).split()
    assert {*named} == QUESTIONS.keys()


def speak(world: World, platform: str) -> list[str]:
    """Set these answers, or those of a whole platform."""
    answers = PLATFORMS.get(platform, platform).split()
    world.platform.dialect.speak(*answers)
    return answers


@each_answer(FOLDER_QUESTIONS)
def test_a_folder_deploys_on_each_platform(world: World, platform: str) -> None:
    folder_story(world, speak(world, platform))


@each_answer(IMAGE_QUESTIONS)
def test_an_image_deploys_fails_and_rolls_back_on_each_platform(world: World, platform: str) -> None:
    image_story(world, speak(world, platform))


@st.composite
def one_or_two_answers(draw: st.DrawFn) -> list[str]:
    """Strategy for answers to one or two questions."""
    questions = sorted({*" ".join(FOLDER_QUESTIONS + IMAGE_QUESTIONS + UNREAD).split()})
    names = draw(st.lists(st.sampled_from(questions), min_size=1, max_size=2, unique=True))
    return [draw(st.sampled_from(other_answers(name))) for name in names]


@pytest.mark.exhaustive
def test_deploys_succeed_with_pairs_of_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One answer may hide an effect of another one."""

    @settings(max_examples=600, suppress_health_check=list(HealthCheck), deadline=None)
    @given(dialect=one_or_two_answers())
    def of(dialect: list[str]) -> None:
        assume(not includes_one_of(dialect, UNDECIDABLE))
        folder = tmp_path_factory.mktemp("w")
        with pytest.MonkeyPatch.context() as monkeypatch, world(folder, monkeypatch) as new:
            new.platform.dialect.speak(*dialect)
            folder_story(new, dialect)
            image_story(new, dialect)

    of()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_deploys_succeed_with_request_limits_and_lost_responses(world: World, platform: str) -> None:
    """The site equals the folder, all writes happened under the run's own lock, and the lock is free."""
    speak(world, platform)
    step(world)
    world.write({f"page-{number}.html": b"%d" % number for number in range(40)} | {"index.html": b"new"})
    for method, path in ("POST", "/deploy/lock$"), ("PUT", "/files/"), ("POST", "/deploy/finalize$"):
        world.fault(Kind.RESET, method, path, after=True)
    outcome = step(world)
    assert len([record for record in outcome.requests if record.fault]) == 3
    assert {record.status for record in outcome.sent("PUT", "/files/")} > {200}, "some are refused"
    assert outcome.outputs["files_uploaded"] == 41
    assert world.stored() == world.read()
    assert world.platform.lock("site") is None
    writes = outcome.sent("PUT", "/files/") + outcome.sent("DELETE", "/files/")
    assert {record.lock_holder for record in writes} == outcome.sessions
    assert len(outcome.sessions) == 1


def test_take_over_accepts_a_404_for_the_file_list(world: World) -> None:
    """Some platforms respond with a 404 for an empty app. `take-over` accepts that once."""
    world.platform.dialect.speak("empty-zone=404")
    for dry_run in (True, False):
        refused = step(world, 2, dry_run=dry_run)
        assert "The platform lists no files of app 'site' (404: " in refused.outputs["error"]
        assert (
            f"To continue, set `take-over: true` for one manual run: {page('safety-checks.md')}"
            in refused.outputs["hint"]
        )
    step(world, take_over=True)
    step(world)
    assert world.stored() == SITE


def test_a_failed_purge_succeeds_with_a_warning(world: World) -> None:
    """The warning quotes the platform's error about the CDN."""
    world.platform.dialect.speak("finalize=502")
    outcome = step(world)
    unknown, purge = outcome.outputs["warnings"]
    assert unknown.startswith("Finalize returned no deploy ID: the platform responded with 502 (")
    assert '502 ("' in unknown
    assert "The CDN's cache may not have been purged" in purge


@pytest.mark.parametrize("answer", ["404", "502"])
def test_the_error_about_an_unready_new_app_mentions_its_creation(world: World, answer: str) -> None:
    """The error states that the run created the app, and the next deploy continues."""
    world.platform.dialect.speak(f"new-app={answer}")
    outcome = step(world, 9, app="new", create=True, timeout="5s")
    assert "the app was created" in outcome.outputs["error"]
    assert world.platform.lock("new") is None
    step(world, app="new")

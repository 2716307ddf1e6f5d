"""Rules of the verdict about a deploy, each by an example and without requests.

`test_dialects.py` has whole deploys on API variants. They differ in how they write an image, in which image a
GET shows and how soon, and in how a failed deploy ends.
"""

import re

import pytest

from zerokie_action.image.names import MAY_BE_NEW
from zerokie_action.image.rollout import Phase, Rollout
from zerokie_action.platform.models import App

TAG, PINNED = "web:2", "web@2"
WAIT = 300.0


def full(text: str) -> str:
    """Return the text with full digests. `@1` and `sha256:1` are short for one."""
    return re.sub(
        r"(@)(?:sha256:)?(\d)\b|sha256:(\d)\b", lambda m: f"{m[1] or ''}sha256:{(m[2] or m[3]) * 64}", text
    )


def table(text: str) -> dict[str, list[str]]:
    """Return the cells of each row by its name, with full digests."""
    rows = (row.split(": ", 1) for row in full(text).strip().splitlines())
    return {name: cells.split(" | ") for name, cells in rows}


LOOPS = ", ".join(f"{at} running web:2, {at + 5} crashed web:2" for at in range(2, 300, 10))
NAMES = ", ".join(f"{at} running web:2, {at + 1} running web@2" for at in range(0, 300, 2))
TURNS = ", ".join(f"{at} running web:2, {at + 1} failed web:1" for at in range(0, 300, 2))
# Status and image before | new image | second, status and image of each change | deciding phase, its second
TIMELINES = table("""
a crash loop: running web:1 | web:2 | LOOPS | failed 300
two names of one image: running web:1 | web:2 | NAMES | running 22
an unknown status: running web:1 | web:2 | 0 unhealthy web:2 | timed out
a status in capitals: running web:1 | web:2 | 2 CRASHED web:2 | failed 17
a replica that is behind: failed web:1 | web:2 | TURNS | failed 300
seven seconds: running web:1 | web:2 | 2 deploying web:2, 4 running web:2, 12 failed web:2 | running 11
six seconds: running web:1 | web:2 | 2 deploying web:2, 4 running web:2, 10 failed web:2 | failed 25
an early status: running web:1 | web:2 | 1 running web:2 | running 22
a new app: nothing | web:2 | 0 deploying web:2, 3 running web:2 | running 10
a failure for a moment: running web:1 | web:2 | 1 crashed web:2, 14 running web:2 | running 21
a failure at the end: running web:1 | web:2 | 1 deploying web:2, 290 error web:2 | failed 300
a failure with the previous image: running web:1 | web:2 | 3 deploying web:1, 9 failed web:1 | failed 24
an old failure: failed web:1 | web:2 | 0 failed web:1, 60 running web:2 | running 67
an old crash loop: failed web:1 | web:2 | 1 running web:1, 6 failed web:1, 9 running web:2 | running 16
an earlier deploy fails: deploying web:1 | web:2 | 2 failed web:1, 20 running web:2 | running 27
it fails again: failed web:1 | web:2 | 2 deploying web:1, 9 failed web:1 | failed 24
two kinds of failure: running web:1 | web:2 | 1 deploying web:2, 2 crashed web:2, 9 error web:2 | failed 17
an old failure to the end: failed web:1 | web:2 | 0 failed web:1 | timed out
an old failure with the new image: failed web:1 | web:2 | 3 failed web:2 | failed 30
another deploy's image: running web:1 | web:2 | 2 deploying web:2, 9 running web:9 | replaced 24
another deploy's image that failed: running web:1 | web:2 | 2 deploying web:2, 9 failed web:9 | replaced 24
it went back: running web:1 | web:2 | 2 deploying web:2, 9 running web:1 | went_back 24
it went back from a tag to both: running web:1 | web:2 | 2 deploying web:2, 9 running web:1@1 | went_back 24
it went back to a digest: running web@1 | web:2 | 2 deploying web@2, 9 running web@1 | went_back 24
back from a tag to a digest: running web@1 | web:2 | 2 deploying web:2, 9 running web@1 | running 16, unproven
a re-tagged image: running web@1 | web:2 | 2 deploying web@1, 4 running web@1 | running 11, unproven
a re-tag in silence: running web@1 | web:2 | 0 running web@1 | running 22, unproven
a bare digest again: running sha256:1 | web:1 | 0 running sha256:1 | running 22, unproven
a name in full again: running docker.io/library/web:1 | web:1 | 1 running docker.io/library/web:1 | running 22
a restart with another digest: running web@1 | restart | 2 running web@2 | running 22
a restart with its tag first: running web:1@1 | restart | 0 deploying web:1, 3 running web:1@1 | running 10
another tag than the digest: running web:1 | web@2 | 0 deploying web:9, 3 running web:9 | running 10, unproven
a later digest: running web@1 | web:2 | 2 deploying web@2, 9 failed web@2, 14 running web@3 | replaced 29
a loop with digests: running web@1 | web:2 | 0 running web@1, 13 running web@2, 16 crashed web@2 | failed 31
a name without the digest: running other:1 | web@2 | 0 deploying web, 3 running web | running 10, unproven
a tag after the digest: running web:1 | web@2 | 0 deploying web@2, 3 running web:9 | replaced 18
another namespace: running ghcr.io/a/web:1 | ghcr.io/b/web:1 | 1 running ghcr.io/a/web:1 | timed out
a mirror: running m.io/hub/web:1 | web:2 | 2 deploying m.io/hub/web:2, 4 running m.io/hub/web:2 | running 11
the same tag at a mirror: running m.io/hub/web:1 | web:1 | 1 running m.io/hub/web:1 | running 22, unproven
back to another registry: running web:1 | m.io/web:1 | 2 deploying m.io/web:1, 9 running web:1 | went_back 24
nothing shows: running web:1 | web:2 | 0 running web:1 | timed out
""")


@pytest.mark.parametrize("case", TIMELINES)
def test_each_timeline_has_its_phase(case: str) -> None:
    """Each rule decides at least one of these."""
    before, image, timeline, expected = TIMELINES[case]
    timeline = {"LOOPS": LOOPS, "NAMES": full(NAMES), "TURNS": TURNS}.get(timeline, timeline)
    status, _, shown = before.partition(" ")
    is_restart = image == "restart"
    rollout = Rollout(None if is_restart else image, App(status=status, image=shown) if shown else None)
    rollout.note_request(0)
    shows = [(-1.0, status, shown)]
    shows += [(float(at), status, image) for at, status, image in map(str.split, timeline.split(", "))]
    now = 0.0
    while True:
        _, status, shown = next(state for state in reversed(shows) if state[0] <= now)
        rollout.note_response(App(status=status, image=shown), now, now)
        phase = rollout.decided(is_last=now >= WAIT)
        if phase or now >= WAIT:
            break
        now = now + 1
    said = f"{phase.name.lower()} {now:.0f}" if phase else "timed out"
    unproven = ", unproven" if phase is Phase.RUNNING and not is_restart and rollout.shown.is_unproven else ""
    assert said + unproven == expected


@pytest.mark.parametrize(
    ("gets", "expected"),
    [
        ([(1.1 * number, 0.1) for number in range(8)], True),
        ([(second, 0.1) for second in range(7)] + [(11, 0.1)], True),
        ([(second, 0.1) for second in range(7)], False),
        ([(second, 0.1) for second in range(7)] + [(12, 0.1)], False),
        ([(0, 0.1), (2, 0.1), (4, 0.1), (7, 0.1), (10, 0.1)], False),
        ([(15 * number, 14) for number in range(8)], True),
        ([(15 * number, 14) for number in range(7)], False),
        ([(0, 0.1), (1, 0.1), (2, 0.1), (3, 6), (10, 0.1), (11, 0.1), (12, 0.1), (13, 0.1)], False),
        ([(0, 0.1), (1, 0.1), (2, 0.1), (3, 4), (8, 0.1), (9, 0.1), (10, 0.1), (11, 0.1)], True),
    ],
    ids=[
        "eight in a row",
        "a gap of 5s",
        "seven",
        "a longer gap",
        "five in ten seconds",
        "slow GETs",
        "seven slow GETs",
        "one slow GET",
        "one of 4s",
    ],
)
def test_running_needs_eight_responses_in_a_row(gets: list[tuple[float, float]], *, expected: bool) -> None:
    """Each GET has a time, and a duration. A crash during a gap or a slow GET would stay hidden."""
    rollout = Rollout("web:2", App(status="deploying"))
    rollout.note_request(-60)
    rollout.note_response(App(status="deploying", image="web:2"), -1, -1)
    for sent_at, took in gets:
        rollout.note_response(App(status="running", image="web:2"), sent_at, sent_at + took)
    assert (rollout.decided() is Phase.RUNNING) is expected


def test_a_gap_starts_a_failure_again() -> None:
    """A crashed app may start again in between."""
    rollout = Rollout("web:2", App(status="running", image="web:1"))
    rollout.note_request(0)
    for now in (1, 8, 15, 22, 29):
        rollout.note_response(App(status="failed", image="web:2"), now, now)
    assert rollout.decided() is None
    assert rollout.decided(is_last=True) is Phase.FAILED


# Status and image before | responses to GET | whether they show a deploy, by this run or another job
LOST = table("""
nothing shows: running web:1 | running web:1 | no
no image shows: running | running | no
the end of an earlier deploy: deploying web:1 | running web:1 | no
another status: running web:1 | deploying web:1 | yes
the new image: running web:1 | running web:2 | yes
another deploy's image: running web:1 | running web:9 | yes
""")


@pytest.mark.parametrize("case", LOST)
def test_a_lost_request_is_repeated_only_while_the_previous_image_shows(case: str) -> None:
    """A deploy that the app shows must not be requested again."""
    before, timeline, expected = LOST[case]
    status, _, shown = before.partition(" ")
    rollout = Rollout("web:2", App(status=status, image=shown))
    rollout.note_request(0)
    for now, state in enumerate(timeline.split(", ")):
        status, _, shown = state.partition(" ")
        rollout.note_response(App(status=status, image=shown), now, now)
    assert rollout.shows_a_deploy is (expected == "yes")


@pytest.mark.parametrize(
    ("image", "shown", "expected"),
    [
        (TAG, "web:2", True),
        (TAG, "docker.io/web:2", True),
        (TAG, "docker.io/library/web:2", True),
        (TAG, "cache.example.com:5000/hub/web:2", True),
        (TAG, "web@sha256:2", True),
        (TAG, "sha256:2", True),
        (TAG, "", True),
        (TAG, "web:20", False),
        (TAG, "docker.io/library/web", False),
        (TAG, "team/web:2", False),
        (TAG, "httpd@sha256:2", False),
        ("web", "web:latest", True),
        ("web", "web:stable", False),
        ("localhost:5000/web", "localhost:5000/web:5000", False),
        ("localhost:5000/web", "localhost:5000/web:latest", True),
        ("ghcr.io/a/web:2", "ghcr.io/b/web:2", False),
        ("ghcr.io/a/web:2", "registry.gitlab.com/b/web:2", True),
        (PINNED, "web:latest", True),
        (PINNED, "web:2", True),
        (PINNED, "web:2@sha256:2", True),
        (PINNED, "sha256:2", True),
        (PINNED, "sha256:3", False),
        (PINNED, "web@sha256:3", False),
        (PINNED, "web:2@sha256:3", False),
    ],
)
def test_names_that_may_mean_the_new_image(image: str, shown: str, *, expected: bool) -> None:
    """The previous image isn't the new one after a name that it can't have, even if the POST shows it."""
    rollout = Rollout(full(image), App(image="other:1", status="running"))
    rollout.note_request(0, "other:1")
    for name in (full(shown), "other:1"):
        rollout.note_response(App(image=name), 1, 1)
        is_new = not rollout.shown.has_changed if name == "other:1" else expected
        assert (rollout.shown.identity in MAY_BE_NEW) is is_new

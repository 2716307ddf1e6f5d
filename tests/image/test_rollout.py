"""Rules of the verdict about a deploy, each by an example and without requests.

`test_dialects.py` has whole deploys on API variants. They differ in how they write an image, in which image a
GET shows and how soon, and in how a failed deploy ends.
"""

import pytest

from zerokie_action.errors import (
    DeployError,
    DeployFailed,
    DeployTimedOut,
    HealthCheckFailed,
    Replaced,
    WentBack,
)
from zerokie_action.image.rollout import Rollout, Verdict
from zerokie_action.platform.models import App

OLD, TAG, PINNED = "web:1", "web:2", "web@sha256:2"
WAIT = 300.0


def table(text: str) -> dict[str, list[str]]:
    """Return the cells of each row by its name. In the cells, `@1` is short for `@sha256:1`."""
    rows = (row.split(": ", 1) for row in text.replace("@", "@sha256:").strip().splitlines())
    return {name: cells.split(" | ") for name, cells in rows}


LOOPS = ", ".join(f"{at} running web:2, {at + 5} crashed web:2" for at in range(2, 300, 10))
NAMES = ", ".join(f"{at} running web:2, {at + 1} running web@2" for at in range(0, 300, 2))
TURNS = ", ".join(f"{at} running web:2, {at + 1} failed web:1" for at in range(0, 300, 2))
# Status and image before | new image | second, status and image of each change | verdict and its second
TIMELINES = table("""
a crash loop: running web:1 | web:2 | LOOPS | failed 300
two names of one image: running web:1 | web:2 | NAMES | runs 15
an unknown status: running web:1 | web:2 | 0 unhealthy web:2 | timed out
a status in capitals: running web:1 | web:2 | 2 CRASHED web:2 | failed 17
a replica that is behind: failed web:1 | web:2 | TURNS | failed 300
seven seconds: running web:1 | web:2 | 2 deploying web:2, 4 running web:2, 12 failed web:2 | runs 11
six seconds: running web:1 | web:2 | 2 deploying web:2, 4 running web:2, 10 failed web:2 | failed 25
an early status: running web:1 | web:2 | 1 running web:2 | runs 15
a new app: nothing | web:2 | 0 deploying web:2, 3 running web:2 | runs 10
a failure for a moment: running web:1 | web:2 | 1 crashed web:2, 14 running web:2 | runs 21
a failure at the end: running web:1 | web:2 | 1 deploying web:2, 290 error web:2 | failed 300
a failure with the previous image: running web:1 | web:2 | 3 deploying web:1, 9 failed web:1 | failed 24
an old failure: failed web:1 | web:2 | 0 failed web:1, 60 running web:2 | runs 67
an old crash loop: failed web:1 | web:2 | 1 running web:1, 6 failed web:1, 9 running web:2 | runs 16
an earlier deploy fails: deploying web:1 | web:2 | 2 failed web:1, 20 running web:2 | runs 27
it fails again: failed web:1 | web:2 | 2 deploying web:1, 9 failed web:1 | failed 24
two kinds of failure: running web:1 | web:2 | 1 deploying web:2, 2 crashed web:2, 9 error web:2 | failed 17
an old failure to the end: failed web:1 | web:2 | 0 failed web:1 | failed 300
another deploy's image: running web:1 | web:2 | 2 deploying web:2, 9 running web:9 | replaced 24
another deploy's image that fails: running web:1 | web:2 | 2 deploying web:2, 9 failed web:9 | timed out
it went back: running web:1 | web:2 | 2 deploying web:2, 9 running web:1 | went_back 24
it went back from a tag to both: running web:1 | web:2 | 2 deploying web:2, 9 running web:1@1 | went_back 24
it went back to a digest: running web@1 | web:2 | 2 deploying web@2, 9 running web@1 | went_back 24
it went back from a tag to a digest: running web@1 | web:2 | 2 deploying web:2, 9 running web@1 | went_back 24
a re-tagged image: running web@1 | web:2 | 2 deploying web@1, 4 running web@1 | runs 11, the same
a re-tag in silence: running web@1 | web:2 | 0 running web@1 | runs 60, the same
a bare digest again: running sha256:1 | web:1 | 0 running sha256:1 | runs 60, the same
a name in full again: running docker.io/library/web:1 | web:1 | 1 running docker.io/library/web:1 | runs 15
a restart with another digest: running web@1 | restart | 2 running web@2 | runs 15
a restart that shows the tag first: running web:1@1 | restart | 0 deploying web:1, 3 running web:1@1 | runs 10
another tag than the digest: running web:1 | web@2 | 0 deploying web:9, 3 running web:9 | replaced 18
a later digest: running web@1 | web:2 | 2 deploying web@2, 9 failed web@2, 14 running web@3 | replaced 29
a loop with digests: running web@1 | web:2 | 0 running web@1, 13 running web@2, 16 crashed web@2 | failed 31
a name without the digest: running other:1 | web@2 | 0 deploying web, 3 running web | runs 10
nothing shows: running web:1 | web:2 | 0 running web:1 | timed out
""")


@pytest.mark.parametrize("case", TIMELINES)
def test_each_timeline_has_its_verdict(case: str) -> None:
    """Each rule decides at least one of these."""
    before, image, timeline, expected = TIMELINES[case]
    timeline = {"LOOPS": LOOPS, "NAMES": NAMES, "TURNS": TURNS}.get(timeline, timeline)
    status, _, shown = before.partition(" ")
    is_restart = image == "restart"
    rollout = Rollout(None if is_restart else image, App(status=status, image=shown) if shown else None)
    rollout.note_request(0)
    shows = [(-1.0, status, shown)]
    shows += [(float(at), status, image) for at, status, image in map(str.split, timeline.split(", "))]
    now = 0.0
    while True:
        _, status, shown = next(state for state in reversed(shows) if state[0] <= now)
        rollout.note_response(App(status=status, image=shown), now)
        verdict = rollout.judge(is_last=now >= WAIT)
        if verdict or now >= WAIT:
            break
        now = now + 1
    said = f"{verdict.name.lower()} {now:.0f}" if verdict else "timed out"
    same = ", the same" if verdict is Verdict.RUNS and rollout.looks_unchanged else ""
    assert said + same == expected


FAILURES: dict[str, DeployError | None] = {
    "failed": DeployFailed(""),
    "replaced": Replaced(""),
    "went back": WentBack(""),
    "too late": DeployTimedOut(""),
    "unhealthy": HealthCheckFailed(""),
    "refused": None,
}
# Status and image before | new image | responses to GET | failure | part of the reason against a rollback
BACK = table("""
after a failure: running web:1 | web:2 | failed web:2 | failed | back
the old image shows: running web:1 | web:2 | failed web:1 | failed | back
after a time limit: running web:1 | web:2 | deploying web:2 | too late | back
an image that is not healthy: running web:1 | web:2 | running web:2 | unhealthy | back
another digest: running web@1 | web@2 | failed web@2 | failed | back
the same digest: running web@1 | web@1 | failed web@1 | failed | back
a tag and then its digest: running web:1 | web:2 | deploying web:2, failed web@2 | failed | back
then its digest at a mirror: running web:1 | web:2 | deploying web:2, failed r.io/web@2 | failed | back
a refusal hides the failure: running web:1 | web:2 | deploying web:2 | refused | back
it did not run: failed web:1 | web:2 | failed web:2 | failed | no previous image was running
the same name: running r.io/web:1 | web:1 | failed web:1 | failed | both versions are named 'r.io/web:1'
a bare digest: running sha256:1 | web:2 | failed sha256:2 | failed | which image to deploy
another deploy's image: running web:1 | web:2 | deploying web:2, failed web:9 | failed | another deploy
another deploy's image that runs: running web:1 | web:2 | running web:9 | replaced | another deploy changed
another's image was shown: running web:1 | web:2 | deploying web:9, failed web:2 | failed | another deploy
two digests: running web:1 | web:2 | deploying web@2, failed web@3 | failed | another deploy changed
two, and the old one: running web:1 | web:2 | failed web@2, failed web@3, failed web:1 | failed | another
it runs now: running web:1 | web:2 | deploying web:2, running web:2 | too late | the new image runs now
it runs now under a digest: running web:1 | web:2 | running web:2, running web@2 | too late | runs now
it runs during a refusal: running web:1 | web:2 | running web:2 | refused | the new image runs now
another status: running web:1 | web:2 | deploying web:2 | failed | no longer a failure
the platform went back: running web:1 | web:2 | deploying web:2, running web:1 | went back | runs the previous
""")


@pytest.mark.parametrize("case", BACK)
def test_each_reason_against_a_rollback(case: str) -> None:
    """A rollback replaces neither another deploy's image nor a running one, and needs a unique name."""
    before, image, timeline, failure, reason = BACK[case]
    status, _, shown = before.partition(" ")
    rollout = Rollout(image, App(status=status, image=shown))
    rollout.note_request(0)
    for number, state in enumerate(timeline.split(", "), 1):
        status, _, shown = state.partition(" ")
        for seconds in (0, 10):
            rollout.note_response(App(status=status, image=shown), 20 * number + seconds)
    assert reason in (rollout.why_no_rollback(FAILURES[failure]) or "back")


# Status and image before | responses to GET | whether they show a deploy, by this run or another job
LOST = table("""
nothing shows: running web:1 | running web:1 | no
no image shows: running | running | no
the end of an earlier deploy: deploying web:1 | running web:1 | no
another status: running web:1 | deploying web:1 | yes
the new image: running web:1 | running web:2 | yes
another deploy's image: running web:1 | running web:9 | yes
another deploy's image for a moment: running web:1 | running web:9, running web:1 | yes
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
        rollout.note_response(App(status=status, image=shown), now)
    assert rollout.shows_any_deploy is (expected == "yes")


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (TAG, "web:20"),
        (TAG, "docker.io/library/web"),
        (TAG, "httpd@sha256:2"),
        ("web", "web:stable"),
        ("localhost:5000/web", "localhost:5000/web:5000"),
        (PINNED, "web@sha256:3"),
        (PINNED, "web:2@sha256:3"),
        (PINNED, "web:latest"),
    ],
)
def test_another_name_tag_or_digest_is_not_the_new_image(image: str, shown: str) -> None:
    """The previous image isn't the new one either, even if the response to the POST shows it."""
    rollout = Rollout(image, App(image=OLD, status="running"))
    rollout.note_request(0, OLD)
    assert not rollout.may_be_new(shown)
    assert not rollout.may_be_new(OLD)
    assert rollout.may_be_new(f"cache.example.com:5000/hub/{image}")

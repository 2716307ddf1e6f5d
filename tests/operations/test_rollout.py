"""What became of a deploy, on every kind of platform that the reference allows: the rules, without requests.

Platforms differ in how they write an image, in which image a GET shows, in how soon and in which order it
shows a deploy, in what becomes of a broken deploy, and of a request whose answer is lost. A deploy that runs
is green, a deploy that does not run is red, nobody is asked more often than necessary, and `rollback` goes
back where our own image failed in place of another.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

from zerokie_action.operations.rollout import Rollout, Verdict
from zerokie_action.platform.models import App

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, TAG, PINNED = "web:1", "web:2", "web@sha256:2"
FIRST, SECOND = "web@sha256:1", "web@sha256:2"
WAIT = 300.0
SAMPLE = 300
"""Of the thousands of worlds with one way to write images, so many are tried by default."""


def digest(image: str) -> str:
    """The digest that an image's name stands for."""
    return image.partition("@")[2] or f"sha256:{sum(map(ord, image)):064d}"


SPELLINGS = {
    "as given": ("{image}", "{image}"),
    "in full": ("docker.io/library/{image}", "docker.io/library/{image}"),
    "in full in GET": ("{image}", "docker.io/library/{image}"),
    "mirror": ("{image}", "cache.example.com:5000/hub/{image}"),
    "digest": ("{image}", "docker.io/library/web@{digest}"),
    "tag and digest": ("{image}", "{tag}@{digest}"),
    "not in GET": ("{image}", ""),
    "bare digest": ("{image}", "{digest}"),
    "the one before in POST": (OLD, "{image}"),
}
"""How a platform writes an image: in the answer to POST, and in that to GET."""
CAN_PIN = {"as given", "in full", "mirror", "digest"}
IS_VISIBLE = {"digest", "tag and digest", "the one before in POST"}
"""Where the same image again may show as another one."""


class World(NamedTuple):
    """A platform, and what it makes of a deploy.

    Attributes:
        was: the status before the deploy; `deploying` is another deploy's, which ends 2 s later.
        is_torn: a GET shows the new image before it shows the new status.
        stops: the old instance shows as `stopped` for 2 s.
        behind: for so many seconds a GET shows what was before.
        lasts: for so many seconds it shows `deploying`.
        ends: the status after that, or `hangs`.
        lost: so many answers to POST get lost.
        arrives: what got no answer has taken effect all the same.
        replaced: after so many seconds, somebody else deploys another image.
        shows: the image that a GET shows: the `wanted` one, or the one that `runs`.
        reverts: so many seconds after a failure, the platform goes back by itself.
        image: what is deployed; None restarts the app.
    """

    spelling: str
    was: str
    is_torn: bool
    stops: bool
    behind: float
    lasts: float
    ends: str
    lost: int
    arrives: bool
    replaced: float | None
    shows: str
    reverts: float | None
    image: str | None


def worlds(spelling: str) -> Iterator[World]:
    """All that can be told from one another, on platforms that write images like this."""
    for was, is_torn, stops, behind, lasts, ends, (lost, arrives), replaced, (
        shows,
        reverts,
    ), image in product(
        ("running", "failed", "deploying"),
        (False, True),
        (False, True),
        (0.0, 3.0, 10.0),
        (0.0, 0.4, 6.0, 90.0),
        ("running", "failed", "hangs"),
        ((0, True), (1, True), (9, True), (1, False), (9, False)),
        (None, 4.0),
        (("wanted", None), ("runs", None), ("wanted", 8.0), ("wanted", 20.0)),
        (TAG, OLD, PINNED, None),
    ):
        if (
            (image == PINNED and spelling not in CAN_PIN)
            or (shows == "runs" and is_torn)
            or (reverts and not (ends == "failed" and was == "running" and replaced is None))
            or (replaced is not None and not (ends == "running" and lost == 0))
            or (ends == "hangs" and lasts)
        ):
            continue
        yield World(
            *(
                spelling,
                was,
                is_torn,
                stops,
                behind,
                lasts,
                ends,
                lost,
                arrives,
                replaced,
                shows,
                reverts,
                image,
            )
        )


@dataclass
class Platform:
    """Every answer takes 50 ms."""

    world: World
    now: float = 1000.0
    posts: int = 0
    statuses: list[tuple[float, str]] = field(default_factory=list)
    images: list[tuple[float, str]] = field(default_factory=lambda: [(0.0, OLD)])

    def __post_init__(self) -> None:
        self.statuses = [(0.0, self.world.was)] + [(1002.0, "running")] * (self.world.was == "deploying")

    def post(self) -> str | None:
        """Deploy the world's image. None if the answer is lost, else the image in the answer."""
        world = self.world
        self.now += 0.05
        self.posts += 1
        is_lost = self.posts <= world.lost
        if not is_lost or world.arrives:
            image = world.image or OLD
            self._begin(image, world.ends, self.now, world.lasts)
            if world.replaced and self.posts == 1:
                third, ends = ("web@sha256:9", "failed") if "@" in image else ("web:9", "running")
                self._begin(third, ends, self.now + world.replaced, 1.0)
        return None if is_lost else self._written(world.image or OLD, SPELLINGS[world.spelling][0])

    def _begin(self, image: str, ends: str, now: float, lasts: float) -> None:
        world, at = self.world, now + self.world.behind
        self.statuses = [(when, status) for when, status in self.statuses if when <= at]
        if world.stops:
            self.statuses.append((at, "stopped"))
            at += 2.0
        self.statuses.append((at, "deploying"))
        if ends != "hangs":
            self.statuses.append((at + lasts, ends))
        if world.shows == "wanted":
            self.images.append((now if world.is_torn else at, image))
        elif ends == "running":
            self.images.append((at + lasts, image))
        if ends == "failed" and world.reverts is not None:
            self.images.append((at + lasts + world.reverts, OLD))
            self.statuses.append((at + lasts + world.reverts, "running"))

    def get(self) -> App:
        self.now += 0.05
        status, image = (
            next(state for when, state in reversed(states) if when <= self.now)
            for states in (self.statuses, self.images)
        )
        return App(image=self._written(image, SPELLINGS[self.world.spelling][1]), status=status)

    @staticmethod
    def _written(image: str, spelling: str) -> str:
        return spelling.format(image=image, tag=image.partition("@")[0], digest=digest(image))


def outcome(platform: Platform) -> tuple[str, str, bool]:
    """What a run says, why it does not go back, and whether it warns that the image did not change."""
    rollout = Rollout(platform.world.image, platform.get())

    def look() -> None:
        rollout.note_answer(platform.get(), platform.now)

    for _ in range(2):
        asked_at = platform.now
        rollout.note_request(asked_at)
        answer = platform.post()
        if answer is not None:
            rollout.note_request(asked_at, answer)
            break
        while not rollout.has_begun and rollout.settling_left(platform.now):
            look()
            platform.now += 1
        if rollout.has_begun:
            rollout.note_request(asked_at)
            break
    else:
        return "not known", "", False
    ends_at, verdict = platform.now + WAIT, None
    while verdict is None:
        look()
        is_last = platform.now >= ends_at
        verdict = rollout.verdict(is_last=is_last)
        if is_last:
            break
        platform.now += min(rollout.next_look(platform.now), ends_at - platform.now)
    said = verdict.name.lower() if verdict else "timed out"
    return said, rollout.why_not_back(verdict), verdict is Verdict.RUNS and rollout.shows_same


def flaws(world: World) -> Iterator[str]:
    """What is wrong about what a run says and does."""
    platform = Platform(world)
    said, why_not_back, warns = outcome(platform)
    is_same = world.image in {OLD, None}
    can_tell = not (is_same or world.spelling == "not in GET")
    right = {{"running": "runs", "failed": "failed", "hangs": "timed out"}[world.ends]}
    if said == "not known":
        right = {said} if world.lost == 9 else set()
    elif world.replaced:
        # Ours may have run before the third image was seen. One that fails is told at the end.
        right = {"runs", "timed out", "failed"} if world.image == PINNED else {"runs", "replaced"}
    elif world.reverts:
        # A platform that goes back at once to the same name can't be told from one that works.
        right = {"failed", "went_back" if can_tell or world.reverts > 18 else "runs"}
    goes_back = said in {"failed", "timed out"} and not why_not_back
    is_others = bool(world.replaced) and world.image != PINNED
    may_go_back = not is_same or world.spelling in IS_VISIBLE
    must_go_back = (
        can_tell and world.was == "running" and world.spelling != "bare digest" and not world.replaced
    )
    # Where nothing shows the deploy, or a deploy under way hides it, the second request is right.
    shows = world.lasts >= 2 and (world.was != "deploying" or (can_tell and world.shows == "wanted"))
    posts = {1 if world.arrives else min(2, world.lost + 1)} | ({2} if world.lost and not shows else set())
    if said not in right:
        yield f"says {said!r}, not {' or '.join(sorted(right))}"
    if warns and can_tell and world.ends == "running" and not world.replaced:
        yield "warns of an image that runs"
    if goes_back and (is_others or (world.ends == "running" and not world.replaced)):
        yield "goes back from what runs, or from somebody else's"
    if goes_back and not may_go_back:
        yield "goes back to what the app has already"
    if said in {"failed", "timed out"} & right and must_go_back and not goes_back:
        yield f"does not go back: {why_not_back}"
    if platform.posts not in posts:
        yield f"{platform.posts} POSTs, not {sorted(posts)}"


@pytest.mark.parametrize("count", [SAMPLE, pytest.param(None, marks=pytest.mark.exhaustive, id="all")])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_platform(spelling: str, count: int | None) -> None:
    """The rules hold on all of them."""
    tried = list(worlds(spelling))
    if count is not None:
        tried = random.Random(spelling).sample(tried, count)  # noqa: S311 - no secret
    found = [f"{flaw}: {world}" for world in tried for flaw in flaws(world)]
    assert not found, f"{len(found)} of {len(tried)}: " + "\n".join(found[:10])


LOOPS = ", ".join(f"{at} running web:2, {at + 5} crashed web:2" for at in range(2, 300, 10))
TURNS = ", ".join(f"{at} running web:2, {at + 1} failed web:1" for at in range(0, 300, 2))
TIMELINES = {
    "a crash loop": ("running web:1", TAG, LOOPS, "failed 300"),
    "a replica that is behind": ("failed web:1", TAG, TURNS, "failed 300"),
    "seven seconds": ("running web:1", TAG, "2 deploying web:2, 4 running web:2, 12 failed web:2", "runs 11"),
    "six seconds": ("running web:1", TAG, "2 deploying web:2, 4 running web:2, 10 failed web:2", "failed 27"),
    "seconds before the status is believed": ("running web:1", TAG, "1 running web:2", "runs 15"),
    "a new app": ("", TAG, "0 deploying web:2, 3 running web:2", "runs 10"),
    "a failure for a moment": ("running web:1", TAG, "1 crashed web:2, 14 running web:2", "runs 21"),
    "a failure at the end": ("running web:1", TAG, "1 deploying web:2, 290 error web:2", "failed 300"),
    "a failure beside the old image": (
        "running web:1",
        TAG,
        "3 deploying web:1, 9 failed web:1",
        "failed 24",
    ),
    "an old failure": ("failed web:1", TAG, "0 failed web:1, 60 running web:2", "runs 67"),
    "an old failure to the end": ("failed web:1", TAG, "0 failed web:1", "failed 300"),
    "a third image": ("running web:1", TAG, "2 deploying web:2, 9 running web:9", "replaced 24"),
    "it went back": ("running web:1", TAG, "2 deploying web:2, 9 running web:1", "went_back 24"),
    "a re-tagged image": (
        f"running {FIRST}",
        TAG,
        f"2 deploying {FIRST}, 4 running {FIRST}",
        "runs 11, the same",
    ),
    "a re-tag in silence": (f"running {FIRST}", TAG, f"0 running {FIRST}", "runs 60, the same"),
    "a name in full again": (
        "running docker.io/library/web:1",
        OLD,
        "1 running docker.io/library/web:1",
        "runs 15",
    ),
    "a restart with another digest": (f"running {FIRST}", None, f"2 running {SECOND}", "runs 15"),
    "another tag than the digest": (
        "running web:1",
        PINNED,
        "0 deploying web:9, 3 running web:9",
        "replaced 18",
    ),
    "nothing shows": ("running web:1", TAG, "0 running web:1", "timed out"),
}
"""Status and image before; the deployed image; what a GET shows since which second; the verdict, and when."""


@pytest.mark.parametrize("case", TIMELINES)
def test_a_timeline(case: str) -> None:
    """Each rule decides one of these."""
    before, image, timeline, expected = TIMELINES[case]
    status, _, shown = before.partition(" ")
    rollout = Rollout(image, App(status=status, image=shown) if status else None)
    rollout.note_request(0)
    shows = [(-1.0, status, shown)] if status else []
    shows += [(float(at), status, image) for at, status, image in map(str.split, timeline.split(", "))]
    now = 0.0
    while True:
        _, status, shown = next(state for state in reversed(shows) if state[0] <= now)
        rollout.note_answer(App(status=status, image=shown), now)
        verdict = rollout.verdict(is_last=now >= WAIT)
        if verdict or now >= WAIT:
            break
        now = min(WAIT, now + rollout.next_look(now))
    said = f"{verdict.name.lower()} {now:.0f}" if verdict else "timed out"
    same = ", the same" if verdict is Verdict.RUNS and rollout.shows_same else ""
    assert said + same == expected


BACK = {
    "after a failure": ("running web:1", TAG, "failed web:2", Verdict.FAILED, ""),
    "the old image shows": ("running web:1", TAG, "failed web:1", Verdict.FAILED, ""),
    "after a time limit": ("running web:1", TAG, "deploying web:2", None, ""),
    "an image that is not healthy": ("running web:1", TAG, "running web:2", Verdict.RUNS, ""),
    "another digest": (f"running {FIRST}", SECOND, f"failed {SECOND}", Verdict.FAILED, ""),
    "it did not run": ("failed web:1", TAG, "failed web:2", Verdict.FAILED, "no other image was running"),
    "the same name": (
        "running r.io/web:1",
        OLD,
        "failed web:1",
        Verdict.FAILED,
        "which image this name meant",
    ),
    "a bare digest": ("running sha256:1", TAG, "failed sha256:2", Verdict.FAILED, "not the name of an image"),
    "a third image": ("running web:1", TAG, "failed web:9", Verdict.FAILED, "another deploy has"),
    "a second image": (
        "running web:1",
        TAG,
        f"failed {SECOND}",
        Verdict.FAILED,
        "another deploy has changed",
    ),
    "it runs by now": ("running web:1", TAG, "running web:2", None, "the new image runs by now"),
    "another status": ("running web:1", TAG, "deploying web:2", Verdict.FAILED, "'deploying' by now"),
    "it went back by itself": (
        "running web:1",
        TAG,
        "running web:1",
        Verdict.WENT_BACK,
        "runs the previous image",
    ),
}
"""Status and image before; the deployed image; what the last look shows; the verdict; why not, in part."""


@pytest.mark.parametrize("case", BACK)
def test_a_reason_against_a_rollback(case: str) -> None:
    """It is not carried out over somebody else's deploy, over an image that runs, or to a name that moves."""
    before, image, shows, told, reason = BACK[case]
    status, _, shown = before.partition(" ")
    rollout = Rollout(image, App(status=status, image=shown))
    rollout.note_request(0)
    rollout.note_answer(App(status="deploying", image=image if told is not Verdict.WENT_BACK else shown), 1)
    status, _, shown = shows.partition(" ")
    rollout.note_answer(App(status=status, image=shown), 20)
    why_not = rollout.why_not_back(told)
    assert reason in why_not
    assert bool(reason) is bool(why_not)


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
def test_an_image_that_is_not_ours(image: str, shown: str) -> None:
    """Another name, tag or digest; nor the image from before, whatever POST's answer says."""
    rollout = Rollout(image, App(image=OLD, status="running"))
    rollout.note_request(0, OLD)
    assert not rollout.is_ours(shown)
    assert not rollout.is_ours(OLD)
    assert rollout.is_ours(f"cache.example.com:5000/hub/{image}")

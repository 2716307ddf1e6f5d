"""Deploys of an image on every kind of platform that the reference allows, without sockets.

Platforms differ in how they write an image, in how soon and in which order a GET shows a deploy, and in what
becomes of a request whose answer is lost. A deploy that runs is green, one that does not is red, nobody is
asked more often than necessary, and `rollback` goes back where our own image failed in place of another.
"""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import anyio
import pytest

from zerokie_action.ci import detect
from zerokie_action.errors import DeployError, PlatformUnavailable
from zerokie_action.lock.record import LockRecords
from zerokie_action.operations.container import deploy_image, restart
from zerokie_action.operations.job import Job
from zerokie_action.platform.models import App
from zerokie_action.report.result import Result
from zerokie_action.settings import Environment, load
from zerokie_action.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, TAG, PINNED, THIRD, PINNED_THIRD = "web:1", "web:2", "web@sha256:22", "web:3", "web@sha256:33"
SAMPLE = 45
"""Of the thousands of worlds with one way to write images, so many are tried by default."""
SETTINGS, _ = load(Environment({"ZEROKIE_APP": "web", "ZEROKIE_ROLLBACK": "true"}))
NEVER = 1e9
"""More answers, or seconds, than anybody waits for."""


class Spelling(NamedTuple):
    """How a platform writes an image: in the answer to POST, and in that to GET."""

    post: str
    get: str
    knows_pinned: bool = False


SPELLINGS = {
    "as given": Spelling("{image}", "{image}", knows_pinned=True),
    "in full": Spelling("docker.io/library/{image}", "docker.io/library/{image}", knows_pinned=True),
    "in full in GET": Spelling("{image}", "docker.io/library/{image}"),
    "mirror": Spelling("{image}", "cache.example.com:5000/hub/{image}", knows_pinned=True),
    "digest": Spelling("{image}", "docker.io/library/{name}@{digest}"),
    "tag and digest": Spelling("{image}", "{image}@{digest}"),
    "bare digest": Spelling("{image}", "{digest}"),
    "not in GET": Spelling("{image}", ""),
    "the one before in POST": Spelling(OLD, "{image}"),
}


class World(NamedTuple):
    """A platform, and what it makes of a deploy.

    Attributes:
        before: the status before the deploy; `deploying` is another deploy's, which ends 2 s later.
        is_torn: a GET shows the new image before it shows the new status.
        stops: the old instance shows as `stopped` for 2 s.
        behind: for so many seconds a GET shows what was before.
        lasts: for so many seconds it shows `deploying`.
        ends: the status after that; with `deploying`, it hangs.
        lost: so many answers to POST get lost.
        arrives: what got no answer has taken effect all the same.
        third: whether somebody else deploys another image 4 s later.
        image: what is deployed; None restarts the app.
    """

    spelling: str
    before: str
    is_torn: bool
    stops: bool
    behind: float
    lasts: float
    ends: str
    lost: float
    arrives: bool
    third: bool
    image: str | None

    @property
    def is_new(self) -> bool:
        """Whether it is another image than before."""
        return self.image not in {OLD, None}

    @property
    def is_seen(self) -> bool:
        """Whether a GET shows the deploy for certain, be it by the status or by the image."""
        has_moved = self.lasts >= 2 and self.before != "deploying"
        return has_moved or (self.lasts >= 2 and self.is_new and self.spelling != "not in GET")


def worlds(spelling: str) -> Iterator[World]:
    """All that can be told from one another, on platforms that write images like this."""
    lasts = [(seconds, ends) for seconds in (0, 0.4, 6, 90) for ends in ("running", "failed")]
    lost = [(0, True), (1, True), (NEVER, True), (1, False), (NEVER, False)]
    images = [TAG, OLD, None] + [PINNED] * SPELLINGS[spelling].knows_pinned
    for before, is_torn, stops, behind, (seconds, ends), (answers, arrives), third, image in product(
        ("running", "failed", "deploying"),
        (False, True),
        (False, True),
        (0, 3, 10),
        [*lasts, (NEVER, "deploying")],
        lost,
        (False, True),
        images,
    ):
        if not third or (ends == "running" and not answers):
            yield World(
                spelling, before, is_torn, stops, behind, seconds, ends, answers, arrives, third, image
            )


class Shown(NamedTuple):
    """A deploy that was carried out."""

    at: float
    image: str
    lasts: float
    ends: str


@dataclass
class Platform:
    """Stands in for `Client`: answers take 50 ms."""

    world: World
    http: Any = None
    retries_used: int = 0
    posts: list[str | None] = field(default_factory=list)
    deploys: list[Shown] = field(default_factory=list)
    begins: float = field(default_factory=anyio.current_time)

    def guarded(self, _guard: object) -> Platform:
        return self

    def retrying(self, _pauses: object) -> Platform:
        return self

    def outages(self) -> str:
        return ""

    def redact(self, text: str) -> str:
        return text

    async def get_app(self, name: str) -> App:
        await anyio.sleep(0.05)
        return App(name=name, image=self.written(self.image, post=False), port=80, status=self.status)

    async def deploy(self, name: str, image: str | None, registry: object = None) -> App:
        assert registry is None
        await anyio.sleep(0.05)
        world, is_last, now = self.world, self.is_back(image), anyio.current_time()
        self.posts.append(image)
        is_lost = len(self.posts) <= world.lost and not is_last
        if world.arrives or not is_lost:
            is_first = not self.deploys
            ends, lasts = ("running", min(world.lasts, 90)) if is_last else (world.ends, world.lasts)
            self.deploys.append(Shown(now, image or OLD, lasts, ends))
            if world.third and is_first:
                third = PINNED_THIRD if image == PINNED else THIRD
                ends = "failed" if image == PINNED else "running"
                self.deploys.append(Shown(now + 4, third, 1, ends))
        if is_lost:
            error = PlatformUnavailable("Deploying failed")
            error.lost_answer = "the platform answered 502"
            raise error
        return App(name=name, image=self.written(image or OLD, post=True), status="deploying")

    def is_back(self, image: str | None) -> bool:
        """Whether this asks for the old image after another one."""
        return self.world.is_new and image is not None and digest(image) == digest(OLD)

    def written(self, image: str, *, post: bool) -> str:
        """An image as the platform writes it. What came from there already is understood."""
        plain = next(known for known in (OLD, TAG, PINNED, THIRD, PINNED_THIRD) if same(known, image))
        spelling = SPELLINGS[self.world.spelling]
        return (spelling.post if post else spelling.get).format(
            image=plain, name=plain.partition(":")[0], digest=digest(plain)
        )

    @property
    def image(self) -> str:
        """The image that a GET shows now."""
        late = 0 if self.world.is_torn else self.world.behind + 2 * self.world.stops
        shown = [deploy.image for deploy in self.deploys if deploy.at + late <= anyio.current_time()]
        return shown[-1] if shown else OLD

    @property
    def status(self) -> str:
        """The status that a GET shows now."""
        now, world = anyio.current_time(), self.world
        shown = [deploy for deploy in self.deploys if deploy.at + world.behind <= now]
        if not shown:
            return "running" if now >= self.begins + 2 and world.before == "deploying" else world.before
        age = now - world.behind - shown[-1].at
        if world.stops and age < 2:
            return "stopped"
        return "deploying" if age - 2 * world.stops < shown[-1].lasts else shown[-1].ends


def digest(image: str) -> str:
    """What an image's name stands for."""
    _, at, given = image.rpartition("sha256:")
    return at + given if at else f"sha256:{hashlib.sha256(last(image).encode()).hexdigest()}"


def last(image: str) -> str:
    return image.rpartition("/")[2]


def same(one: str, other: str) -> bool:
    return digest(one) == digest(other)


async def outcome(world: World) -> tuple[str, Result, Platform]:
    """What the run says: `runs`, or what went wrong, in a word."""
    platform = Platform(world)
    platform.http = platform
    ci, result = detect({}, io.StringIO(), "error"), Result("deploy", "web")
    job = Job(
        settings=SETTINGS,
        client=cast("Any", platform),
        ci=ci,
        result=result,
        shutdown=Shutdown(),
        records=LockRecords(ci.save_state, Path()),
        session="session",
        ends_at=anyio.current_time() + SETTINGS.timeout,
    )
    try:
        await (restart(job) if world.image is None else deploy_image(job, world.image))
    except DeployError as error:
        said = {5: "not known", 8: "failed", 9: "timed out"}[error.exit_code]
        return ("replaced" if "Another deploy" in str(error) else said), result, platform
    return "runs", result, platform


async def flaws(world: World) -> Iterator[str]:
    """What is wrong about what the run says and does."""
    said, result, platform = await outcome(world)
    ends = {"running": "runs", "failed": "failed", "deploying": "timed out"}[world.ends]
    allowed, posts = {ends}, {1 if world.arrives else world.lost + 1}
    if world.third:
        # Ours may have run before the third image was seen. One that fails is told at the end.
        allowed |= {"timed out" if world.image == PINNED else "replaced"}
    if world.lost == NEVER and not world.arrives:
        allowed, posts = {"not known"}, {3}
    elif world.lost and world.arrives and not world.is_seen:
        allowed |= {"not known"} if world.lost == NEVER else set()
        posts = {1, 2, 3}
    goes_back = (
        said in {"failed", "timed out"}
        and world.is_new
        and world.before == "running"
        and world.spelling != "not in GET"
        and not world.third
    )
    has_gone_back = result.status == "rolled-back"
    runs_old = same(platform.image, OLD) and platform.status == "running"
    asked = [image for image in platform.posts if not platform.is_back(image)]
    return iter(
        [f"says {said!r}, not {' or '.join(sorted(allowed))}"] * (said not in allowed)
        + [f"rolled back: {has_gone_back}"] * (has_gone_back != goes_back)
        + ["another POST than a rollback's"] * (len(platform.posts) - len(asked) != goes_back)
        + ["does not run the old image"] * (goes_back and not runs_old)
        + [f"{len(asked)} POSTs, not {sorted(posts)}"] * (len(asked) not in posts)
    )


@pytest.mark.parametrize("count", [SAMPLE, pytest.param(None, marks=pytest.mark.exhaustive, id="all")])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_any_platform(spelling: str, count: int | None) -> None:
    """The rules of `zerokie_action/operations/rollout.py` hold on all of them."""
    tried = list(worlds(spelling))
    if count is not None:
        tried = random.Random(spelling).sample(tried, count)  # noqa: S311 - no secret
    found = [f"{flaw}: {world}" for world in tried for flaw in await flaws(world)]
    assert not found, f"{len(found)} of {len(tried)}: " + "\n".join(found[:10])

"""Platforms that the API reference allows, and the result of an image's deploy on each of them.

A platform is a log of states, and the response to a GET is a view of that log. The view may be late, cached
or from one of two replicas. It shows the requested or the running image, and the name is written in one of
many ways. A colleague may deploy as well.

The code under test is the real one, from `deploy_image` down to the methods of `Client`. Their responses come
from this module, in virtual time. `flaws` compares the run with the log.
"""

import io
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import product
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from unittest import mock

import anyio

from tests.support.settings import load
from tests.support.timewarp import TimeWarpLoop
from zerokie_action.ci import CI, Log
from zerokie_action.errors import DeployError, HealthCheckFailed, NotFound, PlatformUnavailable
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.image import deploy as steps
from zerokie_action.job import Job
from zerokie_action.lock.lock import DeployLock
from zerokie_action.platform.models import App
from zerokie_action.report.report import Report
from zerokie_action.shutdown import Shutdown
from zerokie_action.text.redaction import Redactor

OLD, NEW, OTHER = "nginx:1", "nginx:2", "nginx:9"
OLD_PINNED, PINNED, OTHER_PINNED = (f"nginx@sha256:{version * 64}" for version in "129")


class Colleague(NamedTuple):
    """A colleague's deploy, `after` seconds later than the run's request."""

    after: float
    ends: str = "running"
    takes: float = 1.0
    image: str = OTHER


class Trouble(NamedTuple):
    """A time in which GETs are `slow`, get no response (`missing`) or a 503, again and again.

    Attributes:
        kind: the kind of trouble.
        lasts: its duration in seconds. A slow GET takes until its end.
        pause: the seconds until the next one.
        first: the seconds from the run's request to the first one.
    """

    kind: str
    lasts: float
    pause: float = math.inf
    first: float = 0.0

    def left(self, seconds: float) -> float:
        """Return how long it lasts, so many seconds after the run's request. 0 in a pause."""
        since = seconds - self.first
        return round(max(0.0, self.lasts - since % (self.lasts + self.pause)), 6) if since >= 0 else 0.0


@dataclass(frozen=True)
class World:
    """A platform, and the course of a deploy on it.

    Attributes:
        was: the status before the deploy. `none` if there is no app.
        writes: the way that a GET writes an image; see `Platform.written`.
        view: `wanted` or `runs`, for the image in a GET. `torn` has the wanted image immediately, and the
            status with `lag`.
        lag: the age of a GET's state, in seconds.
        turns: whether the `first` or the `last` of two GETs is current.
        slow: the duration of a GET in seconds. The GET shows the state when it was sent.
        stops: whether the old instance shows as stopped for two seconds first.
        takes: the duration of the deploy in seconds.
        during: the status during the deploy.
        ends: `running`, `failed`, `hangs`, `degraded`, `stays` (the old status remains), `back 8` (the
            platform rolls back 8s after the failure), `crash loop 3 6` (it runs for 3s, then it is down for
            6s).
        old: the image before the deploy.
        wanted: the image to deploy. None for a restart.
        is_same: whether the new image has the digest of the old one.
        pulls_another: whether the tag means another digest now.
        lost: the number of lost responses to the run's requests.
        arrives: whether the platform carries out the requests with a lost response.
        colleague: a colleague's deploy.
        wait: the input `wait` in seconds.
        trouble: troubles with the responses to GET.
        unhealthy: the seconds after which a health check fails. 0 without a health check.
    """

    was: str = "running"
    writes: str = "given"
    view: str = "wanted"
    lag: float = 0.0
    turns: str = ""
    slow: float = 0.05
    stops: bool = False
    takes: float = 6.0
    during: str = "deploying"
    ends: str = "running"
    old: str = OLD
    wanted: str | None = NEW
    is_same: bool = False
    pulls_another: bool = False
    lost: int = 0
    arrives: bool = True
    colleague: Colleague | None = None
    wait: float = 300.0
    trouble: Trouble | None = None
    unhealthy: float = 0.0

    @property
    def names_another(self) -> bool:
        """Whether the deployed image has another name than the old one."""
        return self.wanted not in {self.old, None}


class Image(NamedTuple):
    name: str
    digest: str
    owner: str


class State(NamedTuple):
    """The status, the wanted image and the running image from a time on."""

    at: float
    status: str
    wanted: Image
    runs: Image | None


@dataclass
class Platform:
    """The log of a platform, and the client's view of it.

    Attributes:
        states: the log, oldest first.
        posts: the time and the sender of each request that was carried out.
        asked: the number of the run's requests.
        answers: the time, the status and the image of each GET.
        overwritten: whether a request of the run replaced the colleague's image after a GET showed that.
        stopped_colleague: whether that image was running.
        replaced_running: whether a rollback replaced the new image after GETs showed that running for 8s.
        asked_at: the time of the run's first request.
    """

    world: World
    loop: TimeWarpLoop
    began: float = 0.0
    states: list[State] = field(default_factory=list)
    posts: list[tuple[float, str]] = field(default_factory=list)
    asked: int = 0
    answers: list[tuple[float, str, str]] = field(default_factory=list)
    overwritten: bool = False
    stopped_colleague: bool = False
    replaced_running: bool = False
    asked_at: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.loop.now
        old = Image(self.world.old, self._digest(self.world.old), "old")
        self.states = [State(0.0, self.world.was, old, old)]
        if self.world.was == "deploying":  # an earlier deploy, which ends after the run's request
            self.states.append(State(self.began + 2, "running", old, old))
        if self.world.was == "none":
            self.states = []

    def _digest(self, image: str, version: int = 0) -> str:
        if "@" in image:
            return image.partition("@")[2]
        same = OLD if self.world.is_same and image == NEW else image
        return f"sha256:{sum(map(ord, same)) + 1000 * version:064d}"

    def state(self, at: float) -> State | None:
        return next((state for state in reversed(self.states) if state.at <= at), None)

    def written(self, image: Image | None) -> str:
        """Return the image as a GET writes it."""
        if image is None:
            return ""
        name = image.name.partition("@")[0]
        full = image.name if "/" in image.name else f"docker.io/library/{image.name}"
        return {
            "given": image.name,
            "full": full,
            "full in GET": full,
            "mirror": f"mirror.local/hub/{image.name.partition('.io/')[2] or image.name}",
            "tag and digest": f"{name}@{image.digest}",
            "tag, then digest": f"{name}@{image.digest}" if self._is_pulled(image) else image.name,
            "digest": f"{full.partition(':')[0].partition('@')[0]}@{image.digest}",
            "bare digest": image.digest,
            "none": "",
            "before in POST": image.name,
        }[self.world.writes]

    def _is_pulled(self, image: Image) -> bool:
        return image.owner == "old" or self.loop.now >= self.posts[-1][0] + 3

    def get(self) -> tuple[str, str] | None:
        """Return a status and an image, or None if there is no app. The colleague deploys when it is time."""
        world, sent_at = self.world, self.loop.now
        self._let_colleague_deploy(sent_at)
        late = world.lag
        if world.turns:
            late *= (len(self.answers) % 2 == 0) == (world.turns == "last")
        state, now = self.state(sent_at - late), self.state(sent_at)
        self.loop.now += world.slow
        if state is None or now is None:
            return None
        images = now if world.view == "torn" else state
        image = self.written((world.view == "runs" and images.runs) or images.wanted)
        self.answers.append((sent_at, state.status, image))
        return state.status, image

    def _let_colleague_deploy(self, now: float) -> None:
        colleague = self.world.colleague
        if colleague and self.asked and not any(owner == "colleague" for _, owner in self.posts):
            at = self.asked_at + colleague.after
            if now >= at:
                self._carry_out(at, colleague.image, "colleague", colleague.ends, colleague.takes)

    def trouble(self, *kinds: str) -> float:
        """Return how long the trouble lasts, if it is of one of these kinds."""
        trouble = self.world.trouble
        is_over = not trouble or trouble.kind not in kinds or not self.asked
        return 0.0 if is_over or not trouble else trouble.left(self.loop.now - self.asked_at)

    def post(self, image: str | None) -> bool:
        """Carry out a request of the run. Return whether the response arrives."""
        self.loop.now += 0.05
        self._let_colleague_deploy(self.loop.now)
        world, now = self.world, self.loop.now
        current = self.state(now)
        owner = "back" if self.asked and image not in {None, world.wanted} else "run"
        self.asked += owner == "run"
        self.asked_at = self.asked_at or now
        is_lost = owner == "run" and self.asked <= world.lost
        if is_lost and not world.arrives:
            return False
        if self.posts and self.posts[-1][1] == "colleague" and self._has_shown_colleague():
            self.overwritten = True
            self.stopped_colleague = bool(current and current.runs and current.runs.owner == "colleague")
        if (
            owner == "back"
            and world.ends == "running"
            and not world.unhealthy
            and current
            and current.runs
            and current.runs.owner == "run"
        ):
            new = self.written(current.runs)
            last = [answer for answer in self.answers if answer[0] >= now - 8]
            old = self.written(Image(world.old, self._digest(world.old), "old"))
            self.replaced_running |= new != old and all(answer[1:] == ("running", new) for answer in last)
        ends, takes = ("running", world.takes) if owner == "back" else (world.ends, world.takes)
        self._carry_out(now, image or (current.wanted.name if current else NEW), owner, ends, takes)
        return not is_lost

    def _has_shown_colleague(self) -> bool:
        """Whether a GET showed the colleague's image, and it differs from the run's."""
        image = next(state.wanted for state in reversed(self.states) if state.wanted.owner == "colleague")
        shown = {image for _, _, image in self.answers}
        by_digest = self.world.writes in {"digest", "bare digest"}
        own = {self.written(state.wanted) for state in self.states if state.wanted.owner == "run"}
        return self.written(image) in shown - {""} and (not by_digest or bool(own & shown))

    def _carry_out(self, at: float, image: str, owner: str, ends: str, takes: float) -> None:
        world, before = self.world, self.state(at)
        version = int(world.pulls_another and owner == "run" and not world.names_another)
        name = image.removeprefix("docker.io/library/").removeprefix("mirror.local/hub/")
        new = Image(name, self._digest(name, version), owner)
        old = before.runs if before else None
        self.states = [state for state in self.states if state.at <= at]
        self.posts.append((at, owner))
        begins = at
        if world.stops and owner == "run":
            self.states.append(State(begins, "stopped", new, old))
            begins += 2
        done = begins + takes
        was = before.status if before else ""
        during = was if world.during == "old" and old else world.during
        self.states.append(State(begins, during if old else "deploying", new, old))
        self.states += self._end(ends, done, new, old, was)

    def _end(self, ends: str, done: float, new: Image, old: Image | None, was: str) -> Iterator[State]:
        match ends.split():
            case ["running"]:
                yield State(done, "running", new, new)
            case ["failed" | "degraded"]:
                yield State(done, ends, new, old)
            case ["stays"]:
                yield State(done, was, new, old)
            case ["back", seconds]:
                if float(seconds):
                    yield State(done, "failed", new, old)
                yield State(done + float(seconds), "running", old or new, old)
            case ["crash", "loop", up, down]:
                for number in range(80):
                    start = done + number * (float(up) + float(down))
                    yield State(start, "running", new, new)
                    yield State(start + float(up), "failed", new, new)


def _app(status: str, image: str) -> App:
    return App(name="web", type="container", status=status, image=image)


@dataclass(frozen=True)
class _Client:
    """The methods of `Client` that a deploy of an image calls."""

    platform: Platform
    delivery: Delivery = field(default_factory=Delivery)
    http: Any = field(default_factory=lambda: SimpleNamespace(outages=str))

    def guarded(self, _guard: object) -> "_Client":
        return self

    def retrying(self, _policy: object) -> "_Client":
        return self

    def tracked(self, delivery: Delivery) -> "_Client":
        return replace(self, delivery=delivery)

    def redact(self, text: str) -> str:
        return text

    async def find_app(self, _name: str) -> App | None:
        slow = self.platform.trouble("slow")
        shown = self.platform.get()
        if slow:
            await anyio.sleep(slow)
        return _app(*shown) if shown else None

    async def get_app(self, name: str) -> App:
        if left := self.platform.trouble("missing", "503"):
            # The client sends a request again a moment after a 503.
            await anyio.sleep(math.ceil(left) if self.platform.trouble("503") else left)
        self.delivery.at = self.platform.loop.now
        if app := await self.find_app(name):
            return app
        raise NotFound("There is no app", status=404)

    async def create_app(self, _name: str, _kind: str, *, image: str, **_fields: object) -> App:
        self.platform.post(image)
        self.delivery.outcome = Outcome.DONE
        return _app("deploying", image)

    async def deploy(self, _name: str, image: str | None, _login: object) -> App:
        if not self.platform.post(image):
            self.delivery.outcome, self.delivery.lost = Outcome.UNKNOWN, "502"
            raise PlatformUnavailable("502")
        self.delivery.outcome = Outcome.DONE
        answered = {"full": f"docker.io/library/{image}", "none": "", "before in POST": OLD}
        return _app("deploying", answered.get(self.platform.world.writes, image or ""))


class Seen(NamedTuple):
    """The result of a run.

    Attributes:
        said: `green`, or the name of the error.
        seconds: the duration of the run.
        warns: whether the run warned that the image may be the old one.
        is_back: whether the run requested a rollback.
    """

    said: str
    seconds: float
    warns: bool
    is_back: bool
    platform: Platform


async def deploy(world: World, loop: TimeWarpLoop) -> Seen:
    """Deploy on a platform, with `rollback`."""
    platform = Platform(world, loop)
    settings = _settings(world.wanted, world.wait)
    log = Log(io.StringIO(), "error")
    client, shutdown = cast(Any, _Client(platform)), Shutdown()
    job = Job(
        settings=settings,
        client=client,
        ci=cast(CI, SimpleNamespace(log=log)),
        report=Report(log, "deploy"),
        shutdown=shutdown,
        redactor=Redactor(),
        lock=DeployLock(client, "web", "session", cast(Any, None), shutdown, log),
        ends_at=loop.now + 100_000,
    )
    said = "green"
    try:
        with mock.patch.object(steps, "require_healthy", partial(_require_healthy, world)):
            await steps.deploy_image(job)
    except DeployError as error:
        said = type(error).__name__
    warns = any("is the same image, or" in warning for warning in job.report.warnings)
    is_back = any(owner == "back" for _, owner in platform.posts)
    return Seen(said, loop.now - platform.began, warns, is_back, platform)


async def _require_healthy(world: World, *_: object, **__: object) -> None:
    if world.unhealthy:
        await anyio.sleep(world.unhealthy)
        raise HealthCheckFailed("unhealthy")


@lru_cache(maxsize=64)
def _settings(wanted: str | None, wait: float) -> Any:
    env = {"ZEROKIE_APP": "web", "ZEROKIE_API_KEY": "k", "ZEROKIE_WAIT": f"{wait:.0f}"}
    if wanted is None:
        return load(env | {"ZEROKIE_OPERATION": "restart"})
    return load(env | {"ZEROKIE_IMAGE": wanted, "ZEROKIE_ROLLBACK": "true", "ZEROKIE_CREATE": "true"})


# The flaws


def flaws(world: World, seen: Seen) -> list[str]:
    """Return everything that the run did wrong, as far as responses to GET can tell."""
    platform = seen.platform
    green = _flaws_of_a_green(world, seen) if seen.said == "green" else {}
    all_flaws = green | _flaws_of_a_red(world, seen)
    all_flaws |= {
        "overwrites a colleague's deploy": platform.overwritten,
        "rolls back a running image": platform.replaced_running or platform.stopped_colleague,
        "requests more than two deploys": platform.asked > 2,
    }
    return [flaw for flaw, applies in all_flaws.items() if applies]


def _shows_names(world: World) -> bool:
    return world.writes not in {"none", "digest", "bare digest"}


def _flaws_of_a_green(world: World, seen: Seen) -> dict[str, bool]:
    fate, colleague, end = _fate(world), world.colleague, seen.platform.state(seen.platform.loop.now)
    # After a rollback to the same name, or without names in responses, the result looks like a success.
    is_hidden = not world.names_another or world.writes == "none"
    is_wrong = fate in {"fails", "hangs"} or (fate == "is rolled back" and not is_hidden)
    is_ours = bool(end and end.runs and end.runs.owner == "run")
    is_other = is_ours and world.names_another and not world.is_same and world.writes != "none"
    is_claimed = _shows_names(world) and not seen.warns
    is_over = bool(colleague and seen.seconds > colleague.after + 30)
    never_ran = not any(state.runs and state.runs.owner == "run" for state in seen.platform.states)
    return {
        "a wrong green": is_wrong and not seen.warns,
        "a warned green of a failure": is_wrong and seen.warns,
        "an early green": fate == "runs" and not is_ours,
        "a wrong warning": fate == "runs" and is_other and seen.warns,
        "a green of a colleague's deploy": is_over and (world.ends != "running" or never_ran) and is_claimed,
        "a green of a deploy that never began": fate == "never begins" and is_claimed,
    }


def _flaws_of_a_red(world: World, seen: Seen) -> dict[str, bool]:
    said, fate = seen.said, _fate(world)
    is_alone = not (world.colleague or world.lost)
    can_go_back = world.was == "running" and world.names_another
    shows_tags = _shows_names(world) and "digest" not in world.writes
    is_timed_out, is_unknown = said == "DeployTimedOut", said == "PlatformUnavailable"
    may_time_out = is_timed_out and world.takes >= world.wait - 20
    is_red = fate == "runs" and not (said == "green" or is_unknown or may_time_out)
    may_be_unknown = world.lost > 1 or (world.lost and world.colleague)
    is_left = said != "green" and not seen.is_back and world.writes not in {"none", "bare digest"}
    return {
        f"a wrong red: {said}": is_red,
        "a late red": fate in {"fails", "is rolled back"} and is_timed_out,
        "a colleague who doesn't exist": said == "Replaced" and not world.colleague,
        "unknown in spite of a response": is_unknown and not may_be_unknown,
        "rolls back to the name that failed": seen.is_back and not world.names_another and shows_tags,
        "left broken": fate in {"fails", "hangs"} and is_alone and can_go_back and is_left,
    }


def _fate(world: World) -> str:
    if world.lost > 1 and not world.arrives:
        return "never begins"
    if world.colleague and world.colleague.after < world.wait:
        return "is replaced"
    kind = {"running": "fails" if world.unhealthy else "runs", "hangs": "hangs"}.get(world.ends, "fails")
    return "is rolled back" if world.ends.startswith("back ") else kind


def tried(worlds: Iterable[World], loop: TimeWarpLoop) -> dict[str, World]:
    """Return the flaws of the runs, each with the first world that has it."""
    found: dict[str, World] = {}

    async def deploy_all() -> None:
        for world in worlds:
            for flaw in flaws(world, await deploy(world, loop)):
                found.setdefault(flaw, world)
            await anyio.lowlevel.checkpoint()

    loop.run_until_complete(deploy_all())
    return found


# The worlds

Axes = Mapping[str, list[Any]]
"""The possible values of each field of a world."""
WRITES = ["given", "full", "digest", "tag and digest", "none", "bare digest"]
VIEWS = ["wanted", "runs", "torn"]
ENDS = ["running", "failed", "hangs"]
BEFORE = ["running", "failed", "deploying"]


def _axes(**fields: object) -> Axes:
    """Return the values of these fields and of the usual ones. A single value doesn't need a list."""
    usual: dict[str, object] = {
        "was": ["running", "failed"],
        "writes": WRITES,
        "view": ["wanted", "runs"],
        "lag": [0.0, 3.0, 10.0],
        "takes": [0.4, 6.0, 30.0, 90.0],
        "ends": ENDS,
        "wanted": [NEW, OLD, None],
    }
    return {name: [*each] if isinstance(each, list) else [each] for name, each in (usual | fields).items()}


def _colleagues(
    after: list[float], ends: list[str], takes: list[float], image: str = OTHER
) -> list[Colleague]:
    return [Colleague(*one, image) for one in product(after, ends, takes)]


def _troubles(kinds: list[str], pauses: list[float]) -> dict[str, object]:
    every = product(kinds, [1.0, 3.0, 6.0, 10.0, 20.0], pauses, [0.0, 4.0, 9.0])
    return {
        "lag": [0.0, 3.0],
        "takes": 6.0,
        "ends": [*ENDS, "crash loop 3 6", "crash loop 5 5", "crash loop 2 10"],
        "trouble": [Trouble(*one) for one in every],
    }


def _two_deploys(wanted: str, image: str, **fields: object) -> Axes:
    """Return the worlds of two deploys at the same time. With a health check, both images are unhealthy."""
    both = {
        "was": "running",
        "writes": [*WRITES, "full in GET", "mirror", "tag, then digest"],
        "view": VIEWS,
        "lag": [0.0, 3.0],
        "takes": [6.0, 30.0],
        "old": [OLD, OLD_PINNED],
        "wanted": wanted,
        "colleague": _colleagues([1.0, 10.0, 20.0, 40.0], ENDS, [6.0, 60.0], image),
        "unhealthy": [0.0, 20.0, 60.0],
        "wait": [60.0, 300.0],
    }
    return _axes(**both | fields)


RULES: dict[str, object] = {
    "was": BEFORE,
    "writes": [*WRITES, "full in GET", "mirror", "before in POST"],
    "view": VIEWS,
    "stops": [False, True],
    "takes": [0.0, 0.4, 6.0, 90.0],
}
LOST: dict[str, object] = {"lost": [0, 1, 9], "arrives": [True, False]}
MIRRORS: dict[str, object] = {
    "was": "running",
    "writes": ["given", "full", "tag and digest"],
    "takes": [6.0, 30.0],
    "ends": [*ENDS, "back 8"],
    "old": [OLD, "other.io/hub/nginx:1", "other.io/hub/nginx:2"],
    "wanted": [NEW, "ghcr.io/b/nginx:2"],
    "colleague": [None, *_colleagues([1.0, 10.0, 40.0], ENDS, [6.0, 60.0], "third.io/hub/nginx:2")],
    "unhealthy": [0.0, 20.0],
}
WORLDS: dict[str, Axes] = {
    "the rules": _axes(**RULES, **LOST),
    "the rules for a digest": _axes(
        **RULES | LOST | {"wanted": PINNED, "writes": ["given", "full", "mirror", "digest"]}
    ),
    "the platform rolls back": _axes(
        **RULES | {"was": "running", "view": ["wanted", "torn"], "ends": ["back 8", "back 20"]}
    ),
    "another repository or registry": _axes(
        **RULES
        | {
            "was": "running",
            "ends": [*ENDS, "back 8", "back 20"],
            "old": ["ghcr.io/a/nginx:2", "docker.io/b/nginx:2", "ghcr.io/b/nginx:1"],
            "wanted": "ghcr.io/b/nginx:2",
        }
    ),
    "a colleague after four seconds": _axes(**RULES, ends="running", colleague=Colleague(4.0)),
    "a colleague during the wait": _axes(
        was="running",
        wanted=[NEW, None, PINNED],
        colleague=_colleagues([1.0, 10.0, 30.0, 100.0], ENDS, [6.0, 60.0]),
    ),
    "a colleague just before the rollback": _axes(
        was="running",
        writes=WRITES[:4],
        takes=6.0,
        ends=["failed", "hangs"],
        wanted=NEW,
        colleague=_colleagues([18.0, 20.0, 24.0, 40.0], ENDS, [30.0]),
    ),
    "a lost response and a colleague": _axes(
        takes=[0.4, 6.0],
        ends=["running", "failed"],
        lost=[1, 9],
        arrives=[True, False],
        wanted=[NEW, None, PINNED],
        colleague=_colleagues([0.1, 3.0, 12.0], ["running", "failed"], [0.0, 6.0]),
    ),
    "slow responses": _axes(was=BEFORE, lag=[0.0, 3.0, 10.0, 14.0], slow=[3.0, 8.0, 14.0]),
    "a tag and then its digest": _axes(
        writes="tag, then digest", view=VIEWS, lag=[0.0, 3.0], ends=[*ENDS, "crash loop 5 5"]
    ),
    "digests, and a new tag for one": _axes(
        was="running",
        writes=["digest", "bare digest", "tag and digest"],
        ends=[*ENDS, "back 0", "back 8", "back 20"],
        wanted=NEW,
        is_same=[True, False],
    ),
    "tags, and the platform rolls back": _axes(
        was="running",
        writes=["given", "full", "none"],
        takes=[6.0, 30.0, 90.0],
        ends=["back 0", "back 8", "back 20"],
        wanted=NEW,
    ),
    "the status of the running instance": _axes(
        writes=["given", "full", "digest", "tag and digest", "bare digest"],
        view="runs",
        lag=[0.0, 3.0],
        takes=[20.0, 90.0, 200.0],
        during="old",
        ends=["running", "stays"],
        wanted=NEW,
    ),
    "the new image crashes again and again": _axes(
        lag=[0.0, 3.0], takes=6.0, ends="crash loop 5 5", wanted=[NEW, None]
    ),
    "late replicas in turn": _axes(lag=[5.0, 10.0, 14.0], turns=["", "first", "last"]),
    "an unknown status": _axes(was="running", ends="degraded", wanted=NEW),
    "a new app": _axes(was="none", view="wanted", lag=[0.0, 3.0], ends=[*ENDS, "stays"], wanted=NEW),
    "a name that means another digest now": _axes(
        ends=["running", "failed"], wanted=[None, OLD], pulls_another=True
    ),
    "two deploys by tag": _two_deploys(NEW, OTHER),
    "two deploys by digest": _two_deploys(PINNED, OTHER_PINNED),
    "a tag, and a colleague's digest": _two_deploys(
        NEW, OTHER_PINNED, old=OLD, writes=["given", "full", "full in GET", "mirror"]
    ),
    "a tag, and a colleague's digest next to others": _two_deploys(NEW, OTHER_PINNED, old=OLD_PINNED),
    "a digest, and a colleague's tag": _two_deploys(PINNED, OTHER),
    "missing and failed responses": _axes(**_troubles(["missing", "503"], [1.5, 3.0, 5.0, 15.0, math.inf])),
    "a slow response now and then": _axes(**_troubles(["slow"], [15.0, math.inf])),
    "slow responses in the rhythm of the crashes": _axes(**_troubles(["slow"], [1.5, 3.0, 5.0])),
    "a mirror next to another mirror": _axes(**MIRRORS),
    "two repositories at one mirror": _axes(**MIRRORS | {"writes": "mirror"}),
    "short time limits": _axes(
        lag=[0.0, 3.0], takes=[0.0, 0.4, 3.0], ends=["running", "failed"], wait=[5.0, 10.0, 20.0]
    ),
}
"""Sets of worlds, by topic."""


def draw(name: str, count: int) -> Iterator[World]:
    """Yield `count` random worlds of a set, which are the same in every run."""
    dice = random.Random(name)  # noqa: S311
    for _ in range(count):
        yield World(**{field: dice.choice(values) for field, values in WORLDS[name].items()})

"""The platform: its state and its rules, without HTTP."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO

from zerokie_action.sandbox.cdn import Cdn, Page
from zerokie_action.sandbox.dialects import Dialect
from zerokie_action.sandbox.faults import Faults
from zerokie_action.sandbox.records import ApiError
from zerokie_action.sandbox.store import (
    CRASHED,
    DEPLOYING,
    FAILED,
    RUNNING,
    STOPPED,
    App,
    Deployment,
    Domain,
    File,
    Lock,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from zerokie_action.sandbox.records import Record

    Hook = Callable[[Record], Awaitable[None] | None]


class Platform:
    """A platform, which keeps its state in the folder `data`.

    The parts `apps`, `zone` (files), `locks`, `domains` and `cdn` have the rules. Tests can observe the
    platform (`requests`, `files`, `lock`, `deployments`), change it without a request (`put_file`,
    `take_lock`, `apps.set_status`), and cause failures (`faults`, hooks).

    Attributes:
        requests: a record of every request to `/v1` and to the apps' URLs, in order of arrival. If the list
            is cleared, indices start from 0 again.
        dialect: see `dialects.QUESTIONS`; `dialect.speak("updated-at=never")` changes it.
        faults: see `faults.Fault`.
        base_url: the listening server's URL: `http://127.0.0.1:8080`.
        on_request: a plain or async function, called with the record after the JSON body was read, and before
            the request takes effect. An upload's body is read later.
        on_response: called with the record after the effect and before the answer is sent.
    """

    def __init__(
        self,
        data: Path,
        *,
        clock: Callable[[], float] = time.time,
        api_keys: Collection[str] = frozenset({"sandbox-key"}),
        rollout: Rollout | None = None,
        public_url: str = "",
        latency: float = 0.0,
        dialect: Iterable[str] = (),
    ) -> None:
        """Open or create the platform.

        Args:
            data: folder for all state.
            clock: returns seconds since the epoch, for all times and expiries.
            api_keys: bearer tokens that are accepted.
            rollout: the outcome of container apps' deploys.
            public_url: the beginning of the apps' URLs; by default, the server's address.
            latency: seconds that every request to `/v1` and to the apps waits first.
            dialect: answers to questions that the reference leaves open, such as `updated-at=never`.
        """
        self.clock = clock
        self.api_keys = frozenset(api_keys)
        self.base_url = ""
        self.public_url = public_url
        self.latency = latency
        self.dialect = Dialect(dialect)
        self.requests: list[Record] = []
        self.faults = Faults(clock)
        self.on_request: Hook | None = None
        self.on_response: Hook | None = None
        self.store = Store(data)
        self.apps = Apps(self.store, clock, self.dialect, rollout or Rollout())
        self.zone = Zone(self.store, clock, self.dialect)
        self.locks = Locks(self.store, clock, self.dialect)
        self.domains = Domains(self.store, clock, self.dialect)
        self.cdn = Cdn(self.store, clock, self.dialect, self.apps)
        self.throttle = Throttle(clock, self.dialect)

    def url(self, app: str) -> str:
        """The app's URL."""
        return f"{self.public_url or self.base_url}/_apps/{app}"

    def finalize(
        self, app: str, session: str, *, uploaded: int, deleted: int, total_bytes: int
    ) -> Deployment:
        """Release the lock, record the deployment, purge the CDN cache; 409 without the lock."""
        self.locks.release(app, session)
        now = self.clock()
        deployment = Deployment(app, self._deploy_id(now), session, now, uploaded, deleted, total_bytes)
        self.store.save(deployment)
        if self.dialect["finalize"] == "502":
            raise ApiError(502, "CDN purge failed")
        self.cdn.purge(app)
        return deployment

    def _deploy_id(self, now: float) -> str:
        base = time.strftime("d-%Y%m%d-%H%M%S", time.gmtime(now))
        candidates = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
        taken = {deployment.deploy_id for deployment in self.store.all(Deployment)}
        return next(name for name in candidates if name not in taken)

    def delete_app(self, name: str) -> None:
        """Delete an app with its files, deployments, lock and domains; 404 when no app has this name."""
        self.apps.delete(name)
        self.locks.expire(name)
        self.zone.forget(name)
        self.cdn.purge(name)

    def files(self, app: str) -> dict[str, bytes]:
        """Every file's content by its path."""
        return {file.path: self.store.blob_path(file.blob).read_bytes() for file in self.zone.list(app)}

    def content_types(self, app: str) -> dict[str, str]:
        """Every file's `Content-Type` by its path."""
        return {file.path: file.content_type for file in self.zone.list(app)}

    def lock(self, app: str) -> str | None:
        """The session that holds the app's lock now."""
        return self.locks.holder(app)

    def deployments(self, app: str) -> list[Deployment]:
        """The finalized deployments, oldest first."""
        return self.store.all(Deployment, app)

    def put_file(
        self, app: str, path: str, content: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Store a file under any path, even under a path that no request can name. The CDN isn't purged."""
        with self.zone.upload(app, path, content_type) as stream:
            stream.write(content)

    def delete_file(self, app: str, path: str) -> None:
        """Delete a file. The CDN isn't purged."""
        self.zone.delete(app, path)

    def take_lock(self, app: str, session: str) -> None:
        """Give the lock to a session, even if another session holds it."""
        self.locks.take(app, session)

    def expire_lock(self, app: str) -> None:
        """Let the lock expire now."""
        self.locks.expire(app)

    def hold_deploy(self, app: str) -> None:
        """Make `POST deploy` answer 409 until `release_deploy`, as during another deploy."""
        self.apps.held.add(app)

    def release_deploy(self, app: str) -> None:
        """End the effect of `hold_deploy`."""
        self.apps.held.discard(app)

    def set_page(
        self, app: str, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Set the answer of a running container app at its URL."""
        self.cdn.pages[app] = Page(status, body, {"content-length": str(len(body))} | (headers or {}))


PORT, CPU, MEMORY = 80, 256, 512
"""A container app's defaults."""

_NEW_FOR = 8.0
"""Seconds in which a new app is not ready, if `new-app` is not `ready`."""
_STOPPED_FOR = 2.0
"""Seconds in which GET shows `stopped`, if `before-deploying` is `stopped`."""

_BEHIND = {"late": (12.0, 12.0), "image-first": (3.0, 0.0), "replica": (12.0, 12.0)}
"""Seconds by which a GET lags behind, for the status and for the image."""

_UP, _DOWN = 4.0, 10.0
"""Seconds of `running` and, the first time, of `crashed` in a crash loop."""

_GOING = {"deleting": 404, "Terminating": 409}
"""The statuses of apps that are being deleted, and the status code of the answer to a second DELETE."""
_GOING_FOR = 15.0

_NOT_YET = {404: "app not found", 502: "bad gateway"}
"""The error messages for the answers to `new-app`."""
_NOT_READY = {
    "404": "",
    "502": "",
    "get-404": "^GET /v1/apps/[^/]*$",
    "lock-404": "/deploy/lock$",
    "files-404": "^PUT .*/files/",
}
"""The requests to which the answers to `new-app` apply, as regular expressions for `METHOD PATH`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """The outcome of container apps' deploys.

    Attributes:
        seconds: the duration of a deploy, by the platform's clock.
        fail_images: shell patterns of images whose deploys end in `failed`.
    """

    seconds: float = 1.0
    fail_images: Sequence[str] = ("*:*broken*",)


@dataclass
class _Part:
    """The base class of the platform's parts; each has the rules for some kinds of rows."""

    _store: Store
    _clock: Callable[[], float]
    _dialect: Dialect


@dataclass
class Apps(_Part):
    """Container and static apps."""

    rollout: Rollout
    held: set[str] = field(default_factory=set)
    """Apps whose `POST deploy` answers 409, as if another deploy was in progress."""
    _deploys: dict[str, list[App]] = field(default_factory=dict)
    """The rows of each app: after its creation, and after each deploy in this process."""

    def list(self) -> list[App]:
        """Return all apps, oldest first."""
        apps = (self._find(app.name) for app in self._store.all(App))
        return sorted(filter(None, apps), key=attrgetter("created_at", "name"))

    def get(self, name: str) -> App:
        """Return the app; 404 when no app has this name."""
        app = self._find(name)
        if app is None:
            raise ApiError(404, "app not found")
        return app

    def _find(self, name: str) -> App | None:
        """Return the app, after what the platform does by itself: an app goes, a broken deploy is undone."""
        app = self._store.get(App, name)
        if app is None:
            return None
        if app.status == self._dialect["app-deletion"] and self._age(app) >= _GOING_FOR:
            self._store.delete(App, name)
            return None
        breaks = self._dialect["broken-deploy"].removesuffix("s")
        if breaks.isdecimal() and self.status(app) == FAILED:
            before, back_at = self._running(app), app.deployed_at + self.rollout.seconds + int(breaks)
            if before != app and self._clock() >= back_at:
                return self._set(replace(before, status=RUNNING, deployed_at=back_at))
        return app

    def _age(self, app: App) -> float:
        return self._clock() - app.deployed_at

    def _set(self, app: App) -> App:
        """Store a row, which the next GET may not show yet."""
        self._store.save(app)
        self._deploys.setdefault(app.name, []).append(app)
        return app

    def ready(self, name: str, request: str) -> App:
        """Return the app; 404 when no app has this name.

        In some dialects 404 or 502 for a new app; `request` is `METHOD PATH`.
        """
        app, answer = self.get(name), self._dialect["new-app"]
        is_new = self._clock() - app.created_at < _NEW_FOR
        if answer != "ready" and is_new and re.search(_NOT_READY[answer], request):
            status = int(answer[-3:])
            raise ApiError(status, _NOT_YET[status])
        return app

    def delete(self, name: str) -> None:
        """Delete an app with all its rows, at once or some seconds later; 404 when no app has this name."""
        app, going = self.get(name), self._dialect["app-deletion"]
        if going == "at-once":
            self._store.delete(App, name)
        elif app.status == going:
            raise ApiError(_GOING[going], "the app is being deleted")
        else:
            self._set(replace(app, status=going, deployed_at=self._clock()))

    def static(self, name: str) -> App:
        """Return the static app; 404 when there is none or it is being deleted, 400 for a container app."""
        app = self.get(name)
        if app.status in _GOING:
            raise ApiError(404, "app not found")
        if app.type != "static":
            raise ApiError(400, "not a static app")
        return app

    def create_container(
        self,
        name: str,
        image: str,
        *,
        port: int = PORT,
        cpu: int = CPU,
        memory: int = MEMORY,
        env: dict[str, str] | None = None,
        private: bool = False,
    ) -> App:
        """Create a container app, which starts to deploy; 409 when the name is taken."""
        now = self._clock()
        app = App(name, "container", DEPLOYING, now, now, now, image, port, cpu, memory, env or {}, private)
        return self._create(app)

    def create_static(self, name: str, *, env: dict[str, str] | None = None) -> App:
        """Create a static app; 409 when the name is taken."""
        now = self._clock()
        return self._create(App(name, "static", RUNNING, now, now, now, env=env or {}))

    def _create(self, app: App) -> App:
        if self._find(app.name):
            raise ApiError(409, "app name already exists")
        self._deploys.pop(app.name, None)
        return self._set(app)

    def deploy(self, name: str, *, image: str | None, private: bool) -> App:
        """Deploy `image`, or the current one again; 400 for a static app, 409 while another deploy runs.

        If the dialect changes `updated_at`, the new time is at least a second later than the old time.
        """
        app = self.get(name)
        if app.type != "container":
            raise ApiError(400, "not a container app")
        if name in self.held:
            raise ApiError(409, "another deploy is in progress")
        if app.status in _GOING:
            raise ApiError(409, "the app is being deleted")
        if self._dialect["deploy-answer"] == "lost-before" and self._dialect.every_other("deploy", name):
            raise ApiError(502, "bad gateway")
        now = self._clock()
        image = image or app.image
        moves = {"deploy": True, "image": image != app.image}.get(self._dialect["updated-at"], False)
        deployed = replace(
            app,
            image=image,
            private=private,
            status=DEPLOYING,
            deployed_at=now,
            updated_at=max(now, math.floor(app.updated_at) + 1) if moves else app.updated_at,
        )
        self._deploys.setdefault(name, [app])
        return self._set(deployed)

    def status(self, app: App, seconds_ago: float = 0.0) -> str:
        """Return the app's status now, or some seconds ago."""
        age = self._age(app) - seconds_ago
        if self._dialect["before-deploying"] == "stopped" and app.deployed_at > app.created_at:
            if app.status == DEPLOYING and 0 <= age < _STOPPED_FOR:
                return STOPPED
            age -= _STOPPED_FOR
        if app.status == DEPLOYING and age < self.rollout.seconds:
            return DEPLOYING
        outcome = self._outcome(app)
        if app.status == DEPLOYING and outcome == FAILED and self._dialect["broken-deploy"] == "crash-loop":
            return _in_crash_loop(age - self.rollout.seconds)
        return outcome

    def _outcome(self, app: App) -> str:
        if app.status != DEPLOYING:
            return app.status
        return FAILED if any(fnmatchcase(app.image or "", p) for p in self.rollout.fail_images) else RUNNING

    def _running(self, app: App, seconds_ago: float = 0.0) -> App:
        """Return the newest row that runs now, or ran some seconds ago; the newest row, if none does."""
        rows = [row for row in self._deploys.get(app.name, [app]) if self._age(row) >= seconds_ago]
        running = (row for row in reversed(rows) if self.status(row, seconds_ago) == RUNNING)
        return next(running, (rows or [app])[-1])

    def serving(self, app: App) -> App:
        """Return the row whose image answers visitors."""
        return app if self._dialect["get-image"] == "wanted" else self._running(app)

    def shown(self, app: App) -> App:
        """Return the app as a GET shows it now."""
        deploys, answer = self._deploys.get(app.name, [app]), self._dialect["deploying"]
        status_age, image_age = _BEHIND.get(answer, (0.0, 0.0))
        if answer == "replica" and not self._dialect.every_other("replica", app.name):
            status_age = image_age = 0.0

        def latest(seconds_ago: float) -> int:
            then = self._clock() - seconds_ago
            return max((n for n, row in enumerate(deploys) if row.deployed_at <= then), default=0)

        number = latest(status_age)
        status = self.status(deploys[number], status_age)
        if status == DEPLOYING and answer == "none":
            status = self._outcome(deploys[max(number - 1, 0)])
        row, (runs, _, broken) = deploys[latest(image_age)], self._dialect["get-image"].partition("-")
        if runs == "runs":
            row = self._running(row, image_age)
            status = broken or status if status == FAILED else status
        return replace(row, status=status)

    def set_status(self, name: str, status: str) -> None:
        """Force a status until the next deploy."""
        app = replace(self.get(name), status=status)
        self._store.save(app)
        self._deploys.setdefault(name, [app])[-1] = app


def _in_crash_loop(age: float) -> str:
    down = _DOWN
    while age >= _UP + down:
        age, down = age - _UP - down, 2 * down
    return RUNNING if age < _UP else CRASHED


_LATE = {"5s": 5.0, "12s": 12.0, "20s": 20.0, "entries": 5.0}
"""Seconds by which a list of files is behind."""
_CACHED_FOR = 10.0


@dataclass
class Zone(_Part):
    """The files of static apps."""

    _changes: deque[tuple[float, str, str, File | None]] = field(default_factory=deque)
    """The newest changes: when, the app, the path, and the file that was there before."""
    _copies: dict[str, tuple[float, Sequence[File]]] = field(default_factory=dict)
    """The last list of each app, and when it was made."""

    def list(self, app: str) -> list[File]:
        """Return the app's files, sorted by path."""
        return sorted(self._store.all(File, app), key=attrgetter("path"))

    def listed(self, app: str) -> Sequence[File]:
        """Return the app's files as the list shows them now, sorted by path."""
        now, answer = self._clock(), self._dialect["listing"]
        if answer == "cached":
            if app not in self._copies or now - self._copies[app][0] >= _CACHED_FOR:
                self._copies[app] = now, self.list(app)
            return self._copies[app][1]
        files = {file.path: file for file in self.list(app)}
        for when, name, path, before in reversed(self._changes):
            is_late = answer != "entries" or sum(path.encode()) % 2
            if name == app and is_late and when > now - _LATE.get(answer, 0.0):
                files.pop(path, None)
                files |= {path: before} if before else {}
        return sorted(files.values(), key=attrgetter("path"))

    def _changes_now(self, app: str, path: str) -> None:
        now = self._clock()
        while self._changes and self._changes[0][0] <= now - max(_LATE.values()):
            self._changes.popleft()
        self._changes.append((now, app, path, self._store.get(File, app, path)))

    def forget(self, app: str) -> None:
        """Forget what lists showed before, because the app is deleted."""
        self._copies.pop(app, None)
        self._changes = deque(change for change in self._changes if change[1] != app)

    @contextmanager
    def upload(self, app: str, path: str, content_type: str) -> Iterator[BinaryIO]:
        """Open a stream for a file's new content.

        The file changes atomically when the block ends. If the block raises, nothing changes.
        """
        with self._store.new_blob() as (blob, stream):
            yield stream
            length = stream.tell()
        self._changes_now(app, path)
        self._store.save(File(app, path, blob, length, content_type, self._clock()))

    def delete(self, app: str, path: str) -> None:
        """Delete a file, or all below an entry for a directory; 404 when there is none."""
        doomed = [path] if self._store.get(File, app, path) else []
        if self._dialect["listed-paths"] in {"directories", "bare-directories"}:
            doomed += [file.path for file in self.list(app) if file.path.startswith(f"{path}/")]
        for each in doomed:
            self._changes_now(app, each)
            self._store.delete(File, app, each)
        if not doomed and self._dialect["delete-missing"] == "404":
            raise ApiError(404, "file not found")


EXPIRY = 30 * 60.0
"""Seconds without a heartbeat after which a lock expires ("Locks expire after 30 minutes")."""


class Locks(_Part):
    """The deploy locks; an app has at most one lock."""

    def holder(self, app: str) -> str | None:
        """Return the session that holds the app's lock now."""
        lock = self._store.get(Lock, app)
        return lock.session if lock and self.seconds_left(app) else None

    def seconds_left(self, app: str) -> float:
        """Return the seconds until the lock expires without a heartbeat; 0 if no session holds it."""
        lock = self._store.get(Lock, app)
        return max(0.0, lock.expires_at - self._clock()) if lock else 0.0

    def acquire(self, app: str, session: str) -> None:
        """Take the lock; 409 when any session holds it, even the same session."""
        if self.holder(app) is not None:
            raise ApiError(409, "another deploy is already in progress")
        self.take(app, session)

    def heartbeat(self, app: str, session: str) -> None:
        """Prolong the lock; 404 when no session holds it, 409 when another session does."""
        holder = self.holder(app)
        if holder is None:
            raise self._lost(404, "no deploy lock")
        if holder != session:
            raise self._lost(409, "the deploy lock is held by another session")
        self.take(app, session)

    def require(self, app: str, session: str) -> None:
        """Refuse (409) when the session does not hold the lock."""
        if self.holder(app) != session:
            raise self._lost(409, "the session does not hold the deploy lock")

    def release(self, app: str, session: str) -> None:
        """Release the lock; 409 when the session does not hold it."""
        self.require(app, session)
        self.expire(app)

    def _lost(self, status: int, message: str) -> ApiError:
        answer = self._dialect["lock-lost"]
        return ApiError(status if answer == "mixed" else int(answer), message)

    def take(self, app: str, session: str, seconds: float = EXPIRY) -> None:
        """Give the lock to the session for some seconds, even if another session holds it."""
        self._store.save(Lock(app, session, self._clock() + seconds))

    def expire(self, app: str) -> None:
        """Drop the lock, as if its 30 minutes had passed."""
        self._store.delete(Lock, app)


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
MAX_LENGTH = 253
_APEX_LABELS = 2
DOMAIN = rf"^({_LABEL}\.){{{_APEX_LABELS},}}{_LABEL}$"
"""A pattern of attachable domains, for the OpenAPI document."""


_TAKEN = {
    "exists": (409, "domain already exists"),
    "409": (409, "the domain is in use by another account"),
    "400": (400, "this domain has already been claimed by a different account"),
    "422": (422, "the domain belongs to somebody else"),
}
"""The answers to `domain-taken`."""


class Domains(_Part):
    """The custom domains of static apps."""

    def list(self, app: str) -> list[str]:
        """Return the app's domains."""
        return [domain.name for domain in self._store.all(Domain, app)]

    def add(self, app: str, domain: str) -> tuple[str, int]:
        """Attach a domain; return it in lower case, and the status of the answer.

        Raises:
            ApiError: 400 for an invalid name or a name with only two labels; when an app has the domain
                already, as the dialect has it.
        """
        domain = domain.lower()
        if len(domain) > MAX_LENGTH or not _HOST_NAME.fullmatch(domain):
            raise ApiError(400, "invalid domain")
        if domain.count(".") + 1 <= _APEX_LABELS:
            raise ApiError(400, "apex domains are not supported")
        if self._dialect["domain-busy"] == "once" and self._dialect.every_other("domain", domain):
            raise ApiError(409, "another deploy is in progress")
        owner = next((row.app for row in self._store.all(Domain) if row.name == domain), None)
        if owner is None:
            self._store.save(Domain(app, domain))
            return domain, 201
        if owner != app:
            raise ApiError(*_TAKEN[self._dialect["domain-taken"]])
        answer = int(self._dialect["domain-attached"])
        if answer >= 400:  # noqa: PLR2004  an error
            raise ApiError(answer, "domain already exists")
        return domain, answer

    def delete(self, app: str, domain: str) -> None:
        """Detach a domain; 404 when the app does not have it."""
        if not self._store.delete(Domain, app, domain.lower()):
            raise ApiError(404, "domain not found")


_SERVED_IN = 0.02
"""Seconds that a request takes where the platform serves only some at once."""


@dataclass
class Throttle:
    """How many requests the platform serves at once, and in a second."""

    _clock: Callable[[], float]
    _dialect: Dialect
    _served: deque[float] = field(default_factory=deque)
    """When the requests of the last second came."""
    _slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Serve a request in the block, now or when its turn comes; 429, 500, 502 or 503 above the limits."""
        rate, _, with_header = self._dialect["rate"].partition("-")
        now = self._clock()
        while self._served and self._served[0] <= now - 1:
            self._served.popleft()
        if rate != "any":
            if len(self._served) >= int(rate):
                raise ApiError(429, "too many requests", {"retry-after": "1"} if with_header else None)
            self._served.append(now)
        at_once, above = self._dialect["at-once"], self._dialect["above"]
        if at_once == "any":
            yield
            return
        slots = self._slots.setdefault(at_once, asyncio.Semaphore(int(at_once)))
        if above != "wait" and slots.locked():
            raise ApiError(int(above), "too many requests at once")
        async with slots:
            await asyncio.sleep(_SERVED_IN)
            yield

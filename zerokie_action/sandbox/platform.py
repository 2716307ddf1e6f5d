"""The platform: its state and its rules, without HTTP."""

from __future__ import annotations

import itertools
import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO

from zerokie_action.sandbox.cdn import Cdn, Page
from zerokie_action.sandbox.dialects import Dialect
from zerokie_action.sandbox.faults import Faults
from zerokie_action.sandbox.records import ApiError
from zerokie_action.sandbox.store import (
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
    from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
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
        self.apps.get(name)
        self.store.delete(App, name)
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

_NEW_FOR, _STOPPED_FOR = 8.0, 2.0
"""Seconds that an app is new after its creation, and stopped after a deploy, in some dialects."""

_BEHIND = {"late": (12.0, 12.0), "image-first": (3.0, 0.0)}
"""Seconds by which a GET lags behind, for the status and for the image."""

_NOT_YET = {"404": "app not found", "502": "bad gateway"}
"""The errors of a new app by their status."""


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
    """Rules of one platform for some rows of its store."""

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
    _losing: set[str] = field(default_factory=set)
    """Apps whose last `POST deploy` was lost before it took effect."""

    def list(self) -> list[App]:
        """Return all apps, oldest first."""
        return sorted(self._store.all(App), key=attrgetter("created_at", "name"))

    def get(self, name: str) -> App:
        """Return the app; 404 when no app has this name."""
        app = self._store.get(App, name)
        if app is None:
            raise ApiError(404, "app not found")
        return app

    def ready(self, name: str) -> App:
        """Return the app; 404 when no app has this name, 404 or 502 for a new app in some dialects."""
        app, answer = self.get(name), self._dialect["new-app"]
        if answer != "ready" and self._clock() - app.created_at < _NEW_FOR:
            raise ApiError(int(answer), _NOT_YET[answer])
        return app

    def static(self, name: str) -> App:
        """Return the static app; 404 when no app has this name, 400 for a container app."""
        app = self.get(name)
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
        if self._store.get(App, app.name):
            raise ApiError(409, "app name already exists")
        self._store.save(app)
        self._deploys[app.name] = [app]
        return app

    def deploy(self, name: str, *, image: str | None, private: bool) -> App:
        """Deploy `image`, or the current one again; 400 for a static app, 409 while another deploy runs.

        If the dialect changes `updated_at`, the new time is at least a second later than the old time.
        """
        app = self.get(name)
        if app.type != "container":
            raise ApiError(400, "not a container app")
        if name in self.held:
            raise ApiError(409, "another deploy is in progress")
        if self._dialect["deploy-answer"] == "lost-before":
            self._losing ^= {name}
            if name in self._losing:
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
        self._store.save(deployed)
        self._deploys.setdefault(name, [app]).append(deployed)
        return deployed

    def status(self, app: App, seconds_ago: float = 0.0) -> str:
        """Return the app's status now, or some seconds ago."""
        age = self._clock() - seconds_ago - app.deployed_at
        if self._dialect["before-deploying"] == "stopped" and app.deployed_at > app.created_at:
            if app.status == DEPLOYING and 0 <= age < _STOPPED_FOR:
                return STOPPED
            age -= _STOPPED_FOR
        if app.status == DEPLOYING and age < self.rollout.seconds:
            return DEPLOYING
        return self._outcome(app)

    def _outcome(self, app: App) -> str:
        if app.status != DEPLOYING:
            return app.status
        return FAILED if any(fnmatchcase(app.image or "", p) for p in self.rollout.fail_images) else RUNNING

    def shown(self, app: App) -> App:
        """Return the app as a GET shows it now."""
        deploys = self._deploys.get(app.name, [app])
        status_age, image_age = _BEHIND.get(self._dialect["deploying"], (0.0, 0.0))

        def latest(seconds_ago: float) -> int:
            then = self._clock() - seconds_ago
            return max((n for n, row in enumerate(deploys) if row.deployed_at <= then), default=0)

        number = latest(status_age)
        status = self.status(deploys[number], status_age)
        if status == DEPLOYING and self._dialect["deploying"] == "none":
            status = self._outcome(deploys[max(number - 1, 0)])
        return replace(deploys[latest(image_age)], status=status)

    def set_status(self, name: str, status: str) -> None:
        """Force a status until the next deploy."""
        app = replace(self.get(name), status=status)
        self._store.save(app)
        self._deploys.setdefault(name, [app])[-1] = app


class Zone(_Part):
    """The files of static apps."""

    def list(self, app: str) -> list[File]:
        """Return the app's files, sorted by path."""
        return sorted(self._store.all(File, app), key=attrgetter("path"))

    @contextmanager
    def upload(self, app: str, path: str, content_type: str) -> Iterator[BinaryIO]:
        """Open a stream for a file's new content.

        The file changes atomically when the block ends. If the block raises, nothing changes.
        """
        with self._store.new_blob() as (blob, stream):
            yield stream
            length = stream.tell()
        self._store.save(File(app, path, blob, length, content_type, self._clock()))

    def delete(self, app: str, path: str) -> None:
        """Delete a file; 404 when no file has this path."""
        if not self._store.delete(File, app, path):
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

    def release(self, app: str, session: str) -> None:
        """Release the lock; 409 when the session does not hold it."""
        if self.holder(app) != session:
            raise self._lost(409, "the session does not hold the deploy lock")
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


@dataclass
class Domains(_Part):
    """The custom domains of static apps."""

    _waiting: set[str] = field(default_factory=set)
    """Domains whose first POST was refused; the next POST succeeds."""

    def list(self, app: str) -> list[str]:
        """Return the app's domains."""
        return [domain.name for domain in self._store.all(Domain, app)]

    def add(self, app: str, domain: str) -> tuple[str, int]:
        """Attach a domain; return it in lower case, and the status of the answer.

        Raises:
            ApiError: 400 for an invalid name or a name with only two labels, 409 when an app has the domain
                already.
        """
        domain = domain.lower()
        if len(domain) > MAX_LENGTH or not _HOST_NAME.fullmatch(domain):
            raise ApiError(400, "invalid domain")
        if domain.count(".") + 1 <= _APEX_LABELS:
            raise ApiError(400, "apex domains are not supported")
        if self._dialect["domain-busy"] == "once":
            self._waiting ^= {domain}
            if domain in self._waiting:
                raise ApiError(409, "another deploy is in progress")
        owner = next((row.app for row in self._store.all(Domain) if row.name == domain), None)
        if owner is None:
            self._store.save(Domain(app, domain))
            return domain, 201
        answer = int(self._dialect["domain-attached"]) if owner == app else 409
        if answer >= 400:  # noqa: PLR2004  an error
            raise ApiError(answer, "domain already exists")
        return domain, answer

    def delete(self, app: str, domain: str) -> None:
        """Detach a domain; 404 when the app does not have it."""
        if not self._store.delete(Domain, app, domain.lower()):
            raise ApiError(404, "domain not found")

"""The rules for container apps, and for static apps with their files, locks and domains."""

from __future__ import annotations

import itertools
import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO

from zerokie_action.sandbox.records import ApiError
from zerokie_action.sandbox.store import App, Deployment, Domain, File, Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zerokie_action.sandbox.dialects import Dialect
    from zerokie_action.sandbox.store import Store

DEPLOYING, RUNNING, FAILED, STOPPED = "deploying", "running", "failed", "stopped"
PORT, CPU, MEMORY = 80, 256, 512
"""A container app's defaults."""

_NEW_FOR, _STOPPED_FOR = 8.0, 2.0
"""Seconds that an app is new after its creation, and stopped after a deploy, in some dialects."""

_BEHIND = {"late": (12.0, 12.0), "image-first": (3.0, 0.0)}
"""Seconds by which a GET lags behind, for the status and for the image."""

_NOT_YET = {"404": "app not found", "502": "bad gateway"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """The outcome of container apps' deploys.

    Attributes:
        seconds: the duration of a deploy, by the platform's clock.
        fail_images: shell patterns of images whose deploys end in `failed`.
    """

    seconds: float = 1.0
    fail_images: Sequence[str] = ("*:*broken*",)


class Apps:
    """Container and static apps of one platform."""

    def __init__(self, store: Store, clock: Callable[[], float], rollout: Rollout, dialect: Dialect) -> None:
        """Keep the apps in `store`, with times from `clock`."""
        self._store = store
        self._clock = clock
        self.rollout = rollout
        self._dialect = dialect
        self._deploys: dict[str, list[App]] = {}
        """The rows of each app: after its creation, and after each deploy in this process."""
        self._losing: set[str] = set()
        """Apps whose last `POST deploy` was lost before it took effect."""
        self.held: set[str] = set()
        """Apps whose `POST deploy` answers 409, as if another deploy was in progress."""

    def list(self) -> list[App]:
        """Return all apps, oldest first."""
        return sorted(self._store.all(App), key=attrgetter("created_at", "name"))

    def get(self, name: str) -> App:
        """Return the app; 404 when no app has this name."""
        app = self._store.get(App, name)
        if app is None:
            raise ApiError(404, "app not found")
        return app

    def check_ready(self, name: str) -> None:
        """Refuse requests for a new app, in dialects that do so."""
        answer = self._dialect["new-app"]
        app = self._store.get(App, name)
        if app and answer != "ready" and self._clock() - app.created_at < _NEW_FOR:
            raise ApiError(int(answer), _NOT_YET[answer])

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


class Zone:
    """The files of all static apps of one platform."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """Keep the files in `store`, with times from `clock`."""
        self._store = store
        self._clock = clock

    def list(self, app: str) -> list[File]:
        """Return the app's files, sorted by path."""
        return sorted(self._store.all(File, app), key=attrgetter("path"))

    def read(self, file: File) -> bytes:
        """Return a file's content."""
        return self._store.blob_path(file.blob).read_bytes()

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


class Locks:
    """The deploy locks of one platform; an app has at most one lock."""

    def __init__(self, store: Store, clock: Callable[[], float], dialect: Dialect) -> None:
        """Keep the locks in `store`; they expire by the clock."""
        self._store = store
        self._clock = clock
        self._dialect = dialect

    def holder(self, app: str) -> str | None:
        """Return the session that holds the app's lock now."""
        lock = self._store.get(Lock, app)
        return lock.session if lock and self._left(lock) > 0 else None

    def seconds_left(self, app: str) -> float:
        """Return the seconds until the lock expires without a heartbeat; 0 if no session holds it."""
        lock = self._store.get(Lock, app)
        return max(0.0, self._left(lock)) if lock else 0.0

    def _left(self, lock: Lock) -> float:
        return lock.confirmed_at + EXPIRY - self._clock()

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

    def finalize(
        self, app: str, session: str, *, uploaded: int, deleted: int, total_bytes: int
    ) -> Deployment:
        """Release the lock and record the deployment; 409 when the session does not hold it."""
        if self.holder(app) != session:
            raise self._lost(409, "the session does not hold the deploy lock")
        now = self._clock()
        deployment = Deployment(app, self._deploy_id(now), session, now, uploaded, deleted, total_bytes)
        self._store.save(deployment)
        self._store.delete(Lock, app)
        return deployment

    def _lost(self, status: int, message: str) -> ApiError:
        answer = self._dialect["lock-lost"]
        return ApiError(status if answer == "mixed" else int(answer), message)

    def _deploy_id(self, now: float) -> str:
        base = time.strftime("d-%Y%m%d-%H%M%S", time.gmtime(now))
        candidates = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
        taken = {deployment.deploy_id for deployment in self._store.all(Deployment)}
        return next(name for name in candidates if name not in taken)

    def take(self, app: str, session: str, seconds: float = EXPIRY) -> None:
        """Give the lock to the session for some seconds, even if another session holds it."""
        self._store.save(Lock(app, session, self._clock() - EXPIRY + seconds))

    def expire(self, app: str) -> None:
        """Drop the lock, as if its 30 minutes had passed."""
        self._store.delete(Lock, app)


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
MAX_LENGTH = 253
_APEX_LABELS = 2
DOMAIN = rf"^({_LABEL}\.){{{_APEX_LABELS},}}{_LABEL}$"
"""A pattern of attachable domains, for the OpenAPI document."""


class Domains:
    """The custom domains of all static apps of one platform."""

    def __init__(self, store: Store, dialect: Dialect) -> None:
        """Keep the domains in `store`."""
        self._store = store
        self._dialect = dialect
        self._waiting: set[str] = set()
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

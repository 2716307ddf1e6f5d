"""Rules for creating, deploying, showing and deleting apps."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from operator import attrgetter

from sandbox.records import ApiError
from sandbox.store import (
    CRASHED,
    DEPLOYING,
    FAILED,
    RUNNING,
    STOPPED,
    App,
    ImageDeploy,
    Part,
)

PORT, CPU, MEMORY = 80, 256, 512
"""A container app's defaults."""

_NEW_FOR = 8.0
"""Seconds until a new app is ready, unless `new-app` is `ready`."""
_STOPPED_FOR = 2.0
"""Seconds for which GET shows `stopped`, if `before-deploying` is `stopped`."""

_BEHIND = {"late": (12.0, 12.0), "image-first": (3.0, 0.0), "replica": (12.0, 12.0)}
"""Delays in seconds until a GET shows a new status and a new image."""

_UP, _DOWN = 4.0, 10.0
"""Seconds of `running`, and of the first `crashed`, in a crash loop."""

_DELETING = {"deleting": 404, "deleted": 404, "Terminating": 409, "DELETE_IN_PROGRESS": 409}
"""The statuses of apps during their deletion, and the status code of the response to a second DELETE."""
_DELETION_SECONDS = 15.0

_BACK_OFF = "ImagePullBackOff"

_NOT_READY = {
    "404": "",
    "502": "",
    "get-404": "^GET /v1/apps/[^/]*$",
    "lock-404": "/deploy/lock$",
    "files-404": "^PUT .*/files/",
}
"""Regular expressions for the requests (`METHOD PATH`) that each value of `new-app` applies to."""


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
class Apps(Part):
    """Container and static apps."""

    rollout: Rollout
    held: set[str] = field(default_factory=set)
    """Apps whose `POST deploy` responds with a 409, as during another deploy."""
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
        """Return the app, after finishing its deletion or undoing a broken deploy if that is due."""
        app = self._store.get(App, name)
        if app is None:
            return None
        if app.status == self._dialect["app-deletion"] and self._age(app) >= _DELETION_SECONDS:
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
        """Store a row, and keep the app's earlier rows because a GET may still show one."""
        self._store.save(app)
        self._deploys.setdefault(app.name, []).append(app)
        return app

    def ready(self, name: str, request: str) -> App:
        """Return the app; 404 when no app has this name.

        Some API variants respond with a 404 or 502 for a new app. `request` is `METHOD PATH`.
        """
        app, answer = self.get(name), self._dialect["new-app"]
        is_new = self._clock() - app.created_at < _NEW_FOR
        if answer != "ready" and is_new and re.search(_NOT_READY[answer], request):
            status = HTTPStatus(int(answer[-3:]))
            raise ApiError(status, status.phrase.lower())
        return app

    def delete(self, name: str) -> None:
        """Delete an app and its rows, now or some seconds later; 404 when no app has this name."""
        app, deletion = self.get(name), self._dialect["app-deletion"]
        if deletion == "at-once":
            self._store.delete(App, name)
        elif app.status == deletion:
            raise ApiError(_DELETING[deletion], "the app is being deleted")
        else:
            self._set(replace(app, status=deletion, deployed_at=self._clock()))

    def static(self, name: str) -> App:
        """Return the static app; 404 when it doesn't exist or is being deleted, 400 for a container app."""
        app = self.get(name)
        if app.status == self._dialect["app-deletion"]:
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
        """Create a container app and start its deploy; 409 when the name is taken."""
        now = self._clock()
        pull = self._pull(private=private)
        app = App(
            name, "container", DEPLOYING, now, now, now, image, port, cpu, memory, env or {}, private, pull
        )
        return self._record(self._create(app))

    def _record(self, app: App) -> App:
        """Record the deploy of the app's image, and return the app."""
        number = str(len(self._store.all(ImageDeploy, app.name)) + 1)
        self._store.save(ImageDeploy(app.name, number, app.image or "", app.deployed_at))
        return app

    def _pull(self, *, private: bool) -> str:
        """Pull an image. If that fails, return the status at the end of the deploy, else an empty text."""
        match self._dialect["pull"]:
            case "back-off":
                return _BACK_OFF
            case "refused":
                return FAILED
            case "login" if not private:
                return FAILED
        return ""

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

        If the API variant changes `updated_at`, the new time is at least a second later than the old time.
        """
        app = self.get(name)
        if app.type != "container":
            raise ApiError(400, "not a container app")
        if name in self.held:
            raise ApiError(409, "another deploy is in progress")
        if app.status in _DELETING:
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
            not_pulled=self._pull(private=private),
            status=DEPLOYING,
            deployed_at=now,
            updated_at=max(now, math.floor(app.updated_at) + 1) if moves else app.updated_at,
        )
        self._deploys.setdefault(name, [app])
        return self._record(self._set(deployed))

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
        is_broken = app.status == DEPLOYING and outcome == FAILED and not app.not_pulled
        if is_broken and self._dialect["broken-deploy"] == "crash-loop":
            return _in_crash_loop(age - self.rollout.seconds)
        return outcome

    def _outcome(self, app: App) -> str:
        if app.status != DEPLOYING:
            return app.status
        if app.not_pulled:
            return app.not_pulled
        return FAILED if any(fnmatchcase(app.image or "", p) for p in self.rollout.fail_images) else RUNNING

    def _running(self, app: App, seconds_ago: float = 0.0) -> App:
        """Return the newest row that runs now or ran some seconds ago, else the newest row."""
        rows = [row for row in self._deploys.get(app.name, [app]) if self._age(row) >= seconds_ago]
        running = (row for row in reversed(rows) if self.status(row, seconds_ago) == RUNNING)
        return next(running, (rows or [app])[-1])

    def serving(self, app: App) -> App:
        """Return the row whose image serves visitors."""
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

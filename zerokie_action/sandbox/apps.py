"""The rules of apps: create, deploy, and how a container comes up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zerokie_action.sandbox.problems import ApiError
from zerokie_action.sandbox.store import App

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zerokie_action.sandbox.dialects import Dialect
    from zerokie_action.sandbox.store import Store

DEPLOYING, RUNNING, FAILED, STOPPED = "deploying", "running", "failed", "stopped"
PORT, CPU, MEMORY = 80, 256, 512
"""What a container app gets when its request says nothing."""

_IS_NEW, _IS_STOPPED = 8.0, 2.0
"""Seconds after an app's creation and after a deploy in which some platforms are different."""

_LATE = {"late": (12.0, 12.0), "image-first": (3.0, 0.0)}
"""How many seconds a GET is behind with the status and with the image."""

_NOT_YET = {"404": "app not found", "502": "bad gateway"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """How container apps come up.

    Attributes:
        seconds: how long a deploy takes by the platform's clock.
        fail_images: shell patterns of the images whose deploys end in `failed`.
    """

    seconds: float = 1.0
    fail_images: Sequence[str] = ("*:*broken*",)


class Apps:
    """Container and static apps of one platform."""

    def __init__(self, store: Store, clock: Callable[[], float], rollout: Rollout, dialect: Dialect) -> None:
        """Keep the apps in `store`; times are the clock's."""
        self._store = store
        self._clock = clock
        self._rollout = rollout
        self._dialect = dialect
        self._deploys: dict[str, list[App]] = {}
        """The app's row after its creation and after each deploy since this process began."""
        self._losing: set[str] = set()
        """Apps whose last `POST deploy` was lost before it took effect."""
        self.held: set[str] = set()
        """Apps whose `POST deploy` answers 409, as if another deploy was in progress."""

    def list(self) -> list[App]:
        """Return all apps, oldest first."""
        return self._store.apps()

    def get(self, name: str) -> App:
        """Return the app; 404 when there is none."""
        app = self._store.app(name)
        if app is None:
            raise ApiError(404, "app not found")
        return app

    def check_ready(self, name: str) -> None:
        """Refuse requests for an app that was created a moment before, where the dialect does so."""
        answer = self._dialect["new-app"]
        app = self._store.app(name)
        if app and answer != "ready" and self._clock() - app.created_at < _IS_NEW:
            raise ApiError(int(answer), _NOT_YET[answer])

    def static(self, name: str) -> App:
        """Return the static app; 404 when there is no app, 400 when it is a container."""
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
        return self._create(
            App(
                name=name,
                type="container",
                image=image,
                port=port,
                cpu=cpu,
                memory=memory,
                env=env or {},
                private=private,
                status=DEPLOYING,
                deployed_at=now,
                created_at=now,
                updated_at=now,
            )
        )

    def create_static(self, name: str, *, env: dict[str, str] | None = None) -> App:
        """Create a static app; 409 when the name is taken."""
        now = self._clock()
        return self._create(
            App(
                name=name,
                type="static",
                image=None,
                port=None,
                cpu=None,
                memory=None,
                env=env or {},
                private=False,
                status=RUNNING,
                deployed_at=now,
                created_at=now,
                updated_at=now,
            )
        )

    def _create(self, app: App) -> App:
        if self._store.app(app.name):
            raise ApiError(409, "app name already exists")
        self._store.save_app(app)
        self._deploys[app.name] = [app]
        return app

    def deploy(self, name: str, *, image: str | None, private: bool) -> App:
        """Deploy `image`, or the current one again; 400 for a static app, 409 while another deploy runs.

        Where `updated_at` moves, it is later than before even when both deploys fall into the same second.
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
        self._store.save_app(deployed)
        self._deploys.setdefault(name, [app]).append(deployed)
        return deployed

    def status(self, app: App, seconds_ago: float = 0.0) -> str:
        """Say what the app's status is by now, or was some seconds ago."""
        age = self._clock() - seconds_ago - app.deployed_at
        if self._dialect["before-deploying"] == "stopped" and app.deployed_at > app.created_at:
            if app.status == DEPLOYING and 0 <= age < _IS_STOPPED:
                return STOPPED
            age -= _IS_STOPPED
        if app.status == DEPLOYING and age < self._rollout.seconds:
            return DEPLOYING
        return self._outcome(app)

    def _outcome(self, app: App) -> str:
        if app.status != DEPLOYING:
            return app.status
        return FAILED if any(fnmatchcase(app.image or "", p) for p in self._rollout.fail_images) else RUNNING

    def shown(self, app: App) -> App:
        """Return the app with the status and the image that a GET shows now."""
        deploys = self._deploys.get(app.name, [app])
        status_late, image_late = _LATE.get(self._dialect["deploying"], (0.0, 0.0))

        def latest(seconds_ago: float) -> int:
            then = self._clock() - seconds_ago
            return max((n for n, row in enumerate(deploys) if row.deployed_at <= then), default=0)

        number = latest(status_late)
        status = self.status(deploys[number], status_late)
        if status == DEPLOYING and self._dialect["deploying"] == "none":
            status = self._outcome(deploys[max(number - 1, 0)])
        return replace(deploys[latest(image_late)], status=status)

    def set_status(self, name: str, status: str) -> None:
        """Force a status word, which stays until the next deploy."""
        app = replace(self.get(name), status=status)
        self._store.save_app(app)
        self._deploys.setdefault(name, [app])[-1] = app

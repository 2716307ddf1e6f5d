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

    from zerokie_action.sandbox.store import Store

DEPLOYING, RUNNING, FAILED = "deploying", "running", "failed"
PORT, CPU, MEMORY = 80, 256, 512
"""What a container app gets when its request says nothing."""


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

    def __init__(self, store: Store, clock: Callable[[], float], rollout: Rollout) -> None:
        """Keep the apps in `store`; times are the clock's."""
        self._store = store
        self._clock = clock
        self._rollout = rollout
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
        return app

    def deploy(self, name: str, *, image: str | None, private: bool) -> App:
        """Deploy `image`, or the current one again; 400 for a static app, 409 while another deploy runs.

        `updated_at` is later than before even when both deploys fall into the same second.
        """
        app = self.get(name)
        if app.type != "container":
            raise ApiError(400, "not a container app")
        if name in self.held:
            raise ApiError(409, "another deploy is in progress")
        now = self._clock()
        app = replace(
            app,
            image=image or app.image,
            private=private,
            status=DEPLOYING,
            deployed_at=now,
            updated_at=max(now, math.floor(app.updated_at) + 1),
        )
        self._store.save_app(app)
        return app

    def status(self, app: App) -> str:
        """Say what the app's status is by now."""
        if app.status != DEPLOYING:
            return app.status
        if self._clock() - app.deployed_at < self._rollout.seconds:
            return DEPLOYING
        return FAILED if any(fnmatchcase(app.image or "", p) for p in self._rollout.fail_images) else RUNNING

    def set_status(self, name: str, status: str) -> None:
        """Force a status word, which stays until the next deploy."""
        self._store.save_app(replace(self.get(name), status=status))

"""State and rules of a platform, without HTTP.

Tests use `Platform` to observe and change the platform.
"""

import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path

from sandbox.apps import Apps, Rollout
from sandbox.cdn import Cdn, Page
from sandbox.dialects import Dialect
from sandbox.faults import Faults
from sandbox.records import ApiError, Record
from sandbox.static import EXPIRY, Domains, Locks, Zone
from sandbox.store import Deployment, Store
from sandbox.throttle import Throttle

Hook = Callable[[Record], Awaitable[None] | None]

__all__ = ["EXPIRY", "Platform", "Rollout"]


class Platform:
    """A platform with its state in the folder `data`.

    The parts `apps`, `zone` (files), `locks`, `domains` and `cdn` have the rules. Tests can observe the
    platform (`requests`, `files`, `lock`, `deployments`), change it without a request (`put_file`,
    `take_lock`, `apps.set_status`), and cause failures (`faults`, hooks).

    Attributes:
        requests: a record of every request to `/v1` and to the apps' URLs, in order of arrival. If a test
            clears the list, indices start from 0 again.
        dialect: the API variants, see `dialects.QUESTIONS`; `dialect.speak("updated-at=never")` changes one.
        faults: see `faults.Fault`.
        base_url: the listening server's URL: `http://127.0.0.1:8080`.
        on_request: a plain or async function, called with the record before the request takes effect. A JSON
            body is complete at this point, but an upload's body isn't.
        on_response: like `on_request`, called after the effect and before the response.
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
            api_keys: valid bearer tokens.
            rollout: the outcome of container apps' deploys.
            public_url: the base of the apps' URLs; by default, the server's address.
            latency: seconds of delay for every request to `/v1` and to the apps.
            dialect: API variants, such as `updated-at=never`.
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
        self.throttle = Throttle(clock, self.dialect)
        self.store = Store(data)
        self.apps = Apps(self.store, clock, self.dialect, rollout or Rollout())
        self.zone = Zone(self.store, clock, self.dialect)
        self.locks = Locks(self.store, clock, self.dialect)
        self.domains = Domains(self.store, clock, self.dialect)
        self.cdn = Cdn(self.store, clock, self.dialect, self.apps)

    def url(self, app: str) -> str:
        """The app's URL."""
        return f"{self.public_url or self.base_url}/_apps/{app}"

    def finalize(self, app: str, deploy_session_id: str, **counts: int) -> Deployment:
        """Release the lock, record the deployment, and purge the CDN cache; 409 without the lock.

        `counts` are those of the client: `files_uploaded`, `files_deleted`, `total_bytes`.
        """
        self.locks.release(app, deploy_session_id)
        now = self.clock()
        deployment = Deployment(app, self._deploy_id(now), deploy_session_id, now, **counts)
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
        """Delete an app with its files, deployments, lock and domains.

        404 when no app has this name. In an API variant, 409 while a session holds the lock.
        """
        if self.dialect["locked-app"] == "refused" and self.lock(name):
            raise ApiError(409, "the app is locked by a deploy in progress")
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
        """Store a file under any path, even if requests can't use this path. The CDN isn't purged."""
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
        """Make `POST deploy` respond with a 409 until `release_deploy`, as during another deploy."""
        self.apps.held.add(app)

    def release_deploy(self, app: str) -> None:
        """End the effect of `hold_deploy`."""
        self.apps.held.discard(app)

    def set_page(
        self, app: str, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Set the response of a running container app at its URL."""
        self.cdn.pages[app] = Page(status, body, {"content-length": str(len(body))} | (headers or {}))

"""The platform's REST API: a method of `Client` for each endpoint.

Names in the docstrings are the headings of the reference. Every method sends its request until it is answered
(`http.retry`), knows what an ambiguous outcome means for its endpoint, and raises only errors of
`zerokie_action.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zerokie_action.errors import AuthenticationError, DeployError, RequestRejected
from zerokie_action.http.request import MEGABYTE
from zerokie_action.http.retry import NORMAL
from zerokie_action.platform.models import (
    App,
    Counts,
    Domain,
    Finalized,
    parse_any,
    parse_apps,
    parse_files,
    parse_heartbeat,
    parse_lock,
    parse_no_content,
    parse_record,
)
from zerokie_action.platform.requests import (
    DELETIONS,
    FINALIZE_TIMEOUT,
    LARGEST_LISTING,
    LISTING_TIMEOUT,
    UPLOADS,
    Requests,
    app_target,
)
from zerokie_action.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zerokie_action.files.manifest import RemoteFile
    from zerokie_action.http import Request, Response
    from zerokie_action.http.request import Content
    from zerokie_action.http.retry import Guard, Policy, RetryingClient
    from zerokie_action.platform.models import Registry

T = TypeVar("T")

UNAUTHORIZED = 401
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413

_HINT = "The platform's own words say why; correct that, then run the job again."
_GATEWAY = "A gateway or proxy refuses such a request: check what it allows."
_HINTS = {
    403: "The key is valid but may not do this; check its permissions.",
    NOT_FOUND: "Correct `app`. Only a deploy creates an app.",
    407: "Put user and password into the proxy's URL: http://user:password@host:port.",
    CONFLICT: "Something else is changing the app, or has taken its name; "
    "run the job again when that has ended.",
    TOO_LARGE: "A gateway or proxy limits the size of requests: raise that limit "
    "(nginx: `client_max_body_size`), or leave the file out with `ignore`.",
    414: _GATEWAY,
    415: _GATEWAY,
    431: _GATEWAY,
}


class Client:
    """The API, on behalf of one key. Knows nothing of inputs, logs or CI systems.

    Attributes:
        http: sends the requests.
    """

    def __init__(self, requests: Requests, http: RetryingClient, policy: Policy = NORMAL) -> None:
        """Make everything with `requests`, and send it through `http` as `policy` says."""
        self.http = http
        self._requests = requests
        self._policy = policy

    def retrying(self, policy: Policy) -> Client:
        """The same, with requests that are sent again as `policy` says."""
        return Client(self._requests, self.http, policy._replace(guard=self._policy.guard))

    def guarded(self, guard: Guard) -> Client:
        """The same, with `guard` entered around each attempt: it may refuse, shield, or watch it."""
        return Client(self._requests, self.http, self._policy._replace(guard=guard))

    # Apps

    async def create_static(self, name: str) -> App | None:
        """Create a static app ("POST /v1/apps", static).

        Returns:
            The app; None when an attempt whose answer was lost, or somebody else, has created it.
        """
        body = {"name": name, "type": "static"}
        return await self._create(name, body, is_ours=lambda app: app.kind != "container")

    async def create_container(
        self,
        name: str,
        image: str,
        *,
        port: int | None = None,
        cpu: int | None = None,
        memory: int | None = None,
        env: Mapping[str, str] | None = None,
        registry: Registry | None = None,
    ) -> App | None:
        """Create a container app ("POST /v1/apps", container). `cpu` in units, `memory` in MB.

        Returns:
            As `create_static`.
        """
        body = {
            "name": name,
            "type": "container",
            "image": image,
            "port": port,
            "cpu": cpu,
            "memory": memory,
            "env": env,
            "registry_auth": registry and registry._asdict(),
        }
        return await self._create(name, body, is_ours=lambda app: app.image == image)

    async def _create(
        self, name: str, body: Mapping[str, object], is_ours: Callable[[App], bool]
    ) -> App | None:
        request = self._requests(f"Creating app {name!r}", "POST", "/v1/apps", body)
        try:
            return await self._send(request, parse_record(App))
        except RequestRejected as error:
            if await self._ours_after_conflict(error, name, is_ours):
                return None
            raise

    async def list_apps(self) -> list[App]:
        """All apps of the key ("GET /v1/apps")."""
        request = self._requests("Listing the apps", "GET", "/v1/apps", max_body=16 * MEGABYTE)
        return await self._send(request, parse_apps)

    async def find_app(self, name: str) -> App | None:
        """One app ("GET /v1/apps/:name"); None when there is none of that name."""
        try:
            return await self.get_app(name)
        except RequestRejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def get_app(self, name: str) -> App:
        """One app ("GET /v1/apps/:name").

        Raises:
            RequestRejected: with status 404 when there is none.
        """
        request = self._requests(f"Looking up app {name!r}", "GET", app_target(name))
        return await self._send(request, parse_record(App))

    async def delete_app(self, name: str) -> bool:
        """Delete an app ("DELETE /v1/apps/:name"); False when there was none."""
        return await self._delete(self._requests(f"Deleting app {name!r}", "DELETE", app_target(name)))

    async def deploy(
        self, before: App, name: str, image: str | None, registry: Registry | None = None
    ) -> App:
        """Deploy an image, or restart the current one ("POST /v1/apps/:name/deploy").

        `before` is the app as it was: after a lost answer it tells whose deploy is in progress.

        Raises:
            RequestRejected: with status 409 when another deploy of the app is in progress.
        """
        body = {"image": image, "registry_auth": registry and registry._asdict()}
        purpose = f"Deploying {image!r}" if image else f"Restarting {name!r}"

        request = self._requests(purpose, "POST", app_target(name, "deploy"), body)

        def is_ours(app: App) -> bool:
            return app.image == (image or before.image) and app.updated_at > before.updated_at

        try:
            return await self._send(request, parse_record(App))
        except RequestRejected as error:
            if app := await self._ours_after_conflict(error, name, is_ours):
                return app
            raise

    async def _ours_after_conflict(
        self, conflict: RequestRejected, name: str, is_ours: Callable[[App], bool]
    ) -> App | None:
        """The app, if the conflict is one with an earlier attempt, whose answer was lost; else None."""
        if conflict.status != CONFLICT or not conflict.ambiguous:
            return None
        try:
            app = await self.find_app(name)
        except DeployError as error:
            error.ambiguous = True  # what it says of the conflict
            raise
        return app if app is not None and is_ours(app) else None

    # Files of static apps

    async def list_files(self, name: str) -> list[RemoteFile]:
        """All files in the app's storage zone ("GET /v1/apps/:name/files")."""
        request = self._requests(
            f"Listing the files of {name!r}",
            "GET",
            app_target(name, "files"),
            max_body=LARGEST_LISTING,
            timeout=LISTING_TIMEOUT,
        )
        return await self._send(request, parse_files)

    async def put_file(
        self, name: str, path: str, content: Content, content_type: str, *, kind: str = UPLOADS
    ) -> None:
        """Store one file ("PUT /v1/apps/:name/files/{path}")."""
        target = app_target(name, "files", *path.split("/"))
        request = self._requests(
            f"Uploading {path!r}", "PUT", target, content, content_type=content_type, kind=kind
        )
        try:
            await self._send(request, parse_any)
        except RequestRejected as error:
            if error.status == TOO_LARGE:
                error.hint = f"The file has {human_bytes(content.size)}. {error.hint}"
            raise

    async def delete_file(self, name: str, path: str) -> None:
        """Delete one file ("DELETE /v1/apps/:name/files/{path}"). One that is gone already is done."""
        target = app_target(name, "files", *path.split("/"))
        request = self._requests(f"Deleting {path!r}", "DELETE", target, kind=DELETIONS)
        await self._delete(request, parse_any)  # what is still there goes with the next deploy

    # The deploy lock

    async def acquire_lock(self, name: str, session: str) -> None:
        """Ask for the deploy lock ("POST /v1/apps/:name/deploy/lock").

        Raises:
            RequestRejected: with status 409 when a session holds it: ours, maybe, if it is `ambiguous`.
        """
        target, body = app_target(name, "deploy", "lock"), {"deploy_session_id": session}
        request = self._requests("Asking for the deploy lock", "POST", target, body)
        if not await self._send(request, parse_lock(session)):
            raise RequestRejected("The platform granted no lock to this session", status=CONFLICT)

    async def heartbeat(self, name: str, session: str) -> bool:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"); False when it is not ours (404, 409)."""
        target, body = app_target(name, "deploy", "lock"), {"deploy_session_id": session}
        request = self._requests("Confirming the deploy lock", "PUT", target, body)
        try:
            return await self._send(request, parse_heartbeat(session))
        except RequestRejected as error:
            if error.status in {NOT_FOUND, CONFLICT}:
                return False
            raise

    async def finalize(self, name: str, session: str, counts: Counts) -> Finalized:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Raises:
            RequestRejected: with status 404 or 409 when the session holds no lock. `ambiguous` is set when an
                earlier attempt may have released it.
        """
        body = {"deploy_session_id": session, **counts._asdict()}
        target = app_target(name, "deploy", "finalize")
        request = self._requests("Finalizing the deploy", "POST", target, body, timeout=FINALIZE_TIMEOUT)
        return await self._send(request, parse_record(Finalized))

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str) -> Domain:
        """Attach a domain ("POST /v1/apps/:name/domains").

        Raises:
            RequestRejected: with status 409 when it is attached already, here or elsewhere.
        """
        target = app_target(name, "domains")
        request = self._requests(f"Attaching {domain!r}", "POST", target, {"domain": domain})
        return await self._send(request, parse_record(Domain))

    async def remove_domain(self, name: str, domain: str) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); False when it was not attached."""
        return await self._delete(
            self._requests(f"Removing {domain!r}", "DELETE", app_target(name, "domains", domain))
        )

    # What all endpoints share

    async def _delete(self, request: Request, parse: Callable[[Response], bool] = parse_no_content) -> bool:
        """Send a DELETE; False when there was nothing to delete, not even for an earlier attempt."""
        try:
            await self._send(request, parse)
        except RequestRejected as error:
            if error.status != NOT_FOUND:
                raise
            return error.ambiguous
        return True

    async def _send(self, request: Request, parse: Callable[[Response], T]) -> T:
        """The answer to a request.

        Raises:
            DeployError: what an answer other than 2xx stands for.
        """
        try:
            return await self.http.send(request, parse, self._policy)
        except RequestRejected as error:
            if error.status == UNAUTHORIZED:
                raise AuthenticationError(
                    f"The platform does not accept the API key ({error.answer})",
                    hint="Check that the secret behind `api-key` holds a current key for this `api-url`.",
                ) from error
            error.hint = error.hint or _HINTS.get(error.status, _HINT)
            raise

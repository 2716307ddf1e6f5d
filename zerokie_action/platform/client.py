"""The platform's REST API: a method of `Client` for each endpoint.

The docstrings quote the headings of the reference. Every method sends its request until the platform answers
(`http.retry`), interprets an ambiguous outcome for its endpoint, and raises only errors of
`zerokie_action.errors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

import anyio

from zerokie_action.errors import AuthenticationError, RequestRejected
from zerokie_action.http import Request
from zerokie_action.http.request import HEADERS, MEGABYTE, Bytes, ContentStream, extensions
from zerokie_action.platform.models import (
    App,
    Counts,
    Domain,
    Finalized,
    parse_any,
    parse_app_deletion,
    parse_apps,
    parse_files,
    parse_finalized,
    parse_heartbeat,
    parse_lock,
    parse_record,
)
from zerokie_action.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.http import Response
    from zerokie_action.http.request import Content
    from zerokie_action.http.retry import AttemptScope, Backoff, RetryingClient
    from zerokie_action.platform.models import RemoteFile

T = TypeVar("T")

BAD_REQUEST = 400
UNAUTHORIZED = 401
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413

UPLOADS, DELETIONS, MANIFESTS = "Uploads", "Deletions", "Manifests"
"""Groups of requests. For any other request, the purpose is the name of the group."""

_LISTING_TIMEOUT = 120.0
_LARGEST_LISTING = 128 * MEGABYTE
"""Seconds and bytes for a listing of a million files. Parsing takes four times as many bytes of memory."""
_FINALIZE_TIMEOUT = 25.0
"""Seconds for an attempt to finalize. Two attempts fit into the minute that a release may take."""

_READY_WITHIN = 60.0
"""Seconds that a new app may take to get ready."""

_HINT = "The answer says why: correct that, then run the job again."
_HINTS = {
    403: "The key is valid but may not do this; check its permissions.",
    NOT_FOUND: "Correct `app`. Only a deploy creates an app.",
    407: "Check user and password in the proxy's URL: http://user:password@host:port.",
    CONFLICT: "If something else is changing the app, run the job again later. If the name is taken, choose "
    "another `app`.",
    TOO_LARGE: "A gateway or proxy limits the size of requests: raise that limit "
    "(nginx: `client_max_body_size`).",
}
HIDDEN_HINT = (
    "The platform may refuse or hide names that begin with a dot: leave such files out with `ignore`."
)


@dataclass
class Creation:
    """The creation of the app by this run. For a minute, a 404 means that the new app is not ready.

    Attributes:
        at: when the app was created, by the event loop's time.
        is_ready: whether the app's lock was granted; after that, only uploads may still get a 404.
    """

    at: float = -math.inf
    is_ready: bool = False

    @property
    def ready_by(self) -> float:
        """The latest time at which the app gets ready."""
        return self.at + _READY_WITHIN

    @property
    def is_pending(self) -> bool:
        """Whether the app may not be ready yet."""
        return not self.is_ready and anyio.current_time() < self.ready_by


@dataclass(frozen=True, eq=False, repr=False)
class Client:
    """The API for one key. The key is sent to no other server. The client knows neither inputs nor the log.

    Attributes:
        base_url: the API's URL, without a trailing slash.
        api_key: the key, sent with every request.
        http: sends the requests.
        backoff: see `http.retry.Backoff`.
        around_attempt: see `http.retry.AttemptScope`.
        creation: the app's creation, if this run created the app.
    """

    base_url: str
    api_key: str
    http: RetryingClient
    backoff: Backoff | None = None
    around_attempt: AttemptScope = nullcontext
    creation: Creation = field(default_factory=Creation)

    def retrying(self, backoff: Backoff) -> Client:
        """A copy of this client whose requests bypass the limiter; see `http.retry.Backoff`."""
        return replace(self, backoff=backoff)

    def guarded(self, scope: AttemptScope) -> Client:
        """A copy of this client that enters `scope` around each attempt."""
        return replace(self, around_attempt=scope)

    @cached_property
    def _headers(self) -> dict[str, str]:
        host = {"Host": urlsplit(self.base_url).netloc}
        return {**host, **HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self.api_key}"}

    # Apps

    async def create_app(self, name: str, kind: str, **fields: object) -> App:
        """Create an app ("POST /v1/apps").

        Args:
            name: the app's name.
            kind: `container` or `static`.
            fields: the other fields of the body, under the reference's names; None leaves a field out.

        Raises:
            RequestRejected: with status 409 when an app of this name exists. If the error is `ambiguous`,
                this run may have created that app.
        """
        purpose, body = f"Creating app {name!r}", {"name": name, "type": kind, **fields}
        try:
            app = await self._send(parse_record(App), purpose, "POST", "/v1/apps", body)
        except RequestRejected as error:
            if error.status == CONFLICT and error.ambiguous:
                self.creation.at = anyio.current_time()
            raise
        self.creation.at = anyio.current_time()
        return app

    async def list_apps(self) -> list[App]:
        """All apps of the key ("GET /v1/apps")."""
        return await self._send(parse_apps, "Listing the apps", "GET", "/v1/apps", max_body=16 * MEGABYTE)

    async def find_app(self, name: str) -> App | None:
        """An app ("GET /v1/apps/:name"); None when no app has this name."""
        try:
            return await self.get_app(name)
        except RequestRejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def get_app(self, name: str) -> App:
        """An app ("GET /v1/apps/:name").

        Raises:
            RequestRejected: with status 404 when no app has this name.
        """
        return await self._send(parse_record(App), f"Looking up app {name!r}", "GET", app_target(name))

    async def delete_app(self, name: str) -> bool:
        """Delete an app ("DELETE /v1/apps/:name"); False when no app had this name."""
        # An empty 200 may be a gateway's. The DELETE is then repeated, because the app has to be gone.
        return await self._delete(parse_app_deletion, f"Deleting app {name!r}", app_target(name))

    async def deploy(
        self, name: str, image: str | None, registry_auth: Mapping[str, str] | None = None
    ) -> App:
        """Deploy an image, or restart the app with its current image ("POST /v1/apps/:name/deploy").

        The request is not repeated once it may have taken effect, because a second request would restart the
        app again.

        Raises:
            RequestRejected: with status 409 when another deploy of the app is in progress.
            PlatformUnavailable: `ambiguous`, when the answer was lost.
        """
        body = {"image": image, "registry_auth": registry_auth}
        purpose = f"Deploying {image!r}" if image else f"Restarting {name!r}"
        target = app_target(name, "deploy")
        return await self._send(parse_record(App), purpose, "POST", target, body, is_repeatable=False)

    # Files of static apps

    async def list_files(self, name: str) -> dict[str, RemoteFile]:
        """All files in the app's storage zone, by path ("GET /v1/apps/:name/files")."""
        return await self._send(
            parse_files,
            f"Listing the files of {name!r}",
            "GET",
            app_target(name, "files"),
            max_body=_LARGEST_LISTING,
            read_timeout=_LISTING_TIMEOUT,
        )

    async def put_file(
        self, name: str, path: str, content: Content, content_type: str, *, group: str = UPLOADS
    ) -> None:
        """Store one file ("PUT /v1/apps/:name/files/{path}")."""
        purpose, target = f"Uploading {path!r}", app_target(name, "files", *path.split("/"))
        try:
            await self._send(
                parse_any, purpose, "PUT", target, content, content_type=content_type, group=group
            )
        except RequestRejected as error:
            if group == MANIFESTS:
                error.hint = f"This is the action's own record of the deploy. {error.hint}"
            elif error.status == TOO_LARGE:
                size = human_bytes(content.size)
                error.hint = f"The file is {size} large. {error.hint} Or leave the file out with `ignore`."
            elif is_hidden(path):
                error.hint = f"{HIDDEN_HINT} {error.hint}"
            raise

    async def delete_file(self, name: str, path: str) -> None:
        """Delete one file ("DELETE /v1/apps/:name/files/{path}"). A missing file is no error."""
        purpose, target = f"Deleting {path!r}", app_target(name, "files", *path.split("/"))
        try:
            # Any 2xx will do: if the file is still there, the next deploy deletes it.
            await self._send(parse_any, purpose, "DELETE", target, group=DELETIONS)
        except RequestRejected as error:
            if error.status != NOT_FOUND:
                raise

    # The deploy lock

    async def acquire_lock(self, name: str, session: str) -> None:
        """Request the deploy lock ("POST /v1/apps/:name/deploy/lock").

        Raises:
            RequestRejected: with status 409 when a session holds the lock. If the error is `ambiguous`, that
                may be this session.
        """
        target, body = app_target(name, "deploy", "lock"), {"deploy_session_id": session}
        if not await self._send(parse_lock(session), "Asking for the deploy lock", "POST", target, body):
            raise RequestRejected("The platform granted no lock to this session", status=CONFLICT)

    async def heartbeat(self, name: str, session: str) -> bool:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"); False if the session does not hold it."""
        target, body = app_target(name, "deploy", "lock"), {"deploy_session_id": session}
        try:
            return await self._send(
                parse_heartbeat(session), "Confirming the deploy lock", "PUT", target, body
            )
        except RequestRejected as error:
            if error.status in {NOT_FOUND, CONFLICT}:
                return False
            raise

    async def finalize(self, name: str, session: str, counts: Counts) -> Finalized | None:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Returns:
            The platform's answer; None for a 2xx without a JSON object, which may be a gateway's.

        Raises:
            RequestRejected: with status 404 or 409 when the session holds no lock. If the error is
                `ambiguous`, an earlier attempt may have released the lock.
        """
        body = {"deploy_session_id": session, **counts._asdict()}
        purpose, target = "Finalizing the deploy", app_target(name, "deploy", "finalize")
        return await self._send(
            parse_finalized, purpose, "POST", target, body, read_timeout=_FINALIZE_TIMEOUT
        )

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str) -> Domain:
        """Attach a domain ("POST /v1/apps/:name/domains").

        Raises:
            RequestRejected: with status 409 when the domain is attached already, to this app or another.
        """
        purpose, target = f"Attaching {domain!r}", app_target(name, "domains")
        return await self._send(parse_record(Domain), purpose, "POST", target, {"domain": domain})

    async def remove_domain(self, name: str, domain: str) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); False if the app did not have it."""
        return await self._delete(parse_any, f"Removing {domain!r}", app_target(name, "domains", domain))

    # What all endpoints share

    async def _delete(self, parse: Callable[[Response], bool], purpose: str, target: str) -> bool:
        """Send a DELETE; False for a 404, unless an earlier attempt may have succeeded."""
        try:
            return await self._send(parse, purpose, "DELETE", target)
        except RequestRejected as error:
            if error.status != NOT_FOUND:
                raise
            return error.ambiguous

    async def _send(
        self,
        parse: Callable[[Response], T],
        purpose: str,
        method: str,
        target: str,
        body: Mapping[str, object] | Content | None = None,
        *,
        content_type: str = "application/json",
        group: str = "",
        max_body: int = MEGABYTE,
        read_timeout: float = 30.0,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered, and return the parsed answer.

        Args:
            parse: see `RetryingClient.send`.
            purpose: see `http.request.About`.
            method: the HTTP method.
            target: the path below the base URL, from `app_target`, which refuses dot segments.
            body: a mapping is sent as JSON, without its None values; a content is read while it is sent.
            content_type: the body's type.
            group: see `http.request.About`.
            max_body: see `http.request.About`.
            read_timeout: seconds without a byte after which the attempt fails.
            is_repeatable: see `RetryingClient.send`.

        Raises:
            DeployError: as `RetryingClient.send`; AuthenticationError for a 401.
        """
        if isinstance(body, Mapping):
            given = {key: value for key, value in body.items() if value is not None}
            body = Bytes(json.dumps(given).encode())
        headers, stream, size = self._headers, None, 0
        if body is not None:
            stream, size = ContentStream(body), body.size
            headers = headers | {"Content-Type": content_type, "Content-Length": str(size)}
        may_get_ready = self.creation.is_pending or group in {UPLOADS, MANIFESTS}
        ready_by = self.creation.ready_by if may_get_ready else -math.inf
        more = extensions(
            purpose, group=group, timeout=read_timeout, size=size, max_body=max_body, ready_by=ready_by
        )
        request = Request(method, self.base_url + target, headers=headers, stream=stream, extensions=more)
        try:
            return await self.http.send(
                request, parse, self.backoff, self.around_attempt, is_repeatable=is_repeatable
            )
        except RequestRejected as error:
            if error.status == UNAUTHORIZED:
                unauthorized = AuthenticationError(
                    f"The platform does not accept the API key ({error.answer})",
                    hint="Check that the secret behind `api-key` holds a current key for this `api-url`.",
                )
                unauthorized.lost_answer = error.lost_answer
                raise unauthorized from error
            error.hint = error.hint or _HINTS.get(error.status, _HINT)
            raise


def is_hidden(path: str) -> bool:
    """Whether the file's name, or the name of a directory above the file, begins with a dot."""
    return path.startswith(".") or "/." in path


def app_target(app: str, *rest: str) -> str:
    """The request target of an app (`/v1/apps/:name`), followed by the segments in `rest`.

    Raises:
        ValueError: when a segment is empty, `.` or `..`, because the request would reach another resource.
    """
    return f"/v1/apps/{'/'.join(map(_segment, (app, *rest)))}"


@lru_cache(maxsize=1024)  # names of apps and directories recur
def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")

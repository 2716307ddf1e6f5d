"""The platform's REST API: `Client` has one method for each endpoint.

The docstrings quote the headings of the API reference. Every method retries its request (`http.retry`) and
raises only errors of `zerokie_action.errors`. `retrying`, `guarded` and `tracked` return a copy of the client
with an option for its requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

from zerokie_action import limits
from zerokie_action.errors import Conflict, DeployError, NotFound, PlatformUnavailable, RequestRejected
from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.group import GaveUp
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.request import (
    HEADERS,
    MEGABYTE,
    UNGUARDED,
    Bytes,
    Content,
    ContentStream,
    Delivery,
    Guard,
    Outcome,
    RequestOptions,
)
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.models import (
    App,
    Counts,
    Domain,
    Finalized,
    Lock,
    RemoteFile,
    parse_any,
    parse_apps,
    parse_files,
    parse_optional,
    parse_record,
)
from zerokie_action.platform.responses import CONFLICT, FINAL, advice, read_response
from zerokie_action.text.numbers import human_bytes

T = TypeVar("T")

UPLOADS, DELETIONS, MANIFESTS = "Uploads", "Deletions", "Manifests"
"""Names of groups. Any other request is in a group named after its purpose."""

_LARGEST_LISTING = 128 * MEGABYTE
"""The size in bytes of a list of a million files."""

HIDDEN_HINT = (
    "Leave files out with `ignore` if their names start with a dot. The platform may reject or hide them."
)


@dataclass(frozen=True, eq=False, repr=False)
class Client:
    """A client of the API for one key, which it sends to no other server.

    Attributes:
        base_url: the API's URL, without a trailing slash.
        api_key: the key that every request carries.
        http: sends the requests.
        redact: removes secrets from a response's text.
        guard: see `http.request.Guard`.
        delivery: tracks the outcome of the next request; None if the caller doesn't need it.
    """

    base_url: str
    api_key: str
    http: RetryingClient
    redact: Callable[[str], str] = str
    guard: Guard = UNGUARDED
    delivery: Delivery | None = None

    def retrying(self, policy: RetryPolicy) -> Client:
        """Return a copy of this client with another retry policy."""
        return replace(self, http=replace(self.http, policy=policy))

    def guarded(self, guard: Guard) -> Client:
        """Return a copy of this client that replaces the guard around each attempt."""
        return replace(self, guard=guard)

    def tracked(self, delivery: Delivery) -> Client:
        """Return a copy of this client for one request, whose outcome `delivery` tracks."""
        return replace(self, delivery=delivery)

    # Apps

    async def create_app(self, name: str, kind: str, **fields: object) -> App:
        """Create an app ("POST /v1/apps").

        If a response was lost, a 409 may mean that this run created the app.

        Args:
            name: the app's name.
            kind: `container` or `static`.
            fields: the other fields of the body, with the reference's names. None omits a field.

        Raises:
            Conflict: when an app with this name exists.
        """
        options = RequestOptions(purpose=f"Creating app {name!r}")
        body = {"name": name, "type": kind, **fields}
        return await self._send(parse_record(App), options, "POST", (), body)

    async def list_apps(self) -> list[App]:
        """Return all apps of the key ("GET /v1/apps")."""
        options = RequestOptions(purpose="Listing the apps", max_body=_LARGEST_LISTING)
        return await self._send(parse_apps, options, "GET", ())

    async def find_app(self, name: str) -> App | None:
        """Return an app ("GET /v1/apps/:name"); None when it doesn't exist."""
        try:
            return await self.get_app(name)
        except NotFound:
            return None

    async def get_app(self, name: str) -> App:
        """Return an app ("GET /v1/apps/:name").

        Raises:
            NotFound: when the app doesn't exist.
        """
        options = RequestOptions(purpose=f"Looking up app {name!r}")
        try:
            return await self._send(parse_record(App), options, "GET", (name,))
        except NotFound as error:
            error.args = (f"App {name!r} doesn't exist ({error.response})",)
            error.hint = "Check `app` and `api-url`. To create the app, deploy with `create: true`."
            raise

    async def delete_app(self, name: str) -> None:
        """Delete an app ("DELETE /v1/apps/:name").

        The request isn't retried after an attempt that may have taken effect, because someone may have
        created the app again. Then the delivery says why the response was lost.

        Raises:
            NotFound: when the app doesn't exist.
        """
        options = RequestOptions(purpose=f"Deleting app {name!r}", group=DELETIONS, is_repeatable=False)
        await self._send(parse_any, options, "DELETE", (name,))

    async def deploy(
        self, name: str, image: str | None, registry_auth: Mapping[str, str] | None = None
    ) -> App:
        """Deploy an image, or restart the app with its current image ("POST /v1/apps/:name/deploy").

        The request isn't retried after an attempt that may have taken effect, because a second request would
        restart the app again. Then the delivery says why the response was lost.

        Raises:
            Conflict: when another deploy of the app is in progress.
        """
        purpose = f"Deploying {image!r}" if image else f"Restarting {name!r}"
        options = RequestOptions(purpose=purpose, is_repeatable=False)
        body = {"image": image, "registry_auth": registry_auth}
        return await self._send(parse_record(App), options, "POST", (name, "deploy"), body)

    # Files of static apps

    async def list_files(self, name: str, *, retries_missing: bool = False) -> dict[str, RemoteFile]:
        """Return the app's files by path ("GET /v1/apps/:name/files").

        Raises:
            NotFound: when the list is a 404, unless `retries_missing` makes that a failed request.
        """
        options = RequestOptions(
            purpose=f"Listing the files of {name!r}",
            silence=limits.LONG_SILENCE,
            max_body=_LARGEST_LISTING,
            retries_missing=retries_missing,
        )
        return await self._send(parse_files, options, "GET", (name, "files"))

    async def put_file(
        self, name: str, path: str, content: Content, content_type: str, group: str = UPLOADS
    ) -> None:
        """Store one file ("PUT /v1/apps/:name/files/{path}").

        A 404 is retried. The app exists while the run holds its lock, so its storage may not be ready yet.
        """
        options = RequestOptions(purpose=f"Uploading {path!r}", group=group, retries_missing=True)
        try:
            await self._send(parse_any, options, "PUT", _file(name, path), content, content_type=content_type)
        except (RequestRejected, PlatformUnavailable) as error:
            if group == MANIFESTS:
                error.advise("The action needs this file for its manifest.")
            elif is_hidden(path):
                error.advise(HIDDEN_HINT)
            elif isinstance(error, RequestRejected) and error.status in FINAL:  # this file may be the reason
                error.advise(f"Or leave the file ({human_bytes(content.size)}) out with `ignore`.")
            raise

    async def delete_file(self, name: str, path: str) -> bool:
        """Delete a file ("DELETE /v1/apps/:name/files/{path}"); return False if it doesn't exist."""
        return await self._delete(f"Deleting {path!r}", _file(name, path))

    # The deploy lock

    async def acquire_lock(self, name: str, session_id: str) -> None:
        """Request the deploy lock ("POST /v1/apps/:name/deploy/lock").

        Raises:
            Conflict: when a session holds the lock. After a lost response, it may be this session.
        """
        options = RequestOptions(purpose="Requesting the deploy lock")
        body = {"deploy_session_id": session_id}
        lock = await self._send(parse_record(Lock), options, "POST", (name, "deploy", "lock"), body)
        if not lock.is_held_by(session_id):
            raise Conflict("The platform didn't grant the lock to this run", status=CONFLICT)

    async def heartbeat(self, name: str, session_id: str) -> None:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"). The reference lacks the response.

        Raises:
            NotFound, Conflict: when the session doesn't hold the lock.
        """
        options = RequestOptions(purpose="Confirming the deploy lock", retries_forbidden=True)
        body = {"deploy_session_id": session_id}
        lock = await self._send(parse_optional(Lock), options, "PUT", (name, "deploy", "lock"), body)
        if lock and not lock.is_held_by(session_id):
            raise Conflict(f"{options.purpose} failed because this run doesn't hold it", status=CONFLICT)

    async def finalize(self, name: str, session_id: str, counts: Counts) -> Finalized | None:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Returns:
            The platform's response; None for a 2xx without a JSON object, which a gateway may have sent.

        Raises:
            NotFound, Conflict: when the session doesn't hold the lock. After a lost response, an earlier
                attempt may have released it.
        """
        options = RequestOptions(
            purpose="Finalizing the deploy", silence=limits.LONG_SILENCE, retries_forbidden=True
        )
        body = {"deploy_session_id": session_id, **counts._asdict()}
        return await self._send(
            parse_optional(Finalized), options, "POST", (name, "deploy", "finalize"), body
        )

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str) -> Domain:
        """Attach a domain ("POST /v1/apps/:name/domains").

        Raises:
            Conflict: when this app or another one already has the domain.
        """
        options, body = RequestOptions(purpose=f"Attaching {domain!r}"), {"domain": domain}
        return await self._send(parse_record(Domain), options, "POST", (name, "domains"), body)

    async def remove_domain(self, name: str, domain: str) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); return False if it isn't attached."""
        return await self._delete(f"Removing {domain!r}", (name, "domains", domain))

    # Shared by all endpoints

    async def _delete(self, purpose: str, path: Iterable[str]) -> bool:
        """Send a DELETE; return False for a 404 unless an earlier attempt may have deleted the resource.

        Only a tracked request has such an attempt.
        """
        options = RequestOptions(purpose=purpose, group=DELETIONS)
        try:
            return await self._send(parse_any, options, "DELETE", path)
        except NotFound:
            if self.delivery is None or not self.delivery.lost:
                return False
            self.delivery.outcome = Outcome.DONE
            return True

    async def _send(
        self,
        parse: Callable[[Response], T],
        options: RequestOptions,
        method: str,
        path: Iterable[str],
        body: Mapping[str, object] | Content | None = None,
        *,
        content_type: str = "application/json",
    ) -> T:
        """Send a request until a valid response arrives, and return its parsed value.

        Args:
            parse: see `read_response`.
            options: the request's options.
            method: the HTTP method.
            path: the segments of the path after `/v1/apps`; see `_segment`.
            body: a mapping to send as JSON without its None values, or a file to upload.
            content_type: the body's type.

        Raises:
            RequestRejected: when the response is a 4xx.
            AuthenticationError: when the response is a 401.
            PlatformUnavailable: when the request failed for too long.
        """
        if isinstance(body, Mapping):
            given = {key: value for key, value in body.items() if value is not None}
            body = Bytes(json.dumps(given).encode())
        url = URL("/".join((self.base_url, "v1/apps", *map(_segment, path))))
        headers = {
            "Host": url.netloc.decode(),
            **HEADERS,
            "Accept": "application/json",
            "Authorization": f"Bearer {self.api_key}",
        }
        stream = None
        if body is not None:
            stream = ContentStream(body, self.guard.require)
            headers |= {"Content-Type": content_type, "Content-Length": str(body.size)}
        request = Request(method, url, headers=headers, stream=stream, extensions=options.extensions)

        def read(response: Response) -> T | Failure | DeployError:
            return read_response(request, response, parse, self.redact)

        try:
            return await self.http.send(request, read, self.guard, self.delivery)
        except GaveUp as error:
            error.advise(advice(error.failure))
            raise


def _file(app: str, path: str) -> tuple[str, ...]:
    """Return the segments of a file's path."""
    return app, "files", *path.split("/")


def is_hidden(path: str) -> bool:
    """Return whether the name of the file, or of a folder above it, starts with a dot."""
    return path.startswith(".") or "/." in path


@lru_cache(maxsize=1024)  # names of apps and folders recur
def _segment(text: str) -> str:
    """Return the text as a segment of a URL's path.

    Raises:
        ValueError: when the text is empty, `.` or `..`, because the request would reach another resource.
    """
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")

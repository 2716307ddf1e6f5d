"""The platform's REST API: `Client` has one method for each endpoint.

The docstrings quote the headings of the API reference. Every method retries its request (`http.retry`) and
raises only errors of `zerokie_action.errors`. The argument `delivery` tracks the outcome of a request that
makes a change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar
from urllib.parse import quote

from zerokie_action import limits
from zerokie_action.errors import DeployError, PlatformUnavailable, RequestRejected
from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.group import GaveUp
from zerokie_action.http.request import (
    HEADERS,
    MEGABYTE,
    Bytes,
    Content,
    ContentStream,
    Delivery,
    Outcome,
    RequestOptions,
)
from zerokie_action.http.retry import Guard, RetryingClient
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
from zerokie_action.platform.responses import ADVICE, CONFLICT, FINAL, FORBIDDEN, NOT_FOUND, read_response
from zerokie_action.text.numbers import human_bytes

T = TypeVar("T")

UPLOADS, DELETIONS, MANIFESTS = "Uploads", "Deletions", "Manifests"
"""Names of groups. Any other request is in a group named after its purpose."""

_LARGEST_LISTING = 128 * MEGABYTE
"""The size in bytes of a list of a million files."""
_FINAL_FOR_LOCKS = FINAL - {FORBIDDEN}
"""Final statuses for heartbeat and finalize. A short 403 from a firewall must not keep the lock held."""

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
        patience: see `RetryingClient.send`.
        guard: see `http.retry.Guard`.
    """

    base_url: str
    api_key: str
    http: RetryingClient
    redact: Callable[[str], str] = str
    patience: float | None = None
    guard: Guard = nullcontext

    def retrying(self, patience: float) -> Client:
        """Return a copy of this client with another patience."""
        return replace(self, patience=patience)

    def guarded(self, guard: Guard) -> Client:
        """Return a copy of this client that replaces the guard around each attempt."""
        return replace(self, guard=guard)

    @cached_property
    def _headers(self) -> dict[str, str]:
        host = {"Host": URL(self.base_url).netloc.decode()}
        return {**host, **HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self.api_key}"}

    # Apps

    async def create_app(
        self, name: str, kind: str, *, delivery: Delivery | None = None, **fields: object
    ) -> App:
        """Create an app ("POST /v1/apps").

        Args:
            name: the app's name.
            kind: `container` or `static`.
            delivery: if a response was lost, a 409 may mean that this run created the app.
            fields: the other fields of the body, with the reference's names. None omits a field.

        Raises:
            RequestRejected: with status 409 when an app with this name exists.
        """
        body = {"name": name, "type": kind, **fields}
        return await self._send(
            parse_record(App), f"Creating app {name!r}", "POST", (), body, delivery=delivery
        )

    async def list_apps(self) -> list[App]:
        """Return all apps of the key ("GET /v1/apps")."""
        return await self._send(parse_apps, "Listing the apps", "GET", ())

    async def find_app(self, name: str) -> App | None:
        """Return an app ("GET /v1/apps/:name"); None when it doesn't exist."""
        try:
            return await self.get_app(name)
        except RequestRejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def get_app(self, name: str, *, delivery: Delivery | None = None) -> App:
        """Return an app ("GET /v1/apps/:name").

        Args:
            name: the app's name.
            delivery: gets the time of the attempt.

        Raises:
            RequestRejected: with status 404 when the app doesn't exist.
        """
        try:
            return await self._send(
                parse_record(App), f"Looking up app {name!r}", "GET", (name,), delivery=delivery
            )
        except RequestRejected as error:
            if error.status == NOT_FOUND:
                error.args = (f"App {name!r} doesn't exist ({error.response})",)
                error.hint = "Check `app`. To create the app, deploy with `create: true`."
            raise

    async def delete_app(self, name: str, *, delivery: Delivery | None = None) -> None:
        """Delete an app ("DELETE /v1/apps/:name").

        The request isn't retried after an attempt that may have taken effect, because someone may have
        created the app again. Then `delivery.lost` says why the response was lost.

        Raises:
            RequestRejected: with status 404 when the app doesn't exist.
        """
        purpose = f"Deleting app {name!r}"
        await self._send(
            parse_any, purpose, "DELETE", (name,), delivery=delivery, group=DELETIONS, is_repeatable=False
        )

    async def deploy(
        self,
        name: str,
        image: str | None,
        registry_auth: Mapping[str, str] | None = None,
        *,
        delivery: Delivery | None = None,
    ) -> App:
        """Deploy an image, or restart the app with its current image ("POST /v1/apps/:name/deploy").

        The request isn't retried after an attempt that may have taken effect, because a second request would
        restart the app again. Then `delivery.lost` says why the response was lost.

        Raises:
            RequestRejected: with status 409 when another deploy of the app is in progress.
        """
        body = {"image": image, "registry_auth": registry_auth}
        purpose = f"Deploying {image!r}" if image else f"Restarting {name!r}"
        path = (name, "deploy")
        return await self._send(
            parse_record(App), purpose, "POST", path, body, delivery=delivery, is_repeatable=False
        )

    # Files of static apps

    async def list_files(self, name: str) -> dict[str, RemoteFile]:
        """Return the app's files by path ("GET /v1/apps/:name/files")."""
        purpose = f"Listing the files of {name!r}"
        return await self._send(parse_files, purpose, "GET", (name, "files"), silence=limits.LISTING_SILENCE)

    async def put_file(
        self,
        name: str,
        path: str,
        content: Content,
        content_type: str,
        *,
        group: str = UPLOADS,
        delivery: Delivery | None = None,
    ) -> None:
        """Store one file ("PUT /v1/apps/:name/files/{path}").

        A 404 is retried. The app exists while the run holds its lock, so its storage may not be ready yet.
        """
        try:
            await self._send(
                parse_any,
                f"Uploading {path!r}",
                "PUT",
                (name, "files", *path.split("/")),
                content,
                content_type=content_type,
                group=group,
                delivery=delivery,
            )
        except (RequestRejected, PlatformUnavailable) as error:
            if group == MANIFESTS:
                error.advise("The action needs this file for its manifest.")
            elif is_hidden(path):
                error.advise(HIDDEN_HINT)
            elif isinstance(error, RequestRejected) and error.status in FINAL:  # this file may be the reason
                error.advise(f"Or leave the file ({human_bytes(content.size)}) out with `ignore`.")
            raise

    async def delete_file(self, name: str, path: str, *, delivery: Delivery | None = None) -> bool:
        """Delete a file ("DELETE /v1/apps/:name/files/{path}"); return False if it doesn't exist."""
        return await self._delete(f"Deleting {path!r}", (name, "files", *path.split("/")), delivery)

    # The deploy lock

    async def acquire_lock(self, name: str, session: str, *, delivery: Delivery | None = None) -> None:
        """Request the deploy lock ("POST /v1/apps/:name/deploy/lock").

        Raises:
            RequestRejected: with status 409 when a session holds the lock. After a lost response, it may be
                this session.
        """
        purpose, path = "Requesting the deploy lock", (name, "deploy", "lock")
        body = {"deploy_session_id": session}
        lock = await self._send(parse_record(Lock), purpose, "POST", path, body, delivery=delivery)
        if not lock.is_held_by(session):
            raise RequestRejected("The platform didn't grant the lock to this run", status=CONFLICT)

    async def heartbeat(self, name: str, session: str) -> None:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"). The reference lacks the response.

        Raises:
            RequestRejected: with status 404 or 409 when the session doesn't hold the lock.
        """
        purpose, path = "Confirming the deploy lock", (name, "deploy", "lock")
        body = {"deploy_session_id": session}
        lock = await self._send(parse_optional(Lock), purpose, "PUT", path, body, final=_FINAL_FOR_LOCKS)
        if lock and not lock.is_held_by(session):
            raise RequestRejected(f"{purpose} failed because this run doesn't hold it", status=CONFLICT)

    async def finalize(
        self, name: str, session: str, counts: Counts, *, delivery: Delivery | None = None
    ) -> Finalized | None:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Returns:
            The platform's response; None for a 2xx without a JSON object, which a gateway may have sent.

        Raises:
            RequestRejected: with status 404 or 409 when the session doesn't hold the lock. After a lost
                response, an earlier attempt may have released it.
        """
        body = {"deploy_session_id": session, **counts._asdict()}
        return await self._send(
            parse_optional(Finalized),
            "Finalizing the deploy",
            "POST",
            (name, "deploy", "finalize"),
            body,
            silence=limits.FINALIZE_SILENCE,
            final=_FINAL_FOR_LOCKS,
            delivery=delivery,
        )

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str, *, delivery: Delivery | None = None) -> Domain:
        """Attach a domain ("POST /v1/apps/:name/domains").

        Raises:
            RequestRejected: with status 409 when this app or another one already has the domain.
        """
        purpose, body = f"Attaching {domain!r}", {"domain": domain}
        return await self._send(
            parse_record(Domain), purpose, "POST", (name, "domains"), body, delivery=delivery
        )

    async def remove_domain(self, name: str, domain: str, *, delivery: Delivery | None = None) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); return False if it isn't attached."""
        return await self._delete(f"Removing {domain!r}", (name, "domains", domain), delivery)

    # Shared by all endpoints

    async def _delete(self, purpose: str, path: Iterable[str], delivery: Delivery | None) -> bool:
        """Send a DELETE; return False for a 404 unless an earlier attempt may have deleted the resource."""
        delivery = delivery or Delivery()
        try:
            return await self._send(parse_any, purpose, "DELETE", path, delivery=delivery, group=DELETIONS)
        except RequestRejected as error:
            if error.status != NOT_FOUND:
                raise
            if delivery.lost:
                delivery.outcome = Outcome.DONE
            return bool(delivery.lost)

    async def _send(
        self,
        parse: Callable[[Response], T],
        purpose: str,
        method: str,
        path: Iterable[str],
        body: Mapping[str, object] | Content | None = None,
        *,
        content_type: str = "application/json",
        group: str = "",
        silence: float = limits.SILENCE,
        final: frozenset[int] = FINAL,
        delivery: Delivery | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until a valid response arrives, and return its parsed value.

        Args:
            parse: see `read_response`.
            purpose: see `RequestOptions`.
            method: the HTTP method.
            path: the segments of the path after `/v1/apps`; see `_segment`.
            body: a mapping to send as JSON without its None values, or a file to upload.
            content_type: the body's type.
            group: see `RequestOptions`.
            silence: seconds without a byte after which the attempt fails.
            final: see `read_response`.
            delivery: tracks the outcome of the request.
            is_repeatable: see `RetryingClient.send`.

        Raises:
            RequestRejected: when the response is a 4xx.
            AuthenticationError: when the response is a 401.
            PlatformUnavailable: when the request failed for too long.
        """
        is_upload = not isinstance(body, Mapping | None)
        if isinstance(body, Mapping):
            given = {key: value for key, value in body.items() if value is not None}
            body = Bytes(json.dumps(given).encode())
        headers, stream, size = self._headers, None, 0
        if body is not None:
            stream, size = ContentStream(body), body.size
            headers = headers | {"Content-Type": content_type, "Content-Length": str(size)}
        max_body = _LARGEST_LISTING if method == "GET" else MEGABYTE
        options = RequestOptions(purpose=purpose, group=group, silence=silence, size=size, max_body=max_body)
        url = "/".join((self.base_url, "v1/apps", *map(_segment, path)))
        request = Request(method, url, headers=headers, stream=stream, extensions=options.extensions)

        def read(response: Response) -> T | Failure | DeployError:
            result = read_response(request, response, parse, self.redact, final)
            if is_upload and isinstance(result, RequestRejected) and result.status == NOT_FOUND:
                return Failure(f"the platform responded with {result.response}", may_have_arrived=False)
            return result

        try:
            return await self.http.send(
                request, read, self.patience, self.guard, delivery=delivery, is_repeatable=is_repeatable
            )
        except GaveUp as error:
            error.advise(ADVICE[error.failure.cause])
            raise


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

"""The platform's REST API: one method of `Client` for each endpoint of `zerokie-api.txt`.

Names in the docstrings are the headings of the reference. Every method retries what may be retried (see
`http.retry`), knows what an ambiguous outcome means for its endpoint, and raises only errors of
`zerokie_action.errors`.
"""

from __future__ import annotations

import difflib
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import anyio

from zerokie_action.errors import AuthenticationError, DeployError, PlatformUnavailable, RequestRejected
from zerokie_action.http.client import MEGABYTE
from zerokie_action.http.failure import PROXY_LOGIN, PROXY_LOGIN_HINT
from zerokie_action.http.retry import DeadlineClient, RetryingClient
from zerokie_action.platform.models import (
    App,
    Counts,
    Domain,
    Finalized,
    Locked,
    StoredFile,
    is_session,
    parse_any,
    parse_apps,
    parse_files,
    parse_finalized,
    parse_heartbeat,
    parse_no_content,
    parse_record,
)
from zerokie_action.platform.requests import (
    FINALIZE_TIMEOUT,
    LARGEST_LISTING,
    LISTING_TIMEOUT,
    UPLOADS,
    Requests,
    app_target,
    domain_target,
)
from zerokie_action.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zerokie_action.http import Response
    from zerokie_action.http.client import Content, Http
    from zerokie_action.http.limiter import AdaptiveLimiter
    from zerokie_action.http.retry import Around, Reply, RetryBudget
    from zerokie_action.platform.models import Registry

T = TypeVar("T")

UNAUTHORIZED = 401
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413

_HINT = "The platform's own words say why; correct that, then run the job again."
_HINTS = {
    400: "Check the inputs that went into this request.",
    403: "The key is known but may not do this; check its permissions.",
    PROXY_LOGIN: PROXY_LOGIN_HINT,
    409: "Something else is changing the app, or has taken its name; run the job again when that has ended.",
    TOO_LARGE: "Something on the way to the platform limits the size of a request: raise that limit "
    "(nginx: `client_max_body_size`), or leave the file out with `ignore`.",
    414: "Something on the way to the platform takes no path of that length: raise the limit or shorten it.",
    415: "Something on the way to the platform does not take this content type; its settings say which.",
    431: "Something on the way to the platform limits the size of headers; check that `api-key` holds a key.",
}
_SUGGESTIONS_TIMEOUT = 5.0
"""Seconds for the names that may have been meant."""
_HEARTBEAT_DELAYS = (15.0, 15.0)


class AcquireResult(NamedTuple):
    """What came of asking for the deploy lock.

    Attributes:
        ours: whether the lock is ours.
        ambiguous: whether it may become ours: the answer to an earlier request was lost.
        retry_after: seconds to wait before asking again, if the platform says so.
    """

    ours: bool
    ambiguous: bool = False
    retry_after: float | None = None


class DeployInProgress(NamedTuple):
    """Another deploy of the app is in progress (409).

    Attributes:
        retry_after: seconds to wait before asking again, if the platform says so.
    """

    retry_after: float | None


class Client:
    """The API, on behalf of one key. Knows nothing of inputs, logs or CI systems."""

    def __init__(self, requests: Requests, http: RetryingClient | DeadlineClient) -> None:
        """Make everything with `requests` and send it through `http`."""
        self._requests = requests
        self._http = http

    # Apps

    async def create_static(self, name: str) -> App:
        """Create a static app ("POST /v1/apps", static)."""
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
    ) -> App:
        """Create a container app ("POST /v1/apps", container). `cpu` in units, `memory` in MB."""
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

    async def list_apps(self) -> list[App]:
        """All apps of the key ("GET /v1/apps")."""
        request = self._requests("Listing the apps", "GET", "/v1/apps", max_body=16 * MEGABYTE)
        return await self._value(await self._http.send(request, parse_apps), app=None)

    async def find_app(self, name: str) -> App | None:
        """One app ("GET /v1/apps/:name"); None when there is none of that name."""
        reply = await self._look_up(name)
        if reply.status == NOT_FOUND:
            return None
        return await self._value(reply, app=name)

    async def get_app(self, name: str) -> App:
        """One app ("GET /v1/apps/:name").

        Raises:
            RequestRejected: when there is none; the hint names close matches.
        """
        return await self._value(await self._look_up(name), app=name)

    async def _look_up(self, name: str) -> Reply[App]:
        request = self._requests(f"Looking up app {name!r}", "GET", app_target(name))
        return await self._http.send(request, parse_record(App))

    async def delete_app(self, name: str, around: Around = nullcontext) -> bool:
        """Delete an app ("DELETE /v1/apps/:name"); False when there was none (any more).

        `around` is entered around each attempt.
        """

        async def is_gone() -> bool | None:
            return await self.find_app(name) is None or None

        request = self._requests(f"Deleting app {name!r}", "DELETE", app_target(name))
        reply = await self._http.send(request, parse_no_content, recover=is_gone, around=around)
        if reply.status == NOT_FOUND:
            return reply.ambiguous
        await self._value(reply, app=name)
        return True

    async def deploy(
        self, before: App, name: str, image: str | None, registry: Registry | None = None
    ) -> App | DeployInProgress:
        """Deploy an image, or restart the current one ("POST /v1/apps/:name/deploy").

        `before` is the app as it was, to tell after an ambiguous outcome whether the deploy took effect.
        """
        body = {"image": image, "registry_auth": registry and registry._asdict()}
        purpose = f"Deploying {image!r}" if image else f"Restarting {name!r}"

        async def took_effect() -> App | None:
            app = await self.find_app(name)
            expected = app is not None and app.image == (image or before.image)
            return app if app is not None and expected and app.updated_at > before.updated_at else None

        request = self._requests(purpose, "POST", app_target(name, "/deploy"), body)
        reply = await self._http.send(request, parse_record(App), recover=took_effect)
        if reply.status == CONFLICT:
            took = await took_effect() if reply.ambiguous else None
            return took or DeployInProgress(reply.retry_after)
        return await self._value(reply, app=name)

    # Files of static apps

    async def list_files(self, name: str) -> list[StoredFile]:
        """All files in the app's storage zone ("GET /v1/apps/:name/files")."""
        request = self._requests(
            f"Listing the files of {name!r}",
            "GET",
            app_target(name, "/files"),
            max_body=LARGEST_LISTING,
            timeout=LISTING_TIMEOUT,
        )
        files = await self._value(await self._http.send(request, parse_files), app=name)
        if all(file.path.startswith("/") for file in files):  # then that is how all of them are written
            files = [replace(file, path=file.path[1:]) for file in files]
        return files

    async def put_file(
        self,
        name: str,
        path: str,
        content: Content,
        content_type: str,
        *,
        kind: str = UPLOADS,
        around: Around = nullcontext,
    ) -> None:
        """Store one file ("PUT /v1/apps/:name/files/{path}")."""
        request = self._requests.upload(name, path, content, content_type, kind)
        reply = await self._http.send(request, parse_any, around=around)
        if reply.status == TOO_LARGE:
            reply = reply._replace(purpose=f"{reply.purpose} ({human_bytes(content.size)})")
        await self._value(reply, app=name)

    async def delete_file(self, name: str, path: str, around: Around = nullcontext) -> None:
        """Delete one file ("DELETE /v1/apps/:name/files/{path}"). One that is gone already is done."""
        request = self._requests.delete_file(name, path)
        reply = await self._http.send(request, parse_any, around=around)
        if reply.status != NOT_FOUND:
            await self._value(reply, app=name)

    # The deploy lock

    async def acquire_lock(
        self,
        name: str,
        session: str,
        *,
        around: Around,
        ambiguous: bool = False,
    ) -> AcquireResult:
        """Ask for the deploy lock ("POST /v1/apps/:name/deploy/lock").

        A conflict may be with ourselves, when the answer to an earlier attempt was lost: a heartbeat tells.

        Args:
            name: the app's.
            session: the deploy session ID that is to own the lock.
            around: entered around each attempt (see `RetryingClient`).
            ambiguous: what the last call returned: the session has asked before.

        Raises:
            DeployError: `ambiguous` is set when the lock may be, or become, ours all the same.
        """

        async def is_ours() -> bool | None:
            try:
                return await self.heartbeat(name, session, around) or None
            except DeployError as error:
                error.ambiguous = True  # about the lock, however clear it is about the heartbeat
                raise

        def parse(response: Response) -> bool:
            lock = parse_record(Locked)(response)
            return lock.locked and is_session(lock.deploy_session_id, session)

        request = self._requests.lock("Asking for the deploy lock", "POST", name, session)
        reply = await self._http.send(request, parse, recover=is_ours, around=around)
        ambiguous = ambiguous or reply.ambiguous
        if reply.status == CONFLICT:
            ours = ambiguous and bool(await is_ours())
        else:
            ours = await self._value(reply, app=name)
        return AcquireResult(ours, ambiguous and not ours, reply.retry_after)

    async def heartbeat(self, name: str, session: str, around: Around = nullcontext) -> bool:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"); False when it is not ours (404, 409)."""
        request = self._requests.lock("Confirming the deploy lock", "PUT", name, session)
        reply = await self._http.send(request, parse_heartbeat(session), around=around)
        if reply.status in {NOT_FOUND, CONFLICT}:
            return False
        return await self._value(reply, app=name)

    async def finalize(self, name: str, session: str, counts: Counts) -> Finalized:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Raises:
            RequestRejected: with status 404 or 409 when the session holds no lock. `ambiguous` is set when an
                earlier attempt may have released it.
        """
        body = {"deploy_session_id": session, **counts._asdict()}
        target = app_target(name, "/deploy/finalize")
        request = self._requests("Finalizing the deploy", "POST", target, body, timeout=FINALIZE_TIMEOUT)
        # A 404 need not be about the app: the session may hold no lock.
        return await self._value(await self._http.send(request, parse_finalized), app=None)

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str) -> Domain | None:
        """Attach a domain ("POST /v1/apps/:name/domains"); None when an ambiguous attempt had attached it.

        Raises:
            RequestRejected: with status 409 when it is attached already, here or elsewhere.
        """
        target = app_target(name, "/domains")
        request = self._requests(f"Attaching {domain!r}", "POST", target, {"domain": domain})
        reply = await self._http.send(request, parse_record(Domain))
        if reply.status == CONFLICT and reply.ambiguous:
            return None
        return await self._value(reply, app=name)

    async def remove_domain(self, name: str, domain: str) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); False when it was not attached."""
        request = self._requests(f"Removing {domain!r}", "DELETE", domain_target(name, domain))
        reply = await self._http.send(request, parse_no_content)
        if reply.status == NOT_FOUND:
            return reply.ambiguous
        await self._value(reply, app=name)
        return True

    # What all endpoints share

    async def _create(self, name: str, body: Mapping[str, object], is_ours: Callable[[App], bool]) -> App:
        request = self._requests(f"Creating app {name!r}", "POST", "/v1/apps", body)
        reply = await self._http.send(request, parse_record(App))
        if reply.status == CONFLICT and reply.ambiguous:
            app = await self.find_app(name)
            if app is not None and is_ours(app):
                return app
        return await self._value(reply, app=None)

    async def _value(self, reply: Reply[T], *, app: str | None) -> T:
        """What a final answer brought. A 404 is about `app`, if that is given.

        Raises:
            DeployError: what an answer other than 2xx stands for.
        """
        if reply.ok:
            return reply.value  # type: ignore[return-value]  # a reply that is ok has been parsed
        detail = self._http.error_detail(reply.body)
        if reply.status == NOT_FOUND and app is not None:
            error: DeployError = await self._unknown_app(app, detail)
        else:
            error = _rejection(reply, detail, self._requests.key_of)
        error.ambiguous = reply.ambiguous
        raise error

    async def _unknown_app(self, name: str, detail: str) -> RequestRejected:
        """The error for a 404 about an app, with those of the other apps that may have been meant."""
        others: list[App] = []
        # The names are a help; the 404 is the error.
        with suppress(Exception), anyio.move_on_after(_SUGGESTIONS_TIMEOUT):
            others = await self.list_apps()
        close = difflib.get_close_matches(name, [app.name for app in others if app.name != name], n=3)
        meant = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
        return RequestRejected(
            f"App {name!r} was not found (404: {detail}).{meant}",
            status=NOT_FOUND,
            hint="Correct `app`. Only a deploy creates an app.",
        )


class Platform:
    """Gives everything that talks to the platform what it needs for that.

    Attributes:
        http: for what is public.
        budget: the run's retries.
        client: the REST API.
        urgent: the same, for what must be done in the time that is left.
        heartbeats: the same, at a calm rhythm.
    """

    def __init__(self, base: str, api_key: str, http: Http, budget: RetryBudget) -> None:
        """Connect to nothing yet.

        Args:
            base: the API's URL, without a trailing slash.
            api_key: goes with every request to the API.
            http: carries all requests.
            budget: the run's retries.
        """
        self.http = http
        self.budget = budget
        self._requests = Requests(base, api_key)
        fetch = http.send
        self.client = Client(self._requests, RetryingClient(fetch, budget))
        self.urgent = Client(self._requests, DeadlineClient(fetch, budget))
        self.heartbeats = Client(self._requests, DeadlineClient(fetch, budget, _HEARTBEAT_DELAYS))

    def bulk_client(self, limiter: AdaptiveLimiter) -> Client:
        """The REST API for thousands of requests, of which the limiter says how many go out at once."""
        fetch = self.http.transport.handle_async_request  # httpx's client would take most of the time
        return Client(self._requests, RetryingClient(fetch, self.budget, limiter=limiter))


def _rejection(reply: Reply[Any], detail: str, key_of: str) -> DeployError:
    """The error that a final answer other than 2xx stands for; `detail` is what it says of itself."""
    answer = f"{reply.status}: {detail}" if detail else f"{reply.status}"
    if reply.status == UNAUTHORIZED:
        other = f" It begins like a token of {key_of}." if key_of else ""
        return AuthenticationError(
            f"The platform does not accept the API key ({answer})",
            hint=f"Check that the secret behind `api-key` holds a current key for this `api-url`.{other}",
        )
    message = f"{reply.purpose} was refused ({answer})"
    if reply.status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return PlatformUnavailable(message, hint="Check `api-url`: something there can't do this at all.")
    return RequestRejected(message, status=reply.status, hint=_HINTS.get(reply.status, _HINT))

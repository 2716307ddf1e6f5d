"""The platform's REST API: one method for each endpoint of `zerokie-api.txt`.

Names in the docstrings are the headings of the reference. Every method repeats what may be
repeated (see `retry`), knows what an unclear outcome means for its endpoint, and raises only
errors of `zerokie_action.errors`. Those of the network have become `NoAnswer` below (`transport`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote

from zerokie_action.api import answers
from zerokie_action.api.models import (
    APPS,
    STORED_FILES,
    App,
    Counts,
    Domain,
    Finalized,
    Locked,
    Registry,
    StoredFile,
)
from zerokie_action.api.transport import MEGABYTE, Answer, Content, Request
from zerokie_action.errors import (
    AuthenticationError,
    DeployError,
    PlatformUnavailable,
    RequestRejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from zerokie_action.api.retry import Reply, Sender

T = TypeVar("T")

REQUEST_TIMEOUT = 30.0
LISTING_TIMEOUT = 120.0
LARGEST_LISTING = 512 * MEGABYTE
"""Seconds and bytes for a listing: a hundred thousand files make a long answer."""
FINALIZE_TIMEOUT = 25.0
"""Seconds for one attempt to finalize: a second one must fit into the minute that a release may take."""

UNAUTHORIZED = 401
NOT_FOUND = 404
CONFLICT = 409


class Asked(NamedTuple):
    """What came of asking for the deploy lock.

    Attributes:
        ours: whether the lock is ours.
        in_doubt: whether it may become ours: the answer to an earlier request was lost.
        retry_after: seconds to wait before asking again, if the platform says so.
    """

    ours: bool
    in_doubt: bool = False
    retry_after: float | None = None


class Busy(NamedTuple):
    """Another deploy of the app is in progress (409).

    Attributes:
        retry_after: seconds to wait before asking again, if the platform says so.
    """

    retry_after: float | None


class Client:
    """The API, on behalf of one key. Knows nothing of inputs, logs or CI systems."""

    def __init__(self, sender: Sender) -> None:
        """Send everything through `sender`."""
        self._sender = sender

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
        login = _registry_auth(registry)
        optional = {"port": port, "cpu": cpu, "memory": memory, "env": env, "registry_auth": login}
        body = {"name": name, "type": "container", "image": image} | {
            key: value for key, value in optional.items() if value is not None
        }
        return await self._create(name, body, is_ours=lambda app: app.image == image)

    async def list_apps(self) -> list[App]:
        """All apps of the key ("GET /v1/apps")."""
        request = _request("GET", "/v1/apps", "listing the apps", max_answer=16 * MEGABYTE)
        reply = await self._sender.send(request, answers.many(APPS))
        return await self._value(reply, "listing the apps", app=None)

    async def find_app(self, name: str) -> App | None:
        """One app ("GET /v1/apps/:name"); None when there is none of that name."""
        purpose = f"looking up app {name!r}"
        reply = await self._sender.send(_request("GET", _app_path(name), purpose), answers.one(App))
        if reply.status == NOT_FOUND:
            return None
        return await self._value(reply, purpose, app=name)

    async def get_app(self, name: str) -> App:
        """One app ("GET /v1/apps/:name").

        Raises:
            RequestRejected: when there is none; the hint names close matches.
        """
        app = await self.find_app(name)
        if app is None:
            raise await self._unknown_app(name, "app not found")
        return app

    async def delete_app(self, name: str) -> bool:
        """Delete an app ("DELETE /v1/apps/:name"); False when there was none (any more)."""
        purpose = f"deleting app {name!r}"

        async def is_gone() -> bool | None:
            return await self.find_app(name) is None or None

        request = _request("DELETE", _app_path(name), purpose)
        reply = await self._sender.send(request, answers.no_content, recover=is_gone)
        if reply.status == NOT_FOUND:
            return reply.unclear
        await self._value(reply, purpose, app=name)
        return True

    async def deploy(
        self, before: App, name: str, image: str | None, registry: Registry | None = None
    ) -> App | Busy:
        """Deploy an image, or restart the current one ("POST /v1/apps/:name/deploy").

        `before` is the app as it was, to tell after an unclear outcome whether the deploy took effect.
        """
        wanted = {"image": image, "registry_auth": _registry_auth(registry)}
        body = {key: value for key, value in wanted.items() if value is not None}
        purpose = f"deploying {image!r}" if image else f"restarting {name!r}"

        async def took_effect() -> App | None:
            app = await self.find_app(name)
            expected = app is not None and app.image == (image or before.image)
            return app if app is not None and expected and app.updated_at > before.updated_at else None

        path = f"{_app_path(name)}/deploy"
        reply = await self._sender.send(
            _request("POST", path, purpose, body), answers.one(App), recover=took_effect
        )
        if reply.status == CONFLICT:
            took = await took_effect() if reply.unclear else None
            return took or Busy(reply.retry_after)
        return await self._value(reply, purpose, app=name)

    # Files of static apps

    async def list_files(self, name: str) -> list[StoredFile]:
        """All files in the app's storage zone ("GET /v1/apps/:name/files")."""
        purpose = f"listing the files of {name!r}"
        path = f"{_app_path(name)}/files"
        request = _request("GET", path, purpose, max_answer=LARGEST_LISTING, timeout=LISTING_TIMEOUT)
        files = await self._value(
            await self._sender.send(request, answers.many(STORED_FILES)), purpose, app=name
        )
        if all(file.path.startswith("/") for file in files):  # then that is how all of them are written
            files = [replace(file, path=file.path[1:]) for file in files]
        return files

    async def put_file(self, name: str, path: str, content: bytes | Content, content_type: str) -> int | None:
        """Store one file ("PUT /v1/apps/:name/files/{path}").

        Returns:
            The second of the platform's answer, by its own clock, if the answer says so.
        """
        purpose = f"uploading {path!r}"
        request = Request(purpose, "PUT", file_target(name, path), content, content_type)
        return await self._value(await self._sender.send(request, answers.second), purpose, app=name)

    async def delete_file(self, name: str, path: str) -> None:
        """Delete one file ("DELETE /v1/apps/:name/files/{path}"). One that is gone already is done."""
        purpose = f"deleting {path!r}"
        reply = await self._sender.send(_request("DELETE", file_target(name, path), purpose), answers.nothing)
        if reply.status != NOT_FOUND:
            await self._value(reply, purpose, app=name)

    # The deploy lock

    async def acquire_lock(
        self,
        name: str,
        session: str,
        *,
        around: Callable[[], AbstractContextManager[object]],
        in_doubt: bool = False,
    ) -> Asked:
        """Ask for the deploy lock ("POST /v1/apps/:name/deploy/lock").

        A conflict may be with ourselves, when the answer to an earlier attempt was lost: the heartbeat tells.

        Args:
            name: the app's.
            session: the deploy session ID that is to own the lock.
            around: entered around each attempt (see `Sender.send`).
            in_doubt: what the last call returned: the session has asked before.
        """
        purpose = "asking for the deploy lock"

        async def is_ours() -> bool | None:
            return await self.heartbeat(name, session, around) or None

        def parse(answer: Answer) -> bool:
            lock = answers.one(Locked)(answer)
            return lock.locked and lock.deploy_session_id.casefold() in {"", session.casefold()}

        request = _lock_request("POST", name, session, purpose)
        reply = await self._sender.send(request, parse, recover=is_ours, around=around)
        in_doubt = in_doubt or reply.unclear
        if reply.status == CONFLICT:
            ours = in_doubt and await self.heartbeat(name, session, around)
        else:
            ours = await self._value(reply, purpose, app=name)
        return Asked(ours, in_doubt and not ours, reply.retry_after)

    async def heartbeat(
        self, name: str, session: str, around: Callable[[], AbstractContextManager[object]] | None = None
    ) -> bool:
        """Keep the lock alive ("PUT /v1/apps/:name/deploy/lock"); False when it is not ours (404, 409)."""
        purpose = "confirming the deploy lock"
        request = _lock_request("PUT", name, session, purpose)
        reply = await self._sender.send(request, answers.nothing, around=around)
        if reply.status in {NOT_FOUND, CONFLICT}:
            return False
        await self._value(reply, purpose, app=name)
        return True

    async def finalize(self, name: str, session: str, counts: Counts) -> Finalized:
        """Purge the CDN cache, release the lock, record the deploy ("POST …/deploy/finalize").

        Raises:
            RequestRejected: with status 404 or 409 when the session holds no lock. `unclear` is set when an
                earlier attempt may have released it.
        """
        purpose = "finalizing the deploy"
        body = {
            "deploy_session_id": session,
            "files_uploaded": counts.files_uploaded,
            "files_deleted": counts.files_deleted,
            "total_bytes": counts.total_bytes,
        }
        request = _request(
            "POST", f"{_app_path(name)}/deploy/finalize", purpose, body, timeout=FINALIZE_TIMEOUT
        )
        # A 404 need not be about the app: the session may hold no lock.
        return await self._value(await self._sender.send(request, answers.finalized), purpose, app=None)

    # Custom domains of static apps

    async def add_domain(self, name: str, domain: str) -> Domain | None:
        """Attach a domain ("POST /v1/apps/:name/domains"); None when an unclear attempt had attached it.

        Raises:
            RequestRejected: with status 409 when it is attached already, here or elsewhere.
        """
        purpose = f"attaching {domain!r}"
        request = _request("POST", f"{_app_path(name)}/domains", purpose, {"domain": domain})
        reply = await self._sender.send(request, answers.one(Domain))
        if reply.status == CONFLICT and reply.unclear:
            return None
        return await self._value(reply, purpose, app=name)

    async def remove_domain(self, name: str, domain: str) -> bool:
        """Remove a domain ("DELETE /v1/apps/:name/domains/:domain"); False when it was not attached."""
        purpose = f"removing {domain!r}"
        path = f"{_app_path(name)}/domains/{_segment(domain)}"
        reply = await self._sender.send(_request("DELETE", path, purpose), answers.no_content)
        if reply.status == NOT_FOUND:
            return reply.unclear
        await self._value(reply, purpose, app=name)
        return True

    # What all endpoints share

    async def _create(self, name: str, body: Mapping[str, object], is_ours: Callable[[App], bool]) -> App:
        purpose = f"creating app {name!r}"
        reply = await self._sender.send(_request("POST", "/v1/apps", purpose, body), answers.one(App))
        if reply.status == CONFLICT and reply.unclear:
            app = await self.find_app(name)
            if app is not None and is_ours(app):
                return app
        return await self._value(reply, purpose, app=None)

    async def _value(self, reply: Reply[T], purpose: str, *, app: str | None) -> T:
        """What a final answer brought, or the error that it stands for."""
        if reply.ok:
            return reply.value  # type: ignore[return-value]  # a reply that is ok has been parsed
        error = await self._error(reply, purpose, app)
        error.unclear = reply.unclear
        raise error

    async def _error(self, reply: Reply[T], purpose: str, app: str | None) -> DeployError:
        words = self._sender.words(reply.body) or "no reason given"
        if reply.status == UNAUTHORIZED:
            return AuthenticationError(
                f'The platform does not accept the API key (401: "{words}")',
                hint="Check that the secret behind `api-key` holds a current key for this `api-url`.",
            )
        if reply.status == NOT_FOUND and app is not None:
            return await self._unknown_app(app, words)
        message = f'{purpose[0].upper()}{purpose[1:]} was refused ({reply.status}: "{words}")'
        if reply.status >= 500:  # noqa: PLR2004 - HTTP's own numbers
            return PlatformUnavailable(message, hint="Check `api-url`: something there can't do this at all.")
        return RequestRejected(message, status=reply.status, hint=_HINTS.get(reply.status, _HINT))

    async def _unknown_app(self, name: str, words: str) -> RequestRejected:
        import difflib  # noqa: PLC0415 - only for this error

        close: list[str] = []
        with suppress(Exception):  # the matches are a courtesy; the 404 is the error
            others = [app.name for app in await self.list_apps() if app.name != name]
            close = difflib.get_close_matches(name, others, n=3)
        meant = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
        return RequestRejected(
            f'App {name!r} was not found (404: "{words}").{meant}',
            status=NOT_FOUND,
            hint="Correct `app`, or set `create: true` to create it.",
        )


_HINT = "The platform's own words say why; correct that, then run the job again."
_HINTS = {
    409: "Something else is changing the app, or has taken its name; run the job again when that has ended.",
    400: "Check the inputs that this request is made of.",
    403: "The key is known but may not do this; check its permissions.",
}
_REDIRECT = "Redirects are not followed with the API key; correct `api-url`."
_HINTS |= dict.fromkeys((301, 302, 303, 307, 308), _REDIRECT)


def file_target(app: str, path: str) -> str:
    """The request target for a file of a static app.

    Raises:
        ValueError: when a segment is empty, `.` or `..`: it would reach something else.
    """
    return f"{_app_path(app)}/files/{'/'.join(_segment(part) for part in path.split('/'))}"


def _app_path(name: str) -> str:
    return f"/v1/apps/{_segment(name)}"


@lru_cache(maxsize=1024)  # the app and its folders come again and again
def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} can't be addressed as a path segment")
    return quote(text, safe="")


def _request(
    method: str,
    target: str,
    purpose: str,
    body: Mapping[str, object] | None = None,
    *,
    max_answer: int = MEGABYTE,
    timeout: float = REQUEST_TIMEOUT,
) -> Request:
    if body is None:
        return Request(purpose, method, target, max_answer=max_answer, timeout=timeout)
    content = json.dumps(body).encode()
    kind = "application/json"
    return Request(purpose, method, target, content, kind, max_answer=max_answer, timeout=timeout)


def _lock_request(method: str, name: str, session: str, purpose: str) -> Request:
    return _request(method, f"{_app_path(name)}/deploy/lock", purpose, {"deploy_session_id": session})


def _registry_auth(registry: Registry | None) -> dict[str, str] | None:
    if registry is None:
        return None
    return {
        "username": registry.username,
        "password": registry.password,
        "server_address": registry.server_address,
    }

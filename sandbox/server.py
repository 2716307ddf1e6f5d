"""HTTP server for a platform on the current event loop.

The server uses no threads, timers or signal handlers, so that it can share a virtual clock with a client.
"""

import asyncio
import inspect
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from email.utils import formatdate
from typing import Any, cast

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from sandbox.addresses import app_of, host_of, is_loopback, normalise
from sandbox.api import API, error
from sandbox.cdn import PREFIX
from sandbox.connection import Connection, inject
from sandbox.platform import Hook, Platform
from sandbox.records import ApiError, Record

_LOG = logging.getLogger(__name__)
_PROTECTION = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Headers that keep other origins' pages and scripts away from the sandbox's pages."""

_WRONG_HOST = (
    "the Host header names another machine; start the sandbox with --host to be reached by that name"
)


class Sandbox:
    """Serves one platform: `/v1`, the apps' URLs, the page, and the admin side `/_sandbox`.

    Endpoints find the platform in `request.state.platform`, and the request's record in
    `request.state.record`.
    """

    def __init__(self, platform: Platform, *, any_host: bool) -> None:
        """Serve this platform for loopback names, or for any host.

        `/v1` works with any host, because other sites' pages don't have the key.
        """
        self._platform = platform
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request. An unexpected error becomes a 500 with a traceback in the log."""
        request = Request(scope)
        # The routes get the encoded path, because a decoded slash or newline would change the match.
        scope["path"] = path = _routed_path(request)
        record = self._record(request)
        request.state.platform, request.state.record = self._platform, record
        is_recorded = path.startswith(("/v1/", PREFIX))
        send = self._answering(record, {} if is_recorded else _PROTECTION, send)
        try:
            if not (path.startswith("/v1/") or self._any_host or is_loopback(host_of(request))):
                await error(421, _WRONG_HOST)(scope, receive, send)
            elif is_recorded:
                self._platform.requests.append(record)
                await self._handle(record, scope, _counting(record, receive), send)
            else:
                await API(scope, receive, send)
        except (ClientDisconnect, asyncio.CancelledError):
            pass  # The client disconnected, or the server is closing. uvicorn would log this as a failure.
        except Exception:  # noqa: BLE001  logged
            _LOG.exception("Request failed: %s", record)
            if record.status is None:
                await error(500, "internal server error")(scope, receive, send)

    def _record(self, request: Request) -> Record:
        parts = request.scope["path"].removeprefix("/v1/apps/").removeprefix(PREFIX).split("/")
        return Record(
            index=len(self._platform.requests),
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=request.scope["query_string"].decode("ascii"),
            app=parts[0],
            headers=dict(request.headers),
            received=self._platform.clock(),
        )

    def _answering(self, record: Record, extra: dict[str, str], send: Send) -> Send:
        """Record the response's status, and add the extra headers and, in most API variants, a `Date`."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(extra)
                if self._platform.dialect["date"] == "sent":
                    headers.append("date", formatdate(self._platform.clock(), usegmt=True))
            await send(message)

        return answer

    async def _handle(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request to the API or to an app, with the hooks, the latency and the faults."""
        platform = self._platform
        if not (record.method == "PUT" and "/files/" in record.path):
            body = await Request(scope, receive).body()
            record.session = _session(body)
            receive = _replay(body, receive)
        await _call(platform.on_request, record)
        record.lock_holder = platform.lock(record.app)
        try:
            async with platform.throttle.admit() if scope["path"].startswith("/v1/") else nullcontext():
                await self._serve(record, scope, receive, send)
        except ApiError as refusal:
            await error(refusal.status, refusal.message, refusal.headers)(scope, receive, send)

    async def _serve(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        platform = self._platform
        if platform.latency:
            await asyncio.sleep(platform.latency)
        fault = platform.faults.take(record)
        if fault is None:
            await self._take_effect(scope, receive, send)
        else:
            record.fault = str(fault)
            await inject(fault, self._take_effect, scope, receive, send)

    async def _take_effect(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        record: Record = request.state.record
        record.lock_holder = self._platform.lock(record.app)

        async def announce(message: Message) -> None:
            if message["type"] == "http.response.start":
                await _call(self._platform.on_response, record)
            await send(message)

        if scope["path"].startswith(PREFIX) or self._has_key(request):
            await API(scope, receive, announce)
        else:
            refusal = error(401, "missing or invalid API key", {"www-authenticate": "Bearer"})
            await refusal(scope, receive, announce)

    def _has_key(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key.strip() in self._platform.api_keys


def _routed_path(request: Request) -> str:
    path = normalise(request.scope["raw_path"].decode("ascii"))
    app = app_of(request)
    return path if app is None else f"{PREFIX}{app}{path}"


def _counting(record: Record, receive: Receive) -> Receive:
    """Count the bytes of the body into the record."""

    async def count() -> Message:
        message = await receive()
        record.body_size += len(message.get("body", b""))
        return message

    return count


async def _call(hook: Hook | None, record: Record) -> None:
    waiting: Any = hook and hook(record)
    if inspect.isawaitable(waiting):
        await waiting


def _replay(body: bytes, receive: Receive) -> Receive:
    """Receive the body again, then further messages."""
    first: list[Message] = [{"type": "http.request", "body": body}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _session(body: bytes) -> str | None:
    try:
        session = json.loads(body)["deploy_session_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return session if isinstance(session, str) else None


class Server:
    """A listening server.

    Attributes:
        url: `http://127.0.0.1:40123`, without a slash at the end.
    """

    def __init__(self, platform: Platform, host: str, port: int) -> None:
        """Prepare the server without listening; port 0 means any free port."""
        self.url = ""
        self._host = host
        self._port = port
        self._state = ServerState()
        self._connections = cast("set[Connection]", self._state.connections)
        app = Sandbox(platform, any_host=not is_loopback(host))
        self._config = Config(app, ws="none", log_config=None, access_log=False, proxy_headers=False)
        self._config.load()
        self._listener: asyncio.Server

    async def listen(self) -> None:
        """Accept connections."""
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._config, self._state),
            self._host,
            self._port,
            backlog=self._config.backlog,
        )
        self._port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def go_away(self, seconds: float) -> None:
        """Reset all connections, and refuse new connections for some seconds."""
        self._state.tasks.add(asyncio.create_task(self._stay_away(seconds)))

    async def _stop_listening(self) -> None:
        """Close the listener after all accepted connections got their transports.

        If asyncio accepts a connection while it closes the server, it never closes the connection's socket.
        """
        for listening in self._listener.sockets:
            asyncio.get_running_loop().remove_reader(listening)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._listener.close()

    async def _stay_away(self, seconds: float) -> None:
        await self._stop_listening()
        # Bind the port without listening, so that no other process can take it.
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family) as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind((self._host, self._port))
            for connection in tuple(self._connections):
                await connection.reset()
            await asyncio.sleep(seconds)
            await self.listen()

    async def close(self) -> None:
        """Refuse new connections, and end all open connections."""
        await self._stop_listening()
        tasks, connections = list(self._state.tasks), list(self._connections)
        for connection in connections:
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            await connection.lost.wait()


@asynccontextmanager
async def serve(platform: Platform, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Listen until the block ends; port 0 means any free port.

    uvicorn's own server would wake up ten times a second. Without that server, uvicorn's protocol can share
    an event loop and its virtual clock with a client. At the end, all connections are closed.
    """
    server = Server(platform, host, port)
    await server.listen()
    platform.base_url = server.url
    try:
        yield server
    finally:
        await server.close()

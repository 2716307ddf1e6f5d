"""The ASGI application: records, hooks and faults around the API and the apps' URLs."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from zerokie_action.sandbox.api import API, error
from zerokie_action.sandbox.cdn import PREFIX, serve_site
from zerokie_action.sandbox.exchange import Exchange
from zerokie_action.sandbox.hosts import app_of, host_of, is_loopback
from zerokie_action.sandbox.injection import inject
from zerokie_action.sandbox.page import HEADERS
from zerokie_action.sandbox.paths import normalise
from zerokie_action.sandbox.problems import ApiError
from zerokie_action.sandbox.records import Record

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from zerokie_action.sandbox.platform import Platform

_LOG = logging.getLogger(__name__)
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_WRONG_HOST = (
    "the Host header names another machine; start the sandbox with --host to be reached by that name"
)


class Sandbox:
    """Serves one platform: `/v1`, the apps' URLs, the page, `/docs`, and the admin side `/_sandbox`."""

    def __init__(self, platform: Platform, *, any_host: bool) -> None:
        """Serve this platform, to requests for loopback or for any host.

        `/v1` is for any host in any case: it needs the key, which no foreign page has.
        """
        self._platform = platform
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; whatever goes wrong here is a 500, and a traceback in the log."""
        request = Request(scope)
        # The routes see the path still encoded, so that no decoded slash or newline misleads them.
        scope["path"] = _routed_path(request)
        exchange = Exchange(self._platform, self._record(request))
        exchange.enter(scope)
        send = exchange.answering(send)
        try:
            if not (scope["path"].startswith("/v1/") or self._any_host or is_loopback(host_of(request))):
                await error(421, _WRONG_HOST)(scope, receive, send)
            elif scope["path"].startswith(("/v1/", PREFIX)):
                self._platform.requests.append(exchange.record)
                await self._exchange(exchange, request, exchange.counting(receive), send)
            else:
                await API(scope, receive, _protecting(send))
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:
            pass  # The server goes down and the connection is gone; uvicorn would log it as a failure.
        except Exception:  # noqa: BLE001  logged
            _LOG.exception("Request failed: %s", exchange.record)
            if exchange.record.status is None:
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

    async def _exchange(self, exchange: Exchange, request: Request, receive: Receive, send: Send) -> None:
        record, platform = exchange.record, self._platform
        if not _is_upload(record):
            body = await _read(receive)
            record.session = _session(body)
            receive = _replay(body, receive)
        await exchange.call(platform.on_request)
        exchange.note_lock_holder()
        if platform.latency:
            await asyncio.sleep(platform.latency)
        fault = platform.faults.take(record)
        if fault is None:
            await self._take_effect(request.scope, receive, send)
        else:
            record.fault = str(fault)
            await inject(fault, self._take_effect, request.scope, receive, send)

    async def _take_effect(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        exchange = Exchange.of(request)
        exchange.note_lock_holder()
        send = exchange.announcing(send)
        try:
            if scope["path"].startswith(PREFIX):
                await serve_site(self._platform.cdn, request, receive, send)
            elif not self._has_key(request):
                refusal = error(401, "missing or invalid API key", {"www-authenticate": "Bearer"})
                await refusal(scope, receive, send)
            else:
                await API(scope, receive, send)
        except ApiError as problem:
            await error(problem.status, problem.message)(scope, receive, send)

    def _has_key(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key.strip() in self._platform.api_keys


def _routed_path(request: Request) -> str:
    path = normalise(request.scope["raw_path"].decode("ascii"))
    app = app_of(request)
    return path if app is None else f"{PREFIX}{app}{path}"


def _protecting(send: Send) -> Send:
    """Add the headers of what a browser may show."""

    async def protect(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return protect


def _is_upload(record: Record) -> bool:
    return record.method == "PUT" and "/files/" in record.path


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then whatever comes."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _session(body: bytes) -> str | None:
    try:
        session = json.loads(body)["deploy_session_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return session if isinstance(session, str) else None

"""One HTTP/1.1 connection, as thin as it can be.

httpx spends several times as much processor time on each request as the platform needs to answer
it (`docs/performance.md`). Uploading thousands of small files is what this project exists for, so
here the request's head and body go out in one write, and nothing is shared between connections.
It does what one client needs and no more: no pipelining, no redirects, no cookies, no content codings.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from zerokie_action.http.transport import CONNECT_TIMEOUT, Answer, Bytes, Content, NoAnswer, Request, explain
from zerokie_action.http.wire import ProxyWire, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

    from zerokie_action.http.network import Network

_PIECE = 64 * 1024
"""Bytes that are sent at once. A smaller body is read and sent in one piece."""


class Connection:
    """Carries one request at a time to one origin, over a connection that is kept while it works.

    Implements `zerokie_action.http.transport.Transport`.
    """

    def __init__(self, base: str, headers: Mapping[str, str], network: Network) -> None:
        """Connect to nothing yet.

        Args:
            base: scheme, host and path prefix, without a trailing slash.
            headers: sent with every request.
            network: the way out.
        """
        self._url = urlsplit(base)
        self._network = network
        proxy = network.proxy_for(base)
        self._proxy = urlsplit(proxy) if proxy else None
        self._secure = self._url.scheme == "https"
        # Through a proxy, plain http is asked for by its whole URL; https goes through a tunnel.
        origin = f"{self._url.scheme}://{self._url.netloc}" if self._proxy and not self._secure else ""
        self._prefix = origin + self._url.path
        login = _login(self._proxy) if self._proxy and not self._secure else {}
        self._fields = _fields({"Host": self._url.netloc, **headers, **login})
        self._wire: Wire | None = None

    def close(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        if self._wire is not None:
            self._wire.abort()
        self._wire = None

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`. The timeout counts anew for each piece of a large body."""
        wire = self._wire if self._wire is not None and self._wire.undisturbed else await self._connect()
        try:
            answer = await self._exchange(wire, request)
        except BaseException:
            self.close()
            raise
        if not wire.usable:
            self.close()
        return answer

    async def _exchange(self, wire: Wire, request: Request) -> Answer:
        content = Bytes(request.content) if isinstance(request.content, bytes) else request.content
        head = self._head(request, content.size)
        answer = wire.expect_answer(request.max_answer, request.timeout)
        if content.size <= _PIECE:
            wire.write(head + b"".join(content.chunks()))
        else:
            wire.write(head)
            await _write_large(wire, content, answer)
        return await answer

    def _head(self, request: Request, size: int) -> bytes:
        kind = f"Content-Type: {request.content_type}\r\n" if request.content_type else ""
        head = f"{request.method} {self._prefix}{request.target} HTTP/1.1\r\n{self._fields}{kind}"
        length = f"Content-Length: {size}\r\n" if size or request.method in {"POST", "PUT"} else ""
        return f"{head}{length}\r\n".encode("ascii")

    async def _connect(self) -> Wire:
        self.close()
        try:
            with anyio.fail_after(CONNECT_TIMEOUT):
                self._wire = await self._reach()
        except TimeoutError:
            raise NoAnswer(f"no connection within {CONNECT_TIMEOUT:.0f} s", sent=False) from None
        except OSError as error:  # ssl.SSLError is one
            reason, permanent = explain(error)
            raise NoAnswer(reason, sent=False, permanent=permanent) from error
        return self._wire

    async def _reach(self) -> Wire:
        first = self._proxy or self._url
        port = first.port or (443 if first.scheme == "https" else 80)
        context = await self._network.tls() if first.scheme == "https" else None
        tunnelled = self._proxy is not None and self._secure

        async def dial(address: str) -> Wire:
            _, wire = await asyncio.get_running_loop().create_connection(
                ProxyWire if tunnelled else Wire,
                address,
                port,
                ssl=context,
                server_hostname=first.hostname if context else None,
            )
            return wire

        wire = await self._network.reach(first.hostname or "", port, dial)
        if not tunnelled:
            return wire
        try:
            return await self._through(wire)
        except BaseException:
            wire.abort()
            raise

    async def _through(self, proxy: Wire) -> Wire:
        """A connection to the origin, through one to the proxy."""
        assert self._proxy is not None  # noqa: S101 - for the type checker
        host = f"[{self._url.hostname}]" if ":" in (self._url.hostname or "") else self._url.hostname
        target = f"{host}:{self._url.port or 443}"
        answer = proxy.expect_answer(0, CONNECT_TIMEOUT)
        fields = _fields({"Host": target, **_login(self._proxy)})
        proxy.write(f"CONNECT {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii"))
        try:
            granted = await answer
        except NoAnswer as trouble:
            raise NoAnswer(f"the proxy gave no tunnel: {trouble}", sent=False) from None
        if not granted.ok:
            raise NoAnswer(f"the proxy refused a tunnel ({granted.status})", sent=False)
        if not proxy.undisturbed:
            raise NoAnswer("the proxy spoke out of turn", sent=False)
        wire = Wire()
        upgraded = await asyncio.get_running_loop().start_tls(
            proxy.transport, wire, await self._network.tls(), server_hostname=self._url.hostname
        )
        if upgraded is None:
            raise ConnectionResetError
        wire.connection_made(upgraded)
        return wire


async def _write_large(wire: Wire, content: Content, answer: asyncio.Future[Answer]) -> None:
    """Send a body as fast as it is taken, in pieces each of which may take as long as an answer.

    Raises:
        NoAnswer: when the answer says that all is well and came before all was sent: it can't be true.
    """
    chunks = content.chunks()
    while (chunk := await anyio.to_thread.run_sync(_next, chunks, abandon_on_cancel=True)) is not None:
        view = memoryview(chunk)
        for start in range(0, len(chunk), _PIECE):
            if answer.done():  # refused, too slow, or the connection is gone
                wire.abort()
                if not answer.exception() and answer.result().status < 300:  # noqa: PLR2004 - HTTP's own number
                    raise NoAnswer("the answer came before the body was sent", sent=True)
                return
            wire.write(view[start : start + _PIECE])
            await wire.room()
            wire.patience.renew()


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


def _login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _fields(headers: Mapping[str, str]) -> str:
    """Header fields as they are sent.

    Raises:
        ValueError: when a value would become more than one field.
    """
    if broken := [name for name, value in headers.items() if not value.isprintable()]:
        raise ValueError(f"the header {broken[0]} can't be sent: its value has a control character")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())

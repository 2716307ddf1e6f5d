"""One HTTP/1.1 connection, for uploads: asyncio moves the bytes, llhttp (httptools) reads answers.

httpx spends several times as much processor time on each request as the platform needs to answer
it (`docs/performance.md`). Uploading thousands of small files is what this project exists for, so
their transport is as thin as it can be: the request's head and body in one write, nothing shared
between connections. It does what one client needs and no more: no pipelining, no redirects, no
cookies, no content codings.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread
import httptools

from zerokie_action.api.transport import CONNECT_TIMEOUT, Answer, Content, NoAnswer, Request, explain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

    from zerokie_action.api.network import Network

_SMALL = 256 * 1024
"""Bytes up to which a body is read and sent in one piece."""


class _Wire(asyncio.Protocol):
    """What a socket tells: the answer that is being read, whether there is room to write, the end."""

    def __init__(self) -> None:
        self.closed = False
        self.failure: Exception | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._begin(1)

    def expect_answer(self, most: int) -> asyncio.Future[Answer]:
        """Forget the last answer; the future gets the next one, of at most so many bytes of body."""
        self._begin(most)
        return self._answer

    def _begin(self, most: int) -> None:
        self._most = most
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.reusable = False

    async def room(self) -> None:
        """Wait until more can be written without piling up."""
        await self._writable.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to do: the owner has the transport."""

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(NoAnswer(f"the answer is not HTTP ({error})", sent=True))

    def eof_received(self) -> None:
        return None  # closes the transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        reason = explain(exc)[0] if exc else "the connection was closed before the answer was complete"
        self._fail(NoAnswer(reason, sent=True))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # httptools' callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self._most:
            self._fail(NoAnswer(f"the answer is larger than {self._most} bytes", sent=True))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - an interim answer: the real one follows
            self._headers.clear()
            return
        self.reusable = self._parser.should_keep_alive()
        if not self._answer.done():
            self._answer.set_result(Answer(status, self._headers, bytes(self._body)))

    def _fail(self, failure: NoAnswer) -> None:
        if not self._answer.done():
            self._answer.set_exception(failure)
            self._answer.exception()  # seen: nobody may be waiting for it


class Connection:
    """Carries one request at a time to one origin, over a connection that is kept while it works.

    Implements `zerokie_action.api.transport.Transport`.
    """

    def __init__(self, base: str, headers: Mapping[str, str], network: Network) -> None:
        self._url = urlsplit(base)
        self._network = network
        proxy = network.proxy_for(base)
        self._proxy = urlsplit(proxy) if proxy else None
        self._secure = self._url.scheme == "https"
        # Through a proxy, plain http is asked for by its whole URL; https goes through a tunnel.
        origin = f"{self._url.scheme}://{self._url.netloc}" if self._proxy and not self._secure else ""
        self._prefix = origin + self._url.path
        lines = [f"{name}: {value}\r\n" for name, value in {"Host": self._url.netloc, **headers}.items()]
        if self._proxy and not self._secure:
            lines += _proxy_authorization(self._proxy)
        self._headers = "".join(lines)
        self._wire: _Wire | None = None
        self._transport: asyncio.Transport | None = None

    def close(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        if self._transport is not None:
            self._transport.abort()
        self._transport = self._wire = None

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`. The timeout counts anew for each piece of a large body."""
        if self._wire is None or self._wire.closed:
            await self._connect()
        assert self._wire is not None  # noqa: S101 - for the type checker: _connect has set it
        wire = self._wire
        try:
            answer = await self._exchange(wire, request)
        except BaseException:
            self.close()
            raise
        if not wire.reusable:
            self.close()
        return answer

    async def _exchange(self, wire: _Wire, request: Request) -> Answer:
        answer = wire.expect_answer(request.max_answer)
        head = self._head(request)
        content = request.content
        try:
            if isinstance(content, bytes):
                self._write(head + content)
            elif content.size <= _SMALL:
                self._write(head + b"".join(content.chunks()))
            else:
                self._write(head)
                await self._write_large(wire, content, answer, request.timeout)
            with anyio.fail_after(request.timeout):
                return await answer
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:.0f} s", sent=True) from None

    async def _write_large(
        self, wire: _Wire, content: Content, answer: asyncio.Future[Answer], timeout: float
    ) -> None:
        chunks = content.chunks()
        while (chunk := await anyio.to_thread.run_sync(_next, chunks, abandon_on_cancel=True)) is not None:
            if answer.done():  # refused before it was complete, or the connection is gone
                wire.reusable = False
                return
            self._write(chunk)
            with anyio.fail_after(timeout):
                await wire.room()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _head(self, request: Request) -> bytes:
        content = request.content
        size = len(content) if isinstance(content, bytes) else content.size
        kind = f"Content-Type: {request.content_type}\r\n" if request.content_type else ""
        head = f"{request.method} {self._prefix}{request.target} HTTP/1.1\r\n{self._headers}{kind}"
        return f"{head}Content-Length: {size}\r\n\r\n".encode("ascii")

    async def _connect(self) -> None:
        self.close()
        try:
            with anyio.fail_after(CONNECT_TIMEOUT):
                await self._open()
        except TimeoutError:
            raise NoAnswer(f"no connection within {CONNECT_TIMEOUT:.0f} s", sent=False) from None
        except OSError as error:  # ssl.SSLError is one
            reason, permanent = explain(error)
            raise NoAnswer(reason, sent=False, permanent=permanent) from error

    async def _open(self) -> None:
        first = self._proxy or self._url
        loop = asyncio.get_running_loop()
        port = first.port or (443 if first.scheme == "https" else 80)
        context = self._network.ssl_context if first.scheme == "https" else None
        named = first.hostname if context else None
        addresses = await self._network.addresses(first.hostname or "", port)
        for address in addresses:
            try:
                self._transport, self._wire = await loop.create_connection(
                    _Wire, address, port, ssl=context, server_hostname=named
                )
                break
            except OSError:
                if address == addresses[-1]:
                    raise
        if self._proxy and self._secure:
            await self._tunnel(self._network.ssl_context)

    async def _tunnel(self, context: ssl.SSLContext) -> None:
        assert self._wire is not None and self._transport is not None and self._proxy is not None  # noqa: S101, PT018
        target = f"{self._url.hostname}:{self._url.port or 443}"
        answer = self._wire.expect_answer(_SMALL)
        lines = [f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n", *_proxy_authorization(self._proxy), "\r\n"]
        self._transport.write("".join(lines).encode("ascii"))
        granted = await answer
        if granted.status != 200:  # noqa: PLR2004
            self.close()
            raise NoAnswer(f"the proxy refused a tunnel ({granted.status})", sent=False)
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(self._transport, self._wire, context, server_hostname=self._url.hostname)
        if upgraded is None:
            raise ConnectionResetError
        self._transport = upgraded


def _proxy_authorization(proxy: SplitResult) -> list[str]:
    if proxy.username is None:
        return []
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"]


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)

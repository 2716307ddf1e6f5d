"""TLS in front of a platform, and an HTTP proxy as the only way to its name."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.platform import Platform

HOST = "platform.test"
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Gateway:
    """Serves until `close`, in a thread of its own.

    Attributes:
        url: the platform over TLS, under a name that only the proxy can resolve.
        proxy: the proxy's address.
        asked: what the proxy was asked for, for example `CONNECT platform.test:443 HTTP/1.1`.
        began: the first byte of what came through each tunnel.
    """

    def __init__(self, platform: Platform) -> None:
        self.url = f"https://{HOST}"
        self.asked: list[str] = []
        self.began: list[bytes] = []
        self.proxy = ""
        self._authority = trustme.CA()
        self._platform = urlsplit(platform.url).port
        self._tls = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def write_authority(self, path: Path) -> None:
        """Write the certificate of the authority that signed the platform's."""
        self._authority.cert_pem.write_to_path(path)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(HOST).configure_cert(context)
        tls = await asyncio.start_server(self._to_platform, "127.0.0.1", 0, ssl=context)
        proxy = await asyncio.start_server(self._to_tls, "127.0.0.1", 0)
        async with tls, proxy:
            self._tls = tls.sockets[0].getsockname()[1]
            self.proxy = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            self._ready.set()
            await self._end.wait()

    async def _to_platform(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _relay(reader, writer, self._platform)

    async def _to_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        writer.write(_CONNECTED)
        first = await reader.read(1)
        self.began.append(first)
        await _relay(reader, writer, self._tls, first)


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int | None, first: bytes = b""
) -> None:
    further_reader, further_writer = await asyncio.open_connection("127.0.0.1", port)
    further_writer.write(first)
    await asyncio.gather(_pump(reader, further_writer), _pump(further_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()

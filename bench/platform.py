"""Fast local platform for benchmarks.

`python -m bench.platform` supports only deploys of folders, and the S3 requests of rclone and `aws s3 sync`
(`bench.bucket`). It handles a request in a few 10 µs and responds after a given latency. A new connection
takes one latency more, and TLS another one.

Every name is an app, and the apps' public addresses have their own port. The platform stores only the length
and the time of a file, so that its memory stays small. It stores the whole manifest, because the next deploy
reads it. It shares no code with the client and checks almost nothing, because the checks of `sandbox` are
slow.
"""

import argparse
import asyncio
import hashlib
import json
import re
import ssl
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from bench.bucket import Bucket

Answer = tuple[HTTPStatus, bytes]
"""Status and body."""

_KEPT_FOLDER = "_zerokie/"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = b"10000\r\n%b\r\n" % bytes(64 * 1024)
_STATUS_LINES = {status: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class Clock:
    """The current second, in the two formats of responses."""

    def __init__(self) -> None:
        self._second = 0
        self.date = b""
        self.timestamp = b""

    def read(self) -> None:
        """Update both texts."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self.date = formatdate(second, usegmt=True).encode()
            self.timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode()


@dataclass(slots=True)
class Zone:
    """The storage of one app.

    Attributes:
        rows: the file list's entries as JSON, by path.
        kept: the contents of the manifests, by path.
        bucket: the files that arrived over S3's protocol.
    """

    rows: dict[str, bytes] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    bucket: Bucket = field(default_factory=Bucket)

    def listing(self) -> bytes:
        """Return all files in the format of the API."""
        return b"[%b]" % b",".join(self.rows.values())


class Platform:
    """All apps, and their traffic."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self._url = url
        self._zones: defaultdict[str, Zone] = defaultdict(Zone)
        self._forget()

    def _forget(self) -> None:
        self._first: float | None = None
        self._stored = 0

    def answer(self, method: bytes, target: str, length: int, body: bytes) -> Answer:
        """Return the response to a request with a body of this length.

        `body` is empty for a file, and the MD5 sum in hex for an S3 object.
        """
        self.clock.read()
        if target == "/traffic":
            return HTTPStatus.OK, self._traffic()
        if self._first is None:
            self._first = time.monotonic()
        path, _, query = target.partition("?")
        return self._act(method, path.split("/", 5), query, length, body)

    def _act(self, method: bytes, parts: list[str], query: str, length: int, body: bytes) -> Answer:
        match parts:
            case ["", "v1", "apps", app, "files", path]:
                return self._change(method, self._zones[app], unquote(path), length, body)
            case ["", "v1", "apps", app, *what]:
                return HTTPStatus.OK, self._about(app, "/".join(what), body)
            case ["", "public", app, *path]:
                return HTTPStatus.OK, self._zones[app].kept[unquote("/".join(path))]
            case ["", "s3", app, *path] if any(path):
                return self._change_object(method, self._zones[app], unquote("/".join(path)), length, body)
            case ["", "s3", app, *_]:
                return HTTPStatus.OK, self._zones[app].bucket.page(query)
        return HTTPStatus.NOT_FOUND, b""

    def _change(self, method: bytes, zone: Zone, path: str, length: int, body: bytes) -> Answer:
        if method == b"DELETE":
            return (HTTPStatus.NO_CONTENT if zone.rows.pop(path, None) else HTTPStatus.NOT_FOUND), b""
        is_kept = path.startswith(_KEPT_FOLDER)
        zone.rows[path] = b'{"path":%b,"length":%d,"lastModified":"%b"}' % (
            json.dumps(path).encode(),
            length,
            self.clock.timestamp,
        )
        if is_kept:
            zone.kept[path] = body
        else:
            self._stored += 1
        return HTTPStatus.OK, b""

    def _change_object(self, method: bytes, zone: Zone, path: str, length: int, md5: bytes) -> Answer:
        if method != b"PUT":
            return HTTPStatus.NOT_IMPLEMENTED, b""
        answer = self._change(method, zone, path, length, b"")
        if answer[0] == HTTPStatus.OK:
            zone.bucket.put(path, length, md5.decode())
        return answer

    def _about(self, app: str, what: str, body: bytes) -> bytes:
        if what == "files":
            return self._zones[app].listing()
        if what == "deploy/lock":
            return b'{"locked":true,' + body.lstrip(b" {")
        if what == "deploy/finalize":
            return b'{"deploy_id":"d-1","timestamp":"%b","cache_purged":true}' % self.clock.timestamp
        url = f"{self._url}/public/{app}"
        return json.dumps({"name": app, "type": "static", "status": "running", "url": url}).encode()

    def _traffic(self) -> bytes:
        """Return the traffic since the last call."""
        found = {"first_request": self._first, "stored": self._stored}
        self._forget()
        return json.dumps(found).encode()


class Connection(asyncio.Protocol):
    """A client's connection, with one request at a time."""

    def __init__(self, platform: Platform, latency: float, endless: str) -> None:
        self._platform = platform
        self._latency = latency
        self._endless = endless
        self._is_paused = False
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: it is a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse the next part of the request."""
        if data.startswith(b"PUT /s3/") and b"\r\nexpect: 100-continue" in data.lower():
            self._write(_CONTINUE)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # These are httptools' callbacks. There is none for headers, because parsing them would take time.

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._target = b""
        self._length = 0
        self._body = b""
        self._md5 = hashlib.md5(usedforsecurity=False)

    def on_url(self, piece: bytes) -> None:
        """Add a part of the target."""
        self._target += piece

    def on_headers_complete(self) -> None:
        """Keep the body, except for files, whose bytes are only counted."""
        self._is_object = self._target.startswith(b"/s3/")
        is_file = b"/files/" in self._target or self._is_object
        self._keeps_body = not is_file or b"/files/_zerokie/" in self._target

    def on_body(self, piece: bytes) -> None:
        """Add a part of the body."""
        self._length += len(piece)
        if self._keeps_body:
            self._body += piece
        elif self._is_object:
            self._md5.update(piece)

    def on_message_complete(self) -> None:
        """Handle the complete request, and send the response after the latency."""
        method, target = self._parser.get_method(), self._target.decode("ascii")
        if self._endless and re.search(self._endless, target):
            self._write(_ENDLESS)
            self._pour()
            return
        body = self._md5.hexdigest().encode() if self._is_object else self._body
        status, body = self._platform.answer(method, target, self._length, body)
        self._loop.call_later(self._latency, self._send, status, body, self._parser.should_keep_alive())

    def _send(self, status: HTTPStatus, body: bytes, keep: bool) -> None:  # noqa: FBT001 - a callback's
        self._platform.clock.read()
        length = b"" if status == HTTPStatus.NO_CONTENT else b"Content-Length: %d\r\n" % len(body)
        head = b"%bDate: %b\r\n%b\r\n" % (_STATUS_LINES[status], self._platform.clock.date, length)
        self._write(head + body)
        if not keep:
            self._close()

    def _pour(self) -> None:
        """Send data without an end, as fast as the client reads."""
        if self._transport is None or self._transport.is_closing() or self._is_paused:
            return
        self._write(_PIECE)
        self._loop.call_soon(self._pour)

    def pause_writing(self) -> None:
        """Stop sending because the client reads slowly."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Continue sending."""
        self._is_paused = False
        self._loop.call_soon(self._pour)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class Entrance(asyncio.Protocol):
    """A new connection, which opens as slowly as over a network."""

    def __init__(
        self, make: Callable[[], Connection], latency: float, context: ssl.SSLContext | None
    ) -> None:
        self._make = make
        self._latency = latency
        self._context = context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pause reading until the connection is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: it is a stream
        transport.pause_reading()
        self._task = asyncio.create_task(self._open(transport))

    async def _open(self, transport: asyncio.Transport) -> None:
        await asyncio.sleep(self._latency * (2 if self._context else 1))
        connection = self._make()
        if self._context is None:
            transport.set_protocol(connection)
            connection.connection_made(transport)
            transport.resume_reading()
            return
        with suppress(OSError):  # The client may disconnect (ssl.SSLError is an OSError).
            loop = asyncio.get_running_loop()
            secure = await loop.start_tls(transport, connection, self._context, server_side=True)
            if secure is not None:
                connection.connection_made(secure)


async def serve(latency: float, certificate: str | None, endless: str) -> None:
    """Serve on free ports of loopback until the process ends. The first line of output is the API's URL."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    platform: Platform
    urls = []
    for _ in ("the API", "the apps' public addresses"):
        server = await asyncio.get_running_loop().create_server(
            lambda: Entrance(lambda: Connection(platform, latency, endless), latency, context),
            "127.0.0.1",
            0,
            backlog=1024,
        )
        port = server.sockets[0].getsockname()[1]
        urls.append(f"{'https' if context else 'http'}://127.0.0.1:{port}")
    platform = Platform(urls[1])
    print(urls[0], flush=True)  # noqa: T201 - for the parent process
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve with the settings from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.platform", description=__doc__)
    add = parser.add_argument
    add("--latency", type=float, default=0.0, help="delay every response by this many seconds")
    add("--certificate", help="serve https with the key and certificate in this PEM file")
    add("--endless", default="", help="send endless responses for paths with this expression")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.latency, arguments.certificate, arguments.endless))


if __name__ == "__main__":
    main()

"""An API that answers what it was told to, for programs that are not ours."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


def _not_found(*_request: object) -> tuple[int, dict[str, str], bytes]:
    return 404, {}, b'{"message": "404 Not Found"}'


@dataclass
class Rest:
    """Listens on loopback.

    Attributes:
        url: its address.
        answers: `METHOD /target` -> what is answered as JSON, and headers (with a `Location`: 302).
        respond: answers anything else, from method, target, body and headers, one request at a time; 404 by
            default.
        statuses: `METHOD /target` -> the status of an answer that is neither 200 nor a redirect.
        requests: what it was asked for, in order, as `METHOD /target`.
        headers: of those requests.
        bodies: of those requests.
    """

    url: str = ""
    answers: dict[str, tuple[Any, dict[str, str]]] = field(default_factory=dict)
    respond: Callable[[str, str, bytes, dict[str, str]], tuple[int, dict[str, str], bytes]] = _not_found
    statuses: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def rest() -> Iterator[Rest]:
    """Serve until the block ends."""
    api, lock = Rest(), Lock()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked = f"{self.command} {self.path}"
            api.requests.append(asked)
            received = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            api.headers.append(received)
            api.bodies.append(content)
            if asked in api.answers:
                found, headers = api.answers[asked]
                status = api.statuses.get(asked, 302 if "Location" in headers else 200)
                body = json.dumps(found).encode()
            else:
                with lock:
                    status, headers, body = api.respond(self.command, self.path, content, received)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - the base class looks for these

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

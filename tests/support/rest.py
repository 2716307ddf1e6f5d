"""A code host on loopback, for other processes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from tests.previews.code_host import CodeHost


@contextmanager
def serve(host: CodeHost) -> Iterator[str]:
    """Serve a code host's API for a repository of any name, and yield its URL."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            received = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            target = re.sub("^/repos/[^/]+/[^/]+/", "/repos/o/r/", self.path)
            with lock:
                status, headers, body = host.respond(self.command, target, content, received)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - the base class looks for these

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The apps' URLs over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from zerokie_action.sandbox.paths import decode_segment

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Send

    from zerokie_action.sandbox.cdn import Cdn, Page

PREFIX = "/_apps/"
_CHUNK = 2**18


async def serve_site(cdn: Cdn, request: Request, receive: Receive, send: Send) -> None:
    """Answer a request below `/_apps/NAME` from the CDN."""
    name, slash, rest = request.scope["path"].removeprefix(PREFIX).partition("/")
    if request.method not in {"GET", "HEAD"}:
        response = Response("Method not allowed\n", 405, {"allow": "GET, HEAD"})
        await response(request.scope, receive, send)
    elif not slash and request.headers.get("sec-fetch-mode") == "navigate":
        # Only for a browser: without the slash it would look for relative links one level up.
        await RedirectResponse(f"{PREFIX}{name}/", 308)(request.scope, receive, send)
    else:
        page, cached = cdn.get(decode_segment(name), rest, request.url.query)
        await _send(page, cached=cached, head=request.method == "HEAD", send=send)


async def _send(page: Page, *, cached: bool, head: bool, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in page.headers.items()]
    headers.append((b"x-cache", b"HIT" if cached else b"MISS"))
    await send({"type": "http.response.start", "status": page.status, "headers": headers})
    if isinstance(page.body, Path) and not head:
        with page.body.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": b"" if head else page.body})

"""The transport for everything but uploads: httpx, one client for the run."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx

from zerokie_action.api.transport import CONNECT_TIMEOUT, Answer, NoAnswer, Request, explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.api.network import Network


class HttpTransport:
    """Carries requests to one origin. Follows no redirect: the API key goes nowhere else.

    Args:
        base: scheme, host and path prefix, without a trailing slash.
        headers: sent with every request.
    """

    def __init__(self, base: str, headers: Mapping[str, str], network: Network) -> None:
        self._base = base
        self._prefix = urlsplit(base).path
        # httpx wants a context even for plain http; an empty one trusts nobody and costs nothing.
        secure = base.startswith("https:") or (network.proxy_for(base) or "").startswith("https:")
        context = network.ssl_context if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(
            headers=dict(headers),
            verify=context,
            proxy=network.proxy_for(base),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
        )

    async def aclose(self) -> None:
        """Close the connections, whatever is going on."""
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1):
            await self._client.aclose()

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`."""
        sent = False

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        outgoing = self._client.build_request(
            request.method,
            self._base + request.target,
            content=request.content if isinstance(request.content, bytes) else b"".join(request.content.chunks()),
            headers={"Content-Type": request.content_type} if request.content_type else None,
            extensions={"trace": trace},
        )
        _refuse_other_target(outgoing.url.raw_path.decode(), self._prefix + request.target)
        try:
            with anyio.fail_after(request.timeout):
                return await self._receive(outgoing, request.max_answer)
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:.0f} s", sent=sent) from None
        except (httpx.TransportError, httpx.DecodingError, ssl.SSLError, OSError) as error:
            reason, permanent = explain(error)
            raise NoAnswer(reason, sent=sent, permanent=permanent) from error

    async def _receive(self, outgoing: httpx.Request, most: int) -> Answer:
        response = await self._client.send(outgoing, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > most:
                    raise NoAnswer(f"the answer is larger than {most} bytes", sent=True)
        finally:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1):
                await response.aclose()
        return Answer(response.status_code, response.headers, bytes(body))


def _refuse_other_target(target: str, wanted: str) -> None:
    # httpx normalises: a dot segment would turn the deletion of a file into that of its app.
    if target != wanted:
        raise ValueError(f"the request would go to {target!r} instead of {wanted!r}")

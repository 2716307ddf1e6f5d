"""httpx, for what users may point anywhere: an app's public pages, the forge's API.

The platform's own API goes through `pool`.
"""

from __future__ import annotations

import ssl
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx

from zerokie_action.http.transport import CONNECT_TIMEOUT, Answer, NoAnswer, Request, explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.http.network import Network

_GZIP = 16 + zlib.MAX_WBITS
_ASIDE = "zerokie_location"


class HttpTransport:
    """Carries requests to one origin. Follows no redirect: whoever asks decides what may go along.

    Implements `zerokie_action.http.transport.Transport`.
    """

    def __init__(self, base: str, headers: Mapping[str, str], network: Network) -> None:
        """Connect to nothing yet.

        Args:
            base: scheme, host and path prefix, without a trailing slash.
            headers: sent with every request.
            network: the way out.
        """
        self._base = base
        self._prefix = urlsplit(base).path
        # httpx wants a context even for plain http; an empty one trusts nobody and costs nothing.
        secure = base.startswith("https:")
        context = network.ssl_context if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(
            headers={"Accept-Encoding": "gzip", **headers},
            verify=context,
            proxy=_proxy(base, network),
            trust_env=False,
            follow_redirects=False,
            event_hooks={"response": [_set_place_aside]},
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
        )

    async def aclose(self) -> None:
        """Close the connections, whatever is going on."""
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1):
            await self._client.aclose()

    async def send(self, request: Request) -> Answer:
        """See `Transport.send`."""
        sent = False

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal sent
            if event.endswith("send_request_headers.started"):
                sent = sent or info["request"].method != b"CONNECT"  # that one only asks a proxy for a tunnel

        content = request.content
        outgoing = self._client.build_request(
            request.method,
            self._base + request.target,
            content=content if isinstance(content, bytes) else b"".join(content.chunks()),
            headers={"Content-Type": request.content_type} if request.content_type else None,
            extensions={"trace": trace},
        )
        _refuse_other_target(outgoing.url.raw_path.decode(), self._prefix + request.target)
        try:
            with anyio.fail_after(request.timeout):
                return await self._receive(outgoing, request.max_answer)
        except TimeoutError:
            raise NoAnswer(f"no answer within {request.timeout:.0f} s", sent=sent) from None
        except httpx.ProxyError as error:
            raise NoAnswer(f"the proxy refused a tunnel ({error})", sent=sent) from error
        except (httpx.TransportError, ssl.SSLError, OSError) as error:
            reason, permanent = explain(error)
            raise NoAnswer(reason, sent=sent, permanent=permanent) from error

    async def _receive(self, outgoing: httpx.Request, most: int) -> Answer:
        response = await self._client.send(outgoing, stream=True)
        try:
            body = await _read(response, most)
        finally:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1):
                await response.aclose()
        return Answer(response.status_code, {**response.headers, **response.extensions[_ASIDE]}, body)


async def _set_place_aside(response: httpx.Response) -> None:
    # httpx reads where a redirect leads even if it is not to follow, and fails if that is no URL.
    place = response.headers.pop("location", None)
    response.extensions[_ASIDE] = {} if place is None else {"location": place}


async def _read(response: httpx.Response, most: int) -> bytes:
    """The body, decoded here: httpx would blow up a small piece to any size before it could be measured."""
    coded = response.headers.get("content-encoding", "").lower() in {"gzip", "x-gzip"}
    gzip = zlib.decompressobj(_GZIP) if coded else None
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += gzip.decompress(chunk, most + 1 - len(body)) if gzip else chunk
            if len(body) > most:
                raise NoAnswer(f"the answer is larger than {most} bytes", sent=True)
    except zlib.error as error:
        raise NoAnswer(f"the answer is not gzip, as it says ({error})", sent=True) from None
    if gzip and not gzip.eof and response.num_bytes_downloaded:
        raise NoAnswer("the answer's gzip ends too early", sent=True)
    return bytes(body)


def _proxy(base: str, network: Network) -> httpx.Proxy | None:
    proxy = network.proxy_for(base)
    if proxy is None:
        return None
    secure = proxy.startswith("https:")
    # Left to itself, httpx would trust other authorities here than everywhere else.
    return httpx.Proxy(proxy, ssl_context=network.ssl_context if secure else None)


def _refuse_other_target(target: str, wanted: str) -> None:
    # httpx normalises: a dot segment would turn the deletion of a file into that of its app.
    if target != wanted:
        raise ValueError(f"the request would go to {target!r} instead of {wanted!r}")

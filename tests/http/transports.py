"""Requests over the real transport or a scripted one."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import pytest

from tests.http.servers import Handler, Server, serve, tunnel_to
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import failure
from zerokie_action.http.failure import Cause, Failure
from zerokie_action.http.request import HEADERS, Bytes, Content, ContentStream, RequestOptions
from zerokie_action.http.transport import Transport

TARGET = "/v1/apps/site/files/a.txt"


def transport(**env: str) -> Transport:
    """Return the transport of a run with these environment variables."""
    return Transport(env)


def put(
    base: str,
    content: bytes | Content = b"hello",
    *,
    silence: float = 60,
    max_body: int = 1_000_000,
) -> httpx.Request:
    """Return an upload request."""
    url = httpx.URL(base + TARGET)
    body = Bytes(content) if isinstance(content, bytes) else content
    headers = {
        "Host": url.netloc.decode(),
        **HEADERS,
        "Authorization": "Bearer key",
        "Content-Type": "text/plain",
        "Content-Length": str(body.size),
    }
    options = RequestOptions(purpose="Uploading", silence=silence, max_body=max_body)
    return httpx.Request(
        "PUT", url, headers=headers, stream=ContentStream(body), extensions=options.extensions
    )


class Reached(NamedTuple):
    """A server, and a transport that can connect to it at `url`."""

    server: Server
    http: Transport
    url: str


Reach = Callable[[Handler], AbstractAsyncContextManager[Reached]]


@asynccontextmanager
async def reached(way: str, tls: ssl.SSLContext, bundle: Path, handler: Handler) -> AsyncIterator[Reached]:
    """Serve without TLS (`plain`), with `tls`, or through a proxy's `tunnel`."""
    async with serve(handler, tls=None if way == "plain" else tls) as server:
        if way != "tunnel":
            async with transport(SSL_CERT_FILE=str(bundle)) as http:
                yield Reached(server, http, server.url)
            return
        async with (
            serve(tunnel_to(server)) as proxy,
            transport(SSL_CERT_FILE=str(bundle), HTTPS_PROXY=proxy.url) as http,
        ):
            yield Reached(server, http, "https://platform.test")


Outcome = tuple[int, bytes] | tuple[str, bool, bool]


def none(*, sent: bool, final: bool = False) -> Outcome:
    """Return the value of `outcome` without a response."""
    return ("no response", sent, final)


async def outcome(transport: Transport, request: httpx.Request) -> Outcome:
    """Return the status and body, or the details of a failure."""
    try:
        response = await transport.handle_async_request(request)
    except httpx.TransportError as error:
        failed = failure.of_error(request, error)
        return none(sent=failed.may_have_arrived, final=failed.cause is Cause.CERTIFICATE)
    return response.status_code, response.content


async def reason(transport: Transport, request: httpx.Request) -> str:
    """Return why no response arrived."""
    with pytest.raises(httpx.TransportError) as caught:
        await transport.handle_async_request(request)
    return failure.of_error(request, caught.value).reason


Step = httpx.Response | httpx.TransportError


def answer(code: int, body: bytes = b"", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(code, headers=named, content=body)


def read(response: httpx.Response) -> bytes | Failure | DeployError:
    """Return a response's body, an error for a 4xx, or a failure for a web page or a retryable status."""
    if failed := failure.of_status(response, f"answered {response.status_code}"):
        return failed
    if response.content.startswith(b"<"):
        return Failure("answered with a page", Cause.WRONG_SERVER)
    return response.content if response.is_success else RequestRejected("no", status=response.status_code)


class Script(Transport):
    """A scripted transport. Each attempt takes one step, and the last step repeats.

    Attributes:
        attempts: the start times of the attempts.
        requests: the sent requests.
    """

    def __init__(self, *steps: Step, takes: float = 0.0) -> None:
        super().__init__({})
        self.steps = list(steps)
        self.takes = takes
        self.attempts: list[float] = []
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.attempts.append(anyio.current_time())
        await anyio.sleep(self.takes)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, httpx.TransportError):
            step.request = request
            raise step
        return step

    @property
    def gaps(self) -> list[float]:
        """Seconds between attempts."""
        return [later - sooner for sooner, later in zip(self.attempts, self.attempts[1:], strict=False)]

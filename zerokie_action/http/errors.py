"""Why there is no response: in plain words, and what it means for another attempt."""

from __future__ import annotations

import socket
import ssl

import httpx

from zerokie_action.http.descriptors import ran_out


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response has more bytes of body than the request allows."""


def may_have_been_sent(error: httpx.TransportError) -> bool:
    """Whether the other side may have seen the request. Only a failed connect is a certain "no"."""
    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)


def explain(error: BaseException) -> str:  # noqa: PLR0911 - one for each cause
    """Why a connection failed, as the end of a sentence."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's TLS certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or cause})"
        if isinstance(cause, socket.gaierror):
            return f"the host name can't be resolved ({cause.strerror})"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "the connection was reset"
        if ran_out(cause):
            return "too many open files"
    words = str(error).removesuffix(".")
    return words[:1].lower() + words[1:] or type(error).__name__


def causes(error: BaseException) -> list[BaseException]:
    """The error, what led to it, and so on; the members of groups included."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or current in found:
            continue
        found.append(current)
        waiting += [current.__context__, current.__cause__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
    return found

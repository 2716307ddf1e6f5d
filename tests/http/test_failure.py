"""What a failed attempt means: the whole table."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import httpx
import pytest

from zerokie_action.http import failure
from zerokie_action.http.failure import Meaning
from zerokie_action.http.transport import ResponseTooLarge

ERROR = b'{"error": "words"}'
PAGE = b"<html><title>words</title></html>"
ORIGIN = "https://api.test"
BODIES = pytest.mark.parametrize("body", [b"", ERROR, PAGE], ids=["empty", "error", "page"])
DOWN, WAIT, UNEXPECTED, FINAL = Meaning.DOWN, Meaning.WAIT, Meaning.UNEXPECTED, Meaning.FINAL


def response(status: int, body: bytes = b"", **headers: str) -> failure.Failure | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure.of_response(httpx.Response(status, headers=named, content=body), ORIGIN, '"words"')


def because(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words")
    error.reason = reason
    return error


class TestResponses:
    @BODIES
    @pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 507, 520, 599])
    def test_down(self, status: int, body: bytes) -> None:
        """It may be another one next time, and the request may have taken effect."""
        failed = response(status, body)
        assert failed is not None
        assert (failed.meaning, failed.ambiguous, failed.retry_after) == (DOWN, True, None)
        assert failed.reason == f'the platform answered {status} ("words")'
        assert failed.throttled is (status in {502, 503, 504})

    @BODIES
    @pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
    def test_asked_to_wait(self, status: int, body: bytes) -> None:
        """`Retry-After` with any of them is a wait."""
        failed = response(status, body, retry_after="7")
        assert failed is not None
        assert (failed.meaning, failed.ambiguous, failed.retry_after) == (WAIT, True, 7.0)

    @BODIES
    @pytest.mark.parametrize(("headers", "seconds"), [({}, None), ({"retry_after": "7"}, 7.0)])
    def test_busy(self, body: bytes, headers: dict[str, str], seconds: float | None) -> None:
        """429 has no effect, and asks to wait whether it says how long or not."""
        failed = response(429, body, **headers)
        assert failed is not None
        assert (failed.meaning, failed.ambiguous, failed.retry_after) == (WAIT, False, seconds)
        assert failed.throttled

    @pytest.mark.parametrize("text", ["0", "-1", "soon", "Sat, 07 Mar 2020 17:00:30 GMT"])
    def test_a_wait_that_is_none(self, text: str) -> None:
        failed = response(503, retry_after=text)
        assert failed is not None
        assert failed.meaning is DOWN

    @pytest.mark.parametrize(
        "body", [b"", PAGE, b"{}", b'{"error": " "}', b'{"error": {}}', b'"error"', b"[" * 100_000]
    )
    @pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 422, 451, 499])
    def test_not_the_platform_s_word(self, status: int, body: bytes) -> None:
        """A 4xx without its `error` is somebody else's: it says nothing about app, lock or file."""
        failed = response(status, body)
        assert failed is not None
        assert (failed.meaning, failed.ambiguous) == (UNEXPECTED, True)
        assert failed.reason == f'https://api.test answered {status} ("words"), but not as the API does'
        assert failed.hint.startswith("Check `api-url`")

    @pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 422, 451, 499])
    def test_the_platform_s_word(self, status: int) -> None:
        """With it, it is an answer, whatever `Retry-After` says."""
        assert response(status, ERROR) is None
        assert response(status, ERROR, retry_after="7") is None

    @BODIES
    @pytest.mark.parametrize("status", [401, 407, 413, 414, 415, 431, 501, 505])
    def test_an_answer_with_any_body(self, status: int, body: bytes) -> None:
        """What a gateway means for good as well, and what nobody will do next time either."""
        assert response(status, body) is None

    def test_without_words(self) -> None:
        failed = failure.of_response(httpx.Response(503), ORIGIN, "")
        assert failed is not None
        assert failed.reason == "the platform answered 503"


EXPIRED = ssl.SSLCertVerificationError(1, "expired")
AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
RESET = ConnectionResetError(errno.ECONNRESET, "reset")

LOST = because(httpx.ReadError(""), RESET)
ERRORS: dict[str, tuple[httpx.TransportError, Meaning, bool]] = {
    # name: what happened, what it means, whether the request may have been sent
    "refused": (because(httpx.ConnectError(""), ConnectionRefusedError()), DOWN, False),
    "no connection in time": (httpx.ConnectTimeout(""), DOWN, False),
    "no route": (because(httpx.ConnectError(""), OSError(errno.EHOSTUNREACH, "")), DOWN, False),
    "name server down": (because(httpx.ConnectError(""), AGAIN), DOWN, False),
    "unknown name": (because(httpx.ConnectError(""), NO_NAME), UNEXPECTED, False),
    "certificate": (because(httpx.ConnectError(""), EXPIRED), FINAL, False),
    "certificate, in a group": (because(httpx.ConnectError(""), ExceptionGroup("", [EXPIRED])), FINAL, False),
    "TLS version": (because(httpx.ConnectError(""), tls("UNSUPPORTED_PROTOCOL")), FINAL, False),
    "no TLS at all": (because(httpx.ConnectError(""), tls("WRONG_VERSION_NUMBER")), FINAL, False),
    "TLS broke off": (because(httpx.ConnectError(""), tls("UNEXPECTED_EOF_WHILE_READING")), DOWN, False),
    "reset": (LOST, DOWN, True),
    "reset while sending": (because(httpx.WriteError(""), RESET), DOWN, True),
    "silence": (httpx.ReadTimeout(""), DOWN, True),
    "silence while sending": (httpx.WriteTimeout(""), DOWN, True),
    "closed": (httpx.RemoteProtocolError("closed"), DOWN, True),
    "too large": (ResponseTooLarge("too large"), FINAL, True),
    "the proxy wants a login": (httpx.ProxyError("tunnel refused (407 Login)"), FINAL, False),
    "the proxy can't connect": (httpx.ProxyError("tunnel refused (503 No)"), DOWN, False),
}


@pytest.mark.parametrize("name", ERRORS)
def test_no_response(name: str) -> None:
    """Each error of httpx's, with what led to it."""
    error, meaning, sent = ERRORS[name]
    failed = failure.of_error(error)
    assert (failed.meaning, failed.ambiguous, failed.retry_after) == (meaning, sent, None)
    assert failed.throttled is isinstance(error, httpx.ConnectTimeout)


def test_a_proxy_s_login_is_a_refusal() -> None:
    """Like any 407, it has its own exit code."""
    error, _, _ = ERRORS["the proxy wants a login"]
    assert failure.of_error(error).status == 407
    assert failure.of_error(LOST).status is None


def test_without_descriptors_fewer_requests_at_once_may_help() -> None:
    """That is this machine's own limit; it says which one."""
    failed = failure.of_error(because(httpx.ConnectError(""), OSError(errno.EMFILE, "")))
    assert (failed.meaning, failed.throttled, failed.status) == (DOWN, True, None)
    assert "ulimit -n" in failed.hint


def test_each_final_one_says_what_to_do() -> None:
    """Where waiting does not help, nobody is told to wait."""
    hints: list[Any] = [
        failure.of_error(error).hint for error, meaning, _ in ERRORS.values() if meaning is not DOWN
    ]
    assert len(set(hints)) == 5
    assert failure.TRY_LATER not in hints

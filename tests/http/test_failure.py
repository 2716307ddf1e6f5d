"""Failures: from connection errors, statuses and `Retry-After`."""

import errno
import socket
import ssl
import time
from email.utils import formatdate

import httpx
import pytest

from zerokie_action.http import failure
from zerokie_action.http.failure import Cause, Failure, parse_retry_after
from zerokie_action.http.request import RequestOptions

NOW = 1_772_902_800
API = httpx.Request("GET", "https://api.test/", extensions=RequestOptions(purpose="Looking").extensions)


def because(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


def unconnected(cause: BaseException) -> httpx.TransportError:
    return because(httpx.ConnectError(""), cause)


EXPIRED = ssl.SSLCertVerificationError(1, "expired")
EXPIRED.verify_message = "expired"
NO_TLS, ALERT = ssl.SSLError(), ssl.SSLError()
NO_TLS.reason, ALERT.reason = "WRONG_VERSION_NUMBER", "ALERT"
GROUP = unconnected(ExceptionGroup("", [OSError(), EXPIRED]))
NO_NETWORK = OSError(errno.ENETUNREACH, "Network is unreachable")
BROKEN_PIPE = OSError(errno.EPIPE, "Broken pipe")
NO_ANSWER = because(httpx.ReadTimeout("no response within 30s"), TimeoutError())


def unsent(reason: str, cause: Cause = Cause.OUTAGE) -> Failure:
    return Failure(reason, cause, may_have_arrived=False)


UNTRUSTED = "the server's TLS certificate isn't trusted (expired)"
NO_TLS_HERE = "TLS failed (WRONG_VERSION_NUMBER)"
NO_NAME = "the host name can't be resolved (x)"
FAILURES: list[tuple[httpx.TransportError, Failure]] = [
    (unconnected(NO_NETWORK), unsent("network is unreachable")),
    (unconnected(socket.gaierror(socket.EAI_AGAIN, "x")), unsent(NO_NAME)),
    (unconnected(socket.gaierror(socket.EAI_NONAME, "x")), unsent(NO_NAME, Cause.WRONG_SERVER)),
    (GROUP, unsent(UNTRUSTED, Cause.CERTIFICATE)),
    (unconnected(NO_TLS), unsent(NO_TLS_HERE, Cause.WRONG_SERVER)),
    (unconnected(ALERT), unsent("TLS failed (ALERT)")),
    (httpx.ReadError(""), Failure("the connection broke")),
    (because(httpx.WriteError(""), BROKEN_PIPE), Failure("broken pipe")),
    (NO_ANSWER, Failure("no response within 30s", was_silent=True)),
]


@pytest.mark.parametrize(("error", "expected"), FAILURES, ids=repr)
def test_only_a_failed_connect_was_not_sent(error: httpx.TransportError, expected: Failure) -> None:
    """Only a failed connection attempt proves that the request wasn't sent."""
    assert failure.of_error(API, error) == expected


def test_the_context_of_an_error_is_not_its_cause() -> None:
    """If the release after a certificate error times out, the cause is the time-out."""
    silence = because(httpx.ReadTimeout(""), TimeoutError())
    silence.__context__ = GROUP
    assert failure.of_error(API, silence).cause is Cause.OUTAGE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30.0),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        ("soon", 0.0),
        ("-30", 0.0),
        ("\xb2", 0.0),
        ("9" * 400, 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    text: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header has seconds or a date. An invalid value is ignored."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert parse_retry_after({"retry-after": text}) == expected


ASKS = "said so and a Retry-After of 30s"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, None) for status in (200, 404, 409, 422, 499)),
        *((status, Failure(ASKS, retry_after=30)) for status in (408, 425, 500, 503, 599)),
        (429, Failure(ASKS, may_have_arrived=False, retry_after=30)),
    ],
)
def test_some_statuses_are_retried(status: int, expected: Failure | None) -> None:
    """Only a 429 proves that the request didn't take effect. A status never counts as silence."""
    response = httpx.Response(status, headers={"Retry-After": "30"})
    assert failure.of_status(response, "said so") == expected

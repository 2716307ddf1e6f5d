"""Which attempts are repeated, when, and for how long in all.

Repeated are network trouble, time-outs, 429 and 5xx; other answers are final. Delays grow
exponentially with full jitter; `Retry-After` (seconds or HTTP date) is honoured. One `Retries`
serves the whole run: when the platform is plainly down, not every one of thousands of files may
try on its own.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.http.clock import PlatformClock, date_of
from zerokie_action.http.responses import error_text
from zerokie_action.http.transport import Answer, NoAnswer, Request, Transport
from zerokie_action.text import shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

FIRST_DELAY = 0.5
LONGEST_DELAY = 20.0
PATIENCE = 120.0
"""Seconds without any successful request after which the run gives up, retries left or not."""

_LONGEST_WORDS = 500
_TOO_MANY_REQUESTS = 429
_PUSH_BACK = {_TOO_MANY_REQUESTS, 502, 503}
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501
_TRY_LATER = (
    "Run the job again in a few minutes. "
    "If it stays like this, check `api-url`, proxies and the platform's status."
)
_CERTIFICATE = (
    "Check `api-url`. If the certificate is your own, name its authority's bundle in SSL_CERT_FILE."
)

T = TypeVar("T")


class Malformed(ValueError):  # noqa: N818 - says what an answer is, and is always caught
    """A 2xx answer is not what the reference describes, so it may come from something in between."""


class Retries:
    """How many repetitions a request has, and whether the run still has patience.

    Attributes:
        used: repetitions so far, in the whole run.
    """

    def __init__(self, per_request: int, *, jitter: Callable[[], float] = random.random) -> None:
        """Begin with all the patience. `jitter` gives what part of the longest delay is waited, 0 to 1."""
        self.per_request = per_request
        self.used = 0
        self._jitter = jitter
        self._failing_since: float | None = None
        self._told_to_wait_until = 0.0

    def succeeded(self) -> None:
        """A request got through: the platform is there."""
        self._failing_since = None

    def delay(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait before repeating for the `attempt`-th time (from 1); None: give up."""
        now = anyio.current_time()
        self._failing_since = self._failing_since if self._failing_since is not None else now
        if attempt > self.per_request or now - self._failing_since > PATIENCE:
            return None
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 16))
        delay: float = ceiling * self._jitter()
        if retry_after is not None:
            delay += retry_after
            # What we were asked to wait costs no patience; but many requests are asked at the same time.
            excused_from = max(now, self._told_to_wait_until)
            self._told_to_wait_until = max(excused_from, now + retry_after)
            self._failing_since += self._told_to_wait_until - excused_from
        if now + delay > anyio.current_effective_deadline():
            return None
        self.used += 1
        return delay


class Reply(NamedTuple, Generic[T]):
    """A final answer.

    Attributes:
        purpose: the request's.
        value: what `parse` made of a 2xx answer, else None.
        unclear: an earlier attempt may have taken effect before this one was made.
        retry_after: seconds that an answer other than 2xx asks to wait.
    """

    purpose: str
    status: int
    body: bytes
    value: T | None
    unclear: bool = False
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the platform did what it was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class _Failure(NamedTuple):
    """One attempt that did not give a final answer; without a `status`, it gave none at all."""

    reason: str
    unclear: bool
    retry_after: float | None = None
    permanent: bool = False
    status: int | None = None


class Sender:
    """Sends requests until there is a final answer or the retries are spent.

    Args:
        clock: learns the platform's time from every answer that is surely its own.
        notice: told of every repetition, one line.
        clean: takes the secrets out of what the platform says.
        on_pushback: told when the platform asks for less (429, 502, 503).
        around: entered around each attempt, not around the delays, where a request has none of its own.
    """

    def __init__(
        self,
        transport: Transport,
        retries: Retries,
        *,
        clock: PlatformClock,
        notice: Callable[[str], None] = lambda _line: None,
        clean: Callable[[str], str] = str,
        on_pushback: Callable[[], None] = lambda: None,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Carry requests over `transport`, sharing the run's `retries`."""
        self._transport = transport
        self._retries = retries
        self._clock = clock
        self._around = around
        self._notice = notice
        self._clean = clean
        self._on_pushback = on_pushback

    async def send(
        self,
        request: Request,
        parse: Callable[[Answer], T],
        *,
        recover: Callable[[], Awaitable[T | None]] | None = None,
        around: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> Reply[T]:
        """The final answer to a request that may be repeated.

        Args:
            request: what to send, anew for each attempt.
            parse: makes the value of a 2xx answer; `Malformed` counts as no answer.
            recover: asked after an attempt with an unclear outcome; a value says that it took effect.
            around: replaces the sender's own.

        Raises:
            PlatformUnavailable: when the retries are spent.
        """
        attempt = 0
        unclear = False
        while True:
            attempt += 1
            with (around or self._around)():
                outcome = await self._attempt(request, parse, unclear=unclear)
            if isinstance(outcome, Reply):
                self._retries.succeeded()
                return outcome
            unclear = unclear or outcome.unclear
            if outcome.status is None:
                request = request._replace(fresh=True)
            if outcome.status in _PUSH_BACK:
                self._on_pushback()
            delay = None if outcome.permanent else self._retries.delay(attempt, outcome.retry_after)
            if delay is not None:
                self._notice(f"{request.purpose}: {outcome.reason}; trying again in {delay:.1f} s")
                await anyio.sleep(delay)
            if outcome.unclear and recover and (value := await recover()) is not None:
                return Reply(request.purpose, 200, b"", value, unclear=True)
            if delay is None:
                raise self._gave_up(request, outcome, attempt, unclear=unclear)

    async def _attempt(
        self, request: Request, parse: Callable[[Answer], T], *, unclear: bool
    ) -> Reply[T] | _Failure:
        try:
            answer = await self._transport.send(request)
        except NoAnswer as trouble:
            return _Failure(str(trouble), unclear=trouble.sent, permanent=trouble.permanent)
        if asks_for_another_attempt(answer.status):
            return _Failure(
                f"the platform answered {answer.status}{self._quoted(answer)}",
                unclear=answer.status != _TOO_MANY_REQUESTS,
                retry_after=retry_after(answer.headers),
                status=answer.status,
            )
        if not answer.ok:
            wait = retry_after(answer.headers)
            return Reply(request.purpose, answer.status, answer.body, None, unclear, wait)
        try:
            value = parse(answer)
        except Malformed as malformed:
            reason = f"the platform answered {answer.status}, but {malformed}{self._quoted(answer)}"
            return _Failure(reason, unclear=True, status=answer.status)
        # Only now: what stands in between has a clock of its own.
        self._clock.note(answer.headers)
        return Reply(request.purpose, answer.status, answer.body, value, unclear)

    def words(self, body: bytes) -> str:
        """What an answer says of itself (`error_text`), without secrets, in at most 500 characters."""
        return shorten(error_text(body, self._clean), _LONGEST_WORDS)

    def _quoted(self, answer: Answer) -> str:
        words = self.words(answer.body)
        return f' ("{words}")' if words else ""

    def _gave_up(
        self, request: Request, failure: _Failure, attempts: int, *, unclear: bool
    ) -> PlatformUnavailable:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        hint = _CERTIFICATE if failure.permanent else _TRY_LATER
        if failure.retry_after:
            hint = f"The platform asked to wait {failure.retry_after:.0f} s. " + hint
        return PlatformUnavailable(
            f"{request.purpose} failed after {times}: {failure.reason}",
            hint=hint,
            unclear=unclear,
            retry_after=failure.retry_after or 0.0,
        )


def asks_for_another_attempt(status: int) -> bool:
    """Whether a status may be another one next time: 429 and 5xx, except 501."""
    return status == _TOO_MANY_REQUESTS or (status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED)


def retry_after(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that `Retry-After` asks for; None when there is none or it makes no sense.

    A date is compared with the answer's own `Date` where there is one: clocks differ.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        return float(text)
    until = date_of({"date": text})
    if until is None:
        return None
    since = date_of(headers)
    return max(0.0, until - (since if since is not None else now()))

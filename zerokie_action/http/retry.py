"""Requests that are retried until the platform has answered.

An attempt ends with an answer, with a failure after which another attempt may help, or with a final failure
(`failure`). While all requests of a kind fail, they wait at their `CircuitBreaker`, whatever the number of
retries. Retries are counted for a request that fails while others of its kind succeed, or whose response is
unexpected.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio
import httpx

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http import failure
from zerokie_action.http.breaker import GIVE_UP_AFTER, MAX_REQUESTED_WAIT, CircuitBreaker, OutageLog
from zerokie_action.http.client import EXPECTED, KIND, PURPOSE
from zerokie_action.http.failure import Failure, Meaning, error_detail, retry_after
from zerokie_action.http.transport import FRESH, RESENDABLE
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from zerokie_action.http.breaker import Probe
    from zerokie_action.http.limiter import AdaptiveLimiter

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 20.0
_LAST_LOOK = 1.0
"""Seconds in which it shows whether the others fail as well, before a request is given up alone."""
_LONGEST_QUOTE = 500

T = TypeVar("T")
Around = Callable[[], AbstractAsyncContextManager[object]]


class Malformed(ValueError):  # noqa: N818 - says what a response is, and is always caught
    """A 2xx response is not what the reference describes, so it may come from something in between."""


def backoff(attempt: int) -> float:
    """Seconds before the `attempt`-th retry (from 1): doubled each time, with full jitter."""
    ceiling = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt - 1, 16))
    return random.uniform(0, ceiling)  # noqa: S311 - no secret


class Reply(NamedTuple, Generic[T]):
    """An answer of the platform's.

    Attributes:
        purpose: the request's.
        value: what `parse` made of a 2xx response, else None.
        ambiguous: an earlier attempt may have taken effect before this one was made.
        retry_after: seconds that an answer other than 2xx asks to wait.
    """

    purpose: str
    status: int
    body: bytes
    value: T | None
    ambiguous: bool = False
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the platform did what it was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


class RetryBudget:
    """What the requests of one run share.

    Attributes:
        retries: attempts after the first that a request has on its own account.
        used: requests that were sent again, so far.
    """

    def __init__(
        self, retries: int, *, log: Callable[[str], None], redact: Callable[[str], str] = str
    ) -> None:
        """Nothing has failed yet.

        Args:
            retries: see above.
            log: gets a line about what fails.
            redact: takes the secrets out of what the platform says.
        """
        self.retries = retries
        self.used = 0
        self.log = log
        self.redact = redact
        self._breakers: dict[str, CircuitBreaker] = {}

    def breaker(self, kind: str) -> CircuitBreaker:
        """The circuit breaker of a kind of request."""
        if kind not in self._breakers:
            self._breakers[kind] = CircuitBreaker(OutageLog(kind, self.log))
        return self._breakers[kind]

    @property
    def outage(self) -> str:
        """What does not work now, and why: `uploads failed last: ...`; empty if all does."""
        failing = (item for item in self._breakers.items() if item[1].last_failure)
        return "; ".join(
            f"{kind[:1].lower()}{kind[1:]} failed last: {breaker.last_failure}" for kind, breaker in failing
        )

    def log_counts(self) -> None:
        """Log failures that were counted since the last line."""
        for breaker in self._breakers.values():
            breaker.log.log_count()


class _Attempts:
    """Makes single attempts, and says what came of them."""

    def __init__(
        self, fetch: Callable[[httpx.Request], Awaitable[httpx.Response]], budget: RetryBudget
    ) -> None:
        self._fetch = fetch
        self._budget = budget

    async def _attempt(
        self, request: httpx.Request, parse: Callable[[httpx.Response], T]
    ) -> Reply[T] | Failure:
        purpose = request.extensions[PURPOSE]
        try:
            response = await self._fetch(request)
        except httpx.TransportError as error:
            return failure.of_error(error)
        status = response.status_code
        if not response.is_success:
            failed = failure.of_response(response, _origin(request), self.error_detail(response.content))
            if failed is not None and status not in request.extensions.get(EXPECTED, ()):
                return failed
            wait = retry_after(response.headers)
            return Reply(purpose, status, response.content, None, retry_after=wait)
        try:
            return Reply(purpose, status, response.content, parse(response))
        except Malformed as malformed:
            detail = self.error_detail(response.content)
            what = f" ({detail})" if detail else ""
            return failure.not_the_platform(f"{_origin(request)} answered {status}, but {malformed}{what}")

    def error_detail(self, body: bytes) -> str:
        """What a response says of itself (`failure.error_detail`), without secrets."""
        return error_detail(body, _LONGEST_QUOTE, self._budget.redact)


class DeadlineClient(_Attempts):
    """Sends requests until there is an answer or the scope around is cancelled.

    It ignores circuit breakers and `Retry-After`: for heartbeats, and what has to be done before a deadline.
    """

    def __init__(
        self,
        fetch: Callable[[httpx.Request], Awaitable[httpx.Response]],
        budget: RetryBudget,
        delays: tuple[float, float] = (0.2, 1.0),
    ) -> None:
        """Send nothing yet.

        Args:
            fetch: sends a request once.
            budget: the run's.
            delays: the shortest and the longest pause between two attempts, in seconds.
        """
        super().__init__(fetch, budget)
        self._delays = delays

    async def send(
        self, request: httpx.Request, parse: Callable[[httpx.Response], T], **_: object
    ) -> Reply[T]:
        """The platform's answer. An attempt gets half of the time that is left, at most.

        Raises:
            PlatformUnavailable: a failure is final, or there is no time for another attempt.
            RequestRejected: a proxy wants a login.
        """
        log = self._budget.breaker(request.extensions[KIND]).log
        began = anyio.current_time()
        ends_at = anyio.current_effective_deadline()
        attempts = 0
        ambiguous = False
        while True:
            attempts += 1
            half = (ends_at - anyio.current_time()) / 2
            outcome = await self._attempt(_copy(request, timeout=half), parse)
            if isinstance(outcome, Reply):
                log.recovered()
                return outcome._replace(ambiguous=ambiguous)
            ambiguous = ambiguous or outcome.ambiguous
            pause = random.uniform(*self._delays)  # noqa: S311 - no secret
            if outcome.meaning is Meaning.FINAL or anyio.current_time() + pause >= ends_at:
                raise _gave_up(request, outcome, _times(attempts), ambiguous=ambiguous)
            log.failed_in_outage()
            if attempts > 1:
                log.still_down(anyio.current_time() - began, outcome.reason)
            self._budget.used += 1
            await anyio.sleep(pause)


class RetryingClient(_Attempts):
    """Sends requests until there is an answer, or it is no use to try on."""

    def __init__(
        self,
        fetch: Callable[[httpx.Request], Awaitable[httpx.Response]],
        budget: RetryBudget,
        *,
        limiter: AdaptiveLimiter | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            fetch: sends a request once.
            budget: the run's.
            limiter: holds the number of attempts at the same time.
        """
        super().__init__(fetch, budget)
        self._limiter = limiter

    async def send(
        self,
        request: httpx.Request,
        parse: Callable[[httpx.Response], T],
        *,
        recover: Callable[[], Awaitable[T | None]] | None = None,
        around: Around = nullcontext,
    ) -> Reply[T]:
        """The platform's answer.

        Args:
            request: what to send, anew for each attempt.
            parse: makes the value of a 2xx response; `Malformed` counts as no answer.
            recover: asked before another attempt, or in place of it, when the last one is ambiguous; a value
                says that it took effect.
            around: entered around each attempt, not around the pauses.

        Raises:
            PlatformUnavailable: when it is no use to try on.
            RequestRejected: a proxy wants a login.
        """
        breaker = self._budget.breaker(request.extensions[KIND])
        attempts = retries = 0
        ambiguous = False
        failed: Failure | None = None

        async def recovered() -> Reply[T] | None:
            if failed is None or not failed.ambiguous or recover is None:
                return None
            value = await recover()
            return None if value is None else Reply(request.extensions[PURPOSE], 200, b"", value)

        while True:
            async with self._turn(breaker) as probe:
                outcome: Reply[T] | Failure | None = await recovered()
                if outcome is None:
                    self._budget.used += attempts > 0
                    attempts += 1
                    async with around():
                        outcome = await self._attempt(_as_probe(request, probe), parse)
            if isinstance(outcome, Reply):
                breaker.succeeded(probe)
                return outcome._replace(ambiguous=ambiguous)
            failed = outcome
            ambiguous = ambiguous or failed.ambiguous
            if self._report(failed, breaker, probe) and await self._pause(failed, breaker, retries):
                retries += 1
            if retries > self._budget.retries or breaker.is_given_up or _is_final(failed):
                break
        if (reply := await recovered()) is not None:
            breaker.succeeded(None)
            return reply._replace(ambiguous=ambiguous)
        after = _times(attempts)
        if breaker.is_given_up:
            after += f", and {human_seconds(GIVE_UP_AFTER)} without any success"
        raise _gave_up(request, failed, after, ambiguous=ambiguous)

    @asynccontextmanager
    async def _turn(self, breaker: CircuitBreaker) -> AsyncIterator[Probe | None]:
        """Wait until a request may be sent, and has a slot. Yields the probe that it is, if it is one."""
        while True:
            probe = await breaker.wait()
            try:
                with breaker.sending():
                    # A probe needs no slot: those that have all of them may hang.
                    async with nullcontext() if probe or self._limiter is None else self._limiter:
                        if probe or not breaker.is_open:
                            yield probe
                            return
            finally:
                breaker.release(probe)

    def _report(self, failed: Failure, breaker: CircuitBreaker, probe: Probe | None) -> bool:
        """Report to the breaker, and return whether the request has to retry on its own account."""
        breaker.last_failure = failed.reason
        alone = False
        if failed.meaning is Meaning.WAIT:
            breaker.asked_to_wait(probe, failed.retry_after, failed.reason)
        elif failed.meaning is Meaning.DOWN:
            alone = breaker.failed(probe, failed.reason)
        elif failed.meaning is Meaning.UNEXPECTED:
            alone = breaker.answered_unexpectedly(probe, failed.reason)
        if failed.throttled and self._limiter and not alone and probe is None:
            # Not for scattered failures: 1 % of them would take the number down to a quarter.
            self._limiter.throttled()
        return alone

    async def _pause(self, failed: Failure, breaker: CircuitBreaker, retries: int) -> bool:
        """Pause after a request has failed alone. Returns whether that still counts, as others work."""
        if breaker.is_open:
            return True  # it was a probe, and waits there
        if retries < self._budget.retries:
            breaker.log.scattered(failed.reason)
            await anyio.sleep(backoff(retries + 1))
        elif failed.meaning is Meaning.DOWN:
            await anyio.sleep(_LAST_LOOK)
        return failed.meaning is Meaning.UNEXPECTED or not breaker.is_open


def _origin(request: httpx.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode()}"


def _as_probe(request: httpx.Request, probe: Probe | None) -> httpx.Request:
    """The request over a new connection, and given up early where that is harmless."""
    if probe is None:
        return request
    is_harmless = request.method == "DELETE" or request.extensions[RESENDABLE]
    return _copy(request, timeout=probe.timeout if is_harmless else None, fresh=True)


def _copy(request: httpx.Request, *, timeout: float | None, fresh: bool = False) -> httpx.Request:
    """The request with shorter timeouts, if one is given."""
    timeouts = request.extensions["timeout"]
    if timeout is not None:
        timeouts = {name: min(value, timeout) for name, value in timeouts.items()}
    return httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | {"timeout": timeouts, FRESH: fresh},
    )


def _is_final(failed: Failure) -> bool:
    return failed.meaning is Meaning.FINAL or _is_too_long(failed.retry_after)


def _is_too_long(seconds: float | None) -> bool:
    """Whether a wait that the platform asks for ends after the operation, or is longer than allowed."""
    left = anyio.current_effective_deadline() - anyio.current_time()
    return seconds is not None and seconds > min(left, MAX_REQUESTED_WAIT + GIVE_UP_AFTER)


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _gave_up(
    request: httpx.Request, failed: Failure, after: str, *, ambiguous: bool
) -> PlatformUnavailable | RequestRejected:
    purpose = request.extensions[PURPOSE]
    if failed.status is not None:
        message = f"{purpose} was refused: {failed.reason}"
        return RequestRejected(message, status=failed.status, hint=failed.hint)
    wait = failed.retry_after or 0.0
    message, hint = f"{purpose} failed after {after}: {failed.reason}", failed.hint
    if _is_too_long(failed.retry_after):
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + wait))
        message = f"{purpose} failed: {failed.reason}, and asks to wait until {until} UTC"
        hint = "Run the job again after that time. A longer `timeout` helps with waits of up to 12 minutes."
    return PlatformUnavailable(message, hint=hint, ambiguous=ambiguous, retry_after=wait)

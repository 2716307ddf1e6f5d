"""Sends each request until the platform answers or a limit is reached.

A request that fails while others succeed may use up `retries` attempts. In an outage, when all requests of a
group fail, the limit is time (`PATIENCE`), and the group's `AdaptiveLimiter` decides when to send.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import anyio
import anyio.lowlevel
import httpx

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.http import failure
from zerokie_action.http.failure import Failure, Meaning
from zerokie_action.http.limiter import MOST_WAITED, PATIENCE, AdaptiveLimiter
from zerokie_action.http.request import about
from zerokie_action.text import human_files, human_seconds

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_OTHER_FILES = 24
"""Files that a run has open besides those of its requests: streams, signals, event loop, scan."""

_GIVEN_UP = Failure(Meaning.DOWN, "no answer in time")

T = TypeVar("T")


class Malformed(ValueError):  # noqa: N818 - internal; never reaches users
    """A 2xx response does not match the reference: a gateway may have sent the response."""


AttemptScope = Callable[[], AbstractContextManager[object]]
"""Makes a context for each attempt, but not for the pauses. It may refuse, shield or observe the attempt."""
Backoff = tuple[float, float]
"""The shortest and longest pause in seconds, for a request that bypasses its group's limiter.

Such a request takes no slot, ignores `Retry-After`, and is retried until the deadline of the enclosing
scope."""

UNTIL_DEADLINE: Backoff = (0.2, 1.0)


class RetryingClient:
    """Sends the requests of one run.

    Attributes:
        redact: removes the secrets from a response's text.
        retries_used: the number of retries so far.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        retries: int,
        concurrency: int = 64,
        log: Callable[[str], None],
        trace: Callable[[str], None] | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        """Prepare the client without sending a request.

        Args:
            transport: sends a request once.
            retries: further attempts for a request that fails while others of its group succeed.
            concurrency: the most concurrent requests of a group; fewer if the limit of open files is low.
            log: gets the lines about failures.
            trace: gets one line for every attempt; the line may have secrets.
            redact: see the attribute `redact`.
        """
        self.redact = redact
        self.retries_used = 0
        self._transport = transport
        self._retries = retries
        self._concurrency = min(concurrency, _most_requests())
        self._log = log
        self._trace = trace
        self._platform_has_answered = False
        self._limiters: dict[str, AdaptiveLimiter] = {}

    async def fetch(self, request: httpx.Request) -> httpx.Response | Failure:
        """Send the request once, and return the response, or the failure if there is no response."""
        began = anyio.current_time()
        outcome = "given up"  # cancelled, or the content could not be read
        try:
            response = await self._transport.handle_async_request(request)
            outcome = f"{response.status_code}"
        except httpx.TransportError as error:
            failed = failure.of_error(request, error)
            outcome = failed.reason
            return failed
        finally:
            if self._trace:
                path = request.url.raw_path.decode().partition("?")[0]
                taken = human_seconds(anyio.current_time() - began)
                self._trace(f"{request.method} {path}: {outcome} after {taken}")
        return response

    async def send(
        self,
        request: httpx.Request,
        parse: Callable[[httpx.Response], T],
        backoff: Backoff | None = None,
        around_attempt: AttemptScope = nullcontext,
        *,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered, and return the parsed answer.

        Args:
            request: the request to send.
            parse: turns a 2xx response into the returned value; `Malformed` counts as a failure.
            backoff: see `Backoff`; by default, the group's limiter decides when to send.
            around_attempt: see `AttemptScope`.
            is_repeatable: whether to send the request again after an attempt that may have taken effect.

        Raises:
            RequestRejected: when the answer is a 4xx. `lost_answer` is set if an earlier attempt may have
                taken effect.
            PlatformUnavailable: when another attempt can't help, or the limit is reached.
        """
        limiter = self._limiter(request)
        send_began = anyio.current_time()
        attempts = times_alone = others_before = 0
        lost_answer = ""
        while True:
            async with limiter if backoff is None else nullcontext():
                began = anyio.current_time()
                if attempts:
                    self.retries_used += 1
                attempts += 1
                outcome = await self._attempt(request, parse, backoff, around_attempt)
            if not isinstance(outcome, Failure):
                limiter.succeeded()
                if isinstance(outcome, RequestRejected):
                    outcome.lost_answer = lost_answer
                    raise outcome
                return outcome
            lost_answer = lost_answer or (outcome.reason if outcome.ambiguous else "")
            await anyio.lowlevel.checkpoint_if_cancelled()  # `around_attempt` may have shielded the attempt
            if attempts == 1:
                others_before = limiter.successes
            if (
                outcome.meaning is Meaning.FINAL
                or (backoff is None and is_too_long(outcome.retry_after))
                or (lost_answer and not is_repeatable)
            ):
                gives_up = True
            elif backoff is not None:
                limiter.log_failure(outcome, began)
                gives_up = not await _paused(*backoff)
            elif await self._fails_alone(outcome, limiter, began, times_alone):  # `retries` is the limit
                times_alone += 1
                gives_up = times_alone > self._retries
                limiter.failed_alone(outcome, is_retried=not gives_up)
            else:  # `PATIENCE` is the limit
                limiter.failed(outcome, began)
                gives_up = limiter.failing_for > PATIENCE
            if gives_up:
                tried = _tried(attempts, anyio.current_time() - send_began, limiter.successes - others_before)
                raise _unavailable(request, outcome, tried, lost_answer)

    async def _fails_alone(
        self, failed: Failure, limiter: AdaptiveLimiter, began: float, times_alone: int
    ) -> bool:
        """Whether only this request fails: False at once for a shared failure, else known after a pause."""
        is_known = failed.meaning is Meaning.ALONE
        if not is_known and (failed.meaning is Meaning.BUSY or failed.retry_after or limiter.outage):
            return False
        failed_at = anyio.current_time()
        await anyio.sleep(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**times_alone)))  # noqa: S311 - no secret
        return is_known or limiter.others_worked(since=failed_at, began=began)

    async def _attempt(
        self,
        request: httpx.Request,
        parse: Callable[[httpx.Response], T],
        backoff: Backoff | None,
        around_attempt: AttemptScope,
    ) -> T | RequestRejected | Failure:
        """Send the request once, and return the parsed value, the refusal or the failure."""
        if backoff is not None:  # leave half of the time for another attempt
            timeouts, half = request.extensions["timeout"], _time_left() / 2
            request.extensions["timeout"] = {phase: min(seconds, half) for phase, seconds in timeouts.items()}
        response: httpx.Response | Failure = _GIVEN_UP  # stays if the scope cancels the attempt
        with around_attempt():
            response = await self.fetch(request)
        outcome = response if isinstance(response, Failure) else self._read(request, response, parse)
        if not isinstance(outcome, Failure):
            self._platform_has_answered |= not about(request).is_public
        elif outcome.meaning is Meaning.UNEXPECTED:  # before the first answer, `api-url` may be wrong
            return outcome._replace(meaning=Meaning.DOWN if self._platform_has_answered else Meaning.ALONE)
        return outcome

    def _read(
        self, request: httpx.Request, response: httpx.Response, parse: Callable[[httpx.Response], T]
    ) -> T | RequestRejected | Failure:
        """The parsed value, the refusal or the failure that a response stands for."""
        if response.is_success:
            try:
                return parse(response)
            except Malformed as malformed:
                said = self.error_detail(response.content)
                what = f"{malformed} ({said})" if said else f"{malformed}"
                return failure.not_the_platform(request, f"answered {response.status_code}, but {what}")
        detail = self.error_detail(response.content)
        return failure.of_response(request, response, detail) or _refusal(request, response, detail)

    def error_detail(self, body: bytes) -> str:
        """The response's own words (`failure.error_detail`), without secrets."""
        return failure.error_detail(body, self.redact)

    def _limiter(self, request: httpx.Request) -> AdaptiveLimiter:
        group = about(request).group
        if group not in self._limiters:
            self._limiters[group] = AdaptiveLimiter(group, self._concurrency, self._log)
        return self._limiters[group]

    def outages(self) -> str:
        """Which groups fail now, and why: `uploads failed (connection refused)`; empty if none fails."""
        since = anyio.current_time() - PATIENCE
        return "; ".join(
            f"{group[:1].lower()}{group[1:]} failed ({limiter.outage.reason})"
            for group, limiter in self._limiters.items()
            if limiter.outage and limiter.failed_at > since
        )


def _most_requests() -> int:
    """How many concurrent requests the limit of open files allows; each has a connection and a file open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else sys.maxsize


def _time_left() -> float:
    """Seconds until the deadline of the enclosing scopes, which a signal may have moved."""
    return anyio.current_effective_deadline() - anyio.current_time()


async def _paused(shortest: float, longest: float) -> bool:
    """Pause if the deadline leaves time for another attempt; return whether it does."""
    seconds = random.uniform(shortest, longest)  # noqa: S311 - no secret
    if has_time := seconds < _time_left():
        await anyio.sleep(seconds)
    return has_time


def is_too_long(retry_after: float) -> bool:
    """Whether `Retry-After` asks for a wait beyond the deadline or `MOST_WAITED`."""
    return retry_after > max(0.0, min(_time_left(), MOST_WAITED))


def _tried(attempts: int, seconds: float, worked: int) -> str:
    """The number and duration of the attempts, and how many other requests succeeded meanwhile."""
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts in {human_seconds(seconds)}"
    return f"{tried}, while {human_files(worked, 'other')} worked" if worked else tried


def _refusal(request: httpx.Request, response: httpx.Response, detail: str) -> RequestRejected:
    """The error for an answer other than 2xx; `detail` is the answer's own words."""
    status = response.status_code
    answer = f"{status}: {detail}" if detail else f"{status}"
    rejected = RequestRejected(
        f"{about(request).purpose} was refused ({answer})", status=status, answer=answer
    )
    rejected.retry_after = failure.parse_retry_after(response.headers)
    return rejected


def _unavailable(
    request: httpx.Request, failed: Failure, after: str, lost_answer: str
) -> PlatformUnavailable:
    purpose = about(request).purpose
    message = f"{purpose} failed after {after}: {failed.reason}"
    hint = failed.hint
    if is_too_long(failed.retry_after):
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + failed.retry_after))
        message = f"{purpose} failed: {failed.reason}; it asks to wait until {until} UTC"
        hint = "Run the job again after that time. A longer `timeout` helps with waits of up to 10 minutes."
    error = PlatformUnavailable(message, hint=hint)
    error.lost_answer, error.retry_after = lost_answer, failed.retry_after
    return error

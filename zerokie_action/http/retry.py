"""Requests that are sent until the platform has answered.

Time is the measure of an outage, attempts are the measure of a request that fails alone. While all requests
of a group fail, they share one `AdaptiveLimiter`, whatever the number of retries.
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
"""Open files of a run beside its requests: streams, signals, event loop, what is scanned."""

_GIVEN_UP = Failure(Meaning.DOWN, "no answer in time")

T = TypeVar("T")


class Malformed(ValueError):  # noqa: N818 - says what a response is, and is always caught
    """A 2xx response is not what the reference describes: a gateway may have sent it."""


AttemptScope = Callable[[], AbstractContextManager[object]]
"""Entered around each attempt, and not around the pauses: it may refuse the attempt, shield or watch it."""
Backoff = tuple[float, float]
"""The shortest and longest pause in seconds, for a request that is sent again whatever its group waits for.

It takes no slot, heeds no `Retry-After`, and ends with the deadline of the scope around it."""

UNTIL_DEADLINE: Backoff = (0.2, 1.0)


class RetryingClient:
    """Sends the requests of one run.

    Attributes:
        redact: takes the secrets out of what the other side says.
        used: requests that were retried, so far.
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
        """Send nothing yet.

        Args:
            transport: sends a request once.
            retries: attempts after the first of a request that fails while others of its group succeed.
            concurrency: requests of a group at the same time, at most; fewer where few files may be open.
            log: gets the lines about what fails.
            trace: gets one line for every attempt, which may hold secrets.
            redact: see above.
        """
        self.redact = redact
        self.used = 0
        self._transport = transport
        self._retries = retries
        self._concurrency = min(concurrency, _most_requests())
        self._log = log
        self._trace = trace
        self._has_answered = False
        self._limiters: dict[str, AdaptiveLimiter] = {}

    async def fetch(self, request: httpx.Request) -> httpx.Response | Failure:
        """One attempt: the response, or why there is none."""
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
        """The answer to a request.

        Args:
            request: what to send, anew for each attempt.
            parse: makes the value of a 2xx response; `Malformed` counts as no answer.
            backoff: see `Backoff`; without one, the limiter of its group decides when it is sent.
            around_attempt: see `AttemptScope`.
            is_repeatable: whether a request that may have taken effect is sent again.

        Raises:
            RequestRejected: the answer is a 4xx. `lost_answer` says whether an earlier attempt may have taken
                effect all the same.
            PlatformUnavailable: further attempts are useless.
        """
        limiter = self._limiter(request)
        began_at = anyio.current_time()
        attempts = alone = others_before = 0
        lost_answer = ""
        while True:
            async with limiter if backoff is None else nullcontext():
                began = anyio.current_time()
                self.used += attempts > 0
                attempts += 1
                outcome = await self._attempt(request, parse, backoff, around_attempt)
            if not isinstance(outcome, Failure):
                limiter.succeeded()
                if isinstance(outcome, RequestRejected):
                    outcome.lost_answer = lost_answer
                    raise outcome
                return outcome
            lost_answer = lost_answer or (outcome.reason if outcome.ambiguous else "")
            await anyio.lowlevel.checkpoint_if_cancelled()  # the scope may have shielded the attempt
            if attempts == 1:
                others_before = limiter.successes
            if (
                outcome.meaning is Meaning.FINAL
                or (backoff is None and _is_too_long(outcome))
                or (lost_answer and not is_repeatable)
            ):
                gives_up = True
            elif backoff is not None:
                limiter.log_failure(outcome, began)
                gives_up = not await _paused(*backoff)
            elif await self._is_alone(outcome, limiter, began, alone):  # attempts count
                alone += 1
                gives_up = alone > self._retries
                limiter.failed_alone(outcome, is_retried=not gives_up)
            else:  # time counts
                limiter.failed(outcome, began)
                gives_up = limiter.failing_for > PATIENCE
            if gives_up:
                tried = _tried(attempts, anyio.current_time() - began_at, limiter.successes - others_before)
                raise _gave_up(request, outcome, tried, lost_answer)

    async def _is_alone(self, failed: Failure, limiter: AdaptiveLimiter, began: float, alone: int) -> bool:
        """Pause without a slot; then tell whether a request fails while others of its group succeed."""
        is_known = failed.meaning is Meaning.ALONE
        if not is_known and (failed.meaning is Meaning.BUSY or failed.retry_after or limiter.outage):
            return False
        failed_at = anyio.current_time()
        await anyio.sleep(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**alone)))  # noqa: S311 - no secret
        return is_known or limiter.others_worked(since=failed_at, began=began)

    async def _attempt(
        self,
        request: httpx.Request,
        parse: Callable[[httpx.Response], T],
        backoff: Backoff | None,
        around_attempt: AttemptScope,
    ) -> T | RequestRejected | Failure:
        """What one attempt brings: a value, a refusal, or neither."""
        if backoff is not None:  # half of the time that is left: another one must fit
            timeouts, half = request.extensions["timeout"], _time_left() / 2
            request.extensions["timeout"] = {phase: min(seconds, half) for phase, seconds in timeouts.items()}
        response: httpx.Response | Failure = _GIVEN_UP  # where the scope ends the attempt
        with around_attempt():
            response = await self.fetch(request)
        outcome = response if isinstance(response, Failure) else self._read(request, response, parse)
        if not isinstance(outcome, Failure):
            self._has_answered = self._has_answered or not about(request).is_public
        elif outcome.meaning is Meaning.UNEXPECTED:  # the platform is down, or `api-url` is wrong
            return outcome._replace(meaning=Meaning.DOWN if self._has_answered else Meaning.ALONE)
        return outcome

    def _read(
        self, request: httpx.Request, response: httpx.Response, parse: Callable[[httpx.Response], T]
    ) -> T | RequestRejected | Failure:
        """What a response is."""
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
        """What a response says of itself (`failure.error_detail`), without secrets."""
        return failure.error_detail(body, self.redact)

    def _limiter(self, request: httpx.Request) -> AdaptiveLimiter:
        group = about(request).group
        if group not in self._limiters:
            self._limiters[group] = AdaptiveLimiter(group, self._concurrency, self._log)
        return self._limiters[group]

    def outages(self) -> str:
        """What does not work now, and why: `uploads failed (connection refused)`; empty if all does."""
        since = anyio.current_time() - PATIENCE
        return "; ".join(
            f"{group[:1].lower()}{group[1:]} failed ({limiter.outage.reason})"
            for group, limiter in self._limiters.items()
            if limiter.outage and limiter.failed_at > since
        )


def _most_requests() -> int:
    """For how many requests this process may have files open: the connection and the file that is sent."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else sys.maxsize


def _time_left() -> float:
    """Seconds until the scope around this ends; a signal may have moved its deadline."""
    return anyio.current_effective_deadline() - anyio.current_time()


async def _paused(shortest: float, longest: float) -> bool:
    """Pause, if there is time for another attempt after that."""
    seconds = random.uniform(shortest, longest)  # noqa: S311 - no secret
    if has_time := seconds < _time_left():
        await anyio.sleep(seconds)
    return has_time


def _is_too_long(failed: Failure) -> bool:
    """Whether a wait that the platform asks for ends after the operation, or is longer than allowed."""
    return failed.retry_after > max(0.0, min(_time_left(), MOST_WAITED))


def _tried(attempts: int, seconds: float, worked: int) -> str:
    """How often and how long a request was tried, and how many others of its group worked meanwhile."""
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts in {human_seconds(seconds)}"
    return f"{tried}, while {human_files(worked, 'other')} worked" if worked else tried


def _refusal(request: httpx.Request, response: httpx.Response, detail: str) -> RequestRejected:
    """The error that an answer other than 2xx stands for; `detail` is what it says of itself."""
    status = response.status_code
    answer = f"{status}: {detail}" if detail else f"{status}"
    rejected = RequestRejected(
        f"{about(request).purpose} was refused ({answer})", status=status, answer=answer
    )
    rejected.retry_after = failure.retry_after(response.headers)
    return rejected


def _gave_up(request: httpx.Request, failed: Failure, after: str, lost_answer: str) -> PlatformUnavailable:
    purpose = about(request).purpose
    message = f"{purpose} failed after {after}: {failed.reason}"
    hint = failed.hint
    if _is_too_long(failed):
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + failed.retry_after))
        message = f"{purpose} failed: {failed.reason}; it asks to wait until {until} UTC"
        hint = "Run the job again after that time. A longer `timeout` helps with waits of up to 10 minutes."
    error = PlatformUnavailable(message, hint=hint)
    error.lost_answer, error.retry_after = lost_answer, failed.retry_after
    return error

"""Sends each request until it is answered, or has failed for too long.

A request that fails is sent again, after growing pauses, until it has failed for its budget: the input
`retry-timeout`. The requests of a group share one thing, the number of requests that may be sent at once
(`AdaptiveLimiter`).
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.lowlevel
import httpx

from zerokie_action.errors import DeployError, PlatformUnavailable
from zerokie_action.http import failure
from zerokie_action.http.budget import UNTIL_DEADLINE, Budget, longest_wait
from zerokie_action.http.failure import Failure
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.outcome import Outcome, Write
from zerokie_action.text import human_files, human_seconds

_LINE_EVERY = 15.0
"""Seconds between two log lines of a group."""
_OTHER_FILES = 24
"""Files that a run has open besides those of its requests: streams, signals, event loop, scan."""
_HINT_WAIT = "Run the job again after that time. A longer `timeout` helps with waits of up to 10 minutes."

T = TypeVar("T")

Guard = Callable[[], AbstractContextManager[object]]
"""Makes a context for each attempt, but not for the pauses. It may refuse, shield or observe the attempt."""
Reader = Callable[[httpx.Response], T | Failure | DeployError]
"""Turns a response into the returned value, into the error that a refusal raises, or into a failure."""


class GaveUp(PlatformUnavailable):
    """A request got no answer. The message says which request, how often it was sent, and why it failed.

    Attributes:
        failure: the last failure.
    """

    def __init__(self, message: str, last: Failure, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.failure = last
        self.retry_after = last.retry_after


@dataclass(eq=False)
class RetryingClient:
    """Sends the requests of one run.

    Attributes:
        transport: sends a request once.
        retry_timeout: the budget: seconds for which a request that fails is sent again.
        log: gets the lines about failures.
        concurrency: the most concurrent requests of a group; fewer if the limit of open files is low.
        trace: gets one line for every attempt; the line may have secrets.
        retries_used: the number of retries so far.
    """

    transport: httpx.AsyncBaseTransport
    retry_timeout: float
    log: Callable[[str], None]
    concurrency: int = 64
    trace: Callable[[str], None] | None = None
    retries_used: int = 0
    _groups: dict[str, _Group] = field(default_factory=dict)

    async def send(
        self,
        request: httpx.Request,
        read: Reader[T],
        budget: float | None = None,
        guard: Guard = nullcontext,
        *,
        write: Write | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered, and return the value of the answer.

        Args:
            request: the request to send.
            read: see `Reader`.
            budget: in place of the client's `retry_timeout`; `UNTIL_DEADLINE` for a deadline.
            guard: see `Guard`.
            write: follows what becomes of the request.
            is_repeatable: whether to send the request again after an attempt that may have taken effect.

        Raises:
            DeployError: the refusal that `read` returns.
            GaveUp: when another attempt can't help, or the budget is spent.
        """
        group, write = self._group(request), write or Write()
        spent = Budget(self.retry_timeout if budget is None else budget)
        answered_before = group.answered
        while True:
            queued_at, answered = anyio.current_time(), group.answered
            async with group.limiter.slots:
                began = anyio.current_time()
                if group.answered > answered:
                    spent.spare(began - queued_at)
                answer = await self._attempt(request, read, guard, write)
            if not isinstance(answer, Failure):
                group.succeeded()
                if isinstance(answer, DeployError):
                    raise answer
                return answer
            await anyio.lowlevel.checkpoint_if_cancelled()  # `guard` may have shielded the attempt
            pause = spent.pause(
                answer,
                began=began,
                now=anyio.current_time(),
                deadline=anyio.current_effective_deadline(),
                was_answered=any(each.answered for each in self._groups.values()),
                jitter=random.random(),  # noqa: S311 - no secret
            )
            if answer.may_have_arrived and not is_repeatable:
                pause = None
            group.failed(answer.reason, began, is_retried=pause is not None)
            if pause is None:
                purpose, others = request.extensions["purpose"], group.answered - answered_before
                raise _gave_up(spent, answer, purpose, others)
            self.retries_used += 1
            await anyio.sleep(pause)

    async def fetch(self, request: httpx.Request) -> httpx.Response | Failure:
        """Send the request once, and return the response, or the failure if there is no response."""
        began = anyio.current_time()
        ended = "given up"  # cancelled, or the content could not be read
        try:
            response = await self.transport.handle_async_request(request)
            ended = f"{response.status_code}"
        except httpx.TransportError as error:
            failed = failure.of_error(request, error)
            ended = failed.reason
            return failed
        finally:
            if self.trace:
                path = request.url.raw_path.decode().partition("?")[0]
                taken = human_seconds(anyio.current_time() - began)
                self.trace(f"{request.method} {path}: {ended} after {taken}")
        return response

    async def _attempt(
        self, request: httpx.Request, read: Reader[T], guard: Guard, write: Write
    ) -> T | Failure | DeployError:
        """Send the request once, and note in `write` what became of it."""
        response: httpx.Response | Failure = Failure("no answer in time")  # if the guard cancels the attempt
        with guard():
            write.outcome = Outcome.UNKNOWN
            response = await self.fetch(request)
        answer = response if isinstance(response, Failure) else read(response)
        if isinstance(answer, Failure) and answer.may_have_arrived:
            write.lost = write.lost or answer.reason
        elif isinstance(answer, Failure | DeployError):
            write.outcome = Outcome.UNKNOWN if write.lost else Outcome.REFUSED
        else:
            write.outcome = Outcome.DONE
        return answer

    def _group(self, request: httpx.Request) -> _Group:
        name = request.extensions["group"]
        if name not in self._groups:
            limiter = AdaptiveLimiter(min(self.concurrency, _most_requests()))
            self._groups[name] = _Group(name, self.log, limiter)
        return self._groups[name]

    def outages(self) -> str:
        """Which groups fail now, and why: `uploads failed (connection refused)`; empty if none fails."""
        return "; ".join(
            f"{name[:1].lower()}{name[1:]} failed ({group.reason})"
            for name, group in self._groups.items()
            if group.reason and group.is_retried
        )


@dataclass
class _Group:
    """The requests of one kind: their limiter, and what the log says of them.

    Attributes:
        name: begins the lines of the log.
        log: gets the lines about failures.
        limiter: how many may be sent at once.
        answered: the number of answered requests.
        reason: why the last attempt failed; empty if it was answered.
        is_retried: whether the last request that failed is sent again.
    """

    name: str
    log: Callable[[str], None]
    limiter: AdaptiveLimiter
    answered: int = 0
    reason: str = ""
    is_retried: bool = False
    _failing_since: float = 0.0
    _next_line: float = 0.0

    def succeeded(self) -> None:
        """Note an answer."""
        self.limiter.succeeded()
        self.answered += 1
        self.reason = ""

    def failed(self, reason: str, began: float, *, is_retried: bool) -> None:
        """Note the failure of an attempt that began at this time (event loop), and log it now and then."""
        self.limiter.failed(began)
        now = anyio.current_time()
        if not self.reason:
            self._failing_since = now
        self.reason, self.is_retried = reason, is_retried
        if is_retried and now >= self._next_line:
            self._next_line = now + _LINE_EVERY
            seconds = now - self._failing_since
            lasting = f", for {human_seconds(seconds)}" if seconds >= 1 else ""
            self.log(f"{self.name}: {reason}; sending again{lasting}")


def _most_requests() -> int:
    """How many concurrent requests the limit of open files allows; each has a connection and a file open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else sys.maxsize


def is_too_long(retry_after: float) -> bool:
    """Whether `Retry-After` asks for a longer wait than is obeyed."""
    return retry_after > longest_wait(anyio.current_time(), anyio.current_effective_deadline())


def _gave_up(spent: Budget, last: Failure, purpose: str, others: int) -> GaveUp:
    """The error after the last attempt; `others` other requests of the group were answered meanwhile."""
    if spent.seconds < UNTIL_DEADLINE and is_too_long(last.retry_after):
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + last.retry_after))
        message = f"{purpose} failed: {last.reason}; it asks to wait until {until} UTC"
        return GaveUp(message, last, hint=_HINT_WAIT)
    seconds = human_seconds(anyio.current_time() - spent.began)
    tried = "1 attempt" if spent.attempts == 1 else f"{spent.attempts:,} attempts in {seconds}"
    worked = f", while {human_files(others, 'other')} worked" if others else ""
    return GaveUp(f"{purpose} failed after {tried}{worked}: {last.reason}", last)

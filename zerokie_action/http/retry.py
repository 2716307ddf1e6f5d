"""Sends each request until it is answered, or has failed for too long.

A request that fails is sent again, after growing pauses, until it has failed for its budget: the input
`retry-timeout`. The requests of a group share one thing, the number of requests that may be sent at once
(`AdaptiveLimiter`).
"""

from __future__ import annotations

import math
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, TypeVar

import anyio
import anyio.lowlevel
import httpx

from zerokie_action.errors import DeployError
from zerokie_action.http import failure
from zerokie_action.http.failure import Failure
from zerokie_action.http.limiter import AdaptiveLimiter
from zerokie_action.http.request import about
from zerokie_action.outcome import Write
from zerokie_action.text import human_files, human_seconds

_NO_SENSE = 15.0
"""Seconds of nothing but senseless answers, before the first sensible one, after which a request gives up."""
_LONGEST_ATTEMPT = 30.0
"""Seconds that an attempt counts against the budget at most, so that long uploads have several attempts."""
MOST_WAITED = 600.0
"""Seconds. A longer `Retry-After` is not waited for. Shorter ones extend a budget by no more than this."""
_LINE_EVERY = 15.0
"""Seconds between two log lines of a group."""
_RECENT = 120.0
"""Seconds in which a failure counts as a failure of now."""
_OTHER_FILES = 24
"""Files that a run has open besides those of its requests: streams, signals, event loop, scan."""

T = TypeVar("T")

Guard = Callable[[], AbstractContextManager[object]]
"""Makes a context for each attempt, but not for the pauses. It may refuse, shield or observe the attempt."""
Reader = Callable[[httpx.Response], T | Failure | DeployError]
"""Turns a response into the returned value, into the error that a refusal raises, or into a failure."""


class Backoff(NamedTuple):
    """How long a request is sent again, and how long it pauses between attempts.

    Attributes:
        budget: seconds from the first failure. `math.inf`: until the deadline of the enclosing scopes,
            whatever `Retry-After` asks for.
        shortest: the first pause in seconds; each pause is twice as long as the one before.
        longest: the longest pause in seconds.
    """

    budget: float
    shortest: float = 0.5
    longest: float = 5.0

    @property
    def is_until_deadline(self) -> bool:
        """Whether only the deadline ends the attempts."""
        return math.isinf(self.budget)


UNTIL_DEADLINE = Backoff(math.inf, 0.2, 1.0)


class GaveUp(Exception):  # noqa: N818 - internal; never reaches users
    """A request got no answer. The message says which request, how often it was sent, and why it failed.

    Attributes:
        failure: the last failure.
        is_told_to_wait: whether `Retry-After` asks for too long a wait.
    """

    def __init__(self, message: str, last: Failure, *, is_told_to_wait: bool = False) -> None:
        super().__init__(message)
        self.failure = last
        self.is_told_to_wait = is_told_to_wait


class RetryingClient:
    """Sends the requests of one run.

    Attributes:
        retries_used: the number of retries so far.
        retry_timeout: seconds for which a request that fails is sent again.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        retry_timeout: float,
        concurrency: int = 64,
        log: Callable[[str], None],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare the client without sending a request.

        Args:
            transport: sends a request once.
            retry_timeout: see the attribute.
            concurrency: the most concurrent requests of a group; fewer if the limit of open files is low.
            log: gets the lines about failures.
            trace: gets one line for every attempt; the line may have secrets.
        """
        self.retries_used = 0
        self._transport = transport
        self.retry_timeout = retry_timeout
        self._concurrency = min(concurrency, _most_requests())
        self._log = log
        self._trace = trace
        self._was_answered = False
        self._groups: dict[str, _Group] = {}

    async def send(
        self,
        request: httpx.Request,
        read: Reader[T],
        backoff: Backoff | None = None,
        guard: Guard = nullcontext,
        *,
        write: Write | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered, and return the value of the answer.

        Args:
            request: the request to send.
            read: see `Reader`.
            backoff: the budget and the pauses; by default, those of the client.
            guard: see `Guard`.
            write: follows what becomes of the request.
            is_repeatable: whether to send the request again after an attempt that may have taken effect.

        Raises:
            DeployError: the refusal that `read` returns.
            GaveUp: when another attempt can't help, or the budget is spent.
        """
        group, write = self._group(request), write or Write()
        failures = _Failures(backoff or Backoff(self.retry_timeout), group.answered)
        with group.counting(failures):
            while True:
                queued_at, answered = anyio.current_time(), group.answered
                async with group.limiter:
                    began = anyio.current_time()
                    if group.answered > answered:
                        failures.spare(began - queued_at)
                    answer = await self._attempt(request, read, guard, write)
                if not isinstance(answer, Failure):
                    group.succeeded(failures)
                    self._was_answered = True
                    if isinstance(answer, DeployError):
                        raise answer
                    return answer
                await anyio.lowlevel.checkpoint_if_cancelled()  # `guard` may have shielded the attempt
                failures.add(answer, began)
                is_spent = failures.is_spent(was_answered=self._was_answered)
                gives_up = is_spent or (answer.may_have_arrived and not is_repeatable)
                group.failed(failures, began, is_retried=not gives_up)
                if gives_up:
                    raise failures.error(about(request).purpose, group.answered)
                self.retries_used += 1
                await anyio.sleep(failures.pause)

    async def fetch(self, request: httpx.Request) -> httpx.Response | Failure:
        """Send the request once, and return the response, or the failure if there is no response."""
        began = anyio.current_time()
        ended = "given up"  # cancelled, or the content could not be read
        try:
            response = await self._transport.handle_async_request(request)
            ended = f"{response.status_code}"
        except httpx.TransportError as error:
            failed = failure.of_error(request, error)
            ended = failed.reason
            return failed
        finally:
            if self._trace:
                path = request.url.raw_path.decode().partition("?")[0]
                taken = human_seconds(anyio.current_time() - began)
                self._trace(f"{request.method} {path}: {ended} after {taken}")
        return response

    async def _attempt(
        self, request: httpx.Request, read: Reader[T], guard: Guard, write: Write
    ) -> T | Failure | DeployError:
        """Send the request once, and note in `write` what became of it."""
        response: httpx.Response | Failure = Failure("no answer in time")  # if the guard cancels the attempt
        with guard():
            write.sending()
            response = await self.fetch(request)
        answer = response if isinstance(response, Failure) else read(response)
        if isinstance(answer, Failure) and answer.may_have_arrived:
            write.answer_lost(answer.reason)
        elif isinstance(answer, Failure | DeployError):
            write.refused()
        else:
            write.accepted()
        return answer

    def _group(self, request: httpx.Request) -> _Group:
        name = about(request).group
        if name not in self._groups:
            self._groups[name] = _Group(name, self._concurrency, self._log)
        return self._groups[name]

    def outages(self) -> str:
        """Which groups fail now, and why: `uploads failed (connection refused)`; empty if none fails."""
        return "; ".join(
            f"{name[:1].lower()}{name[1:]} failed ({group.reason})"
            for name, group in self._groups.items()
            if group.fails
        )


class _Failures:
    """The failed attempts of one request.

    Attributes:
        count: the number of failed attempts.
        last: the last failure.
        pause: seconds until the next attempt.
    """

    def __init__(self, backoff: Backoff, answered: int) -> None:
        """Begin before the first attempt; `answered` counts the answered requests of the group."""
        self.count = 0
        self.last = Failure("not sent")
        self.pause = 0.0
        self._backoff = backoff
        self._next_pause = backoff.shortest
        self._answered_before = answered
        self._began = self._since = 0.0
        """The beginning and the end of the first failed attempt (event loop)."""
        self._not_counted = 0.0
        """Seconds that don't count against the budget."""
        self._waited = 0.0
        """Seconds of `Retry-After` among them."""
        self._failing_for = 0.0
        self._makes_no_sense = True

    def add(self, last: Failure, began: float) -> None:
        """Note the failure of an attempt that began at this time (event loop), and choose the next pause."""
        now = anyio.current_time()
        if not self.count:
            self._began, self._since = began, now
        elif not last.was_silent:
            self._not_counted += max(0.0, now - began - _LONGEST_ATTEMPT)
        self.count += 1
        self.last = last
        self._makes_no_sense = self._makes_no_sense and last.makes_no_sense
        self._failing_for = now - self._since - self._not_counted
        self.pause = self._next_pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._next_pause = min(self._backoff.longest, self._next_pause * 2)
        if last.retry_after and not self._backoff.is_until_deadline:
            counted = min(last.retry_after, MOST_WAITED - self._waited)
            self._waited += counted
            self._not_counted += counted
            # A little more: the requests of a group would come back all at once.
            self.pause = max(last.retry_after, self.pause) + random.uniform(0, self.pause)  # noqa: S311

    def spare(self, seconds: float) -> None:
        """Don't count a wait for a slot while the group gets answers: a slow platform is no outage."""
        self._not_counted += seconds if self.count else 0.0

    def is_spent(self, *, was_answered: bool) -> bool:
        """Whether to give up; `was_answered` says whether any request of the run was answered."""
        if self._backoff.is_until_deadline:
            return self.last.is_final or self.pause >= _time_left()
        may_be_wrong = self._makes_no_sense and not was_answered
        budget = min(self._backoff.budget, _NO_SENSE) if may_be_wrong else self._backoff.budget
        return self.last.is_final or self._failing_for >= budget or is_too_long(self.last.retry_after)

    def error(self, purpose: str, answered: int) -> GaveUp:
        """The error after the last attempt; `answered` counts the answered requests of the group."""
        reason, retry_after = self.last.reason, self.last.retry_after
        if not self._backoff.is_until_deadline and is_too_long(retry_after):
            until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + retry_after))
            message = f"{purpose} failed: {reason}; it asks to wait until {until} UTC"
            return GaveUp(message, self.last, is_told_to_wait=True)
        seconds = human_seconds(anyio.current_time() - self._began)
        tried = "1 attempt" if self.count == 1 else f"{self.count:,} attempts in {seconds}"
        others = answered - self._answered_before
        worked = f", while {human_files(others, 'other')} worked" if others else ""
        return GaveUp(f"{purpose} failed after {tried}{worked}: {reason}", self.last)


class _Group:
    """The requests of one kind: their limiter, and what the log says of them.

    Attributes:
        limiter: how many may be sent at once.
        answered: the number of answered requests.
        reason: why the last attempt failed.
    """

    def __init__(self, name: str, most: int, log: Callable[[str], None]) -> None:
        """Begin with no failure; the arguments are as for `RetryingClient`."""
        self.limiter = AdaptiveLimiter(most)
        self.answered = 0
        self.reason = ""
        self._name = name
        self._log = log
        self._failing = 0
        """The requests that have failed, and are neither answered nor given up."""
        self._since = self._next_line = 0.0
        self._answered_at = self._failed_at = -math.inf

    @contextmanager
    def counting(self, failures: _Failures) -> Iterator[None]:
        """Count a request as failing from its first failure to the end of the block."""
        try:
            yield
        finally:
            self._failing -= bool(failures.count)

    def succeeded(self, failures: _Failures) -> None:
        """Note an answer. The last request that was failing logs that the group works again."""
        self.limiter.succeeded()
        self.answered += 1
        self._answered_at = anyio.current_time()
        if failures.count and self._failing == 1:
            self._say(f"works again after {human_seconds(self._answered_at - self._since)}")

    def failed(self, failures: _Failures, began: float, *, is_retried: bool) -> None:
        """Note the failure of an attempt that began at this time (event loop)."""
        self.limiter.failed(began)
        if not self._failing and self._answered_at >= self._failed_at:
            self._since = anyio.current_time()
        self.reason, self._failed_at = failures.last.reason, anyio.current_time()
        self._failing += failures.count == 1
        if is_retried:
            again = "1 request is" if self._failing == 1 else f"{self._failing:,} requests are"
            seconds = self._failed_at - self._since
            lasting = f", for {human_seconds(seconds)}" if seconds >= 1 else ""
            self._say(f"{self.reason}; {again} being sent again{lasting}")

    def _say(self, text: str) -> None:
        """Log a line, unless the group has logged one a moment ago."""
        if anyio.current_time() >= self._next_line:
            self._next_line = anyio.current_time() + _LINE_EVERY
            self._log(f"{self._name}: {text}")

    @property
    def fails(self) -> bool:
        """Whether the group's last attempt failed, not long ago."""
        return self._failed_at > max(self._answered_at, anyio.current_time() - _RECENT)


def _most_requests() -> int:
    """How many concurrent requests the limit of open files allows; each has a connection and a file open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - _OTHER_FILES) // 2) if soft != resource.RLIM_INFINITY else sys.maxsize


def _time_left() -> float:
    """Seconds until the deadline of the enclosing scopes, which a signal may have moved."""
    return anyio.current_effective_deadline() - anyio.current_time()


def is_too_long(retry_after: float) -> bool:
    """Whether `Retry-After` asks for a wait beyond the deadline or `MOST_WAITED`."""
    return retry_after > max(0.0, min(_time_left(), MOST_WAITED))

"""Sends each request until it is answered, or has failed for too long.

A request that fails is sent again, after growing pauses, until its budget is spent: by default, the input
`retry-timeout`. The requests of a `Group` share one thing, the number of requests that may be sent at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.lowlevel
import httpx

from zerokie_action.errors import DeployError
from zerokie_action.http import failure
from zerokie_action.http.budget import Budget
from zerokie_action.http.failure import Failure
from zerokie_action.http.group import GaveUp, Group
from zerokie_action.http.request import Outcome, RequestOptions, Write
from zerokie_action.http.transport import Transport
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

Guard = Callable[[], AbstractContextManager[object]]
"""Makes a context for each attempt, but not for the pauses. It may refuse, shield or observe the attempt."""
Reader = Callable[[httpx.Response], T | Failure | DeployError]
"""Turns a response into the returned value, into the error that a refusal raises, or into a failure."""


@dataclass(eq=False)
class RetryingClient:
    """Sends the requests of one run.

    Attributes:
        transport: sends a request once.
        retry_timeout: seconds for which a request that fails is sent again.
        log: gets the lines about failures.
        concurrency: the most concurrent requests of a group.
        trace: gets one line for every attempt; the line may have secrets.
    """

    transport: Transport
    retry_timeout: float
    log: Callable[[str], None]
    concurrency: int = 64
    trace: Callable[[str], None] | None = None
    _groups: dict[str, Group] = field(default_factory=dict)

    async def send(
        self,
        request: httpx.Request,
        read: Reader[T],
        patience: float | None = None,
        guard: Guard = nullcontext,
        *,
        write: Write | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered, and return the value of the answer.

        Args:
            request: the request to send.
            read: see `Reader`.
            patience: seconds in place of the client's `retry_timeout`; the request is sent again promptly
                then: see `Budget`.
            guard: see `Guard`.
            write: follows what becomes of the request.
            is_repeatable: whether to send the request again after an attempt that may have taken effect.

        Raises:
            DeployError: the refusal that `read` returns.
            GaveUp: when another attempt can't help, or the budget is spent.
        """
        group, write = self._group(request), write or Write()
        allowed = Budget(
            self.retry_timeout if patience is None else patience,
            is_prompt=patience is not None,
            may_be_wrong=not any(each.answered for each in self._groups.values()),
        )
        called_at, answered_before = anyio.current_time(), group.answered
        while True:
            queued_at, answered = anyio.current_time(), group.answered
            async with group.slots:
                began = anyio.current_time()
                if group.answered > answered:  # others were answered meanwhile: no outage
                    allowed.extend(began - queued_at)
                answer = await self._attempt(request, read, guard, write)
            if not isinstance(answer, Failure):
                group.succeeded()
                if isinstance(answer, DeployError):
                    raise answer
                return answer
            await anyio.lowlevel.checkpoint_if_cancelled()  # `guard` may have shielded the attempt
            group.failed(began)
            now = anyio.current_time()
            left = anyio.current_effective_deadline() - now
            jitter = random.random()  # noqa: S311 - no secret
            pause = allowed.pause(answer, began=began, now=now, jitter=jitter, left=left)
            if pause is None or (answer.may_have_arrived and not is_repeatable):
                purpose, others = RequestOptions.of(request).purpose, group.answered - answered_before
                raise GaveUp(purpose, answer, allowed.attempts, now - called_at, others)
            group.sends_again(answer.reason)
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

    def _group(self, request: httpx.Request) -> Group:
        options = RequestOptions.of(request)
        name = options.group or options.purpose
        if name not in self._groups:
            self._groups[name] = Group(name, self.concurrency, self.log)
        return self._groups[name]

    def outages(self) -> str:
        """Which groups fail now, and why: `uploads failed (connection refused)`; empty if none fails."""
        return "; ".join(
            f"{name[:1].lower()}{name[1:]} failed ({group.reason})"
            for name, group in self._groups.items()
            if group.reason
        )

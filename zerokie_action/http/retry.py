"""Retries: each request is sent until a valid response arrives or the rule in `http.policy` gives up.

The requests of a `Group` share their concurrency limit and the time of their last success.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.lowlevel
import httpx

from zerokie_action.errors import DeployError
from zerokie_action.http import failure
from zerokie_action.http.failure import Failure
from zerokie_action.http.group import GaveUp, Group
from zerokie_action.http.policy import Retries, RetryPolicy
from zerokie_action.http.request import UNGUARDED, Delivery, Guard, Outcome, RequestOptions
from zerokie_action.http.transport import Transport
from zerokie_action.text.numbers import human_seconds

T = TypeVar("T")

Reader = Callable[[httpx.Response], T | Failure | DeployError]
"""Turns a response into a value, into the error to raise, or into a failure to retry."""


@dataclass(eq=False)
class RetryingClient:
    """A client that retries the requests of one run.

    Attributes:
        transport: sends a request once.
        policy: how long each request is retried.
        log: writes a log line about failures.
        trace: writes a line about each attempt. The line may contain secrets.
    """

    transport: Transport
    policy: RetryPolicy
    log: Callable[[str], None]
    trace: Callable[[str], None] = lambda _line: None
    _groups: dict[str, Group] = field(default_factory=dict)

    async def send(
        self,
        request: httpx.Request,
        read: Reader[T],
        guard: Guard = UNGUARDED,
        delivery: Delivery | None = None,
    ) -> T:
        """Send a request until a valid response arrives, and return its value.

        Args:
            request: the request to send.
            read: see `Reader`.
            guard: see `Guard`.
            delivery: tracks the outcome of the request.

        Raises:
            DeployError: the error that `read` returns.
            GaveUp: when a retry can't help, or the policy ends the retries.
        """
        options = RequestOptions.of(request)
        group, delivery = self._group(options), delivery or Delivery()
        retries, called_at = Retries(self.policy), anyio.current_time()
        while True:
            async with group.slots:
                began = anyio.current_time()
                result = await self._attempt(request, read, guard, delivery)
            if not isinstance(result, Failure):
                group.succeeded(options.purpose)
                if isinstance(result, DeployError):
                    raise result
                return result
            await anyio.lowlevel.checkpoint_if_cancelled()  # the attempt may have been shielded
            group.failed(began)
            now = anyio.current_time()
            pause = retries.pause(
                result,
                began=began,
                now=now,
                last_success=group.last_success,
                jitter=random.random(),  # noqa: S311 - no secret
                is_reached=any(each.last_success > -math.inf for each in self._groups.values()),
            )
            # An urgent request fails before the deadline, because a cancellation doesn't carry a reason.
            ends_at = anyio.current_effective_deadline() if self.policy.is_urgent else math.inf
            may_repeat = options.is_repeatable or not result.may_have_arrived
            if pause is None or now + pause >= ends_at or not may_repeat:
                raise GaveUp(
                    options.purpose,
                    result,
                    retries.attempts,
                    now - called_at,
                    others_succeeded=group.last_success > called_at,
                )
            group.will_retry(options.purpose, result.reason)
            await anyio.sleep(pause)

    async def fetch(self, request: httpx.Request) -> httpx.Response | Failure:
        """Send the request once, and return its response, or the failure if no response arrives."""
        began = anyio.current_time()
        ended = "aborted"  # by a cancellation or an unreadable file
        try:
            response = await self.transport.handle_async_request(request)
            ended = f"{response.status_code}"
        except httpx.TransportError as error:
            failed = failure.of_error(request, error)
            ended = failed.reason
            return failed
        finally:
            path = request.url.raw_path.decode().partition("?")[0]
            taken = human_seconds(anyio.current_time() - began)
            self.trace(f"{request.method} {path}: {ended} after {taken}")
        return response

    async def _attempt(
        self, request: httpx.Request, read: Reader[T], guard: Guard, delivery: Delivery
    ) -> T | Failure | DeployError:
        """Send the request once, and note the outcome in `delivery`."""
        # The shield may cancel the attempt.
        response: httpx.Response | Failure = Failure("no response in time")
        guard.require()
        with guard.shield():
            delivery.outcome, delivery.at = Outcome.UNKNOWN, anyio.current_time()
            response = await self.fetch(request)
        result = response if isinstance(response, Failure) else read(response)
        if isinstance(result, Failure) and result.may_have_arrived:
            delivery.lost = delivery.lost or result.reason
        elif isinstance(result, Failure | DeployError):
            delivery.outcome = Outcome.UNKNOWN if delivery.lost else Outcome.REFUSED
        else:
            delivery.outcome = Outcome.DONE
        return result

    def _group(self, options: RequestOptions) -> Group:
        name = options.group or options.purpose
        if name not in self._groups:
            self._groups[name] = Group(name, self.log)
        return self._groups[name]

    def outage_logged_at(self) -> float:
        """Return the time of the last log line about a failure (event loop), or -inf."""
        return max((group.logged_at for group in self._groups.values()), default=-math.inf)

    def outages(self) -> str:
        """Return the failing requests and their reasons, such as `uploading 'a' failed (timed out)`."""
        return "; ".join(filter(None, (group.outage() for group in self._groups.values())))

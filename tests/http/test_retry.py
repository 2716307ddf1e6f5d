"""Retries: duration, concurrency, and the outcome for the caller."""

import re
from typing import Any

import anyio
import httpx
import pytest

from tests.http.transports import Script, Step, answer, read
from zerokie_action.errors import DeployError
from zerokie_action.http import group
from zerokie_action.http.group import GaveUp
from zerokie_action.http.policy import UNTIL_DEADLINE, RetryPolicy
from zerokie_action.http.request import Delivery, Guard, Outcome, RequestOptions
from zerokie_action.http.retry import RetryingClient

LOST = httpx.ReadError("the connection was reset")
REFUSED = httpx.ConnectError("connection refused")
FINE, PAGE, BUSY = answer(200, b"fine"), answer(404, b"<html>"), answer(429)
NAME = "Uploading 'a'"


def request(group: str = "Uploads", purpose: str = NAME, *, is_repeatable: bool = True) -> httpx.Request:
    options = RequestOptions(purpose=purpose, group=group, is_repeatable=is_repeatable)
    return httpx.Request("PUT", "https://api.test/", extensions=options.extensions)


def client_of(script: Script, *, retry_timeout: float = 120, **more: Any) -> RetryingClient:
    return RetryingClient(script, policy=RetryPolicy(retry_timeout), **{"log": print} | more)


def urgent(script: Script) -> RetryingClient:
    return RetryingClient(script, policy=UNTIL_DEADLINE, log=print)


async def gives_up(client: RetryingClient) -> tuple[GaveUp, float]:
    """Return the error of a failed request, and the seconds until the error."""
    began = anyio.current_time()
    with pytest.raises(GaveUp) as caught:
        await client.send(request(), read)
    return caught.value, anyio.current_time() - began


class TestRetries:
    """The rule is in `test_policy.py`."""

    @pytest.mark.parametrize("step", [REFUSED, answer(503)])
    async def test_any_failure_is_retried_after_growing_pauses(self, step: Step) -> None:
        """The pauses double from 0.5s to 5s, with jitter."""
        script = Script(FINE, *[step] * 8, FINE)
        client = client_of(script)
        for _ in range(2):
            assert await client.send(request(), read) == b"fine"
        for gap, longest in zip(script.gaps[1:], (0.5, 1, 2, 4, 5, 5, 5, 5), strict=True):
            assert longest / 2 <= gap <= longest

    @pytest.mark.parametrize("limit", [0, 10])
    async def test_each_request_has_the_whole_time(self, limit: float) -> None:
        """A policy of 0 seconds disables retries and their log lines."""
        lines: list[str] = []
        client = client_of(Script(REFUSED), retry_timeout=limit, log=lines.append)
        for _ in range(2):
            _, seconds = await gives_up(client)
            assert limit <= seconds <= limit + bool(lines) * 5
        assert bool(lines) is bool(limit)

    async def test_an_attempt_counts_for_30_seconds_at_most(self) -> None:
        """So a long upload gets more than one attempt."""
        script = Script(LOST, takes=300)
        await gives_up(client_of(script))
        assert len(script.attempts) == 5

    @pytest.mark.parametrize(
        ("steps", "limit"),
        [([PAGE], 15), ([FINE, PAGE], 120)],
        ids=["nothing else", "after an answer"],
    )
    async def test_15_seconds_of_web_pages_may_mean_a_wrong_api_url(
        self, steps: list[Step], limit: float
    ) -> None:
        """The shorter limit applies before the first valid response."""
        client = client_of(Script(*steps))
        if steps[0] is FINE:
            await client.send(request(), read)
        _, seconds = await gives_up(client)
        assert limit <= seconds <= limit + 5

    async def test_a_long_retry_after_is_an_error_immediately(self) -> None:
        """The client doesn't wait for more than ten minutes."""
        error, seconds = await gives_up(client_of(Script(answer(503, retry_after="601"))))
        assert seconds == 0
        assert str(error) == f"{NAME} failed after 1 attempt: answered 503 and a Retry-After of 10m 01s"

    async def test_retry_after_is_ignored_at_the_end_of_a_run(self) -> None:
        """The remaining time is too short for a `Retry-After`."""
        with anyio.fail_after(2):
            await urgent(Script(answer(503, retry_after="60"), FINE)).send(request(), read)

    async def test_an_urgent_request_fails_before_the_deadline(self) -> None:
        """A cancellation in its last pause would have no reason."""
        with anyio.fail_after(1.4), pytest.raises(GaveUp):
            await urgent(Script(REFUSED)).send(request(), read)


async def test_a_pausing_request_frees_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pausing request frees its slot, and then waits for a new one behind the others."""
    monkeypatch.setattr(group, "MOST", 1)
    script = Script(REFUSED, FINE, takes=1)
    client = client_of(script)
    async with anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(client.send, request(purpose=name), read)
    sent = [RequestOptions.of(each).purpose for each in script.requests]
    assert sent == ["a", "b", "c", "d", "a"]


class TestWords:
    async def test_the_error_names_the_request_the_attempts_and_the_reason(self) -> None:
        """The error also states the duration and that other requests succeeded."""
        script = Script(REFUSED, FINE, FINE, FINE, REFUSED)
        client, errors = client_of(script), list[GaveUp]()

        async def fail() -> None:
            errors.append((await gives_up(client))[0])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            await anyio.sleep(0.1)
            for _ in range(3):
                await client.send(request(), read)
        tried = f"{NAME} failed after {len(script.attempts) - 3} attempts in 2m "
        others = ", while others succeeded: connection refused"
        assert re.fullmatch(rf"{tried}\d\ds{others}", str(errors[0]))

    async def test_a_time_out_names_the_failing_requests(self) -> None:
        """It leaves out requests that succeeded again. A success of others doesn't hide a failing request."""
        client = client_of(Script(REFUSED, FINE, REFUSED))
        await client.send(request("Reading a page"), read)
        assert client.outages() == ""
        with anyio.move_on_after(10):
            await client.send(request(), read)
        client.transport = Script(FINE)
        await client.send(request(purpose="Uploading 'b'"), read)
        assert client.outages() == "uploading 'a' failed (connection refused)"
        client.transport = Script(BUSY)
        with anyio.move_on_after(10):
            await client.send(request(purpose="Uploading 'b'"), read)
        assert client.outages() == "uploading 'a' and 1 more failed (connection refused)"


class TestSent:
    """The state of a `Delivery` after every way to leave `send`."""

    @pytest.mark.parametrize(
        ("steps", "outcome", "lost"),
        [
            ([FINE], Outcome.DONE, ""),
            ([LOST, FINE], Outcome.DONE, "the connection was reset"),
            ([answer(400)], Outcome.REFUSED, ""),
            ([LOST, answer(400)], Outcome.UNKNOWN, "the connection was reset"),
            ([REFUSED], Outcome.REFUSED, ""),
            ([BUSY], Outcome.REFUSED, ""),
            ([PAGE, LOST, REFUSED], Outcome.UNKNOWN, "answered with a page"),
        ],
    )
    async def test_each_result_has_its_outcome(self, steps: list[Step], outcome: Outcome, lost: str) -> None:
        """The reason of the first lost response stays, even after later responses."""
        delivery = Delivery()
        try:
            await client_of(Script(*steps)).send(request(), read, delivery=delivery)
        except (GaveUp, DeployError):
            assert outcome is not Outcome.DONE
        assert (delivery.outcome, delivery.lost) == (outcome, lost)

    async def test_at_is_the_time_of_the_last_attempt(self) -> None:
        """The time of its start, because an outage may come before it and a slow response after it."""
        delivery, script = Delivery(), Script(REFUSED, LOST, FINE, takes=3)
        await client_of(script).send(request(), read, delivery=delivery)
        assert delivery.at == pytest.approx(anyio.current_time() - 3)

    @pytest.mark.parametrize(
        ("steps", "seconds", "outcome", "lost"),
        [
            ([FINE], 0.5, Outcome.UNKNOWN, ""),
            ([REFUSED], 1.1, Outcome.REFUSED, ""),
            ([LOST], 1.1, Outcome.UNKNOWN, "the connection was reset"),
            ([REFUSED, FINE], 2.0, Outcome.UNKNOWN, ""),
        ],
        ids=["in flight", "in a pause", "in a pause after a lost answer", "in the second attempt"],
    )
    async def test_a_cancelled_write_is_unknown(
        self, steps: list[Step], seconds: float, outcome: Outcome, lost: str
    ) -> None:
        """The outcome of a cancelled request is unknown."""
        delivery = Delivery()
        with anyio.move_on_after(seconds):
            await client_of(Script(*steps, takes=1)).send(request(), read, delivery=delivery)
        assert (delivery.outcome, delivery.lost) == (outcome, lost)

    @pytest.mark.parametrize(
        ("steps", "outcome"),
        [([], Outcome.REFUSED), ([REFUSED], Outcome.REFUSED), ([LOST], Outcome.UNKNOWN)],
    )
    async def test_a_guard_can_prevent_an_attempt(self, steps: list[Step], outcome: Outcome) -> None:
        """The client then sends nothing, and only an earlier attempt may have taken effect."""
        delivery, script = Delivery(), Script(*steps, FINE)

        def require() -> None:
            if len(script.attempts) == len(steps):
                raise DeployError("the lock is lost")

        with pytest.raises(DeployError, match="the lock is lost"):
            await client_of(script).send(request(), read, guard=Guard(require), delivery=delivery)
        assert len(script.attempts) == len(steps)
        assert delivery.outcome is outcome

    @pytest.mark.parametrize("limit", [0, 120])
    async def test_a_shielded_attempt_is_not_retried_after_a_cancellation(self, limit: float) -> None:
        """Its failure isn't the error either."""
        script = Script(REFUSED, takes=2)
        with anyio.move_on_after(1) as scope:
            client = client_of(script, retry_timeout=limit)
            await client.send(request(), read, guard=Guard(shield=lambda: anyio.CancelScope(shield=True)))
        assert scope.cancelled_caught
        assert len(script.attempts) == 1

    @pytest.mark.parametrize(("step", "attempts"), [(REFUSED, 2), (BUSY, 2), (LOST, 1)])
    async def test_a_write_that_may_have_taken_effect_is_not_retried(self, step: Step, attempts: int) -> None:
        """The client retries it only after an attempt without effect."""
        script = Script(step, FINE)
        try:
            await client_of(script).send(request(is_repeatable=False), read)
        except GaveUp:
            assert attempts == 1
        assert len(script.attempts) == attempts

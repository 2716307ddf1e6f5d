"""Retry rule: a table of failures and pauses, without a clock or requests."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from zerokie_action.http.failure import Cause, Failure
from zerokie_action.http.policy import ONCE, UNTIL_DEADLINE, Retries, RetryPolicy

REFUSED = Failure("connection refused")
SILENT = Failure("no response within 30s", was_silent=True)
PAGE = Failure("an HTML page", Cause.WRONG_SERVER)
UNTRUSTED = Failure("not trusted", Cause.CERTIFICATE)
GROWING = [0.5, 1, 2, 4]
"""The first pauses at their longest. All further pauses are 5s."""
URGENT = [0.2, 0.4, 0.8]
"""The first pauses of an urgent request. All further pauses are 1s."""
TWO_MINUTES = RetryPolicy(120)


def asks(seconds: float) -> Failure:
    return Failure("answered 429", retry_after=seconds)


class Try(NamedTuple):
    """An attempt that waits for its slot and then fails after `takes` seconds."""

    failed: Failure
    takes: float = 0.0
    queued: float = 0.0


def pauses(
    tries: list[Try],
    policy: RetryPolicy = TWO_MINUTES,
    *,
    jitter: float = 1,
    successes: Sequence[float] = (),
    is_reached: bool = True,
) -> list[float | None]:
    """Return the pause after each attempt. The last attempt repeats until the rule gives up.

    `successes` are the times when similar requests succeed.
    """
    retries, now, found = Retries(policy), 0.0, list[float | None]()
    while len(found) < 100:
        this = tries[min(len(found), len(tries) - 1)]
        began = now + this.queued
        now = began + this.takes
        last = max((each for each in successes if each <= now), default=-math.inf)
        pause = retries.pause(
            this.failed, began=began, now=now, last_success=last, jitter=jitter, is_reached=is_reached
        )
        found.append(pause)
        if pause is None:
            break
        now += pause
    return found


DAYS: dict[str, tuple[list[Try], list[float | None]]] = {
    "refused: two minutes": ([Try(REFUSED)], [*GROWING, *[5] * 23, None]),
    "silent: all of each attempt counts": ([Try(SILENT, 30)], [*GROWING, None]),
    "attempts of just 30s": ([Try(REFUSED, 30)], [*GROWING, None]),
    "long uploads: 30s of each count": ([Try(REFUSED, 300)], [*GROWING, None]),
    "a large upload that is silent": ([Try(REFUSED, 300), Try(SILENT, 300)], [0.5, None]),
    "a wait for the first slot does not count": (
        [Try(REFUSED, queued=200), Try(REFUSED)],
        [*GROWING, *[5] * 23, None],
    ),
    "waits for a slot": ([Try(REFUSED, 1, queued=100)], [0.5, 1, None]),
    "a certificate, later": ([Try(REFUSED), Try(UNTRUSTED)], [0.5, None]),
    "Retry-After counts": ([Try(asks(8))], [*[10] * 12, None]),
    "Retry-After, shorter than the pause": ([Try(asks(0.1)), Try(UNTRUSTED)], [2.1, None]),
    "Retry-After beyond the limit: one more attempt": ([Try(asks(500))], [502, None]),
    "Retry-After: just ten minutes": ([Try(asks(600)), Try(UNTRUSTED)], [602, None]),
    "Retry-After: longer": ([Try(REFUSED), Try(asks(601))], [0.5, None]),
}


@pytest.mark.parametrize("name", DAYS)
def test_a_request_gives_up_two_minutes_after_its_first_failure(name: str) -> None:
    """An attempt counts for 30s at most, unless the server was silent."""
    tries, expected = DAYS[name]
    assert pauses(tries) == expected


@pytest.mark.parametrize("failed", [REFUSED, asks(8)])
def test_a_request_gives_up_two_minutes_after_the_last_similar_success(failed: Failure) -> None:
    """As long as others succeed, the server works, and it only limits this request."""
    once, steady = (
        sum(each or 0 for each in pauses([Try(failed)], successes=successes))
        for successes in ([100], range(0, 400, 100))
    )
    assert 220 <= once < 230
    assert 420 <= steady < 430


@pytest.mark.parametrize("jitter", [0, 0.5, 1])
def test_a_pause_has_at_least_half_of_its_length(jitter: float) -> None:
    """Jitter halves a pause at most. To a `Retry-After`, it adds up to two seconds, however many attempts."""
    tries = [*[Try(REFUSED)] * 5, Try(asks(8)), Try(asks(8)), Try(UNTRUSTED)]
    grown = [pause * (1 + jitter) / 2 for pause in (*GROWING, 5)]
    assert pauses(tries, jitter=jitter) == [*grown, *[8 + 2 * jitter] * 2, None]


@pytest.mark.parametrize("failed", [REFUSED, SILENT, asks(8), asks(1000), PAGE])
def test_a_policy_of_0_disables_retries(failed: Failure) -> None:
    """Even with a `Retry-After`, a wrong server or a success in this moment."""
    for is_urgent in (False, True):
        for is_reached in (False, True):
            policy = ONCE._replace(is_urgent=is_urgent)
            assert pauses([Try(failed, 40)], policy, is_reached=is_reached, successes=[40]) == [None]


@pytest.mark.parametrize(
    ("failed", "is_reached", "seconds"),
    [
        ([PAGE], False, 15),
        ([PAGE], True, 120),
        ([REFUSED, PAGE], False, 120),
        ([PAGE, REFUSED], False, 120),
    ],
    ids=["pages", "after an answer", "an ingress that starts", "one that stops"],
)
def test_a_wrong_api_url_fails_early(failed: list[Failure], is_reached: bool, seconds: float) -> None:  # noqa: FBT001
    """Before the first valid response, 15s of responses from a wrong server end the retries."""
    found = pauses([Try(each) for each in failed], is_reached=is_reached)
    assert seconds <= sum(each or 0 for each in found) < seconds + 5


SOON: dict[str, tuple[list[Try], RetryPolicy, list[float | None]]] = {
    "short pauses": ([Try(REFUSED)], RetryPolicy(3, is_urgent=True), [*URGENT, 1, 1, None]),
    "even with a Retry-After": ([Try(asks(60))], RetryPolicy(3, is_urgent=True), [*URGENT, 1, 1, None]),
    "even with a long one": ([Try(asks(1000))], RetryPolicy(3, is_urgent=True), [*URGENT, 1, 1, None]),
    "pages": ([Try(PAGE)], RetryPolicy(20, is_urgent=True), [*URGENT, *[1] * 19, None]),
    "the first attempt does not count": (
        [Try(SILENT, 40), Try(REFUSED)],
        RetryPolicy(1, is_urgent=True),
        [*URGENT, None],
    ),
    "until the deadline": (
        [*[Try(REFUSED)] * 50, Try(UNTRUSTED)],
        UNTIL_DEADLINE,
        [*URGENT, *[1] * 47, None],
    ),
    "a certificate": ([Try(UNTRUSTED)], UNTIL_DEADLINE, [None]),
}


@pytest.mark.parametrize("name", SOON)
def test_an_urgent_request_is_retried_soon(name: str) -> None:
    """At the end of a run, the pauses are short, and only time ends the retries."""
    tries, policy, expected = SOON[name]
    assert pauses(tries, policy, is_reached=False) == expected

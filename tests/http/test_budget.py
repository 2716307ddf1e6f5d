"""Retry budget: a table of failures and pauses, without a clock or requests."""

import math
from typing import NamedTuple

import pytest

from zerokie_action.http.budget import Budget
from zerokie_action.http.failure import Cause, Failure

REFUSED = Failure("connection refused")
SILENT = Failure("no response within 30 s", was_silent=True)
PAGE = Failure("an HTML page", Cause.WRONG_SERVER)
UNTRUSTED = Failure("not trusted", Cause.CERTIFICATE)
GROWING = [0.5, 1, 2, 4]
"""The first pauses at their longest. All further pauses are 5 s."""


def asks(seconds: float) -> Failure:
    return Failure("answered 429", retry_after=seconds)


class Try(NamedTuple):
    """An attempt that waits for its slot and then fails after `takes` seconds."""

    failed: Failure
    takes: float = 0.0
    queued: float = 0.0
    others_succeed: bool = False


def pauses(
    tries: list[Try],
    seconds: float = 120,
    *,
    is_prompt: bool = False,
    jitter: float = 1,
    deadline: float = math.inf,
    may_be_wrong: bool = False,
) -> list[float | None]:
    """Return the pause after each attempt. The last attempt repeats until the budget is spent."""
    budget, now, found = Budget(seconds, is_prompt, may_be_wrong), 0.0, list[float | None]()
    while len(found) < 100:
        this = tries[min(len(found), len(tries) - 1)]
        began = now + this.queued
        if this.others_succeed:
            budget.skip(this.queued + (found[-1] or 0 if found else 0))
        now = began + this.takes
        pause = budget.pause(this.failed, began=began, now=now, jitter=jitter, left=deadline - now)
        found.append(pause)
        if pause is None:
            break
        now += pause
    return found


BUDGETS: dict[str, tuple[list[Try], list[float | None]]] = {
    "refused: two minutes": ([Try(REFUSED)], [*GROWING, *[5] * 23, None]),
    "silent: all of each attempt counts": ([Try(SILENT, 30)], [*GROWING, None]),
    "attempts of just 30 s": ([Try(REFUSED, 30)], [*GROWING, None]),
    "long uploads: 30 s of each count": ([Try(REFUSED, 300)], [*GROWING, None]),
    "a large upload that is silent": ([Try(REFUSED, 300), Try(SILENT, 300)], [0.5, None]),
    "a wait for the first slot does not count": (
        [Try(REFUSED, queued=200), Try(REFUSED)],
        [*GROWING, *[5] * 23, None],
    ),
    "waits for a slot": ([Try(REFUSED, 1, queued=100)], [0.5, 1, None]),
    "waits while others succeed": (
        [Try(REFUSED, 10, queued=100, others_succeed=True)],
        [*GROWING, *[5] * 8, None],
    ),
    "Retry-After while others succeed": (
        [Try(asks(8), 10, others_succeed=True)],
        [8.5, 9, 10, 12, *[13] * 8, None],
    ),
    "a certificate, later": ([Try(REFUSED), Try(UNTRUSTED)], [0.5, None]),
    "Retry-After does not count": ([Try(asks(8))], [8.5, 9, 10, 12, *[13] * 23, None]),
    "Retry-After, shorter than the pause": ([Try(asks(0.1)), Try(UNTRUSTED)], [1, None]),
    "Retry-After: ten minutes in all": (
        [Try(asks(200)), Try(asks(300)), Try(asks(100)), Try(asks(100))],
        [200.5, 301, 102, 104, None],
    ),
    "Retry-After beyond the budget": ([Try(asks(500))], [500.5, None]),
    "Retry-After: just ten minutes": ([Try(asks(600)), Try(UNTRUSTED)], [600.5, None]),
    "Retry-After: longer": ([Try(REFUSED), Try(asks(601))], [0.5, None]),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_the_budget_limits_the_retries_of_a_request(name: str) -> None:
    """The budget starts with the first failure."""
    tries, expected = BUDGETS[name]
    assert pauses(tries) == expected


@pytest.mark.parametrize("jitter", [0, 0.5, 1])
def test_a_pause_has_at_least_half_of_its_length(jitter: float) -> None:
    """Jitter halves a pause at most, and it never shortens a `Retry-After`."""
    tries = [*[Try(REFUSED)] * 5, Try(asks(8)), Try(UNTRUSTED)]
    share = (1 + jitter) / 2
    grown = [pause * share for pause in (*GROWING, 5)]
    assert pauses(tries, jitter=jitter) == [*grown, 8 + 5 * share * jitter, None]


@pytest.mark.parametrize("failed", [REFUSED, SILENT, asks(8), asks(1000), PAGE])
def test_a_budget_of_0_disables_retries(failed: Failure) -> None:
    """A budget of 0 disables retries, even with a `Retry-After` or a wrong server."""
    assert pauses([Try(failed, 40)], 0) == [None]
    assert pauses([Try(failed, 40)], 0, is_prompt=True) == [None]
    assert pauses([Try(failed, 40)], 0, may_be_wrong=True) == [None]


@pytest.mark.parametrize(
    ("failed", "may_be_wrong", "seconds"),
    [
        ([PAGE], True, 15),
        ([PAGE], False, 120),
        ([REFUSED, PAGE], True, 120),
        ([PAGE, REFUSED], True, 120),
    ],
    ids=["pages", "after an answer", "an ingress that starts", "one that stops"],
)
def test_a_wrong_api_url_fails_early(failed: list[Failure], may_be_wrong: bool, seconds: float) -> None:  # noqa: FBT001
    """Before the first valid response, 15 s of responses from a wrong server end the retries."""
    found = pauses([Try(each) for each in failed], may_be_wrong=may_be_wrong)
    assert seconds <= sum(each or 0 for each in found) < seconds + 5


PROMPT: dict[str, tuple[list[Try], float, float, list[float | None]]] = {
    # attempts, budget, remaining time
    "short pauses": ([Try(REFUSED)], 3, math.inf, [0.2, 0.4, 0.8, 1, 1, None]),
    "even with a long Retry-After": ([Try(asks(60))], 3, math.inf, [0.2, 0.4, 0.8, 1, 1, None]),
    "the first attempt does not count": ([Try(SILENT, 40), Try(REFUSED)], 1, math.inf, [0.2, 0.4, 0.8, None]),
    "as long as there is time": ([Try(asks(60))], math.inf, 4, [0.2, 0.4, 0.8, 1, 1, None]),
    "no pause beyond it": ([Try(REFUSED)], math.inf, 1.4, [0.2, 0.4, None]),
    "silent": ([Try(SILENT, 300)], math.inf, 1000, [0.2, 0.4, 0.8, None]),
    "a certificate": ([Try(UNTRUSTED)], math.inf, 1000, [None]),
}


@pytest.mark.parametrize("name", PROMPT)
def test_nothing_extends_the_time_at_the_end_of_a_run(name: str) -> None:
    """The pauses are short, and nothing extends the budget or the remaining time."""
    tries, seconds, left, expected = PROMPT[name]
    assert pauses(tries, seconds, is_prompt=True, deadline=left) == expected

"""What a request's failures spend of its budget: a table, without clock and requests."""

import math
from typing import NamedTuple

import pytest

from zerokie_action.http.budget import UNTIL_DEADLINE, Budget
from zerokie_action.http.failure import Cause, Failure

REFUSED = Failure("connection refused")
SILENT = Failure("no answer within 30 s", was_silent=True)
PAGE = Failure("an HTML page", Cause.WRONG_SERVER)
UNTRUSTED = Failure("not trusted", Cause.CERTIFICATE)
GROWING = [0.5, 1, 2, 4]
"""The first pauses, at their longest; all that follow are five seconds."""


def asks(seconds: float) -> Failure:
    return Failure("answered 429", retry_after=seconds)


class Try(NamedTuple):
    """An attempt that fails after `takes` seconds, and after a wait for its slot, which may not count."""

    failed: Failure
    takes: float = 0.0
    queued: float = 0.0
    uncounted: float = 0.0


def pauses(
    tries: list[Try],
    seconds: float = 120,
    *,
    is_prompt: bool = False,
    jitter: float = 1,
    deadline: float = math.inf,
    may_be_wrong: bool = False,
) -> list[float | None]:
    """The pause after each attempt; the last attempt is repeated until the request is given up."""
    budget, now, found = Budget(seconds, is_prompt, may_be_wrong), 0.0, list[float | None]()
    while len(found) < 100:
        this = tries[min(len(found), len(tries) - 1)]
        began = now + this.queued + this.uncounted
        now = began + this.takes
        budget.extend(this.uncounted)
        pause = budget.pause(this.failed, began=began, now=now, jitter=jitter, left=deadline - now)
        found.append(pause)
        if pause is None:
            break
        now += pause
    return found


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ([Try(REFUSED)], [*GROWING, *[5] * 23, None]),
        ([Try(SILENT, 30)], [*GROWING, None]),
        ([Try(REFUSED, 30)], [*GROWING, None]),
        ([Try(REFUSED, 300)], [*GROWING, None]),
        ([Try(REFUSED, 300), Try(SILENT, 300)], [0.5, None]),
        ([Try(REFUSED, 1, queued=100)], [0.5, 1, None]),
        ([Try(REFUSED, queued=200), Try(REFUSED)], [*GROWING, *[5] * 23, None]),
        ([Try(REFUSED, 1, uncounted=100)], [*GROWING, *[5] * 19, None]),
        ([Try(UNTRUSTED)], [None]),
        ([Try(REFUSED), Try(UNTRUSTED)], [0.5, None]),
        ([Try(asks(8))], [8.5, 9, 10, 12, *[13] * 23, None]),
        ([Try(asks(0.1)), Try(asks(8)), Try(UNTRUSTED)], [1, 9, None]),
        ([Try(asks(200)), Try(asks(300)), Try(asks(100)), Try(asks(119))], [200.5, 301, 102, 123, None]),
        ([Try(asks(600)), Try(UNTRUSTED)], [600.5, None]),
        ([Try(asks(601))], [None]),
        ([Try(REFUSED), Try(asks(601))], [0.5, None]),
    ],
    ids=[
        "refused: two minutes",
        "silent: all of each attempt counts",
        "attempts of just 30 s",
        "long uploads: 30 s of each count",
        "a large upload that is silent",
        "waits for a slot",
        "a wait for the first slot does not count",
        "waits for a slot while others are answered",
        "a certificate",
        "a certificate, later",
        "Retry-After does not count",
        "Retry-After, shorter and longer than the pause",
        "Retry-After: ten minutes in all",
        "Retry-After: just ten minutes",
        "Retry-After: longer",
        "Retry-After: longer, later",
    ],
)
def test_the_budget_begins_with_the_first_failure(tries: list[Try], expected: list[float | None]) -> None:
    """The budget begins with the first failure."""
    assert pauses(tries) == expected


@pytest.mark.parametrize("jitter", [0, 0.5, 1])
def test_a_pause_has_at_least_half_of_its_length(jitter: float) -> None:
    """A pause has at least half of its length; a wait that `Retry-After` asks for is never shorter."""
    tries = [*[Try(REFUSED)] * 5, Try(asks(8)), Try(UNTRUSTED)]
    share = (1 + jitter) / 2
    grown = [pause * share for pause in (*GROWING, 5)]
    assert pauses(tries, jitter=jitter) == [*grown, 8 + 5 * share * jitter, None]


@pytest.mark.parametrize("failed", [REFUSED, SILENT, asks(8), asks(1000), PAGE])
def test_a_budget_of_0_allows_no_second_attempt(failed: Failure) -> None:
    """A budget of 0 allows no second attempt, whatever `Retry-After` asks for, also of a wrong server."""
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
def test_a_wrong_api_url_is_given_up_early(failed: list[Failure], may_be_wrong: bool, seconds: float) -> None:  # noqa: FBT001
    """Before the first answer, 15 s of nothing but what a wrong server says is enough."""
    found = pauses([Try(each) for each in failed], may_be_wrong=may_be_wrong)
    assert seconds <= sum(each or 0 for each in found) < seconds + 5


@pytest.mark.parametrize(
    ("tries", "deadline", "expected"),
    [
        ([Try(REFUSED)], 4, [0.2, 0.4, 0.8, 1, 1, None]),
        ([Try(asks(60))], 4, [0.2, 0.4, 0.8, 1, 1, None]),
        ([Try(REFUSED)], 1.4, [0.2, 0.4, None]),
        ([Try(SILENT, 300)], 1000, [0.2, 0.4, 0.8, None]),
        ([Try(UNTRUSTED)], 1000, [None]),
    ],
    ids=["short pauses", "whatever Retry-After asks for", "no pause beyond it", "silent", "a certificate"],
)
def test_nothing_extends_the_time_at_the_end_of_a_run(
    tries: list[Try], deadline: float, expected: list[float | None]
) -> None:
    """Nothing extends the time that is left at the end of a run."""
    assert pauses(tries, UNTIL_DEADLINE, is_prompt=True, deadline=deadline) == expected


@pytest.mark.parametrize("failed", [REFUSED, asks(60)])
def test_a_prompt_budget_is_spent(failed: Failure) -> None:
    """Its pauses are short, whatever `Retry-After` asks for; the seconds count as for any other request."""
    assert pauses([Try(failed)], 3, is_prompt=True) == [0.2, 0.4, 0.8, 1, 1, None]
    assert pauses([Try(failed, 40), Try(failed)], 3, is_prompt=True) == [0.2, 0.4, 0.8, 1, 1, None]

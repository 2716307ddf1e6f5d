"""Sizes and durations in a form for people."""

import pytest

from zerokie_action.text.numbers import human_bytes, human_seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((999, "999 B"), (999.6, "1.0 kB"), (1_000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB")),
        *((999_499, "999 kB"), (999_950, "1.0 MB"), (999_500_000, "1.0 GB"), (999.5e9, "1.0 TB")),
        *((8.04e10, "80.4 GB"), (5e15, "5000 TB")),
    ],
)
def test_sizes_are_decimal_with_two_or_three_digits(count: float, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.044, "0.04s"),
        (1.44, "1.4s"),
        (9.96, "10s"),
        (59.6, "1m 00s"),
        (3_599.6, "1h 00m"),
        (3_725, "1h 02m"),
    ],
)
def test_durations_have_the_precision_that_somebody_cares_about(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text

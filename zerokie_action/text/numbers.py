"""Counts, sizes, durations and times in a form for people.

All messages then show numbers in the same form.
"""

from collections.abc import Sequence
from datetime import UTC, datetime


def human_files(count: int, noun: str = "file") -> str:
    """Return a number of files: `1 file`, `12,000 files`, `3 stale files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def human_paths(paths: Sequence[str], shown: int = 3) -> str:
    """Return the first paths and the number of the others: `'a', 'b', 'c' and 1,200 more`."""
    more = f" and {len(paths) - shown:,} more" if len(paths) > shown else ""
    return ", ".join(map(repr, paths[:shown])) + more


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def utc_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as text: `2026-03-07T17:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def human_bytes(count: float) -> str:
    """Return a size in decimal units: `0 B`, `812 B`, `8.1 MB`, `120 GB`."""
    # A number from 999.5 would be rounded to 1000.
    unit = next((u for u, size in _UNITS.items() if count < 999.5 * size), "TB")
    number = count / _UNITS[unit]
    return f"{number:.1f} {unit}" if unit != "B" and number < 99.95 else f"{number:.0f} {unit}"  # noqa: PLR2004 three digits


def human_seconds(seconds: float) -> str:
    """Return a duration as text: `0.04s`, `1.4s`, `12s`, `2m 05s`, `1h 02m`."""
    if seconds < 9.95:  # noqa: PLR2004 rounds to 10
        digits = 2 if seconds < 0.095 else 1  # noqa: PLR2004 rounds to 0.1
        return f"{seconds:.{digits}f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"

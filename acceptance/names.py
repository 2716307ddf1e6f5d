"""The names of the apps that may be touched. Every request for an app and every command asks `own`."""

from __future__ import annotations

import re
import secrets
import string
from datetime import UTC, datetime, timedelta

PATTERN = "zk-acceptance-<start>-<random>"
LEFT_FOR = timedelta(hours=1)
"""A run is over after this time, so a name that is older is a leftover."""

_NAME = re.compile(r"zk-acceptance-([0-9]{10})-[a-z0-9]{5}")
_START = "%y%m%d%H%M"
_made: set[str] = set()


class NotOurs(Exception):  # noqa: N818 - it says what is wrong with a name
    """The app must not be touched."""


def own(name: str = "") -> str:
    """Make the name of a new app (30 characters), or return `name` if the app may be touched.

    Raises:
        NotOurs: `name` is neither one that this process has made nor, by its start, older than an hour.
    """
    if not name:
        name = f"zk-acceptance-{datetime.now(UTC).strftime(_START)}-{random_word(5)}"
        _made.add(name)
    if name not in _made and not _is_left(name):
        raise NotOurs(f"{name!r} is not a name of this run, nor one that a run has left")
    return name


def made() -> list[str]:
    """All names that this process has made."""
    return sorted(_made)


def leftovers(names: list[str]) -> list[str]:
    """Those of `names` that a run has left."""
    return [name for name in names if _is_left(name)]


def random_word(length: int) -> str:
    """Letters and digits, as a host name may have them."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _is_left(name: str) -> bool:
    match = _NAME.fullmatch(name)
    try:
        start = datetime.strptime(match[1], _START).replace(tzinfo=UTC) if match else None
    except ValueError:  # such as a month 13
        start = None
    return start is not None and datetime.now(UTC) - start > LEFT_FOR

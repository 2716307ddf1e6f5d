"""Names of acceptance apps.

A run must not touch other apps. Each request and each command therefore checks its app with `require_own`.
"""

import re
import secrets
import string
from datetime import UTC, datetime, timedelta

NAME_PATTERN = "zk-acceptance-<start>-<random>"
LEFTOVER_AFTER = timedelta(hours=1)
"""An acceptance app with an older name is a leftover of a killed run, because no run takes longer."""

_NAME = re.compile(r"zk-acceptance-([0-9]{10})-[a-z0-9]{5}")
_START = "%y%m%d%H%M"
_names_made: set[str] = set()


class ForbiddenAppError(Exception):
    """The script must not touch this app."""


def new_name() -> str:
    """Make a name of 30 characters for a new acceptance app."""
    name = f"zk-acceptance-{datetime.now(UTC).strftime(_START)}-{random_word(5)}"
    _names_made.add(name)
    return name


def names_made() -> list[str]:
    """Return all names from `new_name`."""
    return sorted(_names_made)


def require_own(name: str) -> str:
    """Return `name` if it is from `new_name` or belongs to a leftover.

    Raises:
        ForbiddenAppError: for any other name.
    """
    if name not in _names_made and not _is_leftover(name):
        raise ForbiddenAppError(f"{name!r} isn't an app of this run or a leftover of a killed run")
    return name


def leftovers(names: list[str]) -> list[str]:
    """Return the leftovers among `names`."""
    return [name for name in names if _is_leftover(name)]


def random_word(length: int) -> str:
    """Return random lower-case letters and digits, which are valid in host names."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _is_leftover(name: str) -> bool:
    match = _NAME.fullmatch(name)
    try:
        start = datetime.strptime(match[1], _START).replace(tzinfo=UTC) if match else None
    except ValueError:  # such as month 13
        start = None
    return start is not None and datetime.now(UTC) - start > LEFTOVER_AFTER

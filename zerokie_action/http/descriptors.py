"""File descriptors: how many uploads at once they are enough for, and how it looks when there are none."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress

RESERVE = 16
"""For what is not an upload: the heartbeat, pages, a report, the hashing, another address of a host."""
_EACH = 2
"""Of an upload: its connection, and the file that it reads."""
_USUALLY_OPEN = 16


def affordable(wanted: int) -> int:
    """How many uploads at once, at least 1 and at most `wanted`, the limit on open files allows.

    The limit is raised first, as far as the process may and needs to.
    """
    taken = _count_open() + RESERVE
    limit = _raise_limit(taken + _EACH * wanted)
    return max(1, min(wanted, (limit - taken) // _EACH))


def ran_out(error: BaseException) -> bool:
    """Whether this process, or the whole machine, had no descriptor left. Another moment it may have one."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


def _raise_limit(needed: int) -> int:
    """Raise the soft limit to what is needed, or as far as the hard one lets us. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    if soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def _count_open() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - numbers, not paths
    except OSError:
        return _USUALLY_OPEN

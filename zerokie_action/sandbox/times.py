"""Points in time as the reference writes them: UTC, whole seconds."""

from __future__ import annotations

import time


def timestamp(seconds: float) -> str:
    """`2026-03-07T17:00:00Z` for seconds since the epoch."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

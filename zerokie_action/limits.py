"""Time limits that a user can meet, in seconds. Those that are inputs have their defaults in `settings`.

This module imports nothing heavy, because `signals` needs it before anything else is imported.
"""

from __future__ import annotations

from typing import NamedTuple

# One attempt to send a request

CONNECT = 10.0
"""For the TCP connection, and as many again for TLS."""
SILENCE = 30.0
"""Without a byte of an answer. A large body extends this: see `http.request.RequestOptions`."""
LISTING_SILENCE = 120.0
"""The same limit for a listing, which may have a million files."""
FINALIZE_SILENCE = 120.0
"""The same limit for finalize, which waits for the purge of the CDN's cache."""

# A request that fails, until its budget (`retry-timeout`) is spent

LONGEST_ATTEMPT = 30.0
"""An attempt counts against the budget for no longer than this, so that long uploads get several attempts. A
silent attempt counts in full."""
NO_SENSE = 15.0
"""Before the platform has answered once, while each failure looks like a wrong `api-url`: a web page, or an
unknown host name."""
MOST_WAITED = 600.0
"""A longer `Retry-After` is not waited for. Shorter ones extend a budget by no more than this."""

# The deploy lock

LOCK_EXPIRY = 30 * 60.0
"""Without a heartbeat, until the platform lets a lock expire ("PUT …/deploy/lock")."""
LAST_WRITE = LOCK_EXPIRY - 60.0
"""From the last heartbeat to the last moment at which a write may begin: later, it could arrive too late."""
HEARTBEAT = 3 * 60.0
"""Between two heartbeats."""
HEARTBEAT_PAUSE = 15.0
"""Between a heartbeat that failed and the next heartbeat."""


class Allowance(NamedTuple):
    """The time limit of a step at the end of a run.

    Attributes:
        seconds: the limit from the end of the work; before that, from the step's start.
        grace: the limit from the signal, if there is a signal before or during the step.
    """

    seconds: float
    grace: float


# The end of a run, in this order. All seconds count from the end of the work, so each step leaves time for
# the next. CI systems kill a run 10 s after the signal.

ANSWERS = Allowance(10.0, 1.0)
"""For the answers to requests in flight, which may take effect even if their connection breaks."""
RELEASE = Allowance(60.0, 4.3)
"""For the whole end: answers, manifest, and the release of the lock."""
FINALIZE = Allowance(40.0, 3.0)
"""For finalize, at the end of `RELEASE`: the purge of a CDN's cache takes seconds."""
RECORD = Allowance(RELEASE.seconds - FINALIZE.seconds, RELEASE.grace - FINALIZE.grace)
"""For storing the manifest of a failed deploy, after `ANSWERS`."""
EXIT = 4.8
"""From the first signal to the forced end of the process."""
CLEANUP = Allowance(120.0, RELEASE.grace)
"""For the cleanup of a lock that a killed run has left."""


# The deploy of an image, judged by what the app shows

SETTLING_TIME = 15.0
"""Seconds within which a GET shows an accepted deploy.

A failure or another image counts once it has lasted for the same time."""

STEADY_TIME = 7.0
"""Seconds that an app has to run without a break: an instance that crashes at once shows as running, too."""

UNCHANGED_TIME = 60.0
"""Seconds after which an app may show the same image as before, though another image was deployed."""

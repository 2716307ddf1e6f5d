"""Time limits, in seconds, that a user may notice.

The defaults of inputs are in `inputs.settings` instead. This module imports nothing heavy, because `signals`
imports it first.
"""

from __future__ import annotations

from typing import NamedTuple

# One attempt to send a request

CONNECT = 10.0
"""Limit for the TCP connection, and the same limit again for TLS."""
SILENCE = 30.0
"""Limit without a byte of the response. A large body extends it (`http.connection`)."""
LONG_SILENCE = 120.0
"""The same limit for a file list, which may have a million files, and for finalize, which purges the CDN."""
PAGE_SILENCE = 20.0
"""The same limit for the health check, and for GitHub or GitLab."""
MANIFEST_SILENCE = 10.0
"""The same limit for a manifest."""

# Retries (`http.policy`)

LONGEST_ATTEMPT = 30.0
"""Seconds of one slow attempt that count towards `retry-timeout` at most, so that long uploads are retried. A
silent attempt counts in full."""
WRONG_SERVER = 15.0
"""The limit before the first valid response, while each failure looks like a wrong `api-url`, such as a web
page or an unknown host name."""
MOST_WAITED = 600.0
"""The longest accepted `Retry-After`."""

MANIFEST = 10.0
"""Time to retry reading a manifest after an outage."""
PULL_REQUEST = 20.0
"""Limit for the comment on a pull request, and for its deployment."""

# Waiting for the platform (`platform.polling`)

NEW_APP = 60.0
"""For a new app to get ready. Until then, the platform may respond with 404."""
HEALTH_CHECK = 30.0
"""For a container app's health check, if the app needed most of `wait` to run."""
LISTING = 25.0
"""For the file list, which may be late, to show the uploads."""
POLL_PAUSE = 1.0
"""The first pause between two polls, and every pause while an app is about to change."""
LONGEST_POLL_PAUSE = 10.0
"""The longest pause between two polls."""
LAST_POLL = 5.0
"""The minimum for a poll, even at the time limit."""

# Pauses between two log lines

POLL_LINE = 30.0
"""While a run waits for the platform."""
OUTAGE_LINE = 15.0
"""While requests fail."""
PROGRESS_LINE = 10.0
"""While a step takes long."""
PROGRESS_RATE = 30.0
"""The time that the rate of the uploads covers."""

# The deploy lock

LOCK_EXPIRY = 30 * 60.0
"""Time from the last heartbeat until the platform expires a lock ("PUT …/deploy/lock")."""
LAST_WRITE = LOCK_EXPIRY - 60.0
"""Time from the last heartbeat after which no write starts, because it could arrive after the expiry."""
HEARTBEAT = 3 * 60.0
"""Pause between two heartbeats."""
HEARTBEAT_PAUSE = 15.0
"""Pause after a failed heartbeat without `Retry-After`."""


class Allowance(NamedTuple):
    """The time limit of a step at the end of a run.

    Attributes:
        seconds: the limit from the end of the work, or from the step's start if that is earlier.
        grace: the limit from a signal before or during the step.
    """

    seconds: float
    grace: float


# The end of a run, in this order. All limits start at the end of the work, so each one includes the steps
# before it. CI systems kill a run 10s after the signal.

RESPONSES = Allowance(10.0, 1.0)
"""Limit for responses to requests in flight, which may take effect even if their connection breaks."""
RELEASE = Allowance(60.0, 4.3)
"""Limit for the whole end: responses, manifest, and the release of the lock."""
RECORD = Allowance(20.0, 1.3)
"""Limit for storing the manifest of a failed deploy. It includes the time of `RESPONSES`, and leaves the rest
of `RELEASE` to finalize, because purging a CDN's cache takes seconds."""
EXIT = 4.8
"""Time from the first signal to the forced end of the process."""
LAST_LINES = 3.0
"""Time for a terminal to take the last lines of the log. A paused terminal takes none."""
CLEANUP = Allowance(120.0, RELEASE.grace)
"""Limit for the cleanup of a lock that a killed run left."""
SECOND_HEARTBEAT = 5.0
"""Pause after which the lock cleanup repeats a heartbeat that got a 409."""


# The verdict about an image, from the platform's responses

SETTLING_TIME = 15.0
"""Seconds until a GET certainly shows an accepted deploy.

A failure or another image must last for the same time."""
STEADY_TIME = 7.0
"""Seconds for which an app must keep running, because an instance that soon crashes also shows as running."""
STEADY_RESPONSES = 8
"""The number of responses in a row that must show this, because a slow GET hides a crash."""
LONGEST_GAP = 5.0
"""The longest pause between a response and the next GET, or growth of a GET's duration. A crash and a restart
may happen in a longer one."""
ROLLBACK = 60.0
"""Time that the platform has at least to run the previous image again, even after `timeout`."""
LAST_LOOK = Allowance(10.0, 2.0)
"""Limit for the last lookup of the app, after a failure."""

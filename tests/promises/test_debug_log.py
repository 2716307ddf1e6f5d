"""`log-level: debug`: each attempt, its result and its duration."""

import re

from sandbox.faults import Kind
from tests.support.containers import tell
from tests.support.world import API_KEY, Outcome, World


def traced(outcome: Outcome) -> list[str]:
    """Return the log lines about requests."""
    return re.findall(r"^(?:GET|PUT|POST|DELETE) /v1/.*$", outcome.log, re.MULTILINE)


def test_debug_shows_every_attempt_and_no_key(world: World) -> None:
    """Each line has the status or the reason for the failure, in the order of completion."""
    world.fault(Kind.STATUS, "PUT", "/files/index.html$", status=503)
    world.fault(Kind.RESET, "PUT", "/files/index.html$")
    outcome = world.run(log_level="debug")
    assert len(traced(outcome)) == len([one for one in outcome.requests if one.path.startswith("/v1/")])
    about_it = [line.partition("index.html: ")[2] for line in traced(outcome) if "files/index.html" in line]
    assert about_it == ["503 after 0s", "connection reset by peer after 0s", "200 after 0s"]
    assert API_KEY not in outcome.log


def test_debug_shows_aborted_requests(world: World) -> None:
    """A run that ends early logs the requests that it aborted."""
    world.fault(Kind.HANG, "GET", "/files$")
    tell(world, after=3)
    outcome = world.run(log_level="debug")
    assert outcome.exit_code == 143
    assert "GET /v1/apps/site/files: aborted after 3s" in traced(outcome)

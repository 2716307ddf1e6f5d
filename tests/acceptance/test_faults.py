"""Faults that break each promise in the report."""

import io
import sys
from typing import Any

import pytest

from acceptance.__main__ import FAILED
from acceptance.story import CONTAINER_STEPS, LAST_STEPS, SITE_STEPS, promises
from tests.acceptance.conftest import Acceptance
from tests.support.platform import Platform

pytestmark = pytest.mark.exhaustive
PUT, GET, POST, DELETE = "PUT", "GET", "POST", "DELETE"


def refused(method: str, path: str, status: int = 400, **fields: Any) -> dict[str, Any]:
    return {"kind": "status", "method": method, "path": path, "status": status, **fields}


def believed(method: str, path: str, status: int, body: str = "", **fields: Any) -> dict[str, Any]:
    """A success without an effect."""
    return refused(method, path, status, body=body, **fields)


UNREADABLE_FILES = refused(GET, "/files$", times=2)
"""A deploy requests the files before it knows the app, so it repeats a rejected request."""

FAULTS = {
    "create_site": refused(PUT, "/files/css/site.css"),
    "visit_site": believed(GET, "^/_apps/.*/img/bytes.bin", 200, "other bytes", times=None),
    "deploy_same_files": refused(GET, "^/_apps/.*zerokie/", 404, times=None),
    "deploy_changed_files": believed(DELETE, "/files/old.html", 204, times=None),
    "deploy_awkward_names": refused(PUT, "/files/_zerokie/"),  # before any file: the next promise is kept
    "dry_run": UNREADABLE_FILES,
    "keep_unmanaged_file": refused(PUT, "/files/kept.txt"),
    "refuse_unmanaged_file": UNREADABLE_FILES,
    "refuse_other_repository": UNREADABLE_FILES,
    "health_check": refused(GET, "^/_apps/.*/health.txt", 500, times=None),
    "deploy_large_file": refused(PUT, "/files/large.bin"),
    "attach_domain": refused(POST, "/domains$"),
    "wait_for_lock": refused(POST, "/deploy/lock$", skip=1),
    "terminate": refused(POST, "/finalize$", 503, skip=1, times=None),
    "kill": refused(POST, "/finalize$", 409, skip=1, times=None),
    "destroy_locked_site": refused(POST, "/deploy/lock$", skip=1),
    "destroy_site": believed(DELETE, "/v1/apps/[^/]*$", 204, times=None),
    "create_container": refused(POST, "/v1/apps$"),
    "deploy_other_tag": refused(POST, "/deploy$"),
    "deploy_same_tag": refused(POST, "/deploy$"),
    "restart": refused(POST, "/deploy$"),
    "deploy_digest": refused(POST, "/deploy$"),
    "roll_back": refused(POST, "/deploy$", skip=1, times=None),
    "refuse_wrong_key": refused(GET, "^/v1/apps/", skip=1),
}
"""A fault for each promise, by the promise's name."""


class Watcher(io.StringIO):
    """Starts a fault with its promise, and ends it with the next promise."""

    def __init__(self, platform: Platform, promise: str, fault: dict[str, Any]) -> None:
        super().__init__()
        self._platform, self._promise, self._fault = platform, promise, fault

    def write(self, text: str, /) -> int:
        if text.startswith("\n") and text.strip():
            self._platform.clear_faults()
            if text.strip() == self._promise:
                self._platform.fault(**self._fault)
        return super().write(text)


def test_each_promise_has_a_fault() -> None:
    """A promise that can't be broken would be useless."""
    assert list(FAULTS) == [step.__name__ for step in (*SITE_STEPS, *CONTAINER_STEPS, *LAST_STEPS)]


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_breaks_only_its_promise(
    acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The report shows *broken* for this promise only."""
    said = Watcher(acceptance.platform, promises()[name].text, FAULTS[name])
    monkeypatch.setattr(sys, "stdout", said)
    arguments = [] if name in {step.__name__ for step in CONTAINER_STEPS} else ["--static-only"]
    domain = "acceptance.example.org"

    assert acceptance.main(monkeypatch, *arguments, ACCEPTANCE_DOMAIN=domain) == FAILED, said.getvalue()

    broken = [promise for promise, result in acceptance.results.items() if result == "broken"]
    assert broken == [promises()[name].text], said.getvalue()
    # No command runs in that one.
    assert (f"The log of *{promises()[name].text}*" in acceptance.report) is (name != "visit_site")
    assert acceptance.apps() == ["production"]

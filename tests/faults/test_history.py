"""Random histories of one app: deploys, edits, edits behind our back, faults, signals, expiry, rivals.

The model is a dictionary: after every deploy that says it succeeded, the storage is the folder.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.timewarp import wall_clock, warped
from tests.support.world import API_KEY, World
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.platform import Platform

if TYPE_CHECKING:
    from tests.support.world import Outcome

EXHAUSTIVE = os.environ.get("ZEROKIE_EXHAUSTIVE") == "1"
NAMES = ("index.html", "a.css", "b/c.js", "ü %41#?.txt", ".well-known/x")
# One length only: a listing can't tell these apart.
CONTENTS = (b"aaaa", b"bbbb", b"cccc")
KINDS = (
    {"kind": Kind.STATUS, "status": 500},
    {"kind": Kind.STATUS, "status": 503, "after": True},
    {"kind": Kind.STATUS, "status": 429, "headers": {"Retry-After": "3"}},
    {"kind": Kind.STATUS, "status": 400},
    {"kind": Kind.RESET},
    {"kind": Kind.RESET, "after": True},
    {"kind": Kind.HANG, "after": True},
    {"kind": Kind.HTML},
)
# An empty 200 is what a heartbeat's answer may be: two such lies in a row would pass for a lock.
ONCE = ({"kind": Kind.EMPTY}, {"kind": Kind.EMPTY, "after": True})

paths = st.sampled_from(NAMES)
contents = st.sampled_from(CONTENTS)


class History(RuleBasedStateMachine):
    """Steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        self._warp = warped(self._patches)
        loop = self._warp.__enter__()
        self._folder = tempfile.TemporaryDirectory()
        base = Path(self._folder.name)
        platform = Platform(base / "platform", clock=lambda: wall_clock(loop), api_keys={API_KEY})
        platform.apps.create_static("site")
        (base / "site").mkdir()
        self.world = World(base / "site", platform, loop)
        self.world.signals.install()
        self.files: dict[str, bytes] = {}
        self.last: Outcome | None = None
        self.abandoned: set[str | None] = set()

    def teardown(self) -> None:
        self.world.signals.close()
        self.world.platform.store.close()
        self._warp.__exit__(None, None, None)
        self._patches.undo()
        self._folder.cleanup()

    @initialize(path=paths, content=contents)
    def begin(self, path: str, content: bytes) -> None:
        self.edit(path, content)

    @rule(path=paths, content=contents)
    def edit(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.world.write(self.files)

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        del self.files[data.draw(st.sampled_from(sorted(self.files)))]
        self.world.write(self.files)

    @rule(path=paths, content=contents)
    def edit_behind_our_back(self, path: str, content: bytes) -> None:
        self.world.platform.put_file("site", path, content)

    @rule(path=paths)
    def delete_behind_our_back(self, path: str) -> None:
        if path in self.world.platform.files("site"):
            self.world.platform.delete_file("site", path)

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0, 1801.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.loop.jump(seconds)

    @rule()
    def a_rival_takes_the_lock(self) -> None:
        if self.world.platform.lock("site") is None:
            self.world.platform.take_lock("site", "rival")

    @rule()
    def the_rival_is_done(self) -> None:
        if self.world.platform.lock("site"):
            self.world.platform.expire_lock("site")

    @rule(kind=st.sampled_from(KINDS), skip=st.integers(0, 12), times=st.sampled_from([1, 2, None]))
    def deploy_with_a_fault(self, kind: dict[str, object], skip: int, times: int | None) -> None:
        index = len(self.world.platform.requests) + skip
        self.world.platform.faults.add(Fault(index=index, times=times, **kind))  # type: ignore[arg-type]
        self._deploy(may_fail=True)
        self.world.platform.faults.clear()

    @rule(kind=st.sampled_from(ONCE), skip=st.integers(0, 12))
    def deploy_with_an_empty_answer(self, kind: dict[str, object], skip: int) -> None:
        self.deploy_with_a_fault(kind, skip, 1)

    @rule(skip=st.integers(0, 12), number=st.sampled_from([signal.SIGINT, signal.SIGTERM]))
    def deploy_and_cancel(self, skip: int, number: signal.Signals) -> None:
        index = len(self.world.platform.requests) + skip
        self.world.platform.on_request = lambda record: (
            os.kill(os.getpid(), number) if record.index == index else None
        )
        self._deploy(may_fail=True)
        self.world.platform.on_request = None
        self.world.reset_signals()

    @rule(incremental=st.booleans())
    def deploy(self, *, incremental: bool) -> None:
        rival = self.world.platform.lock("site")
        self._deploy(may_fail=rival is not None, incremental=incremental)

    def _deploy(self, *, may_fail: bool, incremental: bool = True) -> None:
        self.last = self.world.run(lock_timeout="30s", incremental=incremental)
        if self.last.exit_code == 0:
            assert self.world.stored() == self.files, self.last.log
        else:
            assert may_fail, self.last.log
            assert self.last.outputs["error"]
        if "expires" in self.last.log:
            self.abandoned |= {record.session for record in self.last.requests}

    @invariant()
    def the_lock_is_free_or_accounted_for(self) -> None:
        holder = self.world.platform.lock("site")
        assert holder in {None, "rival"} | self.abandoned, self.last

    @invariant()
    def every_write_was_under_the_lock_of_its_run(self) -> None:
        if self.last:
            ours = {record.session for record in self.last.requests if record.session}
            for record in self.last.requests:
                if (
                    record.method in {"PUT", "DELETE"}
                    and "/files/" in record.path
                    and record.status in {200, 204}
                ):
                    assert record.lock_holder in ours


TestHistory = pytest.mark.usefixtures("handlers")(History.TestCase)
TestHistory.settings = settings(
    max_examples=200 if EXHAUSTIVE else 40,
    stateful_step_count=20,
    deadline=None,
    derandomize=not EXHAUSTIVE,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

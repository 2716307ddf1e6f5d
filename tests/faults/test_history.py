"""Random histories of one app: deploys, edits, edits behind our back, faults, signals, kills, expiry, rivals.

The model is a dictionary: after every deploy that says it succeeded, the storage is the folder, and a second
deploy of the same folder uploads nothing. All contents have one length, and all happens within one second of
the platform as long as no step lets time pass: what a listing shows tells nothing then.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

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
    from zerokie_action.sandbox.cdn import Page
    from zerokie_action.sandbox.records import Record

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

KEYS = (API_KEY, "another-key")

paths = st.sampled_from(NAMES)
keys = st.sampled_from(KEYS)
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
        self.skipped = 0.0
        platform = Platform(
            base / "platform", clock=lambda: wall_clock(loop) - self.skipped, api_keys=set(KEYS)
        )
        platform.apps.create_static("site")
        _ignore_queries(platform)
        (base / "site").mkdir()
        self.world = World(base / "site", platform, loop)
        self.world.signals.install()
        self.files: dict[str, bytes] = {}
        self.last: Outcome | None = None
        self.last_request = platform.clock()
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
        """Without the lock, so not within the second of a deploy: nobody could see that."""
        self.world.loop.jump(1.0)
        self.world.platform.put_file("site", path, content)

    @rule(path=paths)
    def delete_behind_our_back(self, path: str) -> None:
        if path in self.world.platform.files("site"):
            self.world.platform.delete_file("site", path)

    @rule(path=paths)
    def a_visitor_fills_the_cache(self, path: str) -> None:
        self.world.platform.cdn.get("site", quote(path), "")

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

    @rule(kind=st.sampled_from(KINDS), skip=st.integers(0, 14), times=st.sampled_from([1, 2, None]), key=keys)
    def deploy_with_a_fault(self, kind: dict[str, object], skip: int, times: int | None, key: str) -> None:
        index = len(self.world.platform.requests) + skip
        self.world.platform.faults.add(Fault(index=index, times=times, **kind))  # type: ignore[arg-type]
        self._deploy(may_fail=True, api_key=key)
        self.world.platform.faults.clear()

    @rule(kind=st.sampled_from(ONCE), skip=st.integers(0, 14), key=keys)
    def deploy_with_an_empty_answer(self, kind: dict[str, object], skip: int, key: str) -> None:
        self.deploy_with_a_fault(kind, skip, 1, key)

    @rule(skip=st.integers(0, 14), number=st.sampled_from([signal.SIGINT, signal.SIGTERM]), key=keys)
    def deploy_and_cancel(self, skip: int, number: signal.Signals, key: str) -> None:
        index = len(self.world.platform.requests) + skip
        self._deploy(may_fail=True, at=(index, number), api_key=key)
        self.world.reset_signals()

    @rule(skip=st.integers(0, 14), key=keys)
    def deploy_and_kill(self, skip: int, key: str) -> None:
        """What a killed process would still have sent has no effect, and takes no time."""
        index = len(self.world.platform.requests) + skip
        self.world.platform.faults.add(Fault(Kind.RESET, index=index, times=None))
        self._deploy(may_fail=True, at=(index, signal.SIGTERM), until=index, api_key=key)
        self.world.platform.faults.clear()
        self.world.reset_signals()
        if (holder := self.world.platform.lock("site")) != "rival":
            self.abandoned.add(holder)
            self.world.platform.expire_lock("site")  # as the cleanup does

    @rule(path=paths, content=contents, skip=st.integers(4, 10), killed=st.booleans(), key=keys)
    def an_edit_that_is_deployed_halfway_and_taken_back(
        self, path: str, content: bytes, skip: int, key: str, *, killed: bool
    ) -> None:
        """The first manifest must not vouch for what the second deploy has replaced."""
        before = dict(self.files)
        self.deploy(incremental=True, key=key)
        self.edit(path, content)
        if killed:
            self.deploy_and_kill(skip, key)
        else:
            self.deploy_and_cancel(skip, signal.SIGTERM, key)
        self.files = before
        self.world.write(self.files)
        self.deploy(incremental=True, key=key)

    @rule(incremental=st.booleans(), key=keys)
    def deploy(self, *, incremental: bool, key: str) -> None:
        rival = self.world.platform.lock("site")
        self._deploy(may_fail=rival is not None, incremental=incremental, api_key=key)
        if self.last and self.last.exit_code == 0:
            self._deploy(may_fail=False, api_key=key)
            uploaded = self.last.outputs["files_uploaded"]
            assert uploaded == 0, f"an unchanged folder, but {uploaded} uploads: {self.last.log}"

    def _deploy(
        self,
        *,
        may_fail: bool,
        at: tuple[int, signal.Signals] | None = None,
        until: int | None = None,
        **inputs: object,
    ) -> None:
        """Run a deploy. Its time ends with its last request, or with that before `until`.

        Args:
            at: the request at which this process gets a signal.
        """

        def note(record: Record) -> None:
            if until is None or record.index < until:
                self.last_request = self.world.platform.clock()
            if at is not None and record.index == at[0]:
                os.kill(os.getpid(), at[1])

        self.last_request = self.world.platform.clock()
        self.world.platform.on_request = note
        self.last = self.world.run(lock_timeout="30s", **inputs)
        self.world.platform.on_request = None
        self.skipped += self.world.platform.clock() - self.last_request
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


def _ignore_queries(platform: Platform) -> None:
    """Let the CDN serve what it has for a path, whatever the query: old answers, until finalize purges it."""
    get = platform.cdn.get

    def cached(name: str, raw_path: str, query: str) -> tuple[Page, bool]:  # noqa: ARG001
        return get(name, raw_path, "")

    platform.cdn.get = cached  # type: ignore[method-assign]


TestHistory = pytest.mark.usefixtures("handlers")(History.TestCase)
TestHistory.settings = settings(
    max_examples=300 if EXHAUSTIVE else 40,
    stateful_step_count=20,
    deadline=None,
    derandomize=not EXHAUSTIVE,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

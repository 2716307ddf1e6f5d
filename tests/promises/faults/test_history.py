"""Random histories of one app.

The steps are deploys of changing folders, with all options and on several API variants, faults, signals,
kills, uploads by hand, deploys of another repository, and time. The model is a dictionary. All contents have
the same length, and everything happens within one second unless a step lets time pass. The file list then
proves nothing. `tests/models` covers wrong responses of gateways, late file lists and unreadable manifests.
`test_kill_histories.py` covers parallel deploys.

equal   after a success, the app has the folder's files and those that a deploy must not delete
ours    files of the repository's own deploys never stop a deploy
theirs  unmanaged files are never deleted without an override; another repository changes nothing
again   a deploy of the same folder uploads only the announced files
lock    the lock is free at the end, or the log states its expiry; every write happened under the lock
"""

import os
import re
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sandbox.faults import Fault, Kind
from sandbox.records import Record
from tests.promises.faults.invariants import forbidden_writes
from tests.promises.faults.scenarios import DIALECTS
from tests.promises.test_no_surprises import OURS, THEIRS
from tests.support.cleanup import clean_up
from tests.support.timewarp import wall_clock, warped
from tests.support.world import Outcome, open_world
from zerokie_action.site.manifest import find_manifests

NAMES = ("index.html", "a.css", "b/c.js", "ü %41#?.txt", ".well-known/x")
HASHED = ("a.1.js", "a.2.js", "a.3.js")
THEIR_NAMES = (*NAMES, "theirs.txt", "a.1.js")
# One length only: a listing can't tell these apart.
CONTENTS = (b"aaaa", b"bbbb", b"cccc")
STRANGE = b"ssss"
KINDS = (
    {"kind": Kind.STATUS, "status": 500},
    {"kind": Kind.STATUS, "status": 503, "after": True},
    {"kind": Kind.STATUS, "status": 429, "headers": {"Retry-After": "3"}},
    {"kind": Kind.STATUS, "status": 400},
    {"kind": Kind.RESET},
    {"kind": Kind.RESET, "after": True},
    {"kind": Kind.HANG, "after": True},
    {"kind": Kind.HTML},
    {"kind": Kind.EMPTY},
    {"kind": Kind.EMPTY, "after": True},
)
CANT_BE_READ = "can't be read"

paths = st.sampled_from(NAMES)
contents = st.sampled_from(CONTENTS)
skips = st.integers(0, 16)


def rarely(value: object, usual: object) -> st.SearchStrategy[object]:
    return st.sampled_from([usual, usual, usual, value])


options = st.fixed_dictionaries(
    {
        "keep": rarely("a.*.js\ntheirs.txt", ""),
        "delete_stale": st.sampled_from([True, True, False, "1m", "7d"]),
        "incremental": rarely(False, True),  # noqa: FBT003
        "take_over": rarely(True, False),  # noqa: FBT003
    }
)


class History(RuleBasedStateMachine):
    """Steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        loop = self._open.enter_context(warped(self._open.enter_context(pytest.MonkeyPatch.context())))
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        self.skipped = 0.0
        world = open_world(folder, loop, clock=lambda: wall_clock(loop) - self.skipped)
        self.world = self._open.enter_context(world)
        self.env = OURS | {"ZEROKIE_STATE_FILE": str(folder / "state.json")}
        self.world.env = dict(self.env)
        self.world.signals.install()
        platform = self.world.platform
        platform.apps.create_static("site")
        self.files: dict[str, bytes] = {}
        self.ours: set[str] = set()
        self.half_deleted: set[str] = set()
        """Files that failed deploys deleted since the last success."""
        self.is_calm = True
        """Whether the only steps so far are deploys without `keep`."""
        self.may_be_refused = False
        """Whether an unreadable manifest made managed files look unmanaged."""
        self.last: Outcome | None = None
        self.last_request = platform.clock()
        self.abandoned: set[str | None] = set()

    def teardown(self) -> None:
        self._open.close()

    def _name(self, path: str) -> str:
        """Return the path, or a visible one if the platform refuses hidden paths."""
        return path.removeprefix(".") if self.world.platform.dialect["hidden"] == "refused" else path

    # The folder

    @initialize(dialect=st.sampled_from(["", *DIALECTS]), path=paths, content=contents)
    def begin(self, dialect: str, path: str, content: bytes) -> None:
        self.world.platform.dialect.speak(*dialect.split())
        self.edit(path, content)

    @rule(path=paths, content=contents)
    def edit(self, path: str, content: bytes) -> None:
        self.files[self._name(path)] = content
        self.world.write(self.files)

    @rule(name=st.sampled_from(HASHED), content=contents)
    def build(self, name: str, content: bytes) -> None:
        """Rename the same assets to other hashed names."""
        self.files = {path: body for path, body in self.files.items() if path not in HASHED}
        self.edit(name, content)

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        del self.files[data.draw(st.sampled_from(sorted(self.files)))]
        self.world.write(self.files)

    # Others

    @rule(path=st.sampled_from(THEIR_NAMES))
    def a_stranger_writes(self, path: str) -> None:
        """Write without the lock, but not within a deploy's second, because a deploy couldn't notice that."""
        self.is_calm = False
        self.world.loop.jump(1.0)
        self.world.platform.put_file("site", self._name(path), STRANGE)
        self.world.loop.jump(1.0)

    @rule(path=st.sampled_from(THEIR_NAMES))
    def a_stranger_deletes(self, path: str) -> None:
        if path in self.world.platform.files("site"):
            self.is_calm = False
            self.world.platform.delete_file("site", path)

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0, 1801.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.loop.jump(seconds)

    @precondition(lambda self: bool(find_manifests(self.world.platform.files("site"))))
    @rule(inputs=options)
    def another_repository_deploys(self, inputs: dict[str, object]) -> None:
        before = self.world.platform.files("site")
        self.world.env = dict(THEIRS)
        outcome = self.world.run(lock_timeout="30s", **inputs | {"take_over": False})
        self.world.env = dict(self.env)
        assert outcome.exit_code in {2, 6}, f"theirs: another repository got in: {outcome.log}"
        assert self.world.platform.files("site") == before, "theirs: changed before it was refused"

    # Deploys

    @rule(kind=st.sampled_from(KINDS), skip=skips, times=st.sampled_from([1, 2, None]), inputs=options)
    def deploy_with_a_fault(
        self, kind: dict[str, object], skip: int, times: int | None, inputs: dict[str, object]
    ) -> None:
        # A heartbeat's response may be an empty 200, so two of these faults in a row would look like a lock.
        times = 1 if kind["kind"] is Kind.EMPTY else times
        index = len(self.world.platform.requests) + skip
        fault = Fault(index=index, times=times, **kind)  # type: ignore[arg-type]
        self._deploy(inputs, fault, may_fail=True)

    @rule(skip=skips, number=st.sampled_from([signal.SIGINT, signal.SIGTERM]), inputs=options)
    def deploy_and_cancel(self, skip: int, number: signal.Signals, inputs: dict[str, object]) -> None:
        index = len(self.world.platform.requests) + skip
        self._deploy(inputs, may_fail=True, at=(index, number))
        self.world.reset_signals()

    @rule(skip=skips, inputs=options)
    def deploy_and_kill(self, skip: int, inputs: dict[str, object]) -> None:
        """Drop all further requests of a killed process, without taking time."""
        index = len(self.world.platform.requests) + skip
        fault = Fault(Kind.RESET, index=index, times=None)
        self._deploy(inputs, fault, may_fail=True, at=(index, signal.SIGTERM), until=index)
        self.world.reset_signals()
        said = clean_up(self.world)
        assert self.world.platform.lock("site") is None, said

    @rule(inputs=options)
    def deploy(self, inputs: dict[str, object]) -> None:
        self._deploy(inputs, may_fail=self.world.platform.lock("site") is not None)
        if self.last and self.last.exit_code == 0:
            announced = re.search(r"The next deploy uploads (\d+) files? again", self.last.log)
            self._deploy(inputs | {"incremental": True}, may_fail=False)
            if self.last.exit_code == 0 and CANT_BE_READ not in self.last.log:
                uploaded = self.last.outputs["files_uploaded"]
                assert uploaded == int(announced[1] if announced else 0), f"again: {self.last.log}"

    def _deploy(
        self,
        inputs: dict[str, object],
        *faults: Fault,
        may_fail: bool,
        at: tuple[int, signal.Signals] | None = None,
        until: int | None = None,
    ) -> None:
        """Run a deploy. The time ends with its last request, or with the one before `until`.

        Args:
            inputs: the run's inputs.
            faults: faults during the run.
            may_fail: whether the run may fail.
            at: the request at which this process gets a signal.
        """
        self.is_calm &= not may_fail and not inputs.get("keep")

        def note(record: Record) -> None:
            if until is None or record.index < until:
                self.last_request = self.world.platform.clock()
            if at is not None and record.index == at[0]:
                os.kill(os.getpid(), at[1])

        before = self.world.stored()
        strange = [path for path, content in before.items() if content == STRANGE]
        self.last_request = self.world.platform.clock()
        self.world.platform.on_request = note
        self.world.platform.faults.add(*faults)
        self.last = self.world.run(lock_timeout="30s", max_deletes=99, **inputs)
        self.world.platform.on_request = None
        self.world.platform.faults.clear()
        self.skipped += self.world.platform.clock() - self.last_request
        after, log = self.world.stored(), self.last.log
        if "expires" in log:
            self.abandoned |= self.last.sessions
        if self.last.exit_code == 2:
            assert after == before, f"theirs: changed before it was refused: {log}"
            assert not self.is_calm, f"ours: {log}"
            assert strange or CANT_BE_READ in log or self.may_be_refused, f"ours: {log}"
            return
        self.ours |= self.files.keys()
        # Files that a failed deploy deleted may still be managed.
        known_ours = self.ours | self.half_deleted
        gone = [path for path in strange if path not in after and path not in known_ours]
        assert not gone or inputs.get("take_over"), f"theirs: {gone} deleted unasked: {log}"
        deleted = before.keys() - after.keys()
        self.ours -= deleted
        self.half_deleted |= deleted
        # With an unreadable manifest, remaining files may look unmanaged. This is an accepted limit.
        self.may_be_refused |= CANT_BE_READ in log and bool(after.keys() - self.files.keys())
        if self.last.exit_code:
            assert may_fail, log
            assert self.last.outputs["error"]
            return
        self.half_deleted.clear()
        wanted = {path: body for path, body in before.items() if self._stays(path, inputs)}
        if not isinstance(inputs.get("delete_stale", True), bool):
            # `test_delete_stale.py` has the delay. Pages and unmanaged files are deleted immediately.
            wanted |= {
                path: body
                for path, body in after.items()
                if path in before and path in known_ours and not path.endswith(".html")
            }
        assert after == wanted | self.files, f"equal: {log}"

    def _stays(self, path: str, inputs: dict[str, object]) -> bool:
        is_kept = bool(inputs.get("keep")) and path in {*HASHED, "theirs.txt"}
        return is_kept or not inputs.get("delete_stale", True)

    @invariant()
    def the_lock_is_free_or_accounted_for(self) -> None:
        assert self.world.platform.lock("site") in {None, *self.abandoned}, self.last

    @invariant()
    def every_write_was_under_the_lock_of_its_run(self) -> None:
        if self.last:
            assert list(forbidden_writes(self.last)) == []


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(settings(max_examples=6, stateful_step_count=12, derandomize=True), id="a sample"),
        pytest.param(
            settings(max_examples=300, stateful_step_count=50), id="many", marks=pytest.mark.exhaustive
        ),
    ],
)
def test_the_invariants_hold_in_any_history(limits: settings) -> None:
    """Each deploy that reports a success did its work."""
    run_state_machine_as_test(
        History,
        settings=settings(limits, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]),
    )

"""Plan and manifest against a model of the platform, through any history."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zerokie_action.files import manifest as manifests
from zerokie_action.files.local import LocalFile
from zerokie_action.files.plan import Plan, keep_patterns, make_plan
from zerokie_action.files.scan import Scan
from zerokie_action.platform.models import StoredFile

TICKS = 2  # a second

# Few names, contents of one length and short pauses: what is hard to tell apart happens all the time.
names = st.sampled_from(("a.css", "b.html"))
contents = st.sampled_from((b"1", b"2"))
pauses = st.sampled_from((0, 0, 0, 1, TICKS))


@dataclass(frozen=True)
class Stored:
    content: bytes
    written: int  # in ticks


class Histories(RuleBasedStateMachine):
    """Deploys, edits on both sides, lost and outdated manifests, at any moment of any second.

    `lastModified` has whole seconds, so that writes within one second look alike. What the model leaves
    out is what `entries_to_record` says that nobody can see: somebody else's write during a deploy in
    the very second of our own upload of that file, and a clock that goes backwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.local = {"a.css": b"1"}
        self.zone: dict[str, Stored] = {}
        self.known: bytes | None = None
        self.written_manifests: list[bytes] = []

    @rule(ticks=pauses)
    def time_passes(self, ticks: int) -> None:
        self.now += ticks

    @rule(path=names, content=contents)
    def edit_the_folder(self, path: str, content: bytes) -> None:
        self.local[path] = content

    @rule(path=names)
    def remove_from_the_folder(self, path: str) -> None:
        self.local.pop(path, None)

    @rule(path=names, content=contents)
    def somebody_else_writes(self, path: str, content: bytes) -> None:
        self.zone[path] = Stored(content, self.now)

    @rule(path=names)
    def somebody_else_deletes(self, path: str) -> None:
        self.zone.pop(path, None)

    @rule(data=st.data())
    @precondition(lambda self: self.written_manifests)
    def an_old_manifest_is_served(self, data: st.DataObject) -> None:
        self.known = data.draw(st.sampled_from(self.written_manifests))

    @rule()
    def the_manifest_is_lost(self) -> None:
        self.known = None

    @rule(data=st.data(), is_killed=st.booleans())
    def a_deploy_with_company(self, data: st.DataObject, is_killed: bool) -> None:  # noqa: FBT001
        self.deploy(data, is_alone=False, is_killed=is_killed)

    @rule(data=st.data())
    def a_deploy_alone(self, data: st.DataObject) -> None:
        self.deploy(data, is_alone=True, is_killed=False)
        assert {path: stored.content for path, stored in self.zone.items()} == self.local

    @rule(data=st.data())
    def two_deploys_in_a_row(self, data: st.DataObject) -> None:
        """Once everything is recorded, nothing is uploaded again."""
        self.deploy(data, is_alone=True, is_killed=False, waits=True)
        assert self.plan(self.hashes()).uploads == ()

    def deploy(
        self, data: st.DataObject, *, is_alone: bool, is_killed: bool, waits: bool | None = None
    ) -> None:
        """What a deploy does with plan and manifest; without its own key's lock nobody else deploys."""
        hashes = self.hashes()
        plan = self.plan(hashes)
        answered: dict[str, float] = {}
        for file in plan.uploads:
            self.pass_time(data, answered, is_alone=is_alone)
            self.zone[file.path] = Stored(self.local[file.path], self.now)
            self.now += data.draw(pauses)
            answered[file.path] = self.now // TICKS
            if is_killed and data.draw(st.booleans()):
                return
        for path in plan.delete:
            self.zone.pop(path, None)
        self.pass_time(data, answered, is_alone=is_alone)
        if data.draw(st.booleans()) if waits is None else waits:
            self.now += TICKS
        reached = self.now // TICKS
        self.pass_time(data, answered, is_alone=is_alone)
        entries = manifests.entries_to_record(
            self.folder().files,
            self.listing(),
            unchanged=plan.unchanged,
            uploaded={path: manifests.Receipt(hashes[path], second) for path, second in answered.items()},
            now=reached,
        )
        self.known = bytes(manifests.render(entries, api_key="key", app="site"))
        self.written_manifests.append(self.known)

    def pass_time(self, data: st.DataObject, answered: dict[str, float], *, is_alone: bool) -> None:
        """Let time pass in the middle of a deploy, in which somebody else may write."""
        self.now += data.draw(pauses)
        path = data.draw(st.sampled_from(sorted(answered)) | names if answered else names)
        is_visible = answered.get(path) != self.now // TICKS
        if not is_alone and is_visible and data.draw(st.booleans()):
            self.zone[path] = Stored(data.draw(contents), self.now)

    def plan(self, hashes: dict[str, str]) -> Plan:
        return make_plan(
            self.folder(),
            self.listing(),
            hashes=hashes,
            manifest=self.manifest(),
            manifest_path=manifests.manifest_path("key", "site"),
            keep=keep_patterns(()),
            delete_stale=True,
        )

    def folder(self) -> Scan:
        files = (LocalFile(path, "/", len(self.local[path]), 0) for path in sorted(self.local))
        return Scan(tuple(files), ignored=0)

    def manifest(self) -> manifests.Manifest | None:
        return None if self.known is None else manifests.parse(self.known, api_key="key", app="site")

    @invariant()
    def nothing_is_skipped_that_differs(self) -> None:
        """A deploy at this moment would leave alone what is equal, and nothing else."""
        for path in self.plan(self.hashes()).unchanged:
            assert self.zone[path].content == self.local[path]

    def hashes(self) -> dict[str, str]:
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.local.items()}

    def listing(self) -> list[StoredFile]:
        return [
            StoredFile(path, len(stored.content), stamp(stored.written // TICKS))
            for path, stored in self.zone.items()
        ]


def stamp(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).isoformat().replace("+00:00", "Z")


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)

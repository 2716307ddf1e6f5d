"""Random histories of one app, to test the rules for files.

The rules are the project's own: `make_remote`, `make_plan`, `why_not_deploy` and `Record`. Here they work
on a dictionary. A history mixes:

- deploys of changing folders and inputs, which may fail or be killed at any request, and whose uploads may be
  late
- gateways that respond with 200 instead of the platform
- late file lists and unreadable manifests
- uploads by another tool, deploys of another repository, clocks that jump

Each history must keep these promises:

equal      after a success, the app has exactly the folder's files and those that a deploy must not delete,
           as far as the platform shows it
managed    files of the repository's own deploys never stop a deploy
unmanaged  unmanaged files are never deleted without an override. Another repository changes nothing.
again      a verified file is not uploaded again
pending    a file of a version that was live within the `delete-stale` delay is not deleted
deleted    the first deploy after the delay deletes the file. Pages are deleted immediately.
commit     the newest manifest has the commit of its owner's last complete deploy

If the platform shows too little, a file may have the wrong content until the next deploy, or forever.
"""

import math
import random
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from typing import Any, NamedTuple

from zerokie_action.ci import Source
from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.content_type import is_page
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Entry, Manifest, directories_of, find_manifests, mark_repository
from zerokie_action.site.plan import make_plan
from zerokie_action.site.record import Record
from zerokie_action.site.remote import FileList, make_remote
from zerokie_action.site.rules import MANIFEST_FOLDER
from zerokie_action.site.safety_checks import why_not_deploy

PATHS = ("a.html", "b.html", "c", "d", "e", "f", "d/x", "k")
NOTHING_KEPT, KEPT = Patterns(()), Patterns(("k", "x"))
NO_FACTS = Source()
OTHER_TOOL = "another tool's"
OWNER, OTHER_OWNER = "github.com/acme/shop", "github.com/acme/docs"
SHORT, LONG = 60.0, 300.0
LAG = 25.0
"""Seconds for which a deploy polls a late file list, as in `zerokie_action.site.read`."""


class Killed(Exception):  # noqa: N818 - not always an error
    """The deploy was killed before a request took effect."""


class Stopped(Exception):  # noqa: N818 - not always an error
    """The deploy stopped before it changed anything."""


class Failed(Exception):  # noqa: N818 - not always an error
    """The platform rejected a request of the deploy."""


class NotListed(Failed):
    """The file list lacks an upload or shows a changed file."""


class File(NamedTuple):
    content: Any
    length: int
    time: str

    @property
    def listed(self) -> RemoteFile:
        return RemoteFile(self.length, self.time)


class Options(NamedTuple):
    keep: Patterns = NOTHING_KEPT
    delete_stale: bool | float = True
    incremental: bool = True
    take_over: bool = False

    def keeps(self, path: str) -> bool:
        return self.keep.match_path(path)


class World(NamedTuple):
    """The problems that may happen in a history.

    Attributes:
        lands: whether uploads of a killed deploy may take effect late.
        is_late: whether each file's entry in the file list may be late.
        seconds: the unit of the listed times. If it is infinite, the times never change.
        for_ever: the number of 3,000 histories in which a file may be wrong forever.
    """

    kills: bool = False
    swallow: float = 0.0
    unreadable: float = 0.0
    others: bool = False
    options: bool = False
    kept: bool = False
    delays: bool = False
    jumps: bool = False
    two: bool = False
    lands: bool = False
    is_late: bool = False
    seconds: float = 1
    for_ever: int = 0

    @property
    def shows_all(self) -> bool:
        """Whether a wrong file after a success breaks a promise."""
        return not (self.swallow or self.lands or self.is_late)


WORLDS = {
    "kills, others, all options": World(kills=True, others=True, options=True),
    "gateways": World(swallow=0.1),
    "kills, gateways": World(kills=True, swallow=0.1),
    "all manifests unreadable": World(unreadable=1),
    "all manifests unreadable; kept unmanaged files": World(unreadable=1, others=True, kept=True),
    "a delay; kills": World(delays=True, kills=True),
    "a delay; kills, others, all options": World(delays=True, kills=True, others=True, options=True),
    "a delay; clocks that jump": World(delays=True, kills=True, jumps=True),
    "a delay; some manifests unreadable": World(delays=True, unreadable=0.1, others=True),
    "a delay; all manifests unreadable": World(delays=True, unreadable=1),
    "a delay; two repositories": World(delays=True, kills=True, two=True),
    "late entries in the file list": World(kills=True, options=True, is_late=True),
    "late uploads": World(kills=True, options=True, lands=True, for_ever=10),
    "late uploads; times in minutes": World(kills=True, options=True, lands=True, seconds=60, for_ever=20),
    "late uploads; constant times": World(
        kills=True, options=True, lands=True, seconds=math.inf, for_ever=20
    ),
}


class Storage:
    """The platform and its clock."""

    def __init__(self, chance: random.Random, world: World) -> None:
        self.chance, self.world = chance, world
        self.now = 1000.0
        self.left: float = math.inf
        self.end: type[Exception] = Killed
        self.swallow = 0.0
        self.lost_manifest = self.lost_delete = False
        self.files: dict[str, File] = {}
        self._landing: list[tuple[float, str, Any, int]] = []
        self._changes: dict[str, list[tuple[float, File | None]]] = {}

    def quiet(self) -> "Storage":
        """Return a copy 100s later, without faults. All uploads took effect and are listed."""
        other = copy(self)
        other.chance, other.files, other._changes = random.Random(0), dict(self.files), {}  # noqa: S311
        other.left, other.swallow, other._landing = math.inf, 0.0, [*self._landing]
        other.world = self.world._replace(is_late=False)
        other.pass_time(100)
        return other

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [upload for upload in self._landing if upload[0] <= self.now]
        self._landing = [upload for upload in self._landing if upload[0] > self.now]
        for _, path, content, length in sorted(due, key=lambda upload: upload[0]):
            self._change(path, File(content, length, self.time))

    @property
    def time(self) -> str:
        return f"{self.now // self.world.seconds:.0f}"

    def _tick(self) -> None:
        self.pass_time(self.chance.choice((0.001, 0.001, 0.02, 0.4, 1.1)))
        self.left -= 1
        if self.left < 0:
            self.left = math.inf
            raise self.end

    def _change(self, path: str, file: File | None) -> None:
        if file:
            self.files[path] = file
        else:
            self.files.pop(path, None)
        if self.world.is_late:
            shown_at = self.now + self.chance.choice((0, 0, 3, 10))
            self._changes.setdefault(path, []).append((shown_at, file))

    def list(self) -> dict[str, RemoteFile]:
        self._tick()
        files = dict(self.files)
        for path, changes in self._changes.items():
            shown = next((file for shown_at, file in reversed(changes) if shown_at <= self.now), None)
            files.pop(path, None)
            if shown:
                files[path] = shown
        return {path: file.listed for path, file in files.items()}

    def read(self, path: str) -> Manifest | None:
        self._tick()
        is_unreadable = self.chance.random() < self.world.unreadable
        return None if is_unreadable or path not in self.files else self.files[path].content

    def put(self, path: str, content: object, length: int) -> None:
        try:
            self._tick()
        except Killed:
            self.land_later(path, content, length)
            raise
        if self.chance.random() >= self.swallow:
            self._change(path, File(content, length, self.time))
        elif is_manifest(path):
            self.lost_manifest = True

    def land_later(self, path: str, content: object, length: int) -> None:
        """Schedule an upload that was in flight when its deploy was killed."""
        if self.world.lands and self.chance.random() < 0.7:
            seconds = self.chance.choice((0.5, 3, 20, 70))
            self._landing.append((self.now + seconds, path, content, length))

    def delete(self, path: str) -> None:
        self._tick()
        if self.chance.random() >= self.swallow:
            self._change(path, None)
        else:
            self.lost_delete = True


def is_manifest(path: str) -> bool:
    return path.startswith(MANIFEST_FOLDER)


def in_the_way(path: str, folder: Collection[str]) -> bool:
    """Return whether the path is a directory of a file in the folder, or the other way round."""
    return any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in folder)


class Deploy:
    """One deploy, in the order of `zerokie_action.site.deploy`. `folder` has hash and length by path."""

    def __init__(
        self,
        storage: Storage,
        folder: Mapping[str, tuple[int, int]],
        owner: str,
        options: Options,
        *,
        created: bool = False,
        skew: float = 0.0,
        source: Source = NO_FACTS,
    ) -> None:
        self.source = source
        self.is_confirmed = False
        """Whether all files are confirmed."""
        self.storage, self.folder, self.owner = storage, folder, owner
        self.options, self.skew = options, skew
        self.may = options.take_over or created
        self.is_finished = False
        self.shown: Mapping[str, RemoteFile] = {}
        """The file list that confirmed the uploads."""

    def clock(self) -> float:
        return self.storage.now + self.skew

    def run(self) -> None:
        self.make_plan()
        if not self.plan.is_up_to_date:
            self.carry_out()
            return
        self.confirm()
        newest = self.remote.newest
        if self.remote.manifest.source != self.source:
            older = [path for path in self.remote.manifests if newest and path != newest.path]
            self.replace_manifests(self.plan.unchanged, older)

    def confirm(self) -> None:
        self.is_confirmed = True
        self.record.source = self.source

    def make_plan(self) -> None:
        options = self.options
        listed = self.storage.list()
        newest = max(find_manifests(listed), default=None)
        manifest = self.storage.read(newest.path) if newest else Manifest()
        files = [LocalFile(path, "/", length, 0) for path, (_, length) in sorted(self.folder.items())]
        hashes = {path: str(hash_) for path, (hash_, _) in self.folder.items()}
        self.remote = make_remote(FileList(listed), newest, manifest, options.keep)
        self.plan = make_plan(
            files,
            self.remote,
            hashes if options.incremental else {},
            repository=self.owner,
            keep=options.keep,
            delete_stale=options.delete_stale,
            now=self.clock(),
        )
        self.record = Record(self.plan)
        if not self.may and (stop := why_not_deploy("site", self.plan)):
            raise Stopped(stop.problem)

    def carry_out(self) -> None:
        self.store(self.plan.unchanged)
        try:
            self.delete(self.plan.in_the_way)
            self.upload()
            entries = self.require_listed()
            self.delete(path for path in self.plan.delete if path not in self.record.gone)
            self.confirm()
            self.replace_manifests(entries, self.remote.manifests)
        except Failed:
            listed = self.storage.list()
            self.store(self.record.verify(listed).entries, listed=listed)
            raise

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.storage.delete(path)
            self.record.gone[path] = True

    def replace_manifests(self, entries: Mapping[str, Any], old: Collection[str]) -> None:
        self.store(entries, is_finished=True)
        self.is_finished = True
        for path in old:
            self.storage.delete(path)

    def store(self, entries: Mapping[str, Any], **more: Any) -> None:
        path, manifest = self.record.begin_manifest(entries, now=self.clock(), **more)
        self.storage.put(path, manifest, 1)

    def upload(self) -> None:
        uploads = [(file.path, *self.folder[file.path]) for file in self.plan.uploads]
        for index, (path, hash_, length) in enumerate(uploads):
            try:
                self.storage.put(path, hash_, length)
            except Killed:
                for other in uploads[index + 1 : index + 3]:
                    self.storage.land_later(*other)
                raise
            self.record.uploaded[path] = str(hash_)

    def require_listed(self) -> Mapping[str, Any]:
        until = self.storage.now + LAG
        while True:
            self.shown = self.storage.list()
            verified = self.record.verify(self.shown)
            if not (verified.missing or verified.changed):
                return dict(verified.entries)
            if self.storage.now >= until:
                raise NotListed(f"{verified.missing}, {verified.changed}")
            self.storage.pass_time(5)


class History:
    """A random history of one app. `problem` returns the broken promise.

    Attributes:
        is_wrong_for_ever: whether a file had the wrong content, and the next deploy didn't replace it.
    """

    def __init__(self, seed: int, world: World) -> None:
        self.world = world
        self.chance = random.Random(seed)  # noqa: S311
        self.storage = Storage(self.chance, world)
        self.lengths = {hash_: self.chance.choice((1, 1, 2)) for hash_ in range(8)}
        # Without a manifest, the rules can't distinguish a file from a directory of the same name.
        self.paths = [path for path in PATHS if not (world.unreadable and path == "d")]
        self.folder: dict[str, tuple[int, int]] = {}
        self.versions: list[dict[str, tuple[int, int]]] = []
        self.managed: set[str] = set()
        self.begun = False
        self.is_wrong_for_ever = False
        self.wanted: dict[str, tuple[int, int]] = {}
        """Files of the last successful deploy that nothing else changed."""
        self.live: set[str] = set()
        """Files that the live version has, or may have after a failed deploy."""
        self.live_until: dict[str, float] = {}
        self.since: dict[str, float] = {}
        """The end of the first deploy, with a correct clock, that made each file pending."""
        self.verified: dict[str, tuple[int, File]] = {}
        self.complete = {OWNER: Source(), OTHER_OWNER: Source()}
        """The commit of the last complete deploy by its repository, until another one deploys."""

    def problem(self) -> str:
        for _ in range(self.chance.randrange(4, 12)):
            if problem := self.step():
                return problem
        return ""

    def step(self) -> str:
        chance, storage, world = self.chance, self.storage, self.world
        self.edit()
        storage.pass_time(chance.choice((0, 0, 1.1, 5, 60, 200) if world.delays else (0, 0, 1.1, 5, 60)))
        storage.left, storage.swallow = math.inf, 0.0
        if problem := self.wrong():
            return problem
        event = chance.choice(
            ("deploy",) * 6 + (("other tool", "other owner") if world.others else ("deploy",))
        )
        if event == "other tool":
            storage.pass_time(1.1)
            path = "x" if world.kept else chance.choice((*PATHS[:3], *PATHS[4:], "x", "y"))
            storage.put(path, OTHER_TOOL, chance.choice((1, 2)))
            self.verified.pop(path, None)
            self.wanted.pop(path, None)
            storage.pass_time(60)
            return ""
        return self.other_owner() if event == "other owner" else self.deploy()

    def edit(self) -> None:
        chance, folder = self.chance, self.folder
        if self.versions and chance.random() < 0.2:
            self.folder = dict(chance.choice(self.versions))
            return
        for path in chance.sample(self.paths, chance.randrange(4)):
            if in_the_way(path, folder):
                continue
            hash_ = chance.randrange(8)
            folder[path] = (hash_, self.lengths[hash_])
        for path in chance.sample(sorted(folder), min(len(folder), chance.randrange(2 + self.world.delays))):
            del folder[path]
        if not folder:
            folder["a.html"] = (0, self.lengths[0])
        self.versions.append(dict(folder))

    def other_owner(self) -> str:
        before = dict(self.storage.files)
        if not any(map(is_manifest, before)):
            return ""
        try:
            Deploy(self.storage, self.folder, OTHER_OWNER, Options()).run()
        except Stopped:
            return "" if self.storage.files == before else "unmanaged: changed before it stopped"
        return "unmanaged: another repository deployed"

    def options(self) -> Options:
        chance, world = self.chance, self.world
        options = Options()
        if world.options:
            options = Options(
                keep=KEPT if chance.random() < 0.5 else NOTHING_KEPT,
                delete_stale=chance.random() > 0.3,
                incremental=chance.random() > 0.2,
                take_over=chance.random() < 0.15,
            )
        if world.kept:
            options = Options(keep=KEPT)
        if world.delays and chance.random() < 0.8:
            # If the manifest is unreadable, kept files become unmanaged, which is an accepted limit.
            never = not world.unreadable and chance.random() < 0.25
            options = options._replace(delete_stale=not never and chance.choice((SHORT, SHORT, LONG)))
        return options._replace(take_over=options.take_over or world.two)

    def deploy(self) -> str:
        chance, storage, world = self.chance, self.storage, self.world
        had = dict(storage.files)
        options = self.options()
        request = chance.randrange(3, 9) if world.lands else chance.randrange(18)
        storage.left = request if world.kills and chance.random() < 0.35 else math.inf
        storage.end = chance.choice((Killed, Killed, Failed))
        storage.swallow = world.swallow if chance.random() < 0.4 else 0.0
        skew = chance.choice((0, 0, -1000, 1000)) if world.jumps else 0
        owner = chance.choice((OWNER, OTHER_OWNER)) if world.two else OWNER
        is_new = not self.begun and not had
        folder = dict(self.folder)
        source = Source(commit=chance.choice("ab"), sequence=chance.randrange(3) or None)
        deploy = Deploy(storage, folder, owner, options, created=is_new, skew=skew, source=source)
        began = storage.now
        try:
            deploy.run()
        except Stopped as why:
            return self.stopped(had, options, str(why))
        except (Killed, Failed) as why:
            return self.unfinished(deploy, had, skew, why)
        self.begun = True
        self.last = deploy
        if problem := self.wrong_commit(deploy):
            return problem
        self.wanted = dict(self.folder)
        if problem := self.not_equal(deploy, had) or self.wrong():
            return problem
        if world.is_late:
            return ""
        return (
            self.too_early(deploy, had, skew)
            or self.is_left(deploy, had)
            or self.too_late(deploy, began)
            or self.sent_again(deploy, had)
            or self.second_deploy(deploy, had)
        )

    def wrong_commit(self, deploy: Deploy) -> str:
        """Return a problem if the newest manifest lacks the commit of the last complete deploy."""
        files = self.storage.files
        manifests = find_manifests(files)
        if not manifests or self.world.unreadable or self.world.lands or self.storage.lost_manifest:
            return ""
        found = files[manifests[-1].path].content.source
        if deploy.is_finished or (deploy.is_confirmed and found == deploy.source):
            self.complete[deploy.owner] = deploy.source
        by_mark = {mark_repository(name): name for name in self.complete}
        owner = by_mark[manifests[-1].repository]
        expected = self.complete[owner]
        self.complete = {name: expected if name == owner else NO_FACTS for name in self.complete}
        return "" if found == expected else f"commit: {found} instead of {expected}"

    def unmanaged(self, files: Mapping[str, File]) -> set[str]:
        return {path for path, file in files.items() if file.content == OTHER_TOOL}

    def stopped(self, had: Mapping[str, File], options: Options, why: str) -> str:
        if self.storage.files != had and not self.world.lands:
            return "unmanaged: changed before it stopped"
        unmanaged = self.unmanaged(had)
        if "App" not in why:
            unmanaged = {path for path in unmanaged if not options.keeps(path)}
        # If a gateway responded instead of the platform, the managed files may be unknown.
        is_unknown = self.storage.lost_manifest or self.storage.lost_delete
        if self.begun and not is_unknown and "Can't read the manifest" not in why and not unmanaged:
            return "" if self.world.is_late or self.world.lands else f"managed: stopped, {why}"
        if self.begun and self.world.unreadable == 1 and not self.world.kills:
            return f"managed: stopped, {why}"
        return ""

    def unfinished(self, deploy: Deploy, had: Mapping[str, File], skew: float, why: Exception) -> str:
        files = self.storage.files
        lost = had.keys() - files.keys() - {*filter(is_manifest, had)}
        if isinstance(why, NotListed) and lost - {*deploy.plan.in_the_way}:
            return "equal: deleted files of an unlisted upload"
        if not hasattr(deploy, "plan"):
            return ""
        self.begun |= files != had
        self.managed |= self.folder.keys()
        problem = "" if self.world.is_late else self.too_early(deploy, had, skew) or self.wrong_commit(deploy)
        self.forget(deploy)
        self.wanted = {}
        if deploy.is_finished:
            self.record_live()
        elif files != had or self.world.lands:
            self.live |= self.folder.keys()
        if files != had or self.world.lands:
            for path in self.folder:
                self.since.pop(path, None)
        return problem

    def too_early(self, deploy: Deploy, had: Mapping[str, File], skew: float) -> str:
        """Return a problem if the deploy deleted a file of a version that was live within the delay."""
        options, now = deploy.options, self.storage.now
        is_taken = (options.take_over and self.world.unreadable) or self.storage.lost_manifest
        if isinstance(options.delete_stale, bool) or self.world.jumps or skew or is_taken:
            return ""
        for path in had.keys() - self.storage.files.keys():
            if is_manifest(path) or is_page(path) or in_the_way(path, self.folder):
                continue
            if path in self.unmanaged(had) or path not in (deploy.remote.managed or ()):
                continue
            age = 0.0 if path in self.live else now - self.live_until.get(path, now)
            if age < int(options.delete_stale):
                return f"pending: {path} was deleted after {age:.0f} of {options.delete_stale:.0f}s"
        return ""

    def not_equal(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Return a problem if an unmanaged file was deleted or pending, or the file list was wrong."""
        storage, options, folder = self.storage, deploy.options, self.folder
        unmanaged = self.unmanaged(had) - self.managed
        if not options.take_over and (gone := unmanaged & deploy.record.gone.keys()):
            return f"unmanaged: {gone} deleted without an override"
        if options.take_over and not isinstance(options.delete_stale, bool) and not storage.swallow:
            left = unmanaged & storage.files.keys() - folder.keys() - (deploy.remote.managed or set())
            if left := {path for path in left if not options.keeps(path)} - directories_of(storage.files):
                return f"unmanaged: {left} pending"
        self.managed = (self.managed | folder.keys()) - deploy.record.gone.keys()
        for path, (_, length) in folder.items():
            shown = deploy.shown.get(path)
            is_changed = path in deploy.plan.unchanged and shown != deploy.remote.files[path]
            if deploy.shown and (shown is None or shown.length != length or is_changed):
                return f"equal: success, but {path} was listed as {shown}"
        return ""

    def wrong(self) -> str:
        """Return a problem if a file is wrong. Set `is_wrong_for_ever` if the next deploy keeps it."""
        files = self.storage.files
        wrong = [
            path
            for path, (hash_, _) in self.wanted.items()
            if path not in files or files[path].content != hash_
        ]
        if not wrong:
            return ""
        if self.world.shows_all:
            return f"equal: success, but {wrong} has other content"
        later, folder = self.storage.quiet(), self.last.folder
        try:
            options = self.last.options._replace(incremental=True)
            Deploy(later, folder, self.last.owner, options).run()
        except (Stopped, Failed):
            return ""
        self.is_wrong_for_ever |= any(later.files[path].content != folder[path][0] for path in wrong)
        return ""

    def is_left(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Return a problem if a file remains that the deploy should delete."""
        storage, options, folder = self.storage, deploy.options, self.folder
        if options.delete_stale is False or storage.lost_delete or self.world.lands:
            return ""
        left = {path for path in storage.files if not is_manifest(path) and not options.keeps(path)}
        left -= folder.keys() | directories_of(had)
        may_be_pending = {path for path in left if not is_page(path) and not in_the_way(path, folder)}
        if left := left if options.delete_stale is True else left - may_be_pending:
            return f"{'equal' if options.delete_stale is True else 'deleted'}: {sorted(left)} remains"
        return ""

    def too_late(self, deploy: Deploy, began: float) -> str:
        """Return a problem if a file is pending for longer than the delay. Record new pending files."""
        storage, options, now = self.storage, deploy.options, self.storage.now
        self.record_live()
        left = {path for path in storage.files if not is_manifest(path)} - self.folder.keys()
        self.since = {path: since for path, since in self.since.items() if path in left}
        if isinstance(options.delete_stale, bool) or deploy.skew:
            return ""
        is_sure = not (self.world.unreadable or self.world.swallow or self.world.others)
        for path in left - self.unmanaged(storage.files) - directories_of(storage.files):
            if options.keeps(path):
                continue
            age = began - self.since.setdefault(path, now)
            if is_sure and age >= options.delete_stale + 1:
                return f"deleted: {path} is pending for {age:.0f} of {options.delete_stale:.0f}s"
        return ""

    def record_live(self) -> None:
        """Record that only the folder's version is live."""
        self.live_until |= dict.fromkeys(self.live | self.folder.keys(), self.storage.now)
        self.live = {*self.folder}

    def sent_again(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Return a problem if the deploy uploaded a verified file that didn't change."""
        if self.world.unreadable or self.world.swallow or self.world.lands:
            return ""
        if deploy.options.incremental:
            for path in deploy.record.uploaded:
                if self.verified.get(path) == (self.folder[path][0], had.get(path)):
                    return f"again: {path} was verified"
        files = self.storage.files
        entries = files[max(find_manifests(files)).path].content.files
        self.forget(deploy)
        self.verified |= {
            path: (self.folder[path][0], files[path])
            for path, entry in entries.items()
            if entry and path in self.folder and files[path].listed == entry.listed
        }
        return ""

    def forget(self, deploy: Deploy) -> None:
        """Forget the entries of files that the deploy uploaded or deleted."""
        for path in (*(file.path for file in deploy.plan.uploads), *deploy.record.gone):
            self.verified.pop(path, None)

    def second_deploy(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Return a problem if a second deploy uploads a file that the file list can verify."""
        if self.storage.swallow or self.world.unreadable or self.world.lands:
            return ""
        later, now = self.storage.quiet(), self.storage.files
        options = deploy.options._replace(incremental=True)
        again = Deploy(later, self.folder, deploy.owner, options)
        try:
            again.run()
        except (Stopped, Failed) as why:
            return f"again: {why}"
        known = deploy.remote.manifest.files
        for path in again.record.uploaded:
            entry = Entry(str(self.folder[path][0]), *now[path].listed)
            is_as_before = path in had and had[path].listed == now[path].listed
            if path not in deploy.record.uploaded or not is_as_before or known.get(path) == entry:
                return f"again: {path} in a second deploy"
        return ""

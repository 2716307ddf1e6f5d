"""A model of a deploy's rules for files, tried with random histories.

A storage zone with times in whole seconds; deploys of changing folders, with inputs that change, that are
killed before any request; gateways that say 200 in the platform's place; manifests that can't be read;
strangers who write by hand; two repositories; clocks that jump. `tried` reports what does not hold:

equal    a deploy that succeeds leaves the folder (and what it may not delete), byte for byte
ours     a deploy is never refused for what only its own deploys put there
theirs   nothing that a stranger put there is deleted unasked; another repository changes nothing
again    what a manifest has proved is not sent again
waits    no file goes that a version had which was live within the duration of `delete-stale`
goes     what has waited for that duration is deleted by the next deploy; pages are deleted at once

Run as a program, it also tries each set of histories without one of the rules:

    python -m tests.models.manifest_model [HISTORIES]
"""

import math
import random
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

RULES = {
    "first": "a manifest is stored before the first write",
    "names": "it names what is about to be written, and what of ours is still listed",
    "foreign": "it never names what no deploy of ours put there",
    "before": "an upload is proved only if it is listed otherwise than before",
    "again": "what is not listed as it should be is sent once more, then the deploy fails",
    "order": "the listing is checked before anything is deleted",
    "unread": "a manifest that can't be read: nothing is skipped, and a deploy that would delete stops",
    "failure": "a deploy that fails proves what is confirmed and listed otherwise than before, nothing else",
    "digest": "a manifest's name has a digest of what it names, without what `keep` matches",
    "gone": "what was deleted is not named any more",
    "finished": "a file's time begins in the last manifest of a deploy that finished",
    "carried": "all other manifests carry earlier times",
    "back": "what the folder has again has no time",
    "news": "a deploy whose only news are times stores a manifest",
    "future": "a time in the future is now",
    "proofs": "what stays beside the folder stays proved",
    "named": "what waits stays named",
    "pages": "pages do not wait",
    "strangers": "what a stranger put there does not wait",
}
PAGES = "ab"
PATHS = (*"abcdef", "d/x", "k")
STRANGER = "a stranger's"
SHORT, LONG = 60.0, 300.0
Listed = tuple[int, int]
Proof = tuple[int, int, int]


class Killed(Exception):  # noqa: N818 - an end of a deploy, which may be right
    """The deploy was killed before a request."""


class Refused(Exception):  # noqa: N818 - an end of a deploy, which may be right
    """The deploy stopped before it changed anything."""


class Failed(Exception):  # noqa: N818 - an end of a deploy, which may be right
    """The deploy failed after its first manifest."""


class File(NamedTuple):
    content: Any
    length: int
    time: int

    @property
    def listed(self) -> Listed:
        return self.length, self.time


@dataclass(frozen=True)
class Manifest:
    """Each path that it names, with its proof, if any; and since when paths wait."""

    files: Mapping[str, Proof | None] = field(default_factory=dict)
    stale: Mapping[str, float] = field(default_factory=dict)


class Options(NamedTuple):
    keep: Collection[str] = ()
    delete_stale: bool | float = True
    incremental: bool = True
    take_over: bool = False


class World(NamedTuple):
    """What may happen in a history."""

    kills: bool = False
    swallow: float = 0.0
    unreadable: float = 0.0
    others: bool = False
    options: bool = False
    kept: bool = False
    waits: bool = False
    jumps: bool = False
    two: bool = False


WORLDS = {
    "kills, others": World(kills=True, others=True),
    "kills, others, all options": World(kills=True, others=True, options=True),
    "kills, gateways": World(kills=True, swallow=0.1),
    "gateways": World(swallow=0.1),
    "manifests that can't be read": World(unreadable=0.1, others=True),
    "no manifest can ever be read": World(unreadable=1),
    "the same, with kept files of somebody else's": World(unreadable=1, others=True, kept=True),
    "files wait": World(waits=True),
    "files wait; kills": World(waits=True, kills=True),
    "files wait; kills, others, all options": World(waits=True, kills=True, others=True, options=True),
    "files wait; kills, gateways": World(waits=True, kills=True, swallow=0.1),
    "files wait; clocks that jump": World(waits=True, kills=True, jumps=True),
    "files wait; manifests that can't be read": World(waits=True, unreadable=0.1, others=True),
    "files wait; no manifest can ever be read": World(waits=True, unreadable=1),
    "files wait; two repositories": World(waits=True, kills=True, two=True),
}


class Zone:
    """The platform, and its time."""

    def __init__(self, chance: random.Random, unreadable: float) -> None:
        self.chance = chance
        self.unreadable = unreadable
        self.now = 1000.0
        self.left: float = math.inf
        self.swallow = 0.0
        self.lost_manifest = self.lost_delete = False
        self.files: dict[str, File] = {}

    def _tick(self) -> None:
        self.now += self.chance.choice((0.001, 0.001, 0.02, 0.4, 1.1))
        self.left -= 1
        if self.left < 0:
            raise Killed

    def list(self) -> dict[str, Listed]:
        self._tick()
        return {path: file.listed for path, file in self.files.items()}

    def read(self, path: str) -> Manifest | None:
        self._tick()
        is_unreadable = self.chance.random() < self.unreadable
        return None if is_unreadable or path not in self.files else self.files[path].content

    def put(self, path: str, content: object, length: int) -> None:
        self._tick()
        if self.chance.random() >= self.swallow:
            self.files[path] = File(content, length, int(self.now))
        elif is_manifest(path):
            self.lost_manifest = True

    def delete(self, path: str) -> None:
        self._tick()
        if self.chance.random() >= self.swallow:
            self.files.pop(path, None)
        else:
            self.lost_delete = True


def is_manifest(path: str) -> bool:
    return path.startswith("_zerokie/")


def number_of(path: str) -> int:
    return int(path.partition("/")[2].partition("-")[0])


def owner_of(path: str) -> str:
    return path.split("-")[1]


def digest_in(path: str) -> str:
    return path.split("-")[2]


def digest(paths: Collection[str]) -> str:
    return "+".join(sorted(paths)).replace("/", ":")


def is_page(path: str) -> bool:
    return path in PAGES


def in_the_way(path: str, folder: Collection[str]) -> bool:
    """Whether a path of the folder goes below the path, or the path below one of the folder."""
    return any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in folder)


class Deploy:
    """One deploy. `folder` has hash and length of each file by path."""

    def __init__(
        self,
        zone: Zone,
        folder: Mapping[str, tuple[int, int]],
        owner: str,
        rules: Collection[str],
        options: Options,
        *,
        created: bool = False,
        skew: float = 0.0,
    ) -> None:
        self.zone, self.folder, self.owner = zone, folder, owner
        self.rules, self.options, self.skew = rules, options, skew
        self.may = options.take_over or created
        self.number = 0
        self.uploads: list[str] = []
        self.deleted: list[str] = []
        self.proofs: dict[str, Proof] = {}
        """What the newest manifest proved before."""

    def clock(self) -> float:
        return self.zone.now + self.skew

    def run(self) -> None:
        self.look()
        self.plan()
        if self.is_needed():
            self.update()

    def look(self) -> None:
        """Read the zone: what is there, which of it is ours, and since when it waits."""
        rules, zone, keep = self.rules, self.zone, self.options.keep
        self.before = zone.list()
        self.manifests = sorted(filter(is_manifest, self.before), key=number_of)
        self.site = {path: shown for path, shown in self.before.items() if not is_manifest(path)}
        newest = self.manifests[-1] if self.manifests else None
        if not self.may and newest and owner_of(newest) != self.owner:
            raise Refused("another repository's")
        if not self.may and self.site and not newest:
            raise Refused("no manifest")
        manifest = zone.read(newest) if newest else Manifest()
        self.is_known = manifest is not None
        self.manifest = manifest or Manifest()
        self.named = {path for path in self.manifest.files if path in self.site}
        self.proofs = {path: proof for path, proof in self.manifest.files.items() if proof}
        if newest and not self.is_known and "digest" in rules:
            listed = {path for path in self.site if path not in keep}
            both = listed | {path for path in self.folder if path not in keep}
            if digest_in(newest) in {digest(listed), digest(both)}:
                self.named, self.is_known = listed, True

    def plan(self) -> None:
        rules, options, clock = self.rules, self.options, self.clock()
        self.unchanged = {
            path: self.proofs[path]
            for path, (hash_, length) in self.folder.items()
            if options.incremental
            and path in self.site
            and self.proofs.get(path) == (hash_, *self.site[path])
            and self.site[path][0] == length
        }
        self.uploads = [path for path in self.folder if path not in self.unchanged]
        self.carried = {
            path: min(since, clock) if "future" in rules else since
            for path, since in self.manifest.stale.items()
            if path in self.named and (path not in self.folder or "back" not in rules)
        }
        stale = [path for path in self.site if path not in self.folder and path not in options.keep]
        if options.delete_stale is False:
            stale = []
        self.begin = set()
        if not isinstance(options.delete_stale, bool):
            may_wait = [path for path in stale if self.may_wait(path)]
            self.begin = {path for path in may_wait if path not in self.carried}
            waits = {
                path
                for path in may_wait
                if path in self.begin or clock - self.carried[path] < options.delete_stale
            }
            stale = [path for path in stale if path not in waits]
        self.stale = stale
        if self.may:
            return
        if self.manifests and not self.is_known:
            if stale and "unread" in rules:
                raise Refused("the manifest can't be read")
        elif [path for path in stale if path not in self.named]:
            raise Refused("foreign files")

    def may_wait(self, path: str) -> bool:
        is_ours = path in self.named or "strangers" not in self.rules
        return is_ours and not in_the_way(path, self.folder) and not (is_page(path) and "pages" in self.rules)

    def is_needed(self) -> bool:
        has_news = bool(self.begin) or self.carried != self.manifest.stale
        return bool(self.uploads or self.stale or not self.manifests) or (has_news and "news" in self.rules)

    def store(
        self,
        proofs: Mapping[str, Proof],
        stale: Mapping[str, float],
        listed: Collection[str] | None = None,
    ) -> str:
        """Store the next manifest, which names what is listed of ours, and the folder."""
        rules, kept = self.rules, self.options.keep
        named = self.site if "foreign" not in rules else self.named
        names: set[str] = {*named, *self.folder} if "names" in rules else {*proofs}
        if "gone" in rules:
            names -= {*self.deleted}
        if "named" not in rules:
            names -= stale.keys()
        stay = names - self.folder.keys()
        still = {
            path: self.proofs[path]
            for path in stay
            if path in self.proofs and self.proofs[path][1:] == self.site[path]
        }
        document = dict.fromkeys(sorted(names)) | (still if "proofs" in rules else {}) | dict(proofs)
        there = names if listed is None else names.intersection(listed)
        newest = number_of(self.manifests[-1]) if self.manifests else 0
        self.number = max(self.number, newest) + 1
        marked = digest({path for path in there if path not in kept})
        path = f"_zerokie/{self.number}-{self.owner}-{marked}-{self.zone.chance.random()}"
        stale = {waits: since for waits, since in stale.items() if waits not in self.deleted}
        self.zone.put(path, Manifest(document, stale), 1)
        return path

    def update(self) -> None:
        rules, zone = self.rules, self.zone
        carried = self.carried if "carried" in rules else {}
        begun = dict.fromkeys(self.begin, self.clock())
        early = carried if "finished" in rules else carried | begun
        first = self.store(self.unchanged, early) if "first" in rules else ""
        confirmed: set[str] = set()
        try:
            if "order" not in rules:
                self.delete()
            shown = self.upload(first, confirmed)
            if "order" in rules:
                self.delete()
        except Failed:
            shown = zone.list()
            proved = {
                path: (self.folder[path][0], *shown[path])
                for path in confirmed
                if path in shown
                and shown[path][0] == self.folder[path][1]
                and ("failure" not in rules or shown[path] != self.before.get(path))
            }
            self.store(self.unchanged | proved, early, shown)
            raise
        last = {
            path: (self.folder[path][0], *shown[path])
            for path in self.uploads
            if path in shown and ("before" not in rules or self.before.get(path) != shown[path])
        }
        begun = dict.fromkeys(self.begin, self.clock()) if "finished" in rules else begun
        self.store(self.unchanged | last, self.carried | begun)

    def delete(self) -> None:
        for path in [*self.manifests, *self.stale]:
            self.zone.delete(path)
            self.deleted += [path] * (not is_manifest(path))

    def upload(self, first: str, confirmed: set[str]) -> Mapping[str, Listed]:
        """Send the files, and return the listing that shows them."""
        zone, again = self.zone, [*self.uploads]
        shown: Mapping[str, Listed] = {}
        for attempt in range(2):
            if attempt:
                zone.now += 1.1
                if first and first not in shown:
                    first = self.store(self.unchanged, self.carried)
            for path in again:
                zone.put(path, *self.folder[path])
                confirmed.add(path)
            shown = zone.list()
            again = [
                path
                for path, (_, length) in self.folder.items()
                if path not in shown
                or shown[path][0] != length
                or (path in self.uploads and shown[path] == self.before.get(path))
            ]
            if "again" not in self.rules or not (again or (first and first not in shown)):
                return shown
        # The same content again may keep its time; then nothing is proved. What is known to differ did not
        # arrive.
        wrong = [
            path
            for path in again
            if path not in shown or shown[path][0] != self.folder[path][1] or self.proofs.get(path)
        ]
        if wrong or (first and first not in shown):
            raise Failed(f"not arrived: {wrong}")
        return shown


class History:
    """A history of one app, and what is known of it by the way: `problem` says what did not hold."""

    def __init__(self, seed: int, rules: Collection[str], world: World) -> None:
        self.rules, self.world = rules, world
        self.chance = random.Random(seed)  # noqa: S311
        self.zone = Zone(self.chance, world.unreadable)
        self.lengths = {hash_: self.chance.choice((1, 1, 2)) for hash_ in range(8)}
        self.folder: dict[str, tuple[int, int]] = {}
        self.versions: list[dict[str, tuple[int, int]]] = []
        self.ours: set[str] = set()
        self.begun = False
        self.live: set[str] = set()
        """What the version that is live has, or may have after a deploy that failed."""
        self.live_until: dict[str, float] = {}
        self.since: dict[str, float] = {}
        """When the first deploy whose clock was right found a file stale, and let it wait: its end."""
        self.proved: dict[str, tuple[int, File]] = {}

    def problem(self) -> str:
        for _ in range(self.chance.randrange(4, 12)):
            if problem := self.step():
                return problem
        return ""

    def step(self) -> str:
        chance, zone, world = self.chance, self.zone, self.world
        self.edit()
        zone.now += chance.choice((0, 0, 1.1, 5, 60, 200) if world.waits else (0, 0, 1.1, 5, 60))
        zone.left, zone.swallow = math.inf, 0.0
        event = chance.choice(("deploy",) * 6 + (("stranger", "thief") if world.others else ("deploy",)))
        if event == "stranger":
            zone.now += 1.1
            path = "x" if world.kept else chance.choice((*PATHS, "x", "y"))
            zone.put(path, STRANGER, chance.choice((1, 2)))
            self.proved.pop(path, None)
            zone.now += 60
            return ""
        return self.thief() if event == "thief" else self.deploy()

    def edit(self) -> None:
        chance, folder = self.chance, self.folder
        if self.versions and chance.random() < 0.2:
            self.folder = dict(chance.choice(self.versions))
            return
        for path in chance.sample(PATHS, chance.randrange(4)):
            hash_ = chance.randrange(8)
            folder[path] = (hash_, self.lengths[hash_])
        for path in chance.sample(sorted(folder), min(len(folder), chance.randrange(2 + self.world.waits))):
            del folder[path]
        if not folder:
            folder["a"] = (0, self.lengths[0])
        self.versions.append(dict(folder))

    def thief(self) -> str:
        before = dict(self.zone.files)
        if not any(map(is_manifest, before)):
            return ""
        try:
            Deploy(self.zone, self.folder, "thief", self.rules, Options()).run()
        except Refused:
            return "" if self.zone.files == before else "theirs: changed before it was refused"
        return "theirs: another repository got in"

    def options(self) -> Options:
        chance, world = self.chance, self.world
        options = Options()
        if world.options:
            options = Options(
                keep=("k", "x") if chance.random() < 0.5 else (),
                delete_stale=chance.random() > 0.3,
                incremental=chance.random() > 0.2,
                take_over=chance.random() < 0.15,
            )
        if world.kept:
            options = Options(keep=("k", "x"))
        if world.waits and chance.random() < 0.8:
            # What stays beside an unreadable manifest is not known to be ours any more: an accepted limit.
            never = not world.unreadable and chance.random() < 0.25
            options = options._replace(delete_stale=not never and chance.choice((SHORT, SHORT, LONG)))
        return options._replace(take_over=options.take_over or world.two)

    def deploy(self) -> str:
        chance, zone, world = self.chance, self.zone, self.world
        had = dict(zone.files)
        options = self.options()
        zone.left = chance.randrange(18) if world.kills and chance.random() < 0.35 else math.inf
        zone.swallow = world.swallow if chance.random() < 0.4 else 0.0
        skew = chance.choice((0, 0, -1000, 1000)) if world.jumps else 0
        owner = chance.choice(("owner", "thief")) if world.two else "owner"
        deploy = Deploy(
            zone,
            self.folder,
            owner,
            self.rules,
            options,
            created=not self.begun and not had,
            skew=skew,
        )
        began = zone.now
        try:
            deploy.run()
        except Refused as why:
            return self.refused(had, options, str(why))
        except (Killed, Failed) as why:
            return self.unfinished(deploy, had, skew, is_failure=isinstance(why, Failed))
        self.begun = True
        return (
            self.too_early(deploy, had, skew)
            or self.not_equal(deploy, had)
            or self.too_late(deploy, began)
            or self.sent_again(deploy, had)
            or self.once_more(deploy, had)
        )

    def strangers(self, files: Mapping[str, File]) -> set[str]:
        return {path for path, file in files.items() if file.content == STRANGER}

    def refused(self, had: Mapping[str, File], options: Options, why: str) -> str:
        if self.zone.files != had:
            return "theirs: changed before it was refused"
        strangers = self.strangers(had) - ({*options.keep} if "no manifest" not in why else set())
        # Only where a gateway said 200 in the platform's place, nobody can know whose the files are.
        nobody_knows = self.zone.lost_manifest or self.zone.lost_delete
        if self.begun and not nobody_knows and "read" not in why and not strangers:
            return f"ours: refused, {why}"
        if self.begun and self.world.unreadable == 1 and not self.world.kills:
            return f"ours: refused, {why}"
        return ""

    def unfinished(self, deploy: Deploy, had: Mapping[str, File], skew: float, *, is_failure: bool) -> str:
        zone = self.zone
        self.begun = True
        self.ours |= self.folder.keys()
        lost = had.keys() - zone.files.keys() - {*filter(is_manifest, had)}
        if is_failure and lost:
            return "equal: failed, and deleted files all the same"
        problem = self.too_early(deploy, had, skew)
        self.forget(deploy)
        if zone.files != had:
            self.live |= self.folder.keys()
            for path in self.folder:
                self.since.pop(path, None)
        return problem

    def too_early(self, deploy: Deploy, had: Mapping[str, File], skew: float) -> str:
        """Whether something was deleted of a version that was live within the duration."""
        options, now = deploy.options, self.zone.now
        is_taken = (options.take_over and self.world.unreadable) or self.zone.lost_manifest
        if isinstance(options.delete_stale, bool) or self.world.jumps or skew or is_taken:
            return ""
        for path in had.keys() - self.zone.files.keys():
            if is_manifest(path) or is_page(path) or in_the_way(path, self.folder):
                continue
            if path in self.strangers(had) or path not in deploy.named:
                continue
            age = 0.0 if path in self.live else now - self.live_until.get(path, now)
            if age < options.delete_stale:
                return f"waits: {path} was deleted after {age:.0f} of {options.delete_stale:.0f} s"
        return ""

    def not_equal(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Whether the zone differs from the folder, or a stranger's file is gone."""
        zone, options, folder = self.zone, deploy.options, self.folder
        strangers = self.strangers(had) - self.ours
        if not options.take_over and (gone := strangers.intersection(deploy.deleted)):
            return f"theirs: {gone} deleted unasked"
        if options.take_over and not isinstance(options.delete_stale, bool) and not zone.swallow:
            left = strangers & zone.files.keys() - folder.keys() - {*options.keep} - deploy.named
            if left:
                return f"theirs: {left} waits"
        self.ours = (self.ours | folder.keys()) - {*deploy.deleted}
        if wrong := self.other_bytes(deploy, had):
            return wrong
        if options.delete_stale and not zone.lost_delete:
            left = {path for path in zone.files if not is_manifest(path)} - {*folder, *options.keep}
            may_wait = {path for path in left if not is_page(path) and not in_the_way(path, folder)}
            if left := left if options.delete_stale is True else left - may_wait:
                return f"{'equal' if options.delete_stale is True else 'goes'}: {sorted(left)} is left"
        return ""

    def other_bytes(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Whether a file of the folder has other bytes, and the next deploy does not mend it."""
        zone, folder = self.zone, self.folder
        wrong = [path for path, (hash_, _) in folder.items() if zone.files.get(path, (None,))[0] != hash_]
        if wrong := [path for path in wrong if not (path in had and had[path].time >= zone.now - 3)]:
            if any(path in deploy.proofs for path in wrong):
                return f"equal: {wrong} has other bytes, and green"
            # Twice in a row a gateway said 200 for a file of which nobody knew what it was. The next deploy
            # has to mend it.
            zone.swallow, zone.left = 0.0, math.inf
            zone.now += 60
            try:
                Deploy(zone, folder, deploy.owner, self.rules, deploy.options).run()
            except (Refused, Failed) as why:
                return f"equal: {wrong} has other bytes, green, then {why}"
            if any(zone.files[path].content != folder[path][0] for path in wrong):
                return f"equal: {wrong} has other bytes, green, and for ever"
        return ""

    def too_late(self, deploy: Deploy, began: float) -> str:
        """Whether something waits for longer than the duration; and note what waits from now on."""
        zone, options, now = self.zone, deploy.options, self.zone.now
        self.live_until |= dict.fromkeys(self.live | self.folder.keys(), now)
        self.live = {*self.folder}
        left = {path for path in zone.files if not is_manifest(path)} - self.folder.keys()
        self.since = {path: since for path, since in self.since.items() if path in left}
        if isinstance(options.delete_stale, bool) or deploy.skew:
            return ""
        is_sure = not (self.world.unreadable or self.world.swallow or self.world.others)
        for path in left - {*options.keep} - self.strangers(zone.files):
            age = began - self.since.setdefault(path, now)
            if is_sure and age >= options.delete_stale:
                return f"goes: {path} waits for {age:.0f} of {options.delete_stale:.0f} s"
        return ""

    def sent_again(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Whether a file was sent though a manifest had proved it, and nothing has changed since."""
        if self.world.unreadable or self.world.swallow:
            return ""
        if deploy.options.incremental:
            for path in deploy.uploads:
                if self.proved.get(path) == (self.folder[path][0], had.get(path)):
                    return f"again: {path} was proved"
        newest = max(filter(is_manifest, self.zone.files), key=number_of)
        proofs = self.zone.files[newest].content.files
        files = self.zone.files
        self.forget(deploy)
        self.proved |= {
            path: (proof[0], files[path])
            for path, proof in proofs.items()
            if proof and path in files and files[path].listed == proof[1:]
        }
        return ""

    def forget(self, deploy: Deploy) -> None:
        """Forget the proofs of what the deploy has written."""
        for path in (*deploy.uploads, *deploy.deleted):
            self.proved.pop(path, None)

    def once_more(self, deploy: Deploy, had: Mapping[str, File]) -> str:
        """Whether the same folder once more uploads something (but what was replaced within a second)."""
        zone = self.zone
        if zone.swallow or self.world.unreadable:
            return ""
        zone.left, now = math.inf, dict(zone.files)
        again = Deploy(zone, self.folder, deploy.owner, self.rules, deploy.options._replace(incremental=True))
        try:
            again.run()
        except (Refused, Failed) as why:
            return f"again: {why}"
        new = [path for path in again.uploads if not (path in had and had[path].length == now[path].length)]
        return f"again: {new} once more" if new else ""


def tried(rules: Collection[str], count: int) -> Iterator[str]:
    """The first history that fails in each world, and how many do."""
    for name, world in WORLDS.items():
        problems = [(seed, History(seed, rules, world).problem()) for seed in range(count)]
        failed = [(seed, problem) for seed, problem in problems if problem]
        if failed:
            kinds = Counter(problem.partition(":")[0] for _, problem in failed)
            seed, example = failed[0]
            yield f"{name}, seed {seed}: {example} ({dict(kinds)} of {count:,})"


def main() -> None:
    count = int((sys.argv[1:] or ["3000"])[0])
    for rule, text in {"": "", **RULES}.items():
        title = f"without '{text}':" if rule else f"all rules, {count * len(WORLDS):,} histories:"
        lines = [title, *(list(tried(RULES.keys() - {rule}, count)) or ["hold"])]
        sys.stdout.write("\n    ".join(lines) + "\n")


if __name__ == "__main__":
    main()

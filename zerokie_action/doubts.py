"""Every reason to stop a deploy before it changes anything, because the change may not be intended.

Each `Doubt` below is a row of the table in docs/static.md. All functions are pure. What is wrong with the
folder itself, whatever the app has, is found by `files.scan`.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from zerokie_action import DOCS
from zerokie_action.errors import ConfigurationError, PlatformUnavailable
from zerokie_action.files.content_type import is_page
from zerokie_action.files.ignore import Patterns
from zerokie_action.files.plan import FRONT_PAGE, Plan
from zerokie_action.files.zone import Zone
from zerokie_action.text import human_files, human_paths

_FEW = 3
"""Up to this many files raise no doubt."""
_HASH = re.compile(r"[-._](?=[\w-]*[0-9A-Z])[\w-]{8,}(?=\.)")
"""The part of a file's name that a build tool changes with the content: `-3f2a91bc` in `app-3f2a91bc.js`."""
_TAKE_OVER = "`take-over: true`"
_BY_HAND = f"for one run by hand: {DOCS}/rollback.md#a-run-by-hand"


class Doubt(NamedTuple):
    """A reason to change nothing until somebody confirms the change.

    Attributes:
        problem: the reason, as a sentence without its full stop.
        advice: how to correct a mistake, in one or two sentences.
        confirmation: the input, with its value, that confirms the change.
    """

    problem: str
    advice: str
    confirmation: str = _TAKE_OVER


def require_no_doubt(*reasons: Doubt | None) -> None:
    """Stop if there are doubts.

    Raises:
        ConfigurationError: with all doubts, and the inputs that confirm the change.
    """
    if doubts := [doubt for doubt in reasons if doubt]:
        advice = " ".join(doubt.advice for doubt in doubts)
        confirmations = " and ".join(doubt.confirmation for doubt in doubts)
        raise ConfigurationError(
            *(doubt.problem for doubt in doubts),
            hint=f"{advice} If the change is intended, set {confirmations} {_BY_HAND}",
        )


def another_repository(app: str, zone: Zone, repository: str) -> Doubt | None:
    """The newest manifest is another repository's."""
    if not zone.is_of_another(repository):
        return None
    return Doubt(
        f"App {app!r} was last deployed from another repository, whose name is not kept, only its hash. "
        f"This run is of {repository!r}, according to the CI system's variables, or else to the remote "
        "`origin` of the checkout",
        "If `app` names that repository's app by mistake, correct it. A repository that was renamed or "
        "moved, and a clone of a fork, count as another repository.",
    )


def about_owner(app: str, plan: Plan, repository: str) -> Doubt | None:
    """Whether the app, or a file that would be deleted, is somebody else's."""
    zone = plan.zone
    if zone.not_found:
        return Doubt(
            f"The platform lists no files of app {app!r} ({zone.not_found})",
            "This answer is normal for a new, empty app; in any other case, check `app` and `api-url`.",
        )
    if doubt := another_repository(app, zone, repository):
        return doubt
    if zone.files and not zone.newest:
        return Doubt(
            f"App {app!r} has {human_files(len(zone.files))} that no deploy of this action has uploaded: "
            f"{human_paths(sorted(zone.files))}",
            "If `app` names the wrong app, correct it. If the files were uploaded by hand or by another "
            "tool, a deploy deletes those that the directory does not have, unless `keep` matches them.",
        )
    if plan.delete and zone.ours is None:
        return Doubt(
            "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
            f"delete: {_files(plan.delete)}",
            "The log says why. If the app's URL was down, run the job again. To deploy without deleting "
            "anything, set `delete-stale: false`.",
        )
    if foreign := zone.foreign(plan.delete):
        return Doubt(
            f"This deploy would delete {human_files(len(foreign))} that the last manifest does not name: "
            f"{human_paths(foreign)}",
            "Add the files that have to stay to `keep`, or set `delete-stale: false`.",
        )
    return None


def about_destroying(app: str, zone: Zone, repository: str) -> Doubt | None:
    """Whether the app to destroy, or a file in it, is somebody else's."""
    if doubt := another_repository(app, zone, repository):
        return doubt
    theirs = zone.theirs(repository)
    if not theirs or (zone.newest is None and len(theirs) <= _FEW):
        return None
    return Doubt(
        f"App {app!r} has {human_files(len(zone.files))}, of which no deploy of this action has uploaded "
        f"{_files(theirs)}",
        "They go with the app, for good. If `app` names the wrong app, correct it.",
    )


def about_sweeping(app: str, zone: Zone, repository: str) -> Doubt | None:
    """Whether a static app with the name of a preview may be somebody else's."""
    files = len(zone.files)
    if zone.not_found:
        problem = f"The platform lists no files of app {app!r} ({zone.not_found})"
    elif zone.is_of(repository) or (zone.newest is None and files <= _FEW):
        return None
    elif zone.newest is None:
        problem = f"App {app!r} has {human_files(files)} that no deploy of this action has uploaded"
    else:
        problem = f"App {app!r} was last deployed from another repository, or by a run that knew of none"
    return Doubt(problem, "To delete it, use `operation: destroy` with this `app`.")


def require_same_spelling(plan: Plan) -> None:
    """Stop if the platform lists our paths in another spelling, which then look like somebody else's.

    Raises:
        PlatformUnavailable: with both spellings.
    """
    missing = plan.zone.manifest.files.keys() - plan.zone.files.keys()
    if others := other_spellings(missing, {*plan.zone.foreign(plan.delete)}):
        raise PlatformUnavailable(
            "The platform does not list what the last manifest names: "
            f"{human_paths(other_spellings(others, missing))}; it lists {human_paths(others)}",
            hint="Nothing was changed. The platform has to list paths as they were sent: report it. If those "
            f"files are somebody else's, go on with {_TAKE_OVER} {_BY_HAND}",
        )


def other_spellings(paths: Iterable[str], listed: Collection[str]) -> list[str]:
    """The listed paths that differ from missing paths only in case, encoding or composition.

    `listed` is a set or a mapping: a list of a hundred thousand paths would take a minute.
    """
    lacking = {_fold(path) for path in paths if path not in listed}
    return sorted(path for path in listed if _fold(path) in lacking)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unquote(path)).casefold()


def about_directory(plan: Plan, keep: Patterns, directory: Path, max_deletes: int | None) -> Doubt | None:
    """Whether the directory is the wrong one; `max_deletes` replaces the other checks.

    What `keep` matches, and what waits for its deletion, is no part of the site.
    """
    stale = plan.newly_stale
    if not stale:
        return None
    site, paths = keep.unmatched(plan.zone.files) - plan.stale.keys(), [file.path for file in plan.files]
    if plan.wait and plan.zone.is_unread:
        site, paths = {*filter(is_page, site)}, [*filter(is_page, paths)]
    before = plan.zone.manifest.count
    before = len(site) if before is None else before
    would_delete = "would delete, at once or after their wait," if plan.wait else "would delete"
    advice = "Check that `directory` is the right one, and that the build is complete."
    if max_deletes is not None:
        if len(stale) <= max_deletes:
            return None
        problem = f"`max-deletes` is {max_deletes:,}, and this deploy {would_delete} {_files(stale)}"
    elif len(stale) > max(_FEW, len(site) / 2) and (inner := _site_below(plan, stale, site)):
        problem = (
            f"Most of the site would be deleted, {_files(stale)}, and the directory has it again "
            f"below {inner!r}"
        )
        advice = f"If that is the site, set `directory: {directory / inner}`."
    elif len(stale) > _FEW and len(paths) < before / 2:
        problem = (
            f"The directory has {human_files(len(paths))}, fewer than half of the site's {before:,}, and "
            f"this deploy {would_delete} {_files(stale)}"
        )
    elif FRONT_PAGE in stale:
        problem = f"The directory has no {FRONT_PAGE}, and this deploy would delete the site's front page"
    else:
        return None
    return Doubt(problem, advice, confirmation=f"`max-deletes: {len(stale)}`")


def _site_below(plan: Plan, stale: Sequence[str], site: AbstractSet[str]) -> str:
    """The directory in the folder that has most of the deleted files again; empty if there is none.

    A right build that moves most of the site differs: the site has that directory already, or the folder has
    nothing new beside it. Names are compared without the hashes that build tools put into them.
    """
    deleted = Counter(map(_without_hash, stale))
    again: defaultdict[str, set[str]] = defaultdict(set)
    for file in plan.files:
        for slash in re.finditer("/", file.path):
            name = _without_hash(file.path[slash.end() :])
            if name in deleted:  # deep paths have many names
                again[file.path[: slash.start()]].add(name)
    for inner, names in again.items():
        is_most = sum(deleted[name] for name in names) > len(stale) / 2
        if is_most and not any(path.startswith(f"{inner}/") for path in site):
            paths = {file.path for file in plan.files}
            below = {path for path in paths if path.startswith(f"{inner}/")}
            known = {_without_hash(path.removeprefix(f"{inner}/")) for path in below}
            if {_without_hash(path) for path in paths - site - below} - known:
                return inner
    return ""


def _without_hash(path: str) -> str:
    return _HASH.sub("", path)


def _files(paths: Sequence[str]) -> str:
    """A number of files and the first paths: `12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"

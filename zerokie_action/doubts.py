"""Every reason to stop a deploy before it changes anything, because the change may not be intended.

Each function of one doubt is a row of the table in docs/static.md. All functions are pure. What is wrong with
the folder itself, whatever the app has, is found by `files.scan`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.manifest import NO_REPOSITORY, mark_repository
from zerokie_action.files.plan import FRONT_PAGE
from zerokie_action.files.scan import OUTPUT_DIRECTORIES
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from zerokie_action.ci.repository import Repository
    from zerokie_action.files.manifest import ManifestName
    from zerokie_action.files.plan import Plan

_FEW = 3
"""Up to this many deletions raise no doubt."""
_HASH = re.compile(r"[-._](?=[\w-]*[0-9A-Z])[\w-]{8,}(?=\.)")
"""The part of a file's name that a build tool changes with the content: `-3f2a91bc` in `app-3f2a91bc.js`."""
_CHECK_DIRECTORY = "Check that `directory` is the right one, and that the build is complete."
_PROJECT_FILES = (
    *("package.json", "pyproject.toml", "Gemfile", "go.mod"),
    *("Dockerfile", "docker-compose.yml", "hugo.toml", "mkdocs.yml"),
)


class Doubt(NamedTuple):
    """A reason to change nothing until somebody confirms the change.

    Attributes:
        problem: the reason, as a sentence without its full stop.
        advice: how to correct a mistake, in one or two sentences.
        confirmation: the input, with its value, that confirms the change.
    """

    problem: str
    advice: str
    confirmation: str = "`take-over: true`"


def require_none(doubts: Sequence[Doubt]) -> None:
    """Stop if there are doubts.

    Raises:
        ConfigurationError: with all doubts, and all inputs that confirm the change.
    """
    if doubts:
        advice = " ".join(doubt.advice for doubt in doubts)
        confirmations = " and ".join(dict.fromkeys(doubt.confirmation for doubt in doubts))
        raise ConfigurationError(
            *(doubt.problem for doubt in doubts),
            hint=f"{advice} If the change is intended, set {confirmations} for one run by hand.",
        )


# Whose app it is


def about_app(
    app: str,
    listed: Collection[str],
    *,
    newest: ManifestName | None,
    repository: Repository | None,
    not_found: str = "",
) -> list[Doubt]:
    """The doubts about whose app it is.

    Args:
        app: the app's name.
        listed: the paths of the app's files.
        newest: the newest manifest's name; None without a manifest.
        repository: the repository of this run; None if it is not known.
        not_found: the platform's words if it answers 404 instead of a list; else empty.
    """
    found = (
        not_listed(app, not_found),
        another_repository(app, newest, repository),
        no_manifest(app, newest, listed),
    )
    return [doubt for doubt in found if doubt]


def another_repository(app: str, newest: ManifestName | None, repository: Repository | None) -> Doubt | None:
    """The newest manifest is another repository's."""
    known = {NO_REPOSITORY, mark_repository(str(repository or ""))}
    if newest is None or repository is None or newest.repository in known:
        return None
    return Doubt(
        f"App {app!r} was last deployed from another repository. This run is of {str(repository)!r}, "
        f"according to {repository.source}",
        "If `app` names that repository's app by mistake, correct it. A repository that was renamed or "
        "moved, and a clone of a fork, count as another repository.",
    )


def not_listed(app: str, not_found: str) -> Doubt | None:
    """The platform answers the request for the app's files with 404."""
    if not not_found:
        return None
    return Doubt(
        f"The platform lists no files of app {app!r} ({not_found})",
        "This answer is normal for a new, empty app; in any other case, check `app` and `api-url`.",
    )


def no_manifest(app: str, newest: ManifestName | None, listed: Collection[str]) -> Doubt | None:
    """The app has files, and no manifest."""
    if newest or not listed:
        return None
    return Doubt(
        f"App {app!r} has {human_files(len(listed))} that no deploy of this action has uploaded: "
        f"{human_paths(sorted(listed))}",
        "If `app` names the wrong app, correct it. If the files were uploaded by hand or by another tool, a "
        "deploy deletes those that the directory does not have, unless `keep` matches them.",
    )


# Whose files would be deleted


def about_files(plan: Plan, ours: Collection[str] | None) -> list[Doubt]:
    """The doubts about whose files would be deleted; `ours` are our listed paths, None if not known."""
    return [doubt for doubt in (unknown_files(plan, ours), foreign_files(plan)) if doubt]


def unknown_files(plan: Plan, ours: Collection[str] | None) -> Doubt | None:
    """The manifest can't be read, and its name does not tell whether all files are ours (`ours` is None)."""
    if ours is not None or not plan.delete:
        return None
    return Doubt(
        "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
        f"delete: {_files(plan.delete)}",
        "The log says why. If the app's URL was down, run the job again. To deploy without deleting "
        "anything, set `delete-stale: false`.",
    )


def foreign_files(plan: Plan) -> Doubt | None:
    """The deploy would delete files that no manifest names."""
    if not plan.foreign:
        return None
    return Doubt(
        f"This deploy would delete {human_files(len(plan.foreign))} that no deploy of this action has "
        f"uploaded: {human_paths(plan.foreign)}",
        "Add the files that have to stay to `keep`, or set `delete-stale: false`.",
    )


# Whether the folder is right


def about_deletions(
    plan: Plan, site: AbstractSet[str], *, directory: Path, deployed: int | None, max_deletes: int | None
) -> list[Doubt]:
    """The first doubt about the folder, if any. `max-deletes` replaces the three other checks.

    Args:
        plan: the planned changes.
        site: the paths of the app's files that `keep` does not match.
        directory: the input, for the message.
        deployed: the number of files in the folder of the last finished deploy; None if it is not known.
        max_deletes: the input.
    """
    if max_deletes is not None:
        doubt = too_many_deletions(plan, max_deletes)
    else:
        doubt = (
            one_level_too_high(plan, site, directory)
            or fewer_than_half(plan, len(site) if deployed is None else deployed)
            or front_page(plan)
        )
    return [doubt] if doubt else []


def too_many_deletions(plan: Plan, max_deletes: int) -> Doubt | None:
    """The deploy would delete more files than `max-deletes` allows."""
    if len(plan.delete) <= max_deletes:
        return None
    return Doubt(
        f"`max-deletes` is {max_deletes:,}, and this deploy would delete {_files(plan.delete)}",
        "Check what is in the directory, or add patterns to `keep`.",
        _more_deletes(plan),
    )


def one_level_too_high(plan: Plan, site: AbstractSet[str], directory: Path) -> Doubt | None:
    """Most of the site would be deleted, and the folder has it again below one directory.

    A right build that moves most of the site differs: the site has that directory already, or the folder has
    nothing new beside it. Names are compared without the hashes that build tools put into them.
    """
    if len(plan.delete) <= _FEW or 2 * len(plan.delete) <= len(site):
        return None
    deleted = Counter(map(_without_hash, plan.delete))
    again: defaultdict[str, set[str]] = defaultdict(set)
    for file in plan.files:
        for inner, rest in _splits(file.path):
            if (name := _without_hash(rest)) in deleted:
                again[inner].add(name)
    for inner, names in again.items():
        is_most = 2 * sum(deleted[name] for name in names) > len(plan.delete)
        if is_most and _is_new(inner, site) and _is_beside_more(inner, plan, site):
            return Doubt(
                f"Most of the site would be deleted, {_files(plan.delete)}, and the directory has it again "
                f"below {inner!r}",
                f"If that is the site, set `directory: {directory / inner}`.",
                _more_deletes(plan),
            )
    return None


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """Each directory above a file, and the file's path below it."""
    for end, letter in enumerate(path):
        if letter == "/":
            yield path[:end], path[end + 1 :]


def _is_new(inner: str, site: Iterable[str]) -> bool:
    """Whether the site has nothing below this directory."""
    return not any(path.startswith(f"{inner}/") for path in site)


def _is_beside_more(inner: str, plan: Plan, site: AbstractSet[str]) -> bool:
    """Whether the folder has a new file beside this directory that is not inside as well."""
    inside, beside = set(), set()
    for file in plan.files:
        if file.path.startswith(f"{inner}/"):
            inside.add(_without_hash(file.path[len(inner) + 1 :]))
        elif file.path not in site:
            beside.add(_without_hash(file.path))
    return not beside <= inside


def _without_hash(path: str) -> str:
    return _HASH.sub("", path)


def fewer_than_half(plan: Plan, deployed: int) -> Doubt | None:
    """The folder has fewer than half of the files of the folder that was deployed last."""
    count = len(plan.files)
    if len(plan.delete) <= _FEW or 2 * count >= deployed:
        return None
    return Doubt(
        f"The directory has {human_files(count)}, fewer than half of the site's {deployed:,}, and this "
        f"deploy would delete {_files(plan.delete)}",
        _CHECK_DIRECTORY,
        _more_deletes(plan),
    )


def front_page(plan: Plan) -> Doubt | None:
    """The root `index.html` would be deleted."""
    if FRONT_PAGE not in plan.delete:
        return None
    return Doubt(
        f"The directory has no {FRONT_PAGE}, and this deploy would delete the site's front page",
        _CHECK_DIRECTORY,
        _more_deletes(plan),
    )


def output_directory(paths: Collection[str]) -> str:
    """The directory that has all pages, if it is named like a build tool's output, in a project; else empty.

    In the first deploy of an app, nothing would be deleted: then this is a reason for a warning.
    """
    found = {_output_directory(path) for path in paths if path.rpartition("/")[2] == FRONT_PAGE}
    inner = found.pop() if len(found) == 1 else ""
    project = inner.rpartition("/")[0]
    is_project = any((f"{project}/{name}" if project else name) in paths for name in _PROJECT_FILES)
    return inner if is_project else ""


def _output_directory(path: str) -> str:
    return next((inner for inner, _ in _splits(path) if inner.rpartition("/")[2] in OUTPUT_DIRECTORIES), "")


def _more_deletes(plan: Plan) -> str:
    return f"`max-deletes: {len(plan.delete)}`"


def _files(paths: tuple[str, ...]) -> str:
    """A number of files and the first paths: `12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"

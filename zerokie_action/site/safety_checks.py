"""Only judges a deploy: every reason to stop before it changes anything, because it may not be intended.

Each `Doubt` below has a heading in docs/safety-checks.md. All functions are pure. What is wrong with the
folder itself, whatever the app has, is found by `files.scan`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from zerokie_action import DOCS
from zerokie_action.errors import ConfigurationError
from zerokie_action.site.content_type import is_page
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.plan import Plan
from zerokie_action.site.remote import Owner, Remote
from zerokie_action.site.rules import FRONT_PAGE
from zerokie_action.text.numbers import human_files, human_paths

_FEW = 3
"""Up to this many files or pages raise no doubt."""
_TAKE_OVER = "`take-over: true`"
_BY_HAND = f"for one run by hand: {DOCS}/rollback.md#run-a-deploy-by-hand"


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


def _about_repository(app: str, owner: Owner, repository: str) -> Doubt | None:
    """Whether the app is another repository's, or may be."""
    if owner is Owner.ANOTHER:
        return Doubt(
            f"App {app!r} was last deployed from another repository, whose name is not kept, only its hash. "
            f"This run is of {repository!r}, according to the CI system's variables, or else to the remote "
            "`origin` of the checkout",
            "If `app` names that repository's app by mistake, correct it. A repository that was renamed or "
            "moved, and a clone of a fork, count as another repository.",
        )
    if owner is Owner.MAYBE_ANOTHER:
        return Doubt(
            f"App {app!r} was last deployed from a repository, whose name is not kept, only its hash. This "
            "run knows no repository: it finds neither variables of GitHub or GitLab nor the remote `origin` "
            "of a checkout",
            "Run in the checkout; in a container, mount all of it, with its `.git` directory. (A worktree, a "
            "submodule and an `origin` with a host's alias tell no repository.) A deploy with `take-over` "
            "marks the app as of no repository: later runs that know none are not asked.",
        )
    return None


def about_deploying(app: str, plan: Plan, repository: str) -> Doubt | None:
    """Whether the app to deploy, or a file that would be deleted, is somebody else's."""
    remote = plan.remote
    if remote.not_found:
        return _about_missing_list(app, remote)
    owner = remote.owner_for(repository)
    if doubt := _about_repository(app, owner, repository):
        return doubt
    if remote.files and owner is Owner.NONE:
        return Doubt(
            f"App {app!r} has {human_files(len(remote.files))} that no deploy of this action has uploaded: "
            f"{human_paths(sorted(remote.files))}",
            "If `app` names the wrong app, correct it. If the files were uploaded by hand or by another "
            "tool, a deploy deletes those that the directory does not have, unless `keep` matches them.",
        )
    if plan.delete and remote.managed is None:
        return Doubt(
            "The manifest of the last deploy can't be read, so it is not known whose files this deploy would "
            f"delete: {_files(plan.delete)}",
            "The log says why. If the app's URL was down, run the job again. To deploy without deleting "
            "anything, set `delete-stale: false`.",
        )
    if unmanaged := remote.unmanaged(plan.delete):
        return Doubt(
            f"This deploy would delete {human_files(len(unmanaged))} that no deploy of this action has "
            f"uploaded: {human_paths(unmanaged)}",
            "Add the files that have to stay to `keep`, or set `delete-stale: false`.",
        )
    return None


def _about_missing_list(app: str, remote: Remote) -> Doubt:
    return Doubt(
        f"The platform lists no files of app {app!r} ({remote.not_found})",
        "This answer is normal for a new, empty app; in any other case, check `app` and `api-url`.",
    )


def about_kind(app: str) -> Doubt:
    """Why an app of unknown kind is not deleted: a static app's files could not be checked."""
    return Doubt(
        f"The platform doesn't show whether {app!r} is a container app or a static app",
        "If `app` names the wrong app, correct it. The files of a static app can't be checked.",
    )


def about_destroying(app: str, remote: Remote, repository: str) -> Doubt | None:
    """Whether the app may belong to another repository, or may have unmanaged files."""
    if remote.not_found:
        return _about_missing_list(app, remote)
    owner = remote.owner_for(repository)
    if doubt := _about_repository(app, owner, repository):
        return doubt
    unmanaged = remote.unmanaged(sorted(remote.files))
    if not unmanaged or (owner is Owner.NONE and len(unmanaged) <= _FEW):
        return None
    if remote.managed is None:
        return Doubt(
            f"The manifest of app {app!r} can't be read, so any of its files may be unmanaged: "
            f"{_files(unmanaged)}",
            "If the site was unavailable for a moment, run the job again. The log has the reason.",
        )
    return Doubt(
        f"App {app!r} has {human_files(len(remote.files))}, and this action didn't upload "
        f"{_files(unmanaged)}",
        "If `app` names the wrong app, correct it. The deletion can't be undone.",
    )


def about_sweeping(app: str, remote: Remote, repository: str) -> str:
    """Why a static app with the name of a preview may belong to somebody else; empty if it doesn't."""
    owner, files = remote.owner_for(repository), len(remote.files)
    if remote.not_found:
        return _about_missing_list(app, remote).problem
    if owner is Owner.THIS or (owner is Owner.NONE and files <= _FEW):
        return ""
    return f"Nothing says that app {app!r}, which has {human_files(files)}, is of this repository"


def about_directory(plan: Plan, keep: Patterns, max_deletes: int | None) -> Doubt | None:
    """Whether the directory is the wrong one; `max_deletes` replaces the other checks.

    What `keep` matches, and what waits for its deletion, is no part of the site.
    """
    stale = plan.newly_stale
    if not stale:
        return None
    would_delete = "would delete, at once or after their wait," if plan.pending else "would delete"
    if max_deletes is not None:
        if len(stale) <= max_deletes:
            return None
        problem = f"`max-deletes` is {max_deletes:,}, and this deploy {would_delete} {_files(stale)}"
    elif len(stale) > _FEW and (half := _less_than_half(plan, keep)):
        problem = f"The directory has {half}, and this deploy {would_delete} {_files(stale)}"
    elif FRONT_PAGE in stale:
        problem = f"The directory has no {FRONT_PAGE}, and this deploy would delete the site's front page"
    else:
        return None
    return Doubt(
        problem,
        "Check that `directory` is the right one, and that the build is complete.",
        confirmation=f"`max-deletes: {len(stale)}`",
    )


def _less_than_half(plan: Plan, keep: Patterns) -> str:
    """How many of how many files or pages the directory has, if it has fewer than half; else empty."""
    site = keep.unmatched(plan.remote.files) - plan.stale.keys()
    files, before = len(plan.files), plan.remote.manifest.count
    before = len(site) if before is None else before
    if files < before / 2:
        return f"{human_files(files)}, fewer than half of the site's {before:,}"
    pages = {path for path in site if is_page(path)}
    found = pages & {file.path for file in plan.files}
    if len(pages) > _FEW and len(found) < len(pages) / 2:
        return f"{len(found):,} of the site's {human_files(len(pages), 'page')}, fewer than half"
    return ""


def _files(paths: Sequence[str]) -> str:
    """A number of files and the first paths: `12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"

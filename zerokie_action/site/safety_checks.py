"""Safety checks of the app that run before anything changes.

A deploy to the wrong app, or of the wrong folder, would delete files that can't be restored. Each check is
a pure function that returns a reason to stop. `site.scan` checks the folder itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError
from zerokie_action.site.content_type import is_page, page_address
from zerokie_action.site.plan import Plan
from zerokie_action.site.remote import Owner, Remote
from zerokie_action.site.rules import FRONT_PAGE
from zerokie_action.text.numbers import human_files, human_paths

_FEW = 3
"""The number of files or pages up to which some checks don't apply."""
_DELETING = "safety-checks.md#deleting-an-app"


class Stop(NamedTuple):
    """A reason to stop before anything changes.

    Attributes:
        problem: the reason, as a sentence without its full stop.
        fix: how to correct the likely mistake, in one sentence.
        page: the section about the check in the documents.
        override: the input, with its value, that lets the run continue.
    """

    problem: str
    fix: str
    page: str
    override: str = "`take-over: true`"


def raise_stops(*stops: Stop | None) -> None:
    """Stop the run if a check found a reason.

    Raises:
        ConfigurationError: with all reasons, their fixes, and the inputs that override them.
    """
    if found := [stop for stop in stops if stop]:
        fixes = " ".join(stop.fix for stop in found)
        overrides = " and ".join(stop.override for stop in found)
        links = " and ".join(page(stop.page) for stop in found)
        raise ConfigurationError(
            *(stop.problem for stop in found),
            hint=f"{fixes} To continue, set {overrides} for one manual run: {links}",
        )


def why_not_deploy(app: str, plan: Plan) -> Stop | None:
    """Return a reason if the app, or a file to delete, may belong to someone else."""
    remote, owner = plan.remote, plan.remote.owner_for(plan.repository)
    if stop := _problem_with_list(app, remote) or _problem_with_owner(app, owner, plan.repository):
        return stop
    if remote.files and owner is Owner.NONE:
        return Stop(
            f"App {app!r} has {human_files(len(remote.files))} that this action didn't upload: "
            f"{human_paths(sorted(remote.files))}",
            "Correct `app` if it names the wrong app, and add files to `keep` to protect them from deletion.",
            "safety-checks.md#other-owner",
        )
    if plan.delete and remote.managed is None:
        return Stop(
            f"Can't read the manifest, so this deploy might delete unmanaged files: {_files(plan.delete)}",
            "Run the job again if the app's URL was down, or set `delete-stale: false`.",
            "safety-checks.md#unreadable-manifest",
        )
    if unmanaged := remote.unmanaged(plan.delete):
        return Stop(
            f"This deploy would delete {human_files(len(unmanaged))} that this action didn't upload: "
            f"{human_paths(unmanaged)}",
            "Add the files to `keep`, or set `delete-stale: false`.",
            "safety-checks.md#unmanaged-files",
        )
    return None


def _problem_with_list(app: str, remote: Remote) -> Stop | None:
    """Return a reason if the platform responded with 404 instead of a file list."""
    if not remote.listed.not_found:
        return None
    return Stop(
        f"The platform lists no files of app {app!r} ({remote.listed.not_found})",
        "Correct `app` or `api-url`, unless the app is new and empty.",
        "safety-checks.md#file-list",
    )


def _problem_with_owner(app: str, owner: Owner, repository: str) -> Stop | None:
    """Return a reason if another repository owns the app, or may own it."""
    match owner:
        case Owner.ANOTHER:
            return Stop(
                f"App {app!r} was last deployed from another repository, not from {repository!r}",
                "Correct `app` if it names the wrong app.",
                "safety-checks.md#other-owner",
            )
        case Owner.MAYBE_ANOTHER:
            return Stop(
                f"Can't determine this run's repository. Another repository may own app {app!r}",
                "Run in your checkout (in a container, mount all of it, with its `.git` folder).",
                "safety-checks.md#other-owner",
            )
    return None


def problem_with_kind(app: str) -> Stop:
    """Return the reason to keep an app of unknown kind: the files of a static app can't be checked."""
    return Stop(
        f"The platform doesn't show whether {app!r} is a container app or a static app",
        "Correct `app` if it names the wrong app, because the files of a static app can't be checked.",
        _DELETING,
    )


def why_not_destroy(app: str, remote: Remote, repository: str) -> Stop | None:
    """Return a reason if the app may belong to another repository or contain unmanaged files."""
    owner = remote.owner_for(repository)
    if stop := _problem_with_list(app, remote) or _problem_with_owner(app, owner, repository):
        return stop._replace(page=_DELETING)
    unmanaged = remote.unmanaged(sorted(remote.files))
    if not unmanaged or (owner is Owner.NONE and len(unmanaged) <= _FEW):
        return None
    if remote.managed is None:
        return Stop(
            f"Can't read the manifest of app {app!r}, so any of its files may be unmanaged: "
            f"{_files(unmanaged)}",
            "Run the job again if the site was unavailable for a moment.",
            _DELETING,
        )
    return Stop(
        f"App {app!r} has {human_files(len(remote.files))}, and this action didn't upload "
        f"{_files(unmanaged)}",
        "Correct `app` if it names the wrong app, because you can't undo the deletion.",
        _DELETING,
    )


def why_not_sweep(app: str, remote: Remote, repository: str) -> str:
    """Return why a static preview app may belong to someone else; empty if it doesn't."""
    if stop := _problem_with_list(app, remote):
        return stop.problem
    owner, files = remote.owner_for(repository), len(remote.files)
    if owner is Owner.THIS or (owner is Owner.NONE and files <= _FEW):
        return ""
    return f"Can't confirm that this repository deployed app {app!r}, which has {human_files(files)}"


def why_not_delete(plan: Plan, max_deletes: int | None) -> Stop | None:
    """Return a reason if the folder may be the wrong one; `max_deletes` replaces the other checks.

    Files that match `keep`, and files that are already pending deletion, are not part of the site.
    """
    stale = plan.newly_stale
    if not stale:
        return None
    when = " immediately or after the `delete-stale` delay" if plan.pending else ""
    would_delete = f"this deploy would delete {_files(stale)}{when}"
    if max_deletes is not None:
        if len(stale) <= max_deletes:
            return None
        problem = f"`max-deletes` is {max_deletes:,}, and {would_delete}"
        section = "safety-checks.md#max-deletes"
    elif len(stale) > _FEW and (share := _why_too_small(plan)):
        problem = f"The folder has {share}, and {would_delete}"
        section = "safety-checks.md#fewer-than-half"
    elif FRONT_PAGE in stale:
        problem = f"The folder has no {FRONT_PAGE}, so this deploy would delete the site's front page"
        section = "safety-checks.md#front-page"
    else:
        return None
    return Stop(
        problem,
        "Check that `directory` is the right folder and that the build is complete.",
        section,
        override=f"`max-deletes: {len(stale)}`",
    )


def _why_too_small(plan: Plan) -> str:
    """Return why the folder has fewer than half of the files or pages, as words after "has"; else empty."""
    site = plan.keep.unmatched(plan.remote.files) - plan.stale.keys()
    files, before = len(plan.files), plan.remote.manifest.count
    before = len(site) if before is None else before
    if files < before / 2:
        return f"{human_files(files)}, fewer than half of the site's {before:,}"
    # A site that changes its format from `about.html` to `about/index.html` keeps its pages.
    pages = {page_address(path) for path in site if is_page(path)}
    found = pages & {page_address(file.path) for file in plan.files if is_page(file.path)}
    if len(pages) > _FEW and len(found) < len(pages) / 2:
        return f"{len(found):,} of the site's {human_files(len(pages), 'page')}, fewer than half"
    return ""


def _files(paths: Sequence[str]) -> str:
    """Return a number of files and the first paths: `12 files ('a', 'b', 'c' and 9 more)`."""
    return f"{human_files(len(paths))} ({human_paths(paths)})"

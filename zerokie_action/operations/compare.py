"""What a deploy has to change: the directory's hashes, the platform's listing and the manifest, compared."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.manifest import MANIFEST_FOLDER
from zerokie_action.files.plan import keep_patterns, make_plan, unmatched_patterns
from zerokie_action.operations.manifests import read_manifests
from zerokie_action.text import human_bytes, human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio import TaskHandle

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.manifest import RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.manifests import Manifests

_FRONT_PAGE = "index.html"
_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
_NAMED_PATTERNS = 10


class Comparison(NamedTuple):
    """The plan, and what it was made of that is needed later.

    Attributes:
        plan: what to change.
        keep: which remote paths stay, although the directory does not have them.
        manifests: those that are listed.
    """

    plan: Plan
    keep: Patterns
    manifests: Manifests


async def compare(job: Job, scan: Scan, hashing: TaskHandle[dict[str, str]], *, exists: bool) -> Comparison:
    """Make the plan, and log it. The listing, which is long, is dropped.

    Args:
        job: the run.
        scan: the directory.
        hashing: the task that hashes its files.
        exists: whether there is an app, which has a listing.

    Raises:
        ConfigurationError: when the app is another repository's, or the plan deletes more files than
            `max-deletes` allows.
    """
    keep = keep_patterns(job.settings.keep)
    hashes: dict[str, str] | None = None
    with job.phase("Compare"):
        listing = await job.client.list_files(job.app) if exists else []
        manifests = await read_manifests(job, listing)
        if job.settings.incremental:
            if (count := len(manifests.listed)) > 1:
                job.ci.info(f"There are {count} manifests, so what earlier deploys uploaded is not known")
            hashes = await hashing if manifests.proved else {}
    plan = make_plan(
        scan,
        listing,
        hashes=hashes,
        manifest=manifests.proved,
        keep=keep,
        delete_stale=job.settings.delete_stale,
    )
    _report_missing_front_page(job, scan, plan, listing)
    _log_plan(job, plan)
    if unmatched := unmatched_patterns(job.settings.keep, listing):
        job.ci.info(f"`keep`: no remote file matches {human_paths(unmatched, _NAMED_PATTERNS)}")
    _require_few_deletions(job, plan)
    return Comparison(plan, keep, manifests)


def _require_few_deletions(job: Job, plan: Plan) -> None:
    most = job.settings.max_deletes
    if most is not None and len(plan.delete) > most:
        raise ConfigurationError(
            f"`max-deletes`: this deploy would delete {human_files(len(plan.delete))}, more than {most:,}",
            hint="No file was written or deleted. If that is what you want, raise `max-deletes`; "
            "if not, check what is in the directory, or add patterns to `keep`.",
        )


def _log_plan(job: Job, plan: Plan) -> None:
    """Name the changes, folded where the log can: all of them, with the reasons, at `log-level: debug`."""
    ci = job.ci
    kept = f", {len(plan.kept):,} kept" if plan.kept else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(plan.upload_bytes)}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}"
    )
    count = len(plan.uploads) + len(plan.delete)
    shown = _SHOWN_FOLDED if ci.folds else _SHOWN_PLAIN
    if not count:
        ci.info(line)
    elif ci.shows("debug"):
        with ci.group(line):
            ci.info(*(f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()))
    else:
        with ci.group(line):
            ci.info(*(f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)))
            if count > shown:
                ci.info(f"  and {count - shown:,} more (`log-level: debug` names them)")
    for path in plan.unaddressable:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
    warn_of_foreign_deletions(job, plan.foreign)


def warn_of_foreign_deletions(job: Job, paths: Sequence[str]) -> None:
    """Name files that are deleted although no deploy of ours put them there."""
    if paths:
        job.warn(
            f"To be deleted, though no deploy of this action put it there: {human_paths(paths)}; "
            "name in `keep` what has to stay"
        )


def _report_missing_front_page(job: Job, scan: Scan, plan: Plan, listing: Sequence[RemoteFile]) -> None:
    """Say it if whoever opens the site's address gets no page: a warning where this deploy is why."""
    if _FRONT_PAGE in plan.kept or any(file.path == _FRONT_PAGE for file in scan.files):
        return
    missing = f"The directory has no {_FRONT_PAGE} at its root, so the site's address may show no page"
    if _FRONT_PAGE in plan.delete:
        job.warn(f"{missing}; the site has one now, which is to be deleted")
    elif all(file.path.startswith(MANIFEST_FOLDER) for file in listing):
        job.warn(missing)
    else:
        job.ci.info(missing)

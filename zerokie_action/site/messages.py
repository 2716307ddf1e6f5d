"""Log lines and warnings of a site's deploy."""

import time
from itertools import islice

from zerokie_action.job import Job
from zerokie_action.platform.models import Finalized
from zerokie_action.report.changes import Files, UploadedFile
from zerokie_action.site.ignore import names_directory
from zerokie_action.site.plan import Plan
from zerokie_action.site.record import Record
from zerokie_action.site.rules import FRONT_PAGE
from zerokie_action.site.scan import Scan
from zerokie_action.text.numbers import human_bytes, human_files, human_paths, utc_time

_SHOWN_PLAIN = 20
"""Limit of paths in a plain log."""
_SHOWN_FOLDED = 50
"""Limit of paths in a folded group."""


def log_scan(job: Job, scanned: Scan) -> None:
    """Log the scan, and warn about likely mistakes in the inputs."""
    if scanned.ignore_file is not None:
        job.log.info(f"Ignore file: {scanned.ignore_file}")
    ignored = f", {scanned.ignored:,} ignored" if scanned.ignored else ""
    size = human_bytes(sum(file.size for file in scanned.files))
    job.log.info(f"Scanned {human_files(len(scanned.files))}, {size}{ignored}")
    if scanned.secrets:
        job.log.info(f"Left out names that look like secrets: {human_paths(scanned.secrets, _SHOWN_PLAIN)}")
    for warning in scanned.warnings:
        job.report.warn(warning)
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, scanned.directory):
                job.report.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`. Remove that name, because "
                    "patterns are relative to `directory`"
                )


def log_plan(job: Job, plan: Plan) -> None:
    """Log the changes, in a folded group if the log has groups. At `debug`, log all, with reasons."""
    log = job.log
    kept = f", {plan.kept:,} kept" if plan.kept else ""
    pending = f", {len(plan.pending):,} pending deletion" if plan.pending else ""
    line = (
        f"Plan: {len(plan.uploads):,} to upload ({human_bytes(sum(file.size for file in plan.uploads))}), "
        f"{len(plan.delete):,} to delete, {len(plan.unchanged):,} unchanged{kept}{pending}"
    )
    if log.shows("debug"):
        names = [f"  {sign} {path} ({reason})" for sign, path, reason in plan.changes()]
    else:
        shown = _SHOWN_FOLDED if log.folds else _SHOWN_PLAIN
        names = [f"  {sign} {path}" for sign, path, _ in islice(plan.changes(), shown)]
        if (more := len(plan.uploads) + len(plan.delete) - shown) > 0:
            names.append(f"  and {more:,} more (`log-level: debug` lists all)")
    log.group(line, names)
    if plan.remote.unsafe:
        paths = human_paths(plan.remote.unsafe)
        job.report.warn(f"Skipped remote paths that can't be addressed safely: {paths}")
    is_first = not plan.remote.files
    if FRONT_PAGE in plan.delete or (is_first and FRONT_PAGE not in {file.path for file in plan.files}):
        job.report.warn(f"The folder has no {FRONT_PAGE} at its root, so the site's address may show no page")


def note_files(job: Job, record: Record, *, is_planned: bool = False) -> None:
    """Tell the report the confirmed changes of files, or the planned changes of a dry run."""
    plan = record.plan
    uploads, deletions = (
        (plan.uploads, plan.delete) if is_planned else (record.uploaded_files, record.deleted)
    )
    job.report.files = Files(
        uploaded=[UploadedFile(file.path, file.size, plan.sign(file)) for file in uploads],
        deleted={path: plan.remote.files[path].length for path in deletions},
        unchanged=len(plan.unchanged),
    )


def note_pending(job: Job, plan: Plan) -> None:
    """Note how many files are pending deletion, and when the deletions are due."""
    job.report.pending = len(plan.pending)
    if plan.pending:
        last_since = max(plan.stale.get(path, time.time()) for path in plan.pending)
        due = job.report.pending_until = utc_time(last_since + job.settings.delete_stale)
        stale, day = human_files(len(plan.pending), "stale file"), due.partition("T")[0]
        are, them = ("is", "it") if len(plan.pending) == 1 else ("are", "them")
        job.report.note(f"{stale} {are} pending deletion. The first deploy after {day} deletes {them}")
        if plan.remote.is_unread:
            job.report.warn(
                "The manifest can't be read, so the delay of all pending deletions starts again. If the "
                "manifest stays unreadable, delete these files with `delete-stale: true`"
            )


def log_unconfirmed(job: Job, count: int) -> None:
    """Log how many uploads the next deploy repeats."""
    files = human_files(count)
    them = "it" if count == 1 else "them"
    job.log.info(f"The next deploy uploads {files} again, because the file list can't confirm {them}")


def log_finalized(job: Job) -> None:
    """Log the end of a deploy, and warn if the response lacks something."""
    lock = job.lock
    response = lock.finalized or Finalized()
    deploy_id, is_purged = response.deploy_id, response.cache_purged
    job.log.info(f"Finalized {deploy_id or 'the deploy'}{', CDN cache purged' if is_purged else ''}")
    if not deploy_id:
        job.report.warn(f"Finalize returned no deploy ID: {lock.response_lost}")
    if is_purged is False or lock.finalized is None:
        job.report.warn(
            "The CDN's cache may not have been purged. Visitors may see the old version for a while"
        )

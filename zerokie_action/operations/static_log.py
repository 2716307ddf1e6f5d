"""What the log says of the directory and of the plan, before anything is changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zerokie_action.files.ignore import names_directory
from zerokie_action.text import human_bytes, human_files, human_paths

if TYPE_CHECKING:
    from pathlib import Path

    from zerokie_action.files.plan import Plan
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.zone import Zone

_FRONT_PAGE = "index.html"
_FOR_OTHER_PLATFORMS = (
    "_headers",
    "_redirects",
    "netlify.toml",
    "vercel.json",
    "firebase.json",
    "staticwebapp.config.json",
)
_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
_NAMED = 10
"""How many files a line names."""


def log_scan(job: Job, directory: Path, scan: Scan) -> None:
    """What there is to deploy, and what looks like a mistake about it."""
    if scan.ignore_file is not None:
        job.ci.info(f"Ignore file: {scan.ignore_file}")
    ignored = f"; {scan.ignored:,} ignored" if scan.ignored else ""
    job.ci.info(f"Scanned {human_files(len(scan.files))}, {human_bytes(scan.total_bytes)}{ignored}")
    if scan.secrets:
        secrets = human_paths(scan.secrets, _NAMED)
        job.ci.info(f"Ignored as possible secrets: {secrets}; `!pattern` in `ignore` brings one back")
    for warning in scan.warnings:
        job.warn(warning)
    if any((file.path, file.size) == (_FRONT_PAGE, 0) for file in scan.files):
        job.warn(f"{_FRONT_PAGE} is empty, so the site's address shows an empty page")
    for name, patterns in (("ignore", job.settings.ignore), ("keep", job.settings.keep)):
        for pattern in patterns:
            if names_directory(pattern, directory):
                job.warn(
                    f"`{name}`: {pattern!r} begins with the name of `directory`; patterns start inside of it"
                )
    if others := [file.path for file in scan.files if file.path in _FOR_OTHER_PLATFORMS]:
        job.warn(
            "Files for other platforms, which this one does not read and serves as they are: "
            f"{human_paths(others, len(_FOR_OTHER_PLATFORMS))}"
        )


def log_plan(job: Job, plan: Plan, zone: Zone) -> None:
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
    for path in zone.unaddressable:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
    if _FRONT_PAGE in plan.delete or not (
        zone.files or any(file.path == _FRONT_PAGE for file in plan.uploads)
    ):
        job.warn(f"The directory has no {_FRONT_PAGE} at its root, so the site's address may show no page")

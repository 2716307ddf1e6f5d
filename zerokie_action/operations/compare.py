"""What a deploy has to change: the directory's hashes, the platform's listing and the manifest, compared."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
from anyio.from_thread import check_cancelled

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.local import Hashes
from zerokie_action.files.manifest import MANIFEST_FOLDER
from zerokie_action.files.plan import idle_patterns, make_plan
from zerokie_action.operations.ownership import read_manifests, require_ownership
from zerokie_action.text import human_bytes, human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Document, Manifest, RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.job import Job
    from zerokie_action.owner import Owner

_FRONT_PAGE = "index.html"
_SHOWN_PLAIN = 20
_SHOWN_FOLDED = 50
_NAMED_PATTERNS = 10


class BackgroundHashes:
    """The directory's hashes, computed in a thread while the network is waited for.

    In one thread: from a warm cache a second one is no faster. `compute` runs in a task of its own.
    """

    def __init__(self, files: Sequence[LocalFile]) -> None:
        self._hashes = Hashes(files)
        self._done = anyio.Event()

    async def compute(self) -> None:
        """Hash all files, unless they are not wanted."""
        await anyio.to_thread.run_sync(self._hashes.compute, check_cancelled)
        self._done.set()

    async def wait(self) -> Mapping[str, str]:
        """SHA-256 by path, in hex, as soon as all of them are known."""
        await self._done.wait()
        return self._hashes.by_path

    def forget(self) -> None:
        """Nobody wants to know any more: leave processor and memory to the uploads."""
        self._hashes.stop()


class Comparison(NamedTuple):
    """The plan, and what the zone's manifests say.

    Attributes:
        plan: what to change.
        manifest: the one that counts: empty if there is none, `None` if what there is can't be relied on.
        listed: each manifest that is listed, by path; `None` if it does not count.
        owner: whom the next manifest has to name.
        keep: which remote paths stay, although the directory does not have them.
    """

    plan: Plan
    manifest: Manifest | None
    listed: dict[str, Document | None]
    owner: Owner
    keep: Patterns


async def compare(
    job: Job, folder: Scan, keep: Patterns, hashes: BackgroundHashes, *, exists: bool
) -> Comparison:
    """Make the plan, and tell it. The listing, which is long, is dropped.

    Raises:
        ConfigurationError: when the app is another repository's, or the plan deletes more files than
            `max-deletes` allows.
    """
    with job.phase("Compare"):
        listing = await job.client.list_files(job.app) if exists else []
        listed = await read_manifests(job, listing)
        owner = require_ownership(job, listed)
        if len(listed) > 1:
            listed = dict.fromkeys(listed)
        manifest = _what_is_proved(job, listed)
        known = await hashes.wait() if manifest and job.settings.incremental else {}
        hashes.forget()
    plan = make_plan(
        folder,
        listing,
        hashes=known if job.settings.incremental else None,
        manifest=manifest,
        keep=keep,
        delete_stale=job.settings.delete_stale,
    )
    _tell_of_the_front_page(job, folder, plan, listing)
    _tell(job, plan)
    if idle := idle_patterns(job.settings.keep, listing):
        job.ci.info(f"`keep`: no remote file matches {human_paths(idle, _NAMED_PATTERNS)}")
    _check_deletions(job, plan)
    return Comparison(plan, manifest, listed, owner, keep)


def _check_deletions(job: Job, plan: Plan) -> None:
    most = job.settings.max_deletes
    if most is not None and len(plan.delete) > most:
        raise ConfigurationError(
            f"`max-deletes`: this deploy would delete {human_files(len(plan.delete))}, more than {most:,}",
            hint="No file was written or deleted. If that is what you want, raise `max-deletes`; "
            "if not, check what is in the directory, or add patterns to `keep`.",
        )


def _what_is_proved(job: Job, listed: Mapping[str, Document | None]) -> Manifest | None:
    """What the manifest that counts vouches for (see `Comparison`)."""
    if not listed:
        return {}
    document = next(iter(listed.values()))
    if document is None and job.settings.incremental:
        many = f"There are {len(listed)} manifests" if len(listed) > 1 else "The manifest can't be read"
        job.ci.info(f"{many}, so what earlier deploys uploaded is not known; uploading all files")
    return document and document.files


def _tell(job: Job, plan: Plan) -> None:
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
    warn_of_strangers(job, plan.foreign)


def warn_of_strangers(job: Job, paths: Sequence[str]) -> None:
    """Name files that are deleted although no deploy of ours put them there."""
    if paths:
        job.warn(
            f"To be deleted, though no deploy of this action put it there: {human_paths(paths)}; "
            "name in `keep` what has to stay"
        )


def _tell_of_the_front_page(job: Job, folder: Scan, plan: Plan, listing: Sequence[RemoteFile]) -> None:
    """Say it if whoever opens the site's address gets no page: a warning where this deploy is why."""
    if _FRONT_PAGE in plan.kept or any(file.path == _FRONT_PAGE for file in folder.files):
        return
    missing = f"The directory has no {_FRONT_PAGE} at its root, so the site's address may show no page"
    if _FRONT_PAGE in plan.delete:
        job.warn(f"{missing}; the site has one now, which is to be deleted")
    elif all(file.path.startswith(MANIFEST_FOLDER) for file in listing):
        job.warn(missing)
    else:
        job.ci.info(missing)

"""What is known of the remote files' content, and how the next deploy comes to know it.

The listing has no hashes. The manifest of an earlier deploy has, together with what the listing
showed then; `zerokie_action.files.manifest` says what that proves. Here is the traffic around it:
reading the manifest under the app's public URL (the API can't read files), hashing what may be
unchanged, and writing the new manifest.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from zerokie_action.errors import DeployError, LockLost, PlatformUnavailable, RequestRejected
from zerokie_action.files import manifest as manifests
from zerokie_action.files.local import hash_files
from zerokie_action.http.transport import MEGABYTE, Bytes
from zerokie_action.platform.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Manifest, RemoteFile
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.update import ZoneUpdate

_MANY = 1000
_TOLERANCE = 0.005
"""Seconds by which timers and clocks may be wrong."""
_LARGEST_MANIFEST = 512 * MEGABYTE


class Evidence(NamedTuple):
    """What an earlier deploy proved, and what the folder's files are: much, and of no use after the plan.

    Attributes:
        manifest: None proves nothing.
        hashes: SHA-256 of local files by path, in hex, as far as they are known.
    """

    manifest: Manifest | None
    hashes: Mapping[str, str]


def path_of_manifest(job: Job) -> str:
    """Where this key's manifest lies in the app's storage zone."""
    return manifests.manifest_path(job.settings.api_key.get_secret_value(), job.app)


async def gather(job: Job, folder: Scan, listing: Sequence[RemoteFile]) -> Evidence:
    """Read the manifest and, meanwhile, hash the files that it may prove to be unchanged."""
    path = path_of_manifest(job)
    lengths = {file.path: file.length for file in listing}
    if not job.settings.incremental or path not in lengths:
        return Evidence(None, {})
    candidates = [file for file in folder.files if lengths.get(file.path) == file.size]
    hashes: dict[str, str] = {}

    async def hash_candidates() -> None:
        """In one thread: from a warm cache a second one is no faster."""
        hashes.update(await anyio.to_thread.run_sync(_hash_all, candidates))

    with job.phase("Compare"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hash_candidates)
            manifest = await _read(job, path)
            if manifest is None:
                tasks.cancel_scope.cancel()
    return Evidence(manifest, hashes)


async def _read(job: Job, path: str) -> Manifest | None:
    data = await job.read_deployed(path, max_answer=_LARGEST_MANIFEST)
    found = (
        None
        if data is None
        else manifests.parse(data, api_key=job.settings.api_key.get_secret_value(), app=job.app)
    )
    if found is None:
        job.ci.info("The manifest of the last deploy can't be read or trusted; uploading all files")
    return found


def _hash_all(files: Sequence[LocalFile]) -> dict[str, str]:
    from anyio.from_thread import check_cancelled  # noqa: PLC0415 - while the manifest is on its way

    return hash_files(files, check_cancelled=check_cancelled)


async def settle(update: ZoneUpdate) -> float:
    """Wait until the second of the last upload is over, so that the listing can prove that upload.

    A deploy of many files that uploads all of them, as a first one does, does not wait: a second's worth of
    uploads is then not recorded, and is uploaded once more by the next deploy, which takes about as long as
    the wait.

    Returns:
        A second since the epoch that the platform's clock has reached by now; minus infinity when
        nothing is known of that clock, infinity when only so much time has passed that any second is over.

    Raises:
        LockLost: when the platform says meanwhile that the lock is not ours.
    """
    receipts, clock = update.receipts, update.job.platform.clock
    sends_all_of_many = not update.plan.unchanged and len(receipts.by_path) > _MANY
    if not receipts.by_path or sends_all_of_many:
        return math.floor(clock.now()) if clock.known else -math.inf
    reached = max(receipt.answered for receipt in receipts.by_path.values()) + 1
    # A second after the answer, its second is over by any clock.
    over = receipts.last + 1
    # Where both clocks are right, ours knows when it is: then the date of one more answer proves it.
    expected = max(anyio.current_time() + reached - time.time() + _TOLERANCE, anyio.current_time())
    if expected < min(over, clock.when(reached)):
        await anyio.sleep_until(expected)
        with anyio.CancelScope(deadline=over):
            try:
                await update.lock.confirm()
            except LockLost:
                raise
            except DeployError:
                pass  # nothing is lost but time
    await anyio.sleep_until(min(over, clock.when(reached)))
    return reached


async def record(update: ZoneUpdate, listing: Sequence[RemoteFile], *, now: float) -> None:
    """Write the manifest for the next deploy, and remove those of keys that are no longer in use.

    Args:
        update: what was done.
        listing: the platform's, taken after that.
        now: what `settle` returned before the listing was asked for.
    """
    job, plan, writers, uploaded = update.job, update.plan, update.writers, update.receipts.by_path
    found = manifests.entries_to_record(
        update.folder.files, listing, unchanged=plan.unchanged, uploaded=uploaded, now=now
    )
    if strange := manifests.without_usable_time(listing, uploaded):
        job.ci.info(
            f"The platform's times for {strange:,} of {len(uploaded):,} uploads are missing or later than "
            "its answers, so the next deploy uploads those again"
        )
    try:
        if found != plan.unchanged:
            content = manifests.render(found, api_key=job.settings.api_key.get_secret_value(), app=job.app)
            manifest = Upload(path_of_manifest(job), Bytes(content), "application/json")
            await writers.upload([manifest], lambda *_: None)
        await writers.delete(plan.old_manifests, lambda _path: None)
    except (RequestRejected, PlatformUnavailable) as error:
        job.warn(
            f"The manifest could not be written, so the next deploy uploads more than it has to: {error}"
        )

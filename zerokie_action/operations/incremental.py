"""What is known of the remote files' content, and how the next deploy comes to know it.

The listing has no hashes. The manifest of an earlier deploy has, together with what the listing
showed then; `zerokie_action.files.manifest` says what that proves. Here is the traffic around it:
reading the manifest under the app's public URL (the API can't read files), hashing what may be
unchanged, and writing the new manifest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from zerokie_action.api.transport import MEGABYTE, Bytes
from zerokie_action.api.upload import Upload
from zerokie_action.errors import RequestRejected
from zerokie_action.files import manifest as manifests
from zerokie_action.files.content import FileContent
from zerokie_action.files.hashing import hash_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.api.upload import Writers
    from zerokie_action.files.manifest import Manifest
    from zerokie_action.files.plan import RemoteFile
    from zerokie_action.files.scan import LocalFile, Scan
    from zerokie_action.operations.job import Job

_MANY = 1000
_LARGEST_MANIFEST = 512 * MEGABYTE


@dataclass(slots=True)
class Evidence:
    """What proves the content of remote files.

    Attributes:
        path: where this key's manifest lies.
        manifest: what an earlier deploy proved; None proves nothing.
        hashes: SHA-256 of local files by path, in hex, as far as they are known.
        answered: the second of the platform's answer to each upload; infinity when it had no date.
        last_answer: when the last upload was answered, by our clock; None without uploads.
    """

    path: str
    manifest: Manifest | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    last_answer: float | None = None

    def uploaded(self, upload: Upload, answered: int | None) -> None:
        """Note that the platform confirmed an upload."""
        if isinstance(upload.content, FileContent):
            self.hashes[upload.path] = upload.content.sha256
        self.answered[upload.path] = math.inf if answered is None else answered
        self.last_answer = anyio.current_time()


async def gather(job: Job, folder: Scan, listing: Sequence[RemoteFile]) -> Evidence:
    """Read the manifest and, meanwhile, hash the files that it may prove to be unchanged."""
    evidence = Evidence(manifests.manifest_path(job.settings.api_key.get_secret_value(), job.app))
    lengths = {file.path: file.length for file in listing}
    if not job.settings.incremental or evidence.path not in lengths:
        return evidence
    candidates = [file for file in folder.files if lengths.get(file.path) == file.size]
    with job.phase("Compare"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hash, candidates, evidence)
            evidence.manifest = await _read(job, evidence.path)
            if evidence.manifest is None:
                tasks.cancel_scope.cancel()
    return evidence


async def _read(job: Job, path: str) -> Manifest | None:
    data = await job.read_deployed(path, max_answer=_LARGEST_MANIFEST)
    found = (
        None
        if data is None
        else manifests.parse(data, api_key=job.settings.api_key.get_secret_value(), app=job.app)
    )
    if found is None:
        job.ci.info("The manifest of the last deploy can't be read or trusted; all files are uploaded")
    return found


async def _hash(files: Sequence[LocalFile], evidence: Evidence) -> None:
    """In one thread: from a warm cache a second one is no faster."""
    evidence.hashes = await anyio.to_thread.run_sync(_hash_all, files)


def _hash_all(files: Sequence[LocalFile]) -> dict[str, str]:
    return hash_files(files, check_cancelled=anyio.from_thread.check_cancelled)


async def settle(job: Job, evidence: Evidence) -> float:
    """Wait until the second of the last upload is over, so that the listing can prove that upload.

    A first deploy of many files does not wait: a second's worth of uploads is then not recorded, and
    is uploaded once more by the next deploy, which takes about as long as the wait.

    Returns:
        A second since the epoch that the platform's clock has reached by now.
    """
    is_large_first = evidence.manifest is None and len(evidence.answered) > _MANY
    if evidence.last_answer is None or is_large_first:
        return math.floor(job.platform.clock.now()) if job.platform.clock.known else -math.inf
    latest = max(evidence.answered.values())
    # A second after the answer, its second is over by any clock; a date may tell sooner.
    over = evidence.last_answer + 1
    if job.platform.clock.known and latest < math.inf:
        over = min(over, anyio.current_time() + latest + 1 - job.platform.clock.now())
    await anyio.sleep_until(over)
    return latest + 1


async def record(
    job: Job,
    folder: Scan,
    listing: Sequence[RemoteFile],
    evidence: Evidence,
    writers: Writers,
    *,
    now: float,
    old: Sequence[str],
) -> None:
    """Write the manifest for the next deploy, and remove those of keys that are no longer in use.

    Args:
        now: what `settle` returned before the listing was asked for.
        old: paths of manifests of other keys.
    """
    found = manifests.entries_to_record(
        folder.files,
        evidence.hashes,
        listing,
        previous=evidence.manifest,
        uploaded=evidence.answered,
        now=now,
    )
    try:
        if found != evidence.manifest:
            content = manifests.render(found, api_key=job.settings.api_key.get_secret_value(), app=job.app)
            await writers.upload([Upload(evidence.path, Bytes(content), "application/json")], lambda *_: None)
        await writers.delete(old, lambda _path: None)
    except RequestRejected as error:
        job.warn(
            f"The manifest could not be written, so the next deploy uploads more than it has to: {error}"
        )

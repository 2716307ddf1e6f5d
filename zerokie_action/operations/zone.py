"""An app's storage zone: what it holds, whose it is, and all writes to it while we hold its lock.

The manifests are what makes this safe. One is stored before the first write: it names what is about to be
written, and proves only what stays. So whatever ends the deploy, the next one knows which files are ours, and
nothing vouches for what may have been replaced.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import anyio

from zerokie_action.errors import ConfigurationError, PlatformUnavailable
from zerokie_action.files.content_type import content_type, is_page
from zerokie_action.files.local import FileContent, is_addressable
from zerokie_action.files.manifest import (
    LENGTH_NOT_GIVEN,
    MANIFEST_FOLDER,
    Manifest,
    Marks,
    find_manifests,
    is_anothers,
    new_manifest_path,
    parse,
)
from zerokie_action.http.request import MEGABYTE, Bytes
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.platform.client import MANIFESTS
from zerokie_action.platform.pages import read_public
from zerokie_action.platform.upload import Upload, Writes
from zerokie_action.report.progress import Progress
from zerokie_action.report.result import Uploaded
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import ManifestName, Proof, RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.client import Client
    from zerokie_action.report.result import Changes

_LARGEST_MANIFEST = 192 * MEGABYTE
_LAG = 4.0
_LOOK_AGAIN = 0.5
"""Seconds that a listing may be behind, and after which it is read again."""
_NEXT_SECOND = 1.1
"""The listing's times have whole seconds."""


class Zone(NamedTuple):
    """What a storage zone holds.

    Attributes:
        files: what is listed, by path; without manifests and what no URL can name safely.
        manifests: paths of all that is in our own folder.
        newest: the newest of them that is a manifest.
        manifest: its content; an empty one if there is none, None if it can't be read.
        owner: whose app it is, as the next manifest's name says it.
    """

    files: Mapping[str, RemoteFile]
    manifests: Sequence[str]
    newest: ManifestName | None
    manifest: Manifest | None
    owner: Marks


NOTHING = Zone({}, (), None, Manifest(), Marks())
"""The zone of an app that does not exist yet."""


async def read_zone(job: Job) -> Zone:
    """List the zone, and read its newest manifest.

    Raises:
        ConfigurationError: when the app is somebody else's, and this run may not go on with it.
    """
    files = await _list(job.client, job.app)
    own = [path for path in files if path.startswith(MANIFEST_FOLDER)]
    for path in own:
        del files[path]
    manifests = find_manifests(own)
    require_ownership(job, manifests)
    if files and not manifests and not is_trusted(job):
        raise ConfigurationError(
            f"App {job.app!r} has {human_files(len(files))} that no deploy of this action has uploaded: "
            f"{human_paths(sorted(files))}",
            hint="If `app` names the wrong app, correct it. If the files were "
            "uploaded by hand, by another tool or by an earlier version of this action, set "
            "`take-over: true` for one run by hand: it deletes what the directory does not have, unless "
            "`keep` matches it.",
        )
    for path in [path for path in files if not is_addressable(path)]:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
        del files[path]
    newest = manifests[-1] if manifests else None
    ours = Marks.of(*job.ci.owner)
    return Zone(
        files=files,
        manifests=[path for path in own if is_addressable(path)],
        newest=newest,
        manifest=await _read_manifest(job, newest.path) if newest else Manifest(),
        owner=newest.owner if newest and not ours.is_known else ours,
    )


def is_trusted(job: Job) -> bool:
    """Whether this run may change anything in the app: `take-over` says so, or the run created it."""
    return job.settings.take_over or bool(job.result.created)


def require_ownership(job: Job, manifests: Sequence[ManifestName]) -> None:
    """Stop where all manifests are another repository's; `take-over` goes on.

    Raises:
        ConfigurationError: then.
    """
    if not is_anothers(manifests, Marks.of(*job.ci.owner)):
        return
    what = f"App {job.app!r} was last deployed from a repository other than {str(job.ci.owner)!r}"
    if not is_trusted(job):
        raise ConfigurationError(
            what,
            hint="If `app` names that repository's app by mistake, correct it. To go on all the same, set "
            "`take-over: true` for one run by hand.",
        )
    job.ci.info(f"{what}; `take-over` goes on all the same")


async def _read_manifest(job: Job, path: str) -> Manifest | None:
    """Read it through the app's own URL: the API can't read a file."""
    # The session makes the URL one that no cache has seen.
    url = f"{(job.result.url or '').rstrip('/')}/{quote(path)}?{job.session}"
    data = await read_public(url, job.client.http, max_body=_LARGEST_MANIFEST)
    if data is None:
        await job.client.list_files(job.app)  # answered after an outage, if that was why
        data = await read_public(url, job.client.http, max_body=_LARGEST_MANIFEST)
    manifest = None if data is None else parse(data)
    if manifest is None:
        job.ci.info("The manifest of the last deploy can't be read: nothing is skipped")
    return manifest


async def _list(client: Client, app: str) -> dict[str, RemoteFile]:
    return {file.path: file for file in await client.list_files(app)}


class Update:
    """Carries a plan out, under the lock."""

    def __init__(
        self,
        job: Job,
        lock: DeployLock,
        zone: Zone,
        plan: Plan,
        *,
        files: Sequence[LocalFile],
        changes: Changes,
    ) -> None:
        """Write nothing yet. `files` is all that the directory has; `changes` records what was changed."""
        self._job = job
        self._zone = zone
        self._plan = plan
        self._files = files
        self._changes = changes
        self._before = zone.manifest or Manifest()
        number = zone.newest.number if zone.newest else 0
        self._next = new_manifest_path(number + 1, zone.owner)
        self._last = new_manifest_path(number + 2, zone.owner)
        self._uploaded: dict[str, Uploaded] = {}
        self._proved: Mapping[str, Proof] = {}
        self._is_recorded = False
        self._writes = Writes(
            job.client,
            job.app,
            fence=lock.check,
            shutdown=job.shutdown,
            concurrency=job.settings.concurrency,
        )

    @property
    def is_needed(self) -> bool:
        """Whether anything has to be written: a file, or a manifest that says something new."""
        zone, plan = self._zone, self._plan
        is_recorded = (
            zone.newest and zone.newest.owner == zone.owner and self._before.count == plan.files_after
        )
        return bool(plan.uploads or plan.delete or not is_recorded)

    # In the order in which they are called

    async def store_next_manifest(self) -> None:
        """Name what is about to be written, and prove only what stays."""
        await self._store(self._next, self._plan.unchanged, self._before.count)

    async def upload(self, files: Iterable[LocalFile]) -> None:
        """Store files: assets first, then the pages that refer to them.

        The biggest assets come first: one that begins last would keep all others waiting.
        """
        files = sorted(files, key=lambda file: (is_page(file.path), -file.size, file.path))
        progress = Progress(len(files), sum(file.size for file in files), self._job.ci)

        def begin(file: LocalFile) -> Upload:
            content = FileContent(file)
            progress.begin(file.path, file.size, lambda: content.taken)
            return Upload(file.path, content, content_type(file.path))

        def end(upload: Upload) -> None:
            self._note(upload)
            progress.end(upload.path)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.show)
            for _, group in groupby(files, lambda file: is_page(file.path)):
                await self._writes.upload(map(begin, group), end)
            tasks.cancel_scope.cancel()
        if files:
            self._job.ci.info(f"Uploaded {progress.so_far}")

    async def require_listed(self) -> None:
        """Make sure that the platform lists what it confirmed; what it does not list is sent once more.

        Raises:
            PlatformUnavailable: when it does not list that either. Nothing was deleted.
        """
        shown, doubtful = await self._look()
        if doubtful or self._next not in shown:
            if doubtful:
                paths = human_paths([file.path for file in doubtful])
                self._job.ci.info(f"The listing does not show {paths} as sent; sending it again")
            await anyio.sleep(_NEXT_SECOND)
            await self.upload(doubtful)
            shown, doubtful = await self._look()
        # The same content may keep its time. What is known to have been another one did not arrive.
        wrong = [file.path for file in doubtful if not self._may_be_the_same(file, shown.get(file.path))]
        if wrong or self._next not in shown:
            raise PlatformUnavailable(
                "The platform confirmed what was sent, but does not list it: "
                f"{human_paths(wrong or [self._next])}",
                hint="Nothing was deleted. Check whether a proxy answers in the platform's place, "
                "or report it to the platform. Then run the deploy again.",
            )
        self._proved = self._proofs(shown)

    async def delete_stale(self) -> None:
        """Delete what the directory does not have, and the older manifests."""
        await self._writes.delete((*self._plan.delete, *self._zone.manifests), self._note_deleted)
        if self._plan.delete:
            self._job.ci.info(f"Deleted {human_files(len(self._plan.delete), 'stale file')}")

    async def store_last_manifest(self) -> None:
        """Prove everything that is listed as it was uploaded."""
        await self._store(self._last, self._proved, self._plan.files_after)
        self._is_recorded = True

    async def record_failure(self) -> None:
        """Keep what was achieved, so that the next deploy sends the rest only."""
        if not self._uploaded or self._is_recorded:
            return
        proofs = self._proofs(await _list(self._job.client.retrying(UNTIL_DEADLINE), self._job.app))
        await self._store(self._last, proofs, self._before.count)
        self._job.ci.info(f"Recorded {human_files(len(proofs))}: the next deploy can skip them")

    # What they are made of

    async def _look(self) -> tuple[Mapping[str, RemoteFile], Sequence[LocalFile]]:
        """The listing, and the files that it does not show as they were sent.

        It may be behind: it is read again for four seconds, until it shows everything.
        """
        ends_at = anyio.current_time() + _LAG
        while True:
            shown = await _list(self._job.client, self._job.app)
            doubtful = [file for file in self._files if not self._is_listed(file, shown.get(file.path))]
            if (not doubtful and self._next in shown) or anyio.current_time() >= ends_at:
                return shown, doubtful
            await anyio.sleep(_LOOK_AGAIN)

    def _is_listed(self, file: LocalFile, remote: RemoteFile | None) -> bool:
        """Whether a file is listed with its length, and otherwise than before if it was uploaded."""
        is_as_before = file.path in self._uploaded and remote == self._zone.files.get(file.path)
        return _has_length(file, remote) and not is_as_before

    def _may_be_the_same(self, file: LocalFile, remote: RemoteFile | None) -> bool:
        """Whether an upload that is listed as before may have arrived: no other bytes are proved there."""
        proof = self._before.files.get(file.path)
        if remote is None or not _has_length(file, remote):
            return False
        return proof in {None, (self._uploaded[file.path].sha256, remote.length, remote.last_modified)}

    def _proofs(self, shown: Mapping[str, RemoteFile]) -> dict[str, Proof]:
        """What stays, and each upload that is listed otherwise than before."""
        proofs = dict(self._plan.unchanged)
        for path, file in self._uploaded.items():
            remote = shown.get(path)
            is_new = remote and remote != self._zone.files.get(path)
            if remote and is_new and remote.length == file.size and remote.last_modified:
                proofs[path] = (file.sha256, remote.length, remote.last_modified)
        return proofs

    async def _store(self, path: str, proofs: Mapping[str, Proof], count: int) -> None:
        """Store a manifest: it names the directory, and what the last one named and is still listed."""
        files: dict[str, Proof | None] = {
            path: None for path in self._before.files if path in self._zone.files
        }
        files.update((file.path, None) for file in self._files)
        files.update(proofs)
        # There may be a hundred thousand: no copy.
        content = Bytes(Manifest.model_construct(files=files, count=count).render())
        upload = Upload(path, content, "application/json")
        await self._writes.upload([upload], lambda _upload: None, kind=MANIFESTS)

    def _note(self, upload: Upload) -> None:
        """The platform confirmed an upload. One that was sent again counts once."""
        assert isinstance(upload.content, FileContent)  # noqa: S101 - for the type checker
        path = upload.path
        sign = "~" if path in self._zone.files else "+"
        file = Uploaded(path, upload.content.size, sign, upload.content.sha256)
        if path not in self._uploaded:
            self._changes.uploaded.append(file)
            self._changes.unchanged -= path in self._plan.unchanged
        self._uploaded[path] = file

    def _note_deleted(self, path: str) -> None:
        if not path.startswith(MANIFEST_FOLDER):
            self._changes.deleted.append(path)


def _has_length(file: LocalFile, remote: RemoteFile | None) -> bool:
    return remote is not None and remote.length in {file.size, LENGTH_NOT_GIVEN}

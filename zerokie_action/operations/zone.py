"""An app's storage zone: what it holds, whose it is, and all writes to it while we hold its lock.

The manifests are what makes this safe. The first is stored before the first write: it names the paths that
are about to be written, and proves only what stays. So whatever ends the deploy, the next one knows which
files are ours, and nothing vouches for a file that may have been replaced.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import anyio

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.files.content_type import content_type, is_page
from zerokie_action.files.local import FileContent, is_addressable
from zerokie_action.files.manifest import (
    LENGTH_NOT_GIVEN,
    MANIFEST_FOLDER,
    Manifest,
    Marks,
    digest_of,
    find_manifests,
    is_anothers,
    known_marks,
    new_manifest_path,
    parse,
)
from zerokie_action.files.plan import TAKE_OVER, Doubt
from zerokie_action.http.request import MEGABYTE, Bytes
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.platform.client import HIDDEN, MANIFESTS, NOT_FOUND, is_hidden
from zerokie_action.platform.pages import PageError, read_public
from zerokie_action.platform.upload import Upload, Writes
from zerokie_action.report.progress import Progress
from zerokie_action.report.result import Uploaded
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Gone, ManifestName, Proof, RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.client import Client
    from zerokie_action.report.result import Changes

_LARGEST_MANIFEST = 192 * MEGABYTE
_SILENCE = 10.0
"""Seconds without a byte, after which a manifest can't be read."""
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
        doubts: why this app may be somebody else's.
    """

    files: Mapping[str, RemoteFile]
    manifests: Sequence[str]
    newest: ManifestName | None
    manifest: Manifest | None
    owner: Marks
    doubts: Sequence[Doubt]

    def own_paths(self, files: Iterable[LocalFile], keep: Patterns) -> Collection[str] | None:
        """The listed paths that deploys of this app have put there; None where nobody knows.

        Where the manifest can't be read, the digest in its name may tell: the zone holds just the paths that
        the manifest names, or those and some of the folder's, after a deploy that was killed.
        """
        if self.manifest is not None:
            return self.manifest.own_paths(self.files)
        listed = without(keep, self.files)
        together = listed | without(keep, (file.path for file in files))
        if self.newest and self.newest.digest in {digest_of(listed), digest_of(together)}:
            return listed
        return None


NOTHING = Zone({}, (), None, Manifest(), Marks(), ())
"""The zone of an app that does not exist yet."""


async def read_zone(job: Job) -> Zone:
    """List the zone, and read its newest manifest."""
    files, doubts = await list_zone(job)
    own = [path for path in files if path.startswith(MANIFEST_FOLDER)]
    for path in own:
        del files[path]
    manifests = find_manifests(own)
    doubts += ownership_doubts(job, manifests)
    if files and not manifests:
        doubts.append(
            Doubt(
                f"App {job.app!r} has {human_files(len(files))} that no deploy of this action has uploaded: "
                f"{human_paths(sorted(files))}",
                "If `app` names the wrong app, correct it. If the files were uploaded by hand, by another "
                "tool or by an earlier version of this action, a deploy deletes those that the directory "
                "does not have, unless `keep` matches them.",
                TAKE_OVER,
            )
        )
    for path in [path for path in files if not is_addressable(path)]:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
        del files[path]
    newest = manifests[-1] if manifests else None
    return Zone(
        files=files,
        manifests=[path for path in own if is_addressable(path)],
        newest=newest,
        manifest=await _read_manifest(job, newest.path) if newest else Manifest(),
        owner=known_marks(manifests, Marks.of(*job.ci.owner)),
        doubts=doubts,
    )


def is_trusted(job: Job) -> bool:
    """Whether this run may change anything in the app: `take-over` says so, or the run created it."""
    return job.settings.take_over or bool(job.result.created)


async def list_zone(job: Job) -> tuple[dict[str, RemoteFile], list[Doubt]]:
    """What the zone lists, by path; and a doubt where the platform answers 404: some do for an empty zone."""
    try:
        return await _list(job.client, job.app), []
    except RequestRejected as error:
        if error.status != NOT_FOUND:
            raise
        problem = f"The platform lists no files of app {job.app!r} ({error.answer})"
        advice = "If the app is new and empty, some platforms answer so; else check `app` and `api-url`."
        return {}, [Doubt(problem, advice, TAKE_OVER)]


def ownership_doubts(job: Job, manifests: Sequence[ManifestName]) -> list[Doubt]:
    """A doubt where all manifests are another repository's."""
    if not is_anothers(manifests, Marks.of(*job.ci.owner)):
        return []
    problem = f"App {job.app!r} was last deployed from a repository other than {str(job.ci.owner)!r}"
    advice = (
        "If `app` names that repository's app by mistake, correct it. If the repository was renamed, "
        "`git remote set-url origin` tells this checkout its new name."
    )
    return [Doubt(problem, advice, TAKE_OVER)]


def without(keep: Patterns, paths: Iterable[str]) -> set[str]:
    """The paths that `keep` does not match."""
    return {path for path in paths if not keep.match_file(path)}


async def _read_manifest(job: Job, path: str) -> Manifest | None:
    """Read it through the app's own URL: the API can't read a file."""
    # The session makes the URL one that no cache has seen.
    url = f"{(job.result.url or '').rstrip('/')}/{quote(path)}?{job.session}"
    try:
        data = await read_public(url, job.client.http, max_body=_LARGEST_MANIFEST, silence=_SILENCE)
    except PageError as error:
        why = str(error) if job.result.url else "the platform does not say where the app answers"
    else:
        if manifest := parse(data):
            return manifest
        why = "another page is served in its place"
    job.ci.info(f"The manifest of the last deploy can't be read ({why}): nothing is skipped")
    return None


async def _list(client: Client, app: str) -> dict[str, RemoteFile]:
    return {file.path: file for file in await client.list_files(app)}


class Update:
    """Carries a plan out, under the lock, between two manifests.

    The intent manifest, stored before the first write, names all that is about to be written or deleted. The
    proof manifest, stored at the end, proves the files that are listed as they were uploaded.
    """

    def __init__(
        self,
        job: Job,
        lock: DeployLock,
        zone: Zone,
        plan: Plan,
        *,
        files: Sequence[LocalFile],
        ours: Collection[str] | None,
        keep: Patterns,
        changes: Changes,
    ) -> None:
        """Write nothing yet.

        Args:
            job: the run.
            lock: of the app; every write looks whether it is held.
            zone: what there is.
            plan: what is to be changed.
            files: all that the directory has.
            ours: the listed paths that are ours; None if nobody knows.
            keep: matches the remote paths that are never deleted.
            changes: records what was changed.
        """
        self._job = job
        self._zone = zone
        self._plan = plan
        self._files = files
        self._keep = keep
        self._changes = changes
        self._before = zone.manifest or Manifest()
        self._number = zone.newest.number if zone.newest else 0
        self._intent_path = ""
        stale = set(plan.delete)
        ours = set(ours or ())
        self._names: dict[str, None] = dict.fromkeys([*sorted(ours - stale), *(file.path for file in files)])
        """What is ours as long as the zone has it."""
        self._to_delete = {path: zone.files[path] for path in sorted(stale & ours)}
        self._uploaded: dict[str, Uploaded] = {}
        self._proved: Mapping[str, Proof] = {}
        self._is_recorded = False
        self._writes = Writes(
            job.client.guarded(lock.write),
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
            zone.newest and zone.newest.owner == zone.owner and self._before.count == len(self._files)
        )
        return bool(plan.uploads or plan.delete or not is_recorded)

    # In the order in which they are called

    async def store_intent(self) -> None:
        """Name what is about to be written and deleted, and prove only what stays."""
        self._intent_path = await self._store(
            self._number + 1, self._plan.unchanged, self._before.count, self._names | self._to_delete
        )

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
        if doubtful or self._intent_path not in shown:
            if doubtful:
                paths = human_paths([file.path for file in doubtful])
                self._job.ci.info(f"The listing does not show {paths} as sent; sending it again")
            await anyio.sleep(_NEXT_SECOND)
            await self.upload(doubtful)
            shown, doubtful = await self._look()
        # The same content may keep its time. If the manifest proves other bytes there, the upload was lost.
        wrong = [file.path for file in doubtful if not self._may_be_the_same(file, shown.get(file.path))]
        if wrong or self._intent_path not in shown:
            hint = (
                "Nothing was deleted. Check whether a proxy answers in the platform's place, "
                "or report it to the platform. Then run the deploy again."
            )
            raise PlatformUnavailable(
                "The platform confirmed what was sent, but does not list it: "
                f"{human_paths(wrong or [self._intent_path])}",
                hint=f"{HIDDEN} {hint}" if any(map(is_hidden, wrong)) else hint,
            )
        if any(not shown[path].last_modified for path in self._uploaded):
            self._job.ci.info(
                "The platform's listing has no times: the next deploy can't skip unchanged files"
            )
        self._proved = self._proofs(shown)

    async def delete_stale(self) -> None:
        """Delete what the directory does not have, and the older manifests."""
        await self._writes.delete((*self._plan.delete, *self._zone.manifests), self._note_deleted)
        if self._plan.delete:
            self._job.ci.info(f"Deleted {human_files(len(self._plan.delete), 'stale file')}")

    async def store_proof(self) -> None:
        """Prove everything that is listed as it was uploaded."""
        await self._store(self._number + 2, self._proved, len(self._files), self._names)
        self._is_recorded = True

    async def record_failure(self) -> None:
        """Keep what was achieved, so that the next deploy sends the rest only."""
        if not self._uploaded or self._is_recorded:
            return
        shown = await _list(self._job.client.retrying(UNTIL_DEADLINE), self._job.app)
        proofs = self._proofs(shown)
        listed = [path for path in (*self._names, *self._to_delete) if path in shown]
        await self._store(self._number + 2, proofs, self._before.count, listed)
        self._job.ci.info(f"Recorded {human_files(len(proofs))}: the next deploy can skip them")

    def sent_hashes(self) -> dict[str, str]:
        """SHA-256 of each file as the zone has it now, in hex by path."""
        unchanged = {path: sha256 for path, (sha256, *_) in self._plan.unchanged.items()}
        return unchanged | {path: file.sha256 for path, file in self._uploaded.items()}

    # What they are made of

    async def _look(self) -> tuple[Mapping[str, RemoteFile], Sequence[LocalFile]]:
        """The listing, and the files that it does not show as they were sent.

        It may be behind: it is read again for four seconds, until it shows everything.
        """
        ends_at = anyio.current_time() + _LAG
        while True:
            shown = await _list(self._job.client, self._job.app)
            doubtful = [file for file in self._files if not self._is_listed(file, shown.get(file.path))]
            if (not doubtful and self._intent_path in shown) or anyio.current_time() >= ends_at:
                return shown, doubtful
            await anyio.sleep(_LOOK_AGAIN)

    def _is_listed(self, file: LocalFile, remote: RemoteFile | None) -> bool:
        """Whether a file is listed with its length, and otherwise than before if it was uploaded."""
        return _has_length(file, remote) and not (
            file.path in self._uploaded and self._is_as_before(file.path, remote)
        )

    def _is_as_before(self, path: str, remote: RemoteFile | None) -> bool:
        """Whether a file is listed as it was before the deploy. A listing without times does not tell."""
        return remote is not None and bool(remote.last_modified) and remote == self._zone.files.get(path)

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
            if remote is None or remote.length != file.size or not remote.last_modified:
                continue
            if not self._is_as_before(path, remote):
                proofs[path] = (file.sha256, remote.length, remote.last_modified)
        return proofs

    async def _store(
        self, number: int, proofs: Mapping[str, Proof], count: int, listed: Iterable[str]
    ) -> str:
        """Store a manifest.

        Args:
            number: its own.
            proofs: what it proves.
            count: see `Manifest`.
            listed: the paths that the zone has, or is about to have, of those that the manifest names.

        Returns:
            Its path.
        """
        listed = without(self._keep, listed)
        path = new_manifest_path(number, self._zone.owner, listed)
        files: dict[str, Proof | None] = {**self._names, **proofs}
        gone: dict[str, Gone] = {}
        for stale, remote in self._to_delete.items():
            if remote.last_modified:
                gone[stale] = (remote.length, remote.last_modified)
            elif stale in listed:  # without a time it could not be told from what somebody else puts there
                files[stale] = None
        # There may be a hundred thousand: no copy.
        content = Bytes(Manifest.model_construct(files=files, gone=gone, count=count).render())
        upload = Upload(path, content, "application/json")
        await self._writes.upload([upload], lambda _upload: None, group=MANIFESTS)
        return path

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
            self._changes.deleted[path] = self._zone.files[path].length


def _has_length(file: LocalFile, remote: RemoteFile | None) -> bool:
    return remote is not None and remote.length in {file.size, LENGTH_NOT_GIVEN}

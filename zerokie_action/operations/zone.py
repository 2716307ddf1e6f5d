"""An app's storage zone: its files, its owner, and all writes while the lock is held.

Manifests record a deploy's progress. Before a deploy writes any file, it stores a manifest that names every
path that it is about to write, and that proves only the unchanged files. If the deploy is then killed, the
next deploy knows which files are ours, and trusts no outdated proof.
"""

from __future__ import annotations

from functools import partial
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
    NO_MANIFEST,
    Manifest,
    Marks,
    belong_to_another,
    completed_marks,
    digest_of,
    find_manifests,
    new_manifest_path,
    parse_manifest,
)
from zerokie_action.files.plan import Doubt
from zerokie_action.http.request import MEGABYTE, Bytes
from zerokie_action.http.retry import UNTIL_DEADLINE
from zerokie_action.platform.answers import NOT_FOUND
from zerokie_action.platform.client import HIDDEN_HINT, MANIFESTS, is_hidden
from zerokie_action.platform.pages import PageError, read_public
from zerokie_action.platform.upload import write_each
from zerokie_action.report.progress import Progress
from zerokie_action.report.result import Uploaded
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zerokie_action.files.ignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import Gone, ManifestName, Proof, RemoteFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.report.result import Changes

_LARGEST_MANIFEST = 192 * MEGABYTE
_SILENCE = 10.0
"""Seconds without a byte after which reading a manifest fails."""
_LAG = 4.0
"""Seconds that a listing may lag behind the writes."""
_LOOK_AGAIN = 0.5
"""Seconds between two listings."""
_NEXT_SECOND = 1.1
"""Seconds to wait before sending a file again, so that its listed time differs: times have whole seconds."""


class Zone(NamedTuple):
    """The content of a storage zone.

    Attributes:
        files: the listed files, by path; without manifests and files that no URL can name safely.
        manifests: the paths of all files in the manifest folder.
        newest: the newest manifest's name; `NO_MANIFEST` without a manifest.
        manifest: the newest manifest; empty if it is missing or can't be read.
        ours: the listed paths that this app's deploys have stored; None if that is not known.
        owner: the app's owner, for the name of the next manifest.
        doubts: reasons to think that the app belongs to somebody else.
    """

    files: Mapping[str, RemoteFile]
    manifests: Sequence[str]
    newest: ManifestName
    manifest: Manifest
    ours: set[str] | None
    owner: Marks
    doubts: Sequence[Doubt]


EMPTY_ZONE = Zone({}, (), NO_MANIFEST, Manifest(), set(), Marks(), ())
"""The zone of an app that does not exist yet."""


async def read_zone(job: Job, local_files: Iterable[LocalFile]) -> Zone:
    """List the zone, and read its newest manifest."""
    files, doubts = await list_zone(job)
    in_manifest_folder = [path for path in files if path.startswith(MANIFEST_FOLDER)]
    for path in in_manifest_folder:
        del files[path]
    manifests = find_manifests(in_manifest_folder)
    doubts += doubts_about_app(job, manifests)
    if files and not manifests:
        doubts.append(
            Doubt(
                f"App {job.app!r} has {human_files(len(files))} that no deploy of this action has uploaded: "
                f"{human_paths(sorted(files))}",
                "If `app` names the wrong app, correct it. If the files were uploaded by hand or by another "
                "tool, a deploy deletes those that the directory does not have, unless `keep` matches them.",
            )
        )
    for path in [path for path in files if not is_addressable(path)]:
        job.warn(f"The remote path {path!r} can't be addressed safely; it is left alone")
        del files[path]
    newest = manifests[-1] if manifests else NO_MANIFEST
    manifest = await _read_manifest(job, newest.path) if manifests else Manifest()
    return Zone(
        files=files,
        manifests=[*filter(is_addressable, in_manifest_folder)],
        newest=newest,
        manifest=manifest or Manifest(),
        ours=manifest.own_paths(files) if manifest else _own_paths(job, newest, files, local_files),
        owner=completed_marks(manifests, Marks.of(*job.ci.owner)),
        doubts=doubts,
    )


async def list_zone(job: Job) -> tuple[dict[str, RemoteFile], list[Doubt]]:
    """The zone's files by path; and a doubt if the platform answers 404, which may mean an empty zone."""
    try:
        return await job.client.list_files(job.app), []
    except RequestRejected as error:
        if error.status != NOT_FOUND:
            raise
        problem = f"The platform lists no files of app {job.app!r} ({error.answer})"
        advice = "This answer is normal for a new, empty app; in any other case, check `app` and `api-url`."
        return {}, [Doubt(problem, advice)]


def doubts_about_app(job: Job, manifests: Sequence[ManifestName]) -> list[Doubt]:
    """A doubt if all manifests belong to another repository."""
    if not belong_to_another(manifests, Marks.of(*job.ci.owner)):
        return []
    problem = f"App {job.app!r} was last deployed from a repository other than {str(job.ci.owner)!r}"
    advice = "If `app` names that repository's app by mistake, correct it."
    if not job.ci.owner.id:  # the name comes from the checkout
        advice += " If the repository was renamed, tell the checkout: `git remote set-url origin URL`."
    return [Doubt(problem, advice)]


def not_kept(keep: Patterns, paths: Iterable[str]) -> set[str]:
    """The paths that `keep` does not match."""
    return {path for path in paths if not keep.match_file(path)}


async def _read_manifest(job: Job, path: str) -> Manifest | None:
    """Read a manifest through the app's public URL, because the API can't read files."""
    # The session makes the URL unique, so that no cache has it.
    url = f"{(job.result.url or '').rstrip('/')}/{quote(path)}?{job.session}"
    why = "another page is served in its place"
    try:
        data = await read_public(url, job.client.http, max_body=_LARGEST_MANIFEST, silence=_SILENCE)
        if manifest := parse_manifest(data):
            return manifest
    except PageError as error:
        why = str(error) if job.result.url else "the platform does not give the app's URL"
    job.ci.info(
        f"The manifest of the last deploy can't be read ({why}): unchanged files are uploaded as well"
    )
    return None


def _own_paths(
    job: Job, newest: ManifestName, files: Iterable[str], local_files: Iterable[LocalFile]
) -> set[str] | None:
    """The listed paths that are ours, if the name of an unreadable manifest proves that; else None.

    All listed paths are ours if their digest is the one in the name. After a killed deploy of this folder,
    that digest may cover paths of the folder that are not listed yet.
    """
    listed = not_kept(job.keep, files)
    digests = {digest_of(listed), digest_of(listed | not_kept(job.keep, (file.path for file in local_files)))}
    return listed if newest.digest in digests else None


class Update:
    """Carries out a plan under the lock, and stores a manifest before and after.

    The intent manifest, stored before the first write, names all paths to write, and our own paths to
    delete. The proof manifest, stored at the end, has a proof for every file that is listed as it was
    uploaded.
    """

    def __init__(self, job: Job, lock: DeployLock, zone: Zone, plan: Plan, changes: Changes) -> None:
        """Prepare the update without sending a request.

        Args:
            job: the run.
            lock: the app's lock, checked before every write.
            zone: the zone before the update.
            plan: the changes to make.
            changes: records the changes that were made.
        """
        self._job = job
        self._zone = zone
        self._plan = plan
        self._changes = changes
        self._number = zone.newest.number
        self._intent_path = ""
        ours = zone.ours or set()
        paths = (*sorted(ours.difference(plan.delete)), *(file.path for file in plan.files))
        self._ours_after: dict[str, Proof | None] = dict.fromkeys(paths)
        """The paths that are ours after this deploy: earlier paths that stay, and the folder's.

        Each has None, as `_store` adds the proofs.
        """
        self._own_deletions = {path: zone.files[path] for path in plan.delete if path in ours}
        self._uploaded: dict[str, Uploaded] = {}
        self._proved: Mapping[str, Proof] = {}
        self._lock = lock
        self._client = lock.writing(job.client)
        self._change = job.change("files")
        self._write_each = partial(write_each, concurrency=job.settings.concurrency, shutdown=job.shutdown)

    @property
    def is_needed(self) -> bool:
        """Whether a file or a manifest has to change."""
        zone, plan = self._zone, self._plan
        is_current = zone.newest.owner == zone.owner and zone.manifest.count == len(plan.files)
        return bool(plan.uploads or plan.delete or not is_current)

    # The steps, in their order

    async def store_intent(self) -> None:
        """Store the intent manifest: the paths to write, our paths to delete, proofs of unchanged files."""
        listed = {*self._ours_after, *self._own_deletions}
        self._intent_path = await self._store(self._plan.unchanged, self._zone.manifest.count, listed)
        self._lock.on_failure = self._record_failure

    async def upload(self, files: Iterable[LocalFile]) -> None:
        """Store files: assets first, then the pages that refer to them.

        The biggest assets come first, so that no big asset is left to upload alone at the end.
        """
        files = sorted(files, key=lambda file: (is_page(file.path), -file.size, file.path))
        progress = Progress(len(files), sum(file.size for file in files), self._job.ci)

        async def put(file: LocalFile) -> None:
            path, content = file.path, FileContent(file, self._lock.check)
            progress.begin(path, file.size, lambda: content.taken)
            write = self._change.write()
            await self._client.put_file(self._job.app, path, content, content_type(path), write=write)
            progress.end(path)
            sent = Uploaded(path, file.size, self._plan.sign(file), content.sha256)
            if path not in self._uploaded:  # a file that was sent again counts once
                self._changes.uploaded.append(sent)
                if path in self._plan.unchanged:
                    self._changes.unchanged -= 1
            self._uploaded[path] = sent

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.show)
            for _, group in groupby(files, lambda file: is_page(file.path)):
                await self._write_each(group, put)
            tasks.cancel_scope.cancel()
        if files:
            self._job.ci.info(f"Uploaded {progress.so_far}")

    async def require_listed(self) -> None:
        """Check that the platform lists all confirmed uploads, and send missing files once more.

        Raises:
            PlatformUnavailable: when the listing still lacks an upload. Nothing was deleted.
        """
        shown, missing = await self._read_listing()
        if missing:
            self._job.ci.info(
                f"Sending {human_paths(missing)} again: the listing does not show the new version"
            )
            await anyio.sleep(_NEXT_SECOND)
            if self._intent_path in missing:
                await self.store_intent()
            again = set(missing)
            await self.upload(file for file in self._plan.files if file.path in again)
            shown, missing = await self._read_listing()
        # An upload of the same content may leave the listing unchanged. But if the manifest proves other
        # content at this path, the upload was lost.
        if lost := [path for path in missing if not self._may_have_arrived(path, shown)]:
            hint = (
                "Nothing was deleted. Check whether a proxy answers in the platform's place, "
                "or report it to the platform. Then run the deploy again."
            )
            raise PlatformUnavailable(
                f"The platform confirmed what was sent, but does not list it: {human_paths(lost)}",
                hint=f"{HIDDEN_HINT} {hint}" if any(map(is_hidden, lost)) else hint,
            )
        if any(not shown[path].last_modified for path in self._uploaded):
            self._job.ci.info(
                "The platform's listing has no times: the next deploy can't skip unchanged files"
            )
        self._proved = self._proofs(shown)

    async def delete_stale(self) -> None:
        """Delete the files that the directory does not have."""

        async def delete(path: str) -> None:
            await self._client.delete_file(self._job.app, path, write=self._change.write())
            self._changes.deleted[path] = self._zone.files[path].length

        await self._write_each(self._plan.delete, delete)
        if self._plan.delete:
            self._job.ci.info(f"Deleted {human_files(len(self._plan.delete), 'stale file')}")

    async def delete_manifests(self) -> None:
        """Delete the older manifests."""
        await self._write_each(self._zone.manifests, partial(self._client.delete_file, self._job.app))

    async def store_proof(self) -> None:
        """Store the proof manifest: it proves every file that is listed as it was uploaded."""
        await self._store(self._proved, len(self._plan.files), self._ours_after)
        self._lock.on_failure = None

    async def _record_failure(self) -> None:
        """After a failure, store a manifest with the proofs so far: the next deploy sends only the rest."""
        shown = await self._job.client.retrying(UNTIL_DEADLINE).list_files(self._job.app)
        proofs = self._proofs(shown)
        listed = shown.keys() & {*self._ours_after, *self._own_deletions}
        await self._store(proofs, self._zone.manifest.count, listed)
        if proofs:
            self._job.ci.info(f"Recorded {human_files(len(proofs))}: the next deploy can skip them")

    def deployed_hashes(self) -> dict[str, str]:
        """SHA-256 of each unchanged or uploaded file, in hex by path."""
        unchanged = {path: sha256 for path, (sha256, *_) in self._plan.unchanged.items()}
        return unchanged | {path: file.sha256 for path, file in self._uploaded.items()}

    # Parts of the steps

    async def _read_listing(self) -> tuple[Mapping[str, RemoteFile], Sequence[str]]:
        """The listing, and the paths of files and manifest that it does not show as they were sent.

        The listing may lag behind, so it is read for up to four seconds, until nothing is missing.
        """
        ends_at = anyio.current_time() + _LAG
        while True:
            shown = await self._job.client.list_files(self._job.app)
            missing = [file.path for file in self._plan.files if not self._is_listed(file, shown)]
            if self._intent_path not in shown:
                missing.append(self._intent_path)
            if not missing or anyio.current_time() >= ends_at:
                return shown, missing
            await anyio.sleep(_LOOK_AGAIN)

    def _is_listed(self, file: LocalFile | Uploaded, shown: Mapping[str, RemoteFile]) -> bool:
        """Whether a file is listed with its length, and, after an upload, with a new time or length.

        In a listing without times, the length is enough.
        """
        remote = shown.get(file.path)
        is_as_before = remote and remote.last_modified and remote == self._zone.files.get(file.path)
        return _has_length(file, remote) and not (is_as_before and file.path in self._uploaded)

    def _may_have_arrived(self, path: str, shown: Mapping[str, RemoteFile]) -> bool:
        """Whether an upload may have arrived although the listing looks as before.

        The length has to fit, and the manifest must not prove other content.
        """
        remote, sent, proof = shown.get(path), self._uploaded.get(path), self._zone.manifest.files.get(path)
        if remote is None or sent is None or not _has_length(sent, remote):
            return False
        return proof in {None, (sent.sha256, sent.size, remote.last_modified)}

    def _proofs(self, shown: Mapping[str, RemoteFile]) -> dict[str, Proof]:
        """The proofs of the unchanged files, and of all uploads that are listed anew."""
        return {**self._plan.unchanged} | {
            path: (file.sha256, file.size, shown[path].last_modified)
            for path, file in self._uploaded.items()
            if self._is_listed(file, shown) and shown[path].last_modified
        }

    async def _store(self, proofs: Mapping[str, Proof], count: int, listed: Iterable[str]) -> str:
        """Store the next manifest, and return its path.

        Args:
            proofs: the proofs in the manifest, by path.
            count: see `Manifest`.
            listed: the paths that the zone has or is about to have; their digest is in the manifest's name.
        """
        self._number += 1
        listed = not_kept(self._job.keep, listed)
        manifest_path = new_manifest_path(self._number, self._zone.owner, listed)
        gone: dict[str, Gone] = {
            path: (remote.length, remote.last_modified)
            for path, remote in self._own_deletions.items()
            if remote.last_modified
        }
        # A deleted file that was listed without a time goes into `files`, not `gone`: without a time, nothing
        # tells it from a file that somebody else stores there later.
        without_time = listed & (self._own_deletions.keys() - gone.keys())
        files = {**self._ours_after, **proofs} | dict.fromkeys(without_time)
        # `model_construct` does not copy the dictionaries, which may have a hundred thousand paths.
        manifest = Manifest.model_construct(files=files, gone=gone, count=count)
        content = Bytes(manifest.render(), self._lock.check)

        async def put(path: str) -> None:
            await self._client.put_file(self._job.app, path, content, "application/json", group=MANIFESTS)

        await self._write_each([manifest_path], put)  # one write, which ends like all others
        return manifest_path


def _has_length(file: LocalFile | Uploaded, remote: RemoteFile | None) -> bool:
    return remote is not None and remote.length in {file.size, LENGTH_NOT_GIVEN}

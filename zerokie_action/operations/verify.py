"""Whether the storage zone really holds what it should after all changes.

"200 OK" says little: a proxy may have answered instead of the platform. Nor does everybody ask for the
deploy lock before writing, and a listing may be out of date. The one that is read anyway for the manifest
shows lengths and times; where those can't tell, the app's public URL can.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import PlatformUnavailable
from zerokie_action.files.manifest import still_proves
from zerokie_action.files.paths import is_addressable
from zerokie_action.files.plan import extra_paths
from zerokie_action.http.transport import MEGABYTE
from zerokie_action.operations import incremental
from zerokie_action.platform.models import StoredFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.manifest import RemoteFile
    from zerokie_action.operations.update import ZoneUpdate

_NOT_GIVEN = StoredFile("").length
"""A length that the listing leaves out; it can't be wrong."""
_SAMPLE = 20
_LARGEST_SAMPLE = 4 * MEGABYTE


class Doubts(NamedTuple):
    """Where a listing is not as it should be.

    Attributes:
        missing: files that it does not show, or with another length.
        untouched: uploaded files that it shows as they were before: same length, same time.
        changed: files that were not uploaded, and that somebody else has written to since.
        extra: stale paths that it should not show: they were deleted, or are new.
    """

    missing: tuple[LocalFile, ...]
    untouched: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    extra: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there is any doubt at all."""
        return bool(self.uploads or self.extra)

    @property
    def uploads(self) -> tuple[LocalFile, ...]:
        """Files that may have to be uploaded again."""
        return self.missing + self.untouched + self.changed

    def __str__(self) -> str:
        """The first path, and how many more."""
        return _some([file.path for file in self.uploads] + list(self.extra))


async def ensure(update: ZoneUpdate) -> tuple[Sequence[RemoteFile], float]:
    """Compare the platform's listing with the folder; what it does not show as it should is done once more.

    A proxy may have answered in the platform's place, or somebody else have written to the storage zone.

    Returns:
        The last listing, and what `incremental.settle` returned before it.

    Raises:
        PlatformUnavailable: when the storage zone is not what it should be after the second attempt either.
    """
    listing, now = await _settled_listing(update)
    found = doubts(update, listing)
    if found.any:
        update.job.ci.info(
            f"After all changes, the platform's listing does not match for {found}; trying once more"
        )
        await update.upload(found.uploads)
        await update.delete(found.extra)
        listing, now = await _settled_listing(update)
        await _insist(update, doubts(update, listing))
    return listing, now


async def _settled_listing(update: ZoneUpdate) -> tuple[Sequence[RemoteFile], float]:
    now = await incremental.settle(update)
    return await update.job.client.list_files(update.job.app), now


def doubts(update: ZoneUpdate, listing: Iterable[RemoteFile]) -> Doubts:
    """Compare what was to be done with the listing after it."""
    folder, plan, receipts, settings = update.folder, update.plan, update.receipts, update.job.settings
    was = plan.replaced
    shown = {file.path: file for file in listing if is_addressable(file.path)}
    stale = extra_paths(folder, shown, keep=update.keep, delete_stale=settings.delete_stale).stale
    return Doubts(
        missing=tuple(
            file
            for file in folder.files
            if file.path not in shown or shown[file.path].length not in {file.size, _NOT_GIVEN}
        ),
        # Times have whole seconds: an upload in the very second of the last one is in doubt as well.
        untouched=tuple(
            file
            for file in plan.uploads
            if file.path in was
            and was[file.path] == shown.get(file.path)
            and file.size == was[file.path].length
        ),
        changed=tuple(
            file
            for file in folder.files
            if (known := plan.unchanged.get(file.path)) is not None
            and file.path not in receipts.by_path
            and file.path in shown
            and shown[file.path].length == file.size
            and not still_proves(known, shown[file.path])
        ),
        extra=tuple(sorted(stale)),
    )


async def _insist(update: ZoneUpdate, found: Doubts) -> None:
    """Judge what is in doubt even after the second attempt.

    A platform may leave the time of a file alone that is stored again with the same content, so
    that is no proof of a failure: what the app serves is.

    Raises:
        PlatformUnavailable: when the storage zone is not what it should be.
    """
    wrong = [file.path for file in found.missing + found.changed] + list(found.extra)
    for file in found.untouched[:_SAMPLE]:
        if file.size <= _LARGEST_SAMPLE and await _serves_something_else(update, file):
            wrong.append(file.path)
    if wrong:
        raise PlatformUnavailable(
            f"The platform confirmed all changes twice, but they did not take effect: {_some(wrong)}",
            hint="Check whether a proxy answers in the platform's place, or somebody else writes to the app; "
            "else report it to the platform.",
        )


def _some(paths: Sequence[str]) -> str:
    return repr(paths[0]) + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")


async def _serves_something_else(update: ZoneUpdate, file: LocalFile) -> bool:
    body = await update.job.read_deployed(file.path, max_answer=_LARGEST_SAMPLE)
    uploaded = update.receipts.by_path[file.path]
    return body is not None and hashlib.sha256(body).hexdigest() != uploaded.sha256

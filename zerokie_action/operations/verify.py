"""Whether the storage zone really holds what the platform confirmed.

"200 OK" says little: a proxy may have answered instead of the platform. The listing that is read
anyway for the manifest shows lengths and times; where those can't tell, the app's public URL can.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.api.transport import MEGABYTE
from zerokie_action.errors import PlatformUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zerokie_action.files.plan import Plan
    from zerokie_action.files.records import LocalFile, RemoteFile
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.incremental import Receipts
    from zerokie_action.operations.job import Job

_UNKNOWN = -1
_SAMPLE = 20
_LARGEST_SAMPLE = 4 * MEGABYTE


class Doubts(NamedTuple):
    """What a listing does not confirm.

    Attributes:
        missing: files that it does not show, or with another length.
        untouched: uploaded files that it shows as they were before: same length, same time.
        not_deleted: deleted paths that it still shows.
    """

    missing: tuple[LocalFile, ...]
    untouched: tuple[LocalFile, ...]
    not_deleted: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there is any doubt at all."""
        return bool(self.missing or self.untouched or self.not_deleted)

    @property
    def not_stored(self) -> tuple[LocalFile, ...]:
        """Files that may have to be uploaded again."""
        return self.missing + self.untouched

    def __str__(self) -> str:
        """The first path, and how many more."""
        paths = [file.path for file in self.not_stored] + list(self.not_deleted)
        return repr(paths[0]) + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")


def doubts(folder: Scan, plan: Plan, listing: Iterable[RemoteFile]) -> Doubts:
    """Compare what was to be done with the listing after it."""
    was = plan.replaced
    shown = {file.path: file for file in listing}
    return Doubts(
        missing=tuple(
            file
            for file in folder.files
            if file.path not in shown or shown[file.path].length not in {file.size, _UNKNOWN}
        ),
        # Times have whole seconds: an upload in the very second of the last one is in doubt as well.
        untouched=tuple(
            file
            for file in plan.uploads
            if file.path in was
            and was[file.path] == shown.get(file.path)
            and file.size == was[file.path].length
        ),
        not_deleted=tuple(path for path in plan.delete if path in shown),
    )


async def insist(job: Job, found: Doubts, receipts: Receipts) -> None:
    """Judge what is in doubt even after the second attempt.

    A platform may leave the time of a file alone that is stored again with the same content, so
    that is no proof of a failure: what the app serves is.

    Raises:
        PlatformUnavailable: when the storage zone is not what it should be.
    """
    wrong = [file.path for file in found.missing] + list(found.not_deleted)
    for file in found.untouched[:_SAMPLE]:
        if file.size <= _LARGEST_SAMPLE and await _serves_something_else(job, file, receipts):
            wrong.append(file.path)
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise PlatformUnavailable(
            f"The platform confirmed all changes twice, but they did not take effect: {wrong[0]!r}{more}",
            hint="Check whether a proxy answers in the platform's place; else report it to the platform.",
        )


async def _serves_something_else(job: Job, file: LocalFile, receipts: Receipts) -> bool:
    body = await job.read_deployed(file.path, max_answer=_LARGEST_SAMPLE)
    return body is not None and hashlib.sha256(body).hexdigest() != receipts.by_path[file.path].sha256

"""One update of an app's storage zone, under the deploy lock: what its steps share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from zerokie_action.files.content_type import content_type
from zerokie_action.files.local import FileContent
from zerokie_action.files.manifest import Receipt
from zerokie_action.platform.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zerokie_action.files.gitignore import Patterns
    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.plan import Plan
    from zerokie_action.files.scan import Scan
    from zerokie_action.lock.lock import DeployLock
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.upload import Writers
    from zerokie_action.report.result import Changes


class Receipts:
    """What the platform confirmed of this deploy's uploads.

    Attributes:
        by_path: a receipt for each file.
        last: when the last of them came, by our clock.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.by_path: dict[str, Receipt] = {}
        self.last = -math.inf

    def note(self, upload: Upload, answered: int | None) -> None:
        """Note that the platform confirmed the upload of a file."""
        assert isinstance(upload.content, FileContent)  # noqa: S101 - for the type checker
        self.by_path[upload.path] = Receipt(upload.content.sha256, math.inf if answered is None else answered)
        self.last = anyio.current_time()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ZoneUpdate:
    """What to do, with what, and what came of it so far.

    Attributes:
        folder: what the zone is to hold.
        keep: which remote paths stay, although the folder does not have them.
        plan: what has to be changed for that.
        writers: write only while the lock is held.
        changes: what the platform confirmed; finalize sends these counts.
        receipts: the same of uploads, for the manifest.
    """

    job: Job
    folder: Scan
    keep: Patterns
    plan: Plan
    lock: DeployLock
    writers: Writers
    changes: Changes
    receipts: Receipts = field(default_factory=Receipts)

    async def upload(
        self, files: Iterable[LocalFile], done: Callable[[int], None] = lambda _size: None
    ) -> None:
        """Store files. One that is stored again counts once.

        `done` is given the size in bytes of each file that the platform confirmed.
        """

        def confirmed(upload: Upload, answered: int | None) -> None:
            size = upload.content.size
            if upload.path not in self.receipts.by_path:
                self.changes.uploaded.append((upload.path, size))
                if upload.path in self.plan.unchanged:  # it was, until somebody wrote to it
                    self.changes.unchanged -= 1
            self.receipts.note(upload, answered)
            done(size)

        await self.writers.upload(_uploads(files), confirmed)

    async def delete(self, paths: Iterable[str]) -> None:
        """Delete remote paths. One that is deleted again counts once."""
        before = set(self.changes.deleted)

        def confirmed(path: str) -> None:
            if path not in before:
                self.changes.deleted.append(path)

        await self.writers.delete(paths, confirmed)


def _uploads(files: Iterable[LocalFile]) -> Iterable[Upload]:
    return (Upload(file.path, FileContent(file), content_type(file.path)) for file in files)

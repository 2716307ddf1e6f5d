"""The changes that a run requests, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.text.numbers import human_files, human_paths


class UploadedFile(NamedTuple):
    """A file uploaded by the run, or to be uploaded after a dry run.

    Attributes:
        path: the path on the platform.
        size: the size in bytes.
        sign: `+` for a new path, `~` for an existing path.
    """

    path: str
    size: int
    sign: str = "+"


@dataclass
class Files:
    """The confirmed changes of a site's files, or the changes that a dry run would make.

    Attributes:
        uploaded: the uploads that the platform confirmed.
        deleted: the size in bytes of each deleted file, by path. -1 for an unknown size.
        in_the_way: the files to delete before the uploads, because they are in the way.
        unchanged: the number of files skipped as unchanged.
        to_upload: the number of files that the plan uploads.
        to_delete: the number of files that the plan deletes.
        pending: the number of pending deletions. None before the deploy is finished.
        pending_until: when the last of them is due, such as `2026-03-07T17:00:00Z`. Empty without any.
    """

    uploaded: list[UploadedFile] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)
    in_the_way: Sequence[str] = ()
    unchanged: int = 0
    to_upload: int = 0
    to_delete: int = 0
    pending: int | None = None
    pending_until: str = ""

    @property
    def bytes_uploaded(self) -> int:
        """Total size of the uploaded files, in bytes."""
        return sum(file.size for file in self.uploaded)

    def so_far(self) -> str:
        """Return a clause for the state after an early end, with the planned and the confirmed changes."""
        uploads = (len(self.uploaded), self.to_upload, "uploaded")
        deletions = (len(self.deleted), self.to_delete, "deleted")
        counts = ", ".join(
            f"{done:,} of {human_files(planned)} {verb}"
            for done, planned, verb in (uploads, deletions)
            if planned
        )
        gone = [path for path in self.in_the_way if path in self.deleted]
        first = f"deleted before the uploads: {human_paths(gone, 20)}" if gone else ""
        is_half_new = len(self.uploaded) < self.to_upload
        return "; ".join(filter(None, (counts, first, "the site may be half new" if is_half_new else "")))


@dataclass
class Change:
    """A change that the run requested, with clauses for the state afterwards.

    Attributes:
        done: the clause after a confirmed change.
        unknown: the clause if the change may or may not have taken effect.
        final_state: the clause after a later look at the app. Replaces the other clauses.
        creates: whether the change creates the app.
        files: the changed files. After an early end, their counts describe the state.
        deliveries: the requests. A change of files has one for each file.
    """

    done: str = ""
    unknown: str = ""
    final_state: str = ""
    creates: bool = False
    files: Files | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def request(self) -> Delivery:
        """Add a request to this change, before the request is sent."""
        self.deliveries.append(Delivery())
        return self.deliveries[-1]

    @property
    def outcome(self) -> Outcome:
        """The outcome: unknown if one of the requests is unknown, otherwise done if one is done."""
        return max((delivery.outcome for delivery in self.deliveries), default=Outcome.REFUSED)

    @property
    def may_be_made(self) -> bool:
        """Whether the change took effect, or may have."""
        return self.outcome is not Outcome.REFUSED

    @property
    def state(self) -> str:
        """The clause for the state after this change. Empty if the change was refused."""
        if not self.may_be_made:
            return ""
        if self.final_state:
            return self.final_state
        if self.files:
            return self.files.so_far()
        return self.done if self.outcome is Outcome.DONE else self.unknown

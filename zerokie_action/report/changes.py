"""The changes that a run requests, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from zerokie_action.http.request import Delivery, Outcome


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


class Files(NamedTuple):
    """The confirmed changes of a site's files, or the changes that a dry run would make.

    Attributes:
        uploaded: the uploads that the platform confirmed.
        deleted: the size in bytes of each deleted file, by path. -1 for an unknown size.
        unchanged: the number of files skipped as unchanged.
    """

    uploaded: Sequence[UploadedFile] = ()
    deleted: Mapping[str, int] = MappingProxyType({})
    unchanged: int = 0

    @property
    def bytes_uploaded(self) -> int:
        """Total size of the uploaded files, in bytes."""
        return sum(file.size for file in self.uploaded)


@dataclass
class Change:
    """A change that the run requested, with clauses for the state afterwards.

    Attributes:
        done: the clause after a confirmed change.
        unknown: the clause if the change may or may not have taken effect.
        final_state: the clause after a later look at the app. Replaces the other clauses.
        creates: whether the change creates the app.
        deliveries: the requests. A change of files has one for each file.
    """

    done: str = ""
    unknown: str = ""
    final_state: str = ""
    creates: bool = False
    deliveries: list[Delivery] = field(default_factory=list)

    def new_delivery(self) -> Delivery:
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
        return self.done if self.outcome is Outcome.DONE else self.unknown

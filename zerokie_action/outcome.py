"""The outcome of each request that changes something, and the run's list of changes.

The reports need to know what a run may have left behind, even after a lost answer or a cancellation. So a
`Write` is unknown from the moment its request may leave, until an answer says more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, auto


class Outcome(IntEnum):
    """What became of a request that changes something. Of several requests, the greatest outcome counts."""

    REFUSED = auto()
    """The platform refused the request, or it was never sent."""
    DONE = auto()
    """The platform confirmed the request."""
    UNKNOWN = auto()
    """The request may have taken effect: it is in flight, or its answer was lost."""


@dataclass(slots=True)
class Write:
    """One request that changes something, with all of its attempts.

    Attributes:
        outcome: what became of it so far.
        lost: why the answer to an attempt was lost; empty if none was lost. It stays after a later answer.
    """

    outcome: Outcome = Outcome.REFUSED
    lost: str = ""

    @property
    def may_come_late(self) -> bool:
        """Whether the platform may carry out an attempt whose answer was lost at any later time."""
        return bool(self.lost) or self.outcome is Outcome.UNKNOWN


@dataclass
class Change:
    """A change that the run asked for, with the words for the run's final state.

    Attributes:
        done: a clause for the final state after the change.
        unknown: a clause for the final state if nobody can tell whether the change was made.
        seen: a clause from a later look at the app; it replaces the other two.
        creates: whether it creates the app.
        writes: the requests; a change of files has one for each file.
    """

    done: str = ""
    unknown: str = ""
    seen: str = ""
    creates: bool = False
    writes: list[Write] = field(default_factory=list)

    def write(self) -> Write:
        """One more request for this change."""
        self.writes.append(Write())
        return self.writes[-1]

    @property
    def outcome(self) -> Outcome:
        """Unknown if any request is, else done if any request is."""
        return max((write.outcome for write in self.writes), default=Outcome.REFUSED)

    @property
    def may_be_made(self) -> bool:
        """Whether the change was made, or may have been made."""
        return self.outcome is not Outcome.REFUSED

    @property
    def state(self) -> str:
        """The clause for the final state; empty if the change was refused."""
        if not self.may_be_made:
            return ""
        return self.seen or (self.done if self.outcome is Outcome.DONE else self.unknown)


def was_created(changes: Iterable[Change]) -> bool | None:
    """Whether a run created its app; None if nobody can tell."""
    created = {change.outcome for change in changes if change.creates}
    return None if Outcome.UNKNOWN in created else Outcome.DONE in created

"""The outcome of each request that changes something, and the run's list of changes.

The reports need to know what a run may have left behind, even after a lost answer or a cancellation. So a
`Write` is unknown from the moment its request may leave, until an answer says more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(Enum):
    """What became of a request that changes something."""

    REFUSED = auto()
    """The platform refused the request, or it was never sent."""
    UNKNOWN = auto()
    """The request may have taken effect: it is in flight, or its answer was lost."""
    DONE = auto()
    """The platform confirmed the request."""


@dataclass(slots=True)
class Write:
    """One request that changes something, with all of its attempts.

    Attributes:
        outcome: what became of it so far.
        lost: why the answer to an attempt was lost; empty if no answer was lost. It stays after a later answer.
    """

    outcome: Outcome = Outcome.REFUSED
    lost: str = ""

    def sending(self) -> None:
        """Note that an attempt begins."""
        self.outcome = Outcome.UNKNOWN

    def answered(self, *, is_accepted: bool) -> None:
        """Note an answer. A refusal leaves the outcome unknown if an earlier answer was lost."""
        if is_accepted:
            self.outcome = Outcome.DONE
        elif not self.lost:
            self.outcome = Outcome.REFUSED

    def failed(self, why: str, *, may_have_arrived: bool) -> None:
        """Note an attempt without an answer."""
        if may_have_arrived:
            self.lost = self.lost or why
        else:
            self.answered(is_accepted=False)


@dataclass
class Change:
    """A change that the run asked for, with the words for the run's final state.

    Attributes:
        write: the request.
        kind: `create`, `delete`, `deploy`, `domain` or `files`.
        done: a clause for the final state after the change.
        unknown: a clause for the final state if nobody can tell whether the change was made.
        seen: a clause from a later look at the app; it replaces the other two.
    """

    kind: str
    done: str = ""
    unknown: str = ""
    seen: str = ""
    write: Write = field(default_factory=Write)

    @property
    def may_be_made(self) -> bool:
        """Whether the change was made, or may have been made."""
        return self.write.outcome is not Outcome.REFUSED

    @property
    def state(self) -> str:
        """The clause for the final state; empty if the change was refused."""
        if not self.may_be_made:
            return ""
        return self.seen or (self.done if self.write.outcome is Outcome.DONE else self.unknown)

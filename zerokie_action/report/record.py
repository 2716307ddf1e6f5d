"""The changes that a run asked for, from which the reports derive its final state."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from zerokie_action.http.request import Outcome, Sent


@dataclass
class Change:
    """A change that the run asked for, with the words for the run's final state.

    Attributes:
        done: a clause for the final state after the change.
        unknown: a clause for the final state if nobody can tell whether the change was made.
        seen: a clause from a later look at the app; it replaces the other two.
        creates: whether it creates the app.
        sent: its requests. A change of files has one for each file.
    """

    done: str = ""
    unknown: str = ""
    seen: str = ""
    creates: bool = False
    sent: list[Sent] = field(default_factory=list)

    def request(self) -> Sent:
        """One more request for this change."""
        self.sent.append(Sent())
        return self.sent[-1]

    @property
    def outcome(self) -> Outcome:
        """Unknown if any request is, else done if any request is."""
        return max((sent.outcome for sent in self.sent), default=Outcome.REFUSED)

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

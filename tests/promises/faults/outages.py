"""The ways in which a platform can be away for a time, at any request of a run."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.world import World
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.records import Record

KINDS: dict[str, dict[str, object]] = {
    "refused": {"kind": Kind.RESET},
    "reset": {"kind": Kind.RESET},
    "silent": {"kind": Kind.HANG},
    "503": {"kind": Kind.STATUS, "status": 503},
    "a page": {"kind": Kind.STATUS, "status": 404, "body": b"<html><title>Not Found</title></html>"},
    "429": {"kind": Kind.STATUS, "status": 429},
    "429 with Retry-After": {"kind": Kind.STATUS, "status": 429, "headers": {"Retry-After": "7"}},
}


@dataclass
class Outage:
    """Every request fails, from one on, for so many seconds.

    Attributes:
        kind: one of `KINDS`.
        index: the first request that fails.
        where: what else a `Fault` asks of the requests that fail; all of them do by default.
        began: when it did, by the loop's time.
        at: called when it begins.
    """

    kind: str
    seconds: float
    index: int
    where: dict[str, object] = field(default_factory=dict)
    began: float | None = None
    at: Callable[[], None] = lambda: None

    def arm(self, world: World) -> None:
        """Let it happen to the next run."""
        platform = world.platform
        fault = Fault(index=self.index, times=None, **KINDS[self.kind] | self.where)  # type: ignore[arg-type]
        platform.faults.add(fault)

        def look(record: Record) -> None:
            if self.began is not None or not fault.matches(record):
                return
            self.began = world.loop.now
            world.loop.call_later(self.seconds, platform.faults.clear)
            if self.kind == "refused":
                world.go_away(self.seconds)
            self.at()

        platform.on_request = look

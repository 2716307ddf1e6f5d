"""Faults: their kinds, and the requests that they hit. Their effect is in `connection`."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sandbox.records import Record

_ALL = 100


class Kind(StrEnum):
    """The kinds of faults."""

    STATUS = "status"
    """The answer is `status` with `headers` and `body` (default: an `error` in JSON)."""
    HTML = "html"
    """The answer is a 200 with an HTML page."""
    EMPTY = "empty"
    """The answer is a 200 without a body."""
    TRUNCATED = "truncated"
    """The answer is a 200 whose body ends before its `Content-Length`; then the connection is closed."""
    RESET = "reset"
    """A TCP RST in place of an answer."""
    RESET_UPLOAD = "reset-upload"
    """A TCP RST after `size` bytes of the request's body; the request takes no effect."""
    HANG = "hang"
    """No answer, until the client gives up."""
    DRIP = "drip"
    """A 200 whose body comes at one byte a second and never ends."""
    PROCESSING = "processing"
    """A 102 each second, and no other answer."""
    DELAY = "delay"
    """The request takes effect after `seconds`, and is answered then."""
    LATE = "late"
    """The answer is that of STATUS; the request takes effect after `seconds`, even if the client has gone."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the requests that it hits.

    Example: `Fault(Kind.RESET, method="PUT", path=r"/files/", after=True, times=2)`.

    Attributes:
        kind: the kind.
        method: the method of the requests to hit; `*` or `None` for any method.
        path: a regular expression, searched for in the raw path.
        index: the lowest index in `Platform.requests` that the fault can hit. So `index=7` alone hits request
            7; with `times=None`, the fault hits all requests from index 7.
        skip: the number of matching requests that get through first.
        times: the number of requests to hit; `None` for all.
        percent: the percentage of these requests that are really hit, evenly spread.
        lasts: seconds after which the fault ends; `None` for never.
        after: whether the request takes effect first (all kinds but RESET_UPLOAD, DELAY and LATE).
        status, headers, body: the answer of STATUS and LATE.
        size: the bytes of RESET_UPLOAD.
        seconds: the time of DELAY and LATE.
    """

    kind: Kind
    method: str | None = None
    path: str = ""
    index: int = 0
    skip: int = 0
    times: int | None = 1
    percent: int = 100
    lasts: float | None = None
    after: bool = False
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    size: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Short form for test names and logs: `status 503`, `reset after the effect`."""
        detail = f" {self.status}" if self.kind is Kind.STATUS else ""
        return f"{self.kind}{detail}{' after the effect' if self.after else ''}"

    def __post_init__(self) -> None:
        """Refuse an invalid regular expression, and an invalid percentage."""
        if not 0 < self.percent <= _ALL:
            raise ValueError(f"{self.percent} % is not from 1 to 100")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path {self.path!r} is no regular expression: {error}") from None

    def matches(self, record: Record) -> bool:
        """Whether the request matches the fault, without regard to `skip`, `times` and `percent`."""
        return (
            record.index >= self.index
            and self.method in {None, "*", record.method}
            and re.search(self.path, record.path) is not None
        )

    def hits(self, seen: int) -> bool:
        """Whether the fault hits a matching request after `seen` earlier matching requests."""
        turn = seen - self.skip
        return (
            turn >= 0
            and (self.times is None or turn < self.times)
            and (turn + 1) * self.percent // _ALL > turn * self.percent // _ALL
        )


@dataclass(slots=True)
class ArmedFault:
    """A fault of one platform.

    Attributes:
        fault: the fault.
        seen: the number of matching requests.
        hits: the number of requests that were hit.
        ends: the end by the platform's clock; None for never.
        name: the name on the page, such as `Outage of 30 s`; empty if the page did not start the fault.
    """

    fault: Fault
    ends: float | None
    name: str = ""
    seen: int = 0
    hits: int = 0


class Faults:
    """The faults of one platform. A request is hit by the first fault whose turn it is."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin without faults; `clock` decides when faults end."""
        self._clock = clock
        self._armed: list[ArmedFault] = []

    def add(self, *faults: Fault, name: str = "", first: bool = False) -> None:
        """Arm the faults, after or before the armed faults."""
        now = self._clock()
        ends = (None if fault.lasts is None else now + fault.lasts for fault in faults)
        added = [ArmedFault(fault, end, name) for fault, end in zip(faults, ends, strict=True)]
        self._armed = added + self._armed if first else self._armed + added

    def list(self) -> list[ArmedFault]:
        """Return the armed faults in the order in which a request meets them."""
        now = self._clock()
        self._armed = [armed for armed in self._armed if armed.ends is None or armed.ends > now]
        return list(self._armed)

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def take(self, record: Record) -> Fault | None:
        """Return the fault that hits this request, and count the request for every fault that was checked."""
        for armed in self.list():
            if armed.fault.matches(record):
                armed.seen += 1
                if armed.fault.hits(armed.seen - 1):
                    armed.hits += 1
                    return armed.fault
        return None


GRAMMAR = "METHOD PATH WHAT [after] [skip=N] [xN] [N%] [for=SECONDS]"
_WHAT = (
    "html, empty, truncated, reset, reset-upload=BYTES, hang, drip, processing, delay=SECONDS, late=SECONDS"
)
HELP = (
    f"METHOD may be *; PATH is a regular expression; WHAT is a status code or one of {_WHAT};"
    " after lets the request take effect first; skip=N lets N requests through; x* means for ever"
    " (default: x1, or x* beside N% or for=SECONDS); N% hits only N of a hundred matching requests;"
    " for=SECONDS removes the fault after that time"
)
_NUMBER = r"(\d+(?:\.\d+)?)"
_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    r"(\d+)": lambda code: {"kind": Kind.STATUS, "status": int(code)},
    r"(html|empty|truncated|reset|hang|drip|processing)": lambda kind: {"kind": Kind(kind)},
    r"reset-upload=(\d+)": lambda size: {"kind": Kind.RESET_UPLOAD, "size": int(size)},
    rf"(delay|late)={_NUMBER}": lambda kind, seconds: {"kind": Kind(kind), "seconds": float(seconds)},
}
_MODIFIERS: dict[str, Callable[..., dict[str, Any]]] = {
    r"after": lambda: {"after": True},
    r"x(\d+)": lambda number: {"times": int(number)},
    r"x\*": lambda: {"times": None},
    r"skip=(\d+)": lambda number: {"skip": int(number)},
    r"(\d+)%": lambda number: {"percent": int(number)},
    rf"for={_NUMBER}": lambda seconds: {"lasts": float(seconds)},
}


def parse_fault(text: str) -> Fault:
    """Read a fault as `GRAMMAR` describes it.

    Raises:
        ValueError: when the text does not follow the grammar.
    """
    try:
        method, path, what, *rest = text.split()
    except ValueError:
        raise ValueError(f"{text!r} is not '{GRAMMAR}'") from None
    kind = _read_word(what, _KINDS, f"neither a status code, such as 503, nor one of {_WHAT}")
    times = None if re.search(r"\d%|for=", " ".join(rest)) else 1
    fault = Fault(method=None if method == "*" else method, path=path, times=times, **kind)
    for word in rest:
        field = _read_word(word, _MODIFIERS, "not 'after', 'skip=N', 'xN', 'N%' or 'for=SECONDS'")
        fault = replace(fault, **field)
    return fault


def _read_word(word: str, forms: dict[str, Callable[..., dict[str, Any]]], problem: str) -> dict[str, Any]:
    for form, fields in forms.items():
        if found := re.fullmatch(form, word):
            return fields(*found.groups())
    raise ValueError(f"{word!r} is {problem}")

"""Faults, and the requests that they hit.

The effects of faults are in `connection`.
"""

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
    """A response with `status`, `headers` and `body`; the default body is an `error` in JSON."""
    HTML = "html"
    """A 200 with an HTML page."""
    EMPTY = "empty"
    """A 200 without a body."""
    TRUNCATED = "truncated"
    """A 200 with a body shorter than its `Content-Length`; then the sandbox closes the connection."""
    RESET = "reset"
    """A TCP RST instead of a response."""
    RESET_UPLOAD = "reset-upload"
    """A TCP RST after `size` bytes of the request's body; the request has no effect."""
    HANG = "hang"
    """No response until the client gives up."""
    DRIP = "drip"
    """A 200 with an endless body of one byte per second."""
    PROCESSING = "processing"
    """A 102 each second, and no other response."""
    DELAY = "delay"
    """The request has its effect and its response after `seconds`."""
    LATE = "late"
    """The same response as STATUS; the request has its effect after `seconds`, even without the client."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the requests that it hits.

    Example: `Fault(Kind.RESET, method="PUT", path=r"/files/", after=True, times=2)`.

    Attributes:
        kind: the kind.
        method: the method of the requests to hit; `*` or `None` for any method.
        path: a regular expression that the raw path must contain.
        index: the lowest index in `Platform.requests` that the fault can hit. `index=7` hits request 7.
            With `times=None`, it hits all requests from index 7.
        skip: the number of matching requests that get through first.
        times: the number of requests to hit; `None` for all.
        percent: the percentage of these requests to hit, evenly spread.
        lasts: seconds until the fault ends; `None` for a fault without an end.
        after: whether the request has its effect first. RESET_UPLOAD, DELAY and LATE ignore this.
        status, headers, body: the response of STATUS and LATE.
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
        """Raise a `ValueError` for an invalid percentage or regular expression."""
        if not 0 < self.percent <= _ALL:
            raise ValueError(f"{self.percent}% is not from 1 to 100")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path {self.path!r} isn't a regular expression: {error}") from None

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
        hits: the number of requests that the fault hit.
        ends: the end by the platform's clock; None for a fault without an end.
        name: the name on the page, such as `Outage of 30s`; empty unless the page started the fault.
    """

    fault: Fault
    ends: float | None
    name: str = ""
    seen: int = 0
    hits: int = 0


class Faults:
    """The faults of one platform. Only the first matching fault hits a request."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start without faults; `clock` decides when faults end."""
        self._clock = clock
        self._armed: list[ArmedFault] = []

    def add(self, *faults: Fault, name: str = "", first: bool = False) -> None:
        """Arm the faults, after or before the armed faults."""
        now = self._clock()
        ends = (None if fault.lasts is None else now + fault.lasts for fault in faults)
        added = [ArmedFault(fault, end, name) for fault, end in zip(faults, ends, strict=True)]
        self._armed = added + self._armed if first else self._armed + added

    def list(self) -> list[ArmedFault]:
        """Return the armed faults in the order of their checks."""
        now = self._clock()
        self._armed = [armed for armed in self._armed if armed.ends is None or armed.ends > now]
        return list(self._armed)

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def take(self, record: Record) -> Fault | None:
        """Return the fault that hits this request, and count the request for each fault checked so far."""
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
    "make requests fail. METHOD can be *. PATH is a regular expression. WHAT is a status code or one of"
    f" these: {_WHAT}. With 'after', the request has its effect first. 'skip=N' lets N requests through."
    " 'xN' hits N requests, and 'x*' all. The default is x1, or x* with N% or for=SECONDS. 'N%' hits N of"
    " 100 requests. 'for=SECONDS' removes the fault after that time"
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

"""The page's switches: what goes wrong in the platform, in a user's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, ValidationError

from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.sandbox.problems import ApiError

if TYPE_CHECKING:
    from zerokie_action.sandbox.faults import ArmedFault
    from zerokie_action.sandbox.platform import Platform

SOMEBODY_ELSE = "somebody-else"
"""The session that takes locks."""

_API = "^/v1/"
_MILLISECONDS = 1000
_SPACE = "\N{NO-BREAK SPACE}"

Seconds = Annotated[int, Field(ge=1, le=1800)]


class Trouble(BaseModel):
    """The form; what belongs to another trouble than the chosen one has its default."""

    trouble: Literal["outage", "latency", "rate-limit", "errors", "lock"]
    outage_seconds: Seconds = 30
    latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 500
    retry_after: Seconds = 10
    status: Annotated[int, Field(ge=500, le=599)] = 503
    percent: Annotated[int, Field(ge=1, le=100)] = 20
    app: str = ""
    lock_seconds: Seconds = 60


_FIELDS = {
    "outage": ("outage_seconds",),
    "latency": ("latency_milliseconds",),
    "rate-limit": ("retry_after",),
    "errors": ("status", "percent"),
    "lock": ("app", "lock_seconds"),
}
"""What belongs to which trouble."""


class FieldError(ApiError):
    """A form that is refused because of one of its fields, whose name is in `field`."""

    def __init__(self, status: int, message: str, field: str) -> None:
        """Refuse with this status and message."""
        super().__init__(status, message)
        self.field = field


def switch(platform: Platform, form: bytes) -> None:
    """Do what the form says, which has the API key in `key`.

    Raises:
        FieldError: 403 for a wrong key, 400 for wrong values, 404 for an app that is none; nothing happened.
    """
    fields = dict(parse_qsl(form.decode("ascii", "replace"), keep_blank_values=True))
    if fields.get("key") not in platform.api_keys:
        raise FieldError(403, "That is not the API key. The sandbox printed it when it started.", "key")
    if "clear" in fields:
        clear(platform)
        return
    relevant = ("trouble", *_FIELDS.get(fields.get("trouble", ""), ()))
    try:
        _start(platform, Trouble.model_validate({name: fields[name] for name in relevant if name in fields}))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = str(first["loc"][0])
        raise FieldError(400, f"{field.replace('_', ' ').capitalize()}: {first['msg']}", field) from None


def _start(platform: Platform, wanted: Trouble) -> None:
    match wanted.trouble:
        case "outage":
            outage = Fault(Kind.RESET, times=None, lasts=wanted.outage_seconds)
            # A request meets the first fault that matches it; no other may let one through.
            platform.faults.add_first(outage, f"Outage of {wanted.outage_seconds}{_SPACE}s")
        case "latency":
            platform.latency = wanted.latency_milliseconds / _MILLISECONDS
        case "rate-limit":
            headers = {"retry-after": str(wanted.retry_after)}
            limit = Fault(
                Kind.STATUS, path=_API, times=None, status=429, headers=headers, lasts=wanted.retry_after
            )
            platform.faults.add(limit, name=f"Rate limit of {wanted.retry_after}{_SPACE}s")
        case "errors":
            errors = Fault(Kind.STATUS, path=_API, times=None, status=wanted.status, percent=wanted.percent)
            platform.faults.add(errors, name=f"Errors {wanted.status}, {wanted.percent}{_SPACE}%")
        case "lock":
            try:
                app = platform.apps.static(wanted.app)
            except ApiError as error:
                raise FieldError(error.status, error.message, "app") from None
            platform.locks.take(app.name, SOMEBODY_ELSE, wanted.lock_seconds)


def clear(platform: Platform) -> None:
    """End all trouble, whoever started it."""
    platform.faults.clear()
    platform.latency = 0
    for app in platform.apps.list():
        if platform.lock(app.name) == SOMEBODY_ELSE:
            platform.expire_lock(app.name)


def describe(platform: Platform) -> list[str]:
    """Say what goes wrong now, one sentence each."""
    sentences = [_describe(armed, platform.clock()) for armed in platform.faults.list()]
    if platform.latency:
        sentences.append(f"Latency of {platform.latency * _MILLISECONDS:.0f}{_SPACE}ms")
    for app in platform.apps.list():
        if platform.lock(app.name) == SOMEBODY_ELSE:
            left = platform.locks.seconds_left(app.name)
            sentences.append(f"Lock of {app.name} held by another session: {_left(left)}")
    return sentences


def _describe(armed: ArmedFault, now: float) -> str:
    parts = [f"{armed.hits}{_SPACE}{'request' if armed.hits == 1 else 'requests'} hit so far"]
    if armed.ends is not None:
        parts.append(_left(armed.ends - now))
    return f"{armed.name or _in_words(armed.fault)}: {', '.join(parts)}"


def _left(seconds: float) -> str:
    return f"{seconds:.0f}{_SPACE}s{_SPACE}left"


def _in_words(fault: Fault) -> str:
    """Say what a fault does that was not started on the page."""
    requests = " ".join(filter(None, [fault.method, fault.path])) or "every request"
    parts = [f"{str(fault).capitalize()} for {requests}"]
    if fault.percent < 100:  # noqa: PLR2004  all of them
        parts.append(f"{fault.percent}{_SPACE}% of them")
    if fault.times is not None:
        parts.append(f"{fault.times}{_SPACE}{'time' if fault.times == 1 else 'times'}")
    return ", ".join(parts)

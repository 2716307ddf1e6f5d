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

Seconds = Annotated[int, Field(ge=1, le=1800)]


class Trouble(BaseModel):
    """The form. What belongs to another trouble than the chosen one is checked as well, and ignored."""

    trouble: Literal["outage", "latency", "rate-limit", "errors", "lock"]
    outage_seconds: Seconds = 30
    latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 500
    retry_after: Seconds = 10
    status: Annotated[int, Field(ge=500, le=599)] = 503
    percent: Annotated[int, Field(ge=1, le=100)] = 20
    app: str = ""
    lock_seconds: Seconds = 60


def switch(platform: Platform, form: bytes) -> None:
    """Do what the form says, which has the API key in `key`.

    Raises:
        ApiError: 403 for a wrong key, 400 for wrong values, 404 for an app that is none; nothing happened.
    """
    fields = dict(parse_qsl(form.decode("ascii", "replace"), keep_blank_values=True))
    if fields.get("key") not in platform.api_keys:
        raise ApiError(403, "That is not the API key. The sandbox printed it when it started.")
    if "clear" in fields:
        clear(platform)
        return
    try:
        _start(platform, Trouble.model_validate(fields))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ApiError(400, f"{str(first['loc'][0]).replace('_', ' ')}: {first['msg']}") from None


def _start(platform: Platform, wanted: Trouble) -> None:
    match wanted.trouble:
        case "outage":
            platform.faults.add(Fault(Kind.RESET, times=None, lasts=wanted.outage_seconds))
        case "latency":
            platform.latency = wanted.latency_milliseconds / _MILLISECONDS
        case "rate-limit":
            headers = {"retry-after": str(wanted.retry_after)}
            limit = Fault(
                Kind.STATUS, path=_API, times=None, status=429, headers=headers, lasts=wanted.retry_after
            )
            platform.faults.add(limit)
        case "errors":
            platform.faults.add(
                Fault(Kind.STATUS, path=_API, times=None, status=wanted.status, percent=wanted.percent)
            )
        case "lock":
            app = platform.apps.static(wanted.app)
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
        sentences.append(f"Every request takes {platform.latency * _MILLISECONDS:.0f} ms longer")
    for app in platform.apps.list():
        if platform.lock(app.name) == SOMEBODY_ELSE:
            left = platform.locks.seconds_left(app.name)
            sentences.append(f"Somebody else holds the lock of {app.name}, {left:.0f} s left")
    return sentences


def _describe(armed: ArmedFault, now: float) -> str:
    fault = armed.fault
    requests = " ".join(filter(None, [fault.method, fault.path])) or "every request"
    parts = [f"{str(fault).capitalize()} for {requests}"]
    if fault.percent < 100:  # noqa: PLR2004  all of them
        parts.append(f"{fault.percent} % of them")
    if fault.times is not None:
        parts.append(f"{fault.times} times")
    parts.append(f"{armed.hits} hit so far")
    if armed.ends is not None:
        parts.append(f"{armed.ends - now:.0f} s left")
    return ", ".join(parts)

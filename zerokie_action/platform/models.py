"""The platform's records, and the parsers of its answers.

The API reference has examples, but no schema. So unknown fields are ignored, and a field that is missing,
`null` or of a wrong type gets its default. A parser raises `Malformed` for any answer that the reference does
not describe, because a gateway or proxy may have sent it.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_type_hints

from zerokie_action.http.failure import is_web_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.http import Response

_NOT_AS_DESCRIBED = "not with what the API reference describes"
_ACCEPTED = 202
_NO_CONTENT = 204
_LARGEST_LENGTH = 2**63 - 1
_GOING = ("delet", "terminat", "destroy", "remov", "deprovision")
"""The beginnings of the statuses of an app that is being deleted, such as `Terminating`."""

Number = int | float | None
"""A number, which an answer may also write as a text."""

LENGTH_NOT_GIVEN = -1


class Malformed(ValueError):  # noqa: N818 - internal; never reaches users
    """A 2xx response does not match the reference: a gateway may have sent the response."""


class App(NamedTuple):
    """An app ("GET /v1/apps/:name"). The reference's example has an `image`, but no `type`."""

    name: str = ""
    type: str = ""
    image: str = ""
    port: Number = None
    cpu: Number = None
    memory: Number = None
    status: str = ""
    url: str = ""
    error: str = ""
    message: str = ""

    @property
    def kind(self) -> str:
        """`container` or `static`; empty if the platform shows neither the type nor an image."""
        if self.type in {"container", "static"}:
            return self.type
        return "container" if self.image else ""

    def can_be(self, kind: str) -> bool:
        """Whether the app may be of this kind.

        If the platform shows neither type nor image, the app may be static. If it also has a port, CPU units
        or memory, it may also be a container app.
        """
        has_machine = bool(self.port or self.cpu or self.memory)
        return self.kind == kind or (not self.kind and (kind == "static" or has_machine))

    @property
    def is_going(self) -> bool:
        """Whether the app is being deleted."""
        return self.status.lower().startswith(_GOING)

    @property
    def address(self) -> str:
        """The app's URL; `https://` is added if `url` has no scheme."""
        return self.url if "://" in self.url or not self.url else f"https://{self.url.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in the app's storage zone, as the platform lists it ("GET /v1/apps/:name/files").

    Attributes:
        path: the relative path, with `/` between the segments, not encoded.
        length: the length in bytes; `LENGTH_NOT_GIVEN` if the listing has none.
        last_modified: the listing's text, for instance `2026-03-07T17:00:00Z`; empty if the listing has none.
    """

    path: str
    length: int = LENGTH_NOT_GIVEN
    last_modified: str = ""


class Lock(NamedTuple):
    """The deploy lock in an answer ("POST" and "PUT /v1/apps/:name/deploy/lock")."""

    locked: bool | None = None
    deploy_session_id: str = ""

    def is_held_by(self, session: str) -> bool:
        """Whether the session holds the lock. A lock without a session ID counts as the session's."""
        return self.locked is not False and self.deploy_session_id in {"", session}


class Finalized(NamedTuple):
    """The answer to finalize ("POST /v1/apps/:name/deploy/finalize")."""

    deploy_id: str = ""
    cache_purged: bool | None = None


class Domain(NamedTuple):
    """A custom domain ("POST /v1/apps/:name/domains")."""

    domain: str
    cname_target: str = ""
    tls_status: str = ""


class Counts(NamedTuple):
    """The counts that finalize takes, under the reference's names. `total_bytes` counts uploaded bytes."""

    files_uploaded: int = 0
    files_deleted: int = 0
    total_bytes: int = 0


R = TypeVar("R", App, Lock, Finalized, Domain)


def parse_any(response: Response) -> bool:
    """Accept any body except a web page, which a gateway or proxy must have sent."""
    if is_web_page(response.content):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def parse_app_deletion(response: Response) -> bool:
    """Accept a 204, a 202 or a JSON object; any other answer may be a gateway's."""
    if response.status_code not in {_NO_CONTENT, _ACCEPTED} and not isinstance(_json(response), dict):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def parse_record(model: type[R]) -> Callable[[Response], R]:
    """A parser for one record."""
    return lambda response: _record(model, _json(response))


def parse_lock(session: str) -> Callable[[Response], bool]:
    """A parser that returns whether the answer grants the lock to the session."""

    def parse(response: Response) -> bool:
        lock = _record(Lock, _json(response))
        if lock.locked is None and lock.deploy_session_id != session:
            raise Malformed(_NOT_AS_DESCRIBED)
        return lock.is_held_by(session)

    return parse


def parse_heartbeat(session: str) -> Callable[[Response], bool]:
    """A parser that returns whether the answer confirms the lock. The reference describes no body."""

    def parse(response: Response) -> bool:
        parse_any(response)
        try:
            return _record(Lock, _json(response)).is_held_by(session)
        except Malformed:
            return True

    return parse


def parse_finalized(response: Response) -> Finalized | None:
    """The JSON object of finalize's answer; None for any other body except a web page, which is refused."""
    parse_any(response)
    try:
        return _record(Finalized, _json(response))
    except Malformed:
        return None


def parse_apps(response: Response) -> list[App]:
    """The account's apps."""
    return [_record(App, found) for found in _list(response)]


def parse_files(response: Response) -> dict[str, RemoteFile]:
    """The files of a storage zone by path; there may be a hundred thousand.

    The JSON parser turns each object into a record at once: a tree of the whole response would take three
    times as much memory.
    """
    files = _list(response, _remote_file)
    if not all(isinstance(file, RemoteFile) for file in files):
        raise Malformed(_NOT_AS_DESCRIBED)
    return {file.path: file for file in files if not file.path.endswith("/")}  # leave directories out


def _remote_file(item: dict[str, Any]) -> RemoteFile | dict[str, Any]:
    """Turn a JSON object with a path into a file; return any other object unchanged."""
    path, length, modified = item.get("path"), item.get("length"), item.get("lastModified")
    if not isinstance(path, str):
        return item
    modified = str(modified) if isinstance(modified, str | int | float) else ""
    # Interned, because many files have the same time.
    return RemoteFile(path.removeprefix("/"), _number(length), sys.intern(modified))


def _number(value: Any) -> int:  # noqa: ANN401 - of any JSON
    try:
        return min(max(int(value), LENGTH_NOT_GIVEN), _LARGEST_LENGTH)
    except (TypeError, ValueError, OverflowError):
        return LENGTH_NOT_GIVEN


def _size(value: object) -> Number:
    """A number, or the number in a text; None for any other value."""
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _record(model: type[R], found: object) -> R:
    """Turn a JSON object into a record. A number is accepted for a text, and a text for a number."""
    if not isinstance(found, dict):
        raise Malformed(_NOT_AS_DESCRIBED)
    fields = {}
    for name, kind in get_type_hints(model).items():
        value = found.get(name)
        if kind is str and isinstance(value, int | float):
            value = str(value)
        elif kind == Number:
            value = _size(value)
        if isinstance(value, kind):
            fields[name] = value
    try:
        return model(**fields)
    except TypeError:  # a field without a default is missing
        raise Malformed(_NOT_AS_DESCRIBED) from None


def _list(response: Response, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> list[Any]:
    """Parse a list. A 204 and `null`, which Go servers send for an empty list, both give an empty list."""
    found = [] if response.status_code == _NO_CONTENT else _json(response, object_hook)
    if not isinstance(found, list | None):
        raise Malformed(_NOT_AS_DESCRIBED)
    return found or []


def _json(response: Response, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> object:
    try:
        return json.loads(response.content, object_hook=object_hook)
    except (ValueError, RecursionError):
        raise Malformed(_NOT_AS_DESCRIBED) from None

"""The platform's records, and parsers for its responses.

The API reference has examples instead of a schema. A parser therefore ignores unknown fields, and uses the
default for a field that is missing, `null` or of the wrong type. It raises `Malformed` for any response that
the reference doesn't describe, because a gateway or proxy may have sent it.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticUseDefault

from zerokie_action.http import Response
from zerokie_action.http.failure import is_web_page
from zerokie_action.http.url import web_url

_NO_CONTENT = 204
_BEING_DELETED = frozenset({"deleting", "terminating", "destroying", "removing", "deprovisioning"})

LENGTH_NOT_GIVEN = -1
_LARGEST_LENGTH = 2**63 - 1


class Malformed(ValueError):  # noqa: N818 - internal; never reaches users
    """A 2xx response that doesn't match the reference. A gateway may have sent it."""


class _Record(BaseModel):
    """A JSON object. Numbers and texts can replace each other."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_for_a_wrong_type(cls, value: object, validate: ValidatorFunctionWrapHandler) -> object:
        try:
            return validate(value)
        except ValidationError:
            raise PydanticUseDefault from None


class App(_Record):
    """An app ("GET /v1/apps/:name"). The reference's example has an `image` but lacks a `type`."""

    name: str = ""
    type: str = ""
    image: str = ""
    port: int | float | None = None
    cpu: int | float | None = None
    memory: int | float | None = None
    status: str = ""
    url: str = ""
    error: str = ""
    message: str = ""

    @property
    def kind(self) -> str:
        """The kind, `container` or `static`; empty if the platform shows neither a type nor an image."""
        if self.type in {"container", "static"}:
            return self.type
        return "container" if self.image else ""

    def can_be(self, kind: str) -> bool:
        """Return whether the app may be of this kind.

        If the platform shows neither a type nor an image, the app may be static. With a port, CPU units or
        memory, it may also be a container app.
        """
        has_machine = bool(self.port or self.cpu or self.memory)
        return self.kind == kind or (not self.kind and (kind == "static" or has_machine))

    @property
    def is_being_deleted(self) -> bool:
        """Whether the status certainly means a deletion, unlike `terminated` (a dead container)."""
        return self.status.lower() in _BEING_DELETED

    @property
    def is_being_deleted_or_gone(self) -> bool:
        """Whether the status means a deletion, including `DELETE_IN_PROGRESS` and `deleted`."""
        status = self.status.lower()
        is_under_way = "delet" in status and ("progress" in status or "pending" in status)
        return self.is_being_deleted or status == "deleted" or is_under_way

    @property
    def address(self) -> str:
        """The app's `url`, with `https://` if it lacks a scheme; empty if the URL is unusable."""
        address = self.url if "://" in self.url else f"https://{self.url.lstrip('/')}"
        return address if web_url(address) else ""


class RemoteFile(NamedTuple):
    """A remote file in the file list ("GET /v1/apps/:name/files").

    Attributes:
        length: the length in bytes; `LENGTH_NOT_GIVEN` if it's missing.
        last_modified: the platform's text, such as `2026-03-07T17:00:00Z`; empty if it's missing.
    """

    length: int = LENGTH_NOT_GIVEN
    last_modified: str = ""


class Lock(_Record):
    """The deploy lock in a response ("POST" and "PUT /v1/apps/:name/deploy/lock")."""

    locked: bool
    deploy_session_id: str = ""

    def is_held_by(self, session: str) -> bool:
        """Return whether the session holds the lock. It does if the response lacks a session ID."""
        return self.locked and self.deploy_session_id in {"", session}


class Finalized(_Record):
    """The response to finalize ("POST /v1/apps/:name/deploy/finalize")."""

    deploy_id: str = ""
    cache_purged: bool | None = None


class Domain(_Record):
    """A custom domain ("POST /v1/apps/:name/domains")."""

    domain: str
    cname_target: str = ""
    tls_status: str = ""


class Counts(NamedTuple):
    """The counts for finalize, with the reference's names. `total_bytes` counts uploaded bytes."""

    files_uploaded: int = 0
    files_deleted: int = 0
    total_bytes: int = 0


R = TypeVar("R", bound=_Record)


def parse_any(response: Response) -> bool:
    """Accept any body except a web page, which only a gateway or proxy sends."""
    if is_web_page(response.content):
        raise Malformed
    return True


def parse_record(model: type[R]) -> Callable[[Response], R]:
    """Return a parser for one record."""
    return lambda response: _record(model, _json(response))


def parse_optional(model: type[R]) -> Callable[[Response], R | None]:
    """Return a parser for one record. For any other body except a web page, it returns None."""

    def parse(response: Response) -> R | None:
        parse_any(response)
        try:
            return _record(model, _json(response))
        except Malformed:
            return None

    return parse


def parse_apps(response: Response) -> list[App]:
    """Return the account's apps."""
    return [_record(App, item) for item in _list(response)]


def parse_files(response: Response) -> dict[str, RemoteFile]:
    """Return the remote files by decoded relative path.

    The JSON parser turns each object into a file immediately. For a hundred thousand files, a tree of the
    whole response would take three times as much memory.
    """
    files = _list(response, _remote_file)
    if not all(isinstance(file, tuple) for file in files):
        raise Malformed
    return {path: file for path, file in files if not path.endswith("/")}  # without directories


def _remote_file(item: dict[str, Any]) -> tuple[str, RemoteFile] | dict[str, Any]:
    """Return the path and the file, or the unchanged object if it lacks a path."""
    path = item.get("path")
    if not isinstance(path, str):
        return item
    return path.removeprefix("/"), RemoteFile(_length(item.get("length")), _text(item.get("lastModified")))


def _length(value: Any) -> int:  # noqa: ANN401 - any JSON
    try:
        return min(max(int(value), LENGTH_NOT_GIVEN), _LARGEST_LENGTH)
    except (TypeError, ValueError, OverflowError):
        return LENGTH_NOT_GIVEN


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _record(model: type[R], data: object) -> R:
    try:
        return model.model_validate(data)
    except ValidationError:
        raise Malformed from None


def _list(response: Response, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> list[Any]:
    """Parse a list. A 204 and `null` are empty lists, because Go servers send `null` for one."""
    items = [] if response.status_code == _NO_CONTENT else _json(response, object_hook)
    if not isinstance(items, list | None):
        raise Malformed
    return items or []


def _json(response: Response, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> object:
    try:
        return json.loads(response.content, object_hook=object_hook)
    except (ValueError, RecursionError):
        raise Malformed from None

"""The platform's records, as `zerokie-api.txt` shows them.

The reference shows examples, not a schema: unknown fields are ignored, missing ones have
defaults, and `null` or a value of a wrong type counts as missing. What must be there for a record
to mean anything is required. The parsers, which `RetryingClient.send` takes, raise `Malformed` for what the
reference does not describe: a gateway or proxy may have sent it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from zerokie_action.files.manifest import LENGTH_NOT_GIVEN, RemoteFile
from zerokie_action.http.failure import is_web_page
from zerokie_action.http.retry import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

    from zerokie_action.http import Response

_NOT_AS_DESCRIBED = "not with what the API reference describes"


class Record(BaseModel):
    """What all records have in common."""

    # Validators are built by the first answer that needs them: while a run starts, nobody does.
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_default(cls, value: Any, validate: Callable[[Any], Any], info: ValidationInfo) -> Any:  # noqa: ANN401
        """What `null` or a value of a wrong type stands for: the default, where there is one."""
        field = cls.model_fields[info.field_name or ""]
        try:
            return validate(value)
        except ValidationError:
            if field.is_required():
                raise
            return field.default


class App(Record):
    """An app ("GET /v1/apps/:name"). Static apps may lack `image` and the numbers; `type` may be missing."""

    name: str = ""
    type: str = ""
    image: str = ""
    port: int | None = None
    cpu: int | None = None
    memory: int | None = None
    status: str = ""
    url: str = ""
    updated_at: str = ""
    error: str = ""
    message: str = ""

    @property
    def kind(self) -> str:
        """`container` or `static`. The reference shows no type, but the image of each container app."""
        if self.type in {"container", "static"}:
            return self.type
        return "container" if self.image else "static"


class Locked(Record):
    """The answer to asking for the deploy lock ("POST /v1/apps/:name/deploy/lock")."""

    locked: bool
    deploy_session_id: str = ""


class Heartbeat(Record):
    """What the answer to a heartbeat may say ("PUT /v1/apps/:name/deploy/lock")."""

    locked: bool | None = None
    deploy_session_id: str = ""


class Finalized(Record):
    """The answer to finalize ("POST /v1/apps/:name/deploy/finalize")."""

    deploy_id: str = ""
    cache_purged: bool | None = None


class Domain(Record):
    """A custom domain ("POST /v1/apps/:name/domains")."""

    domain: str
    cname_target: str = ""
    tls_status: str = ""


class Counts(NamedTuple):
    """What a deploy changed, under finalize's own names. `total_bytes` are the bytes uploaded."""

    files_uploaded: int = 0
    files_deleted: int = 0
    total_bytes: int = 0


class Registry(NamedTuple):
    """Credentials for a private registry ("registry_auth")."""

    server_address: str
    username: str
    password: str

    def __repr__(self) -> str:
        """Without the password: a repr ends up in tracebacks."""
        return f"Registry({self.server_address!r})"


# One error is enough: a list of millions of something else would take gigabytes to complain about.
_APPS = TypeAdapter(Annotated[list[App] | None, FailFast()], config=ConfigDict(defer_build=True))


_NO_CONTENT = 204

T = TypeVar("T")
R = TypeVar("R", bound=Record)


def parse_any(response: Response) -> bool:
    """Nothing is needed; a web page is refused all the same: a gateway or proxy has sent it."""
    if is_web_page(response.content):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def parse_no_content(response: Response) -> bool:
    """204, or an object about what was done; anything else may be a gateway's."""
    if response.status_code != _NO_CONTENT:
        _validated(Record.model_validate_json, response)
    return True


def parse_heartbeat(session: str) -> Callable[[Response], bool]:
    """Whether a heartbeat's answer confirms the lock. The reference shows no body for it, so most do."""

    def parse(response: Response) -> bool:
        parse_any(response)
        try:
            lock = Heartbeat.model_validate_json(response.content)
        except ValidationError:
            return True
        return lock.locked is not False and is_session(lock.deploy_session_id, session)

    return parse


def is_session(named: str, session: str) -> bool:
    """Whether an answer is about this session; one that names none is."""
    return named in {"", session}


def parse_record(model: type[R]) -> Callable[[Response], R]:
    """A parser for one record."""

    def parse(response: Response) -> R:
        return _validated(model.model_validate_json, response)

    return parse


def parse_apps(response: Response) -> list[App]:
    """The account's apps. `null` is an empty list: servers written in Go say so. So is 204."""
    if response.status_code == _NO_CONTENT:
        return []
    return _validated(_APPS.validate_json, response) or []


def parse_files(response: Response) -> list[RemoteFile]:
    """The files of a storage zone, of which there may be a hundred thousand. Empty as for `parse_apps`.

    Each becomes a record as soon as it is read: a tree of the whole response would take
    three times as much memory.
    """
    if response.status_code == _NO_CONTENT:
        return []
    try:
        files = json.loads(response.content, object_hook=_remote_file)
    except (ValueError, RecursionError):
        raise Malformed(_NOT_AS_DESCRIBED) from None
    if files is None:
        return []
    if not isinstance(files, list) or not all(isinstance(file, RemoteFile) for file in files):
        raise Malformed(_NOT_AS_DESCRIBED)
    return files


def _remote_file(item: dict[str, Any]) -> RemoteFile | dict[str, Any]:
    """One file; any other object as it is."""
    path, length, modified = item.get("path"), item.get("length"), item.get("lastModified")
    if not isinstance(path, str):
        return item
    modified = str(modified) if isinstance(modified, str | int | float) else ""
    return RemoteFile(path, _number(length), sys.intern(modified))  # many have the same


def _number(value: Any) -> int:  # noqa: ANN401 - of any JSON
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return LENGTH_NOT_GIVEN


def _validated(validate: Callable[[bytes], T], response: Response) -> T:
    try:
        return validate(response.content)
    except ValueError:  # pydantic's errors are such
        raise Malformed(_NOT_AS_DESCRIBED) from None

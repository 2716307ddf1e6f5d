"""The platform's records, as `zerokie-api.txt` shows them.

The reference shows examples, not a schema: unknown fields are ignored, missing ones have
defaults, and `null` or a value of a wrong type counts as missing. What must be there for a record
to mean anything is required. The parsers, which `RetryingClient.send` takes, raise `Malformed` for what the
reference does not describe: it may come from something in between.
"""

from __future__ import annotations

import json
import sys
from codecs import BOM_UTF8
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError
from pydantic_core import core_schema

from zerokie_action.files.manifest import LENGTH_NOT_GIVEN, RemoteFile
from zerokie_action.http.failure import is_web_page
from zerokie_action.http.retry import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

    from zerokie_action.http import Response

_NO_CONTENT = 204
_SHORT = 100
_NOT_AS_DESCRIBED = "not with what the API reference describes"


class _Default:
    """Marks a field that gets this default also when it is `null` or of a wrong type."""

    def __init__(self, default: Any) -> None:  # noqa: ANN401 - of any field
        self._default = default

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # noqa: ANN401 - pydantic's protocol
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self._default, on_error="default")


# Validators are built by the first answer that needs them: while a run starts, nobody does.
_DEFERRED = ConfigDict(defer_build=True)

Text = Annotated[str, _Default("")]
"""A text that may be missing: then it is empty."""
Number = Annotated[int | None, _Default(None)]
"""A number that may be missing."""


class Record(BaseModel):
    """What all records have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, defer_build=True)


class App(Record):
    """An app ("GET /v1/apps/:name"). Static apps may lack `image` and the numbers; `type` may be missing."""

    name: Text = ""
    type: Text = ""
    image: Text = ""
    port: Number = None
    cpu: Number = None
    memory: Number = None
    status: Text = ""
    url: Text = ""
    updated_at: Text = ""
    error: Text = ""
    message: Text = ""

    @property
    def kind(self) -> str:
        """`container` or `static`. The reference shows no type, but the image of each container app."""
        if self.type in {"container", "static"}:
            return self.type
        return "container" if self.image else "static"


class Locked(Record):
    """The answer to asking for the deploy lock ("POST /v1/apps/:name/deploy/lock")."""

    locked: bool
    deploy_session_id: Text = ""


class Heartbeat(Record):
    """What the answer to a heartbeat may say ("PUT /v1/apps/:name/deploy/lock")."""

    locked: Annotated[bool | None, _Default(None)] = None
    deploy_session_id: Text = ""


class Finalized(Record):
    """The answer to finalize ("POST /v1/apps/:name/deploy/finalize")."""

    deploy_id: Text = ""
    cache_purged: Annotated[bool | None, _Default(None)] = None


class Domain(Record):
    """A custom domain ("POST /v1/apps/:name/domains")."""

    domain: str
    cname_target: Text = ""
    tls_status: Text = ""


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
_APPS = TypeAdapter(Annotated[list[App], FailFast()], config=_DEFERRED)


T = TypeVar("T")
R = TypeVar("R", bound=Record)


def parse_any(response: Response) -> bool:
    """Nothing is needed; a web page is refused all the same."""
    # The reference shows no body here; a web page comes from something in between.
    if is_web_page(response.content):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def parse_no_content(response: Response) -> bool:
    """204, or an object about what was done; anything else may come from something in between."""
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
    return named.casefold() in {"", session.casefold()}


def parse_record(model: type[R]) -> Callable[[Response], R]:
    """A parser for one record."""

    def parse(response: Response) -> R:
        return _validated(model.model_validate_json, response)

    return parse


def parse_finalized(response: Response) -> Finalized:
    """The record of a deploy; one without a name where the platform has no more to say."""
    return Finalized() if response.status_code == _NO_CONTENT else parse_record(Finalized)(response)


def parse_apps(response: Response) -> list[App]:
    """The account's apps."""
    return [] if _is_empty(response) else _validated(_APPS.validate_json, response)


def parse_files(response: Response) -> list[RemoteFile]:
    """The files of a storage zone, of which there may be a hundred thousand.

    Each becomes a record as soon as it is read: a tree of the whole response would take
    three times as much memory.
    """
    if _is_empty(response):
        return []
    try:
        files = json.loads(response.content, object_hook=_remote_file)
    except (ValueError, RecursionError):
        files = None
    if not isinstance(files, list) or not all(isinstance(file, RemoteFile) for file in files):
        raise Malformed(_NOT_AS_DESCRIBED)
    if all(file.path.startswith("/") for file in files):  # then that is how all of them are written
        files = [replace(file, path=file.path[1:]) for file in files]
    return files


def _remote_file(item: dict[str, Any]) -> RemoteFile | None:
    """One file, or None for any other object."""
    path, length, modified = item.get("path"), item.get("length"), item.get("lastModified")
    if not isinstance(path, str):
        return None
    modified = str(modified) if isinstance(modified, str | int | float) else ""
    return RemoteFile(path, _number(length), sys.intern(modified))  # many have the same


def _number(value: Any) -> int:  # noqa: ANN401 - of any JSON
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return LENGTH_NOT_GIVEN


def _is_empty(response: Response) -> bool:
    # Some platforms write an empty list in these ways.
    return response.status_code == _NO_CONTENT or response.content[:_SHORT].strip() == b"null"


def _validated(validate: Callable[[bytes], T], response: Response) -> T:
    try:
        return validate(response.content.removeprefix(BOM_UTF8))
    except ValueError:  # pydantic's errors are such
        raise Malformed(_NOT_AS_DESCRIBED) from None

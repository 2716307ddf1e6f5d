"""The platform's records, as `zerokie-api.txt` shows them.

The reference shows examples, not a schema: unknown fields are ignored, missing ones have
defaults, and `null` counts as missing. What must be there for a record to mean anything is
required; an answer without it is malformed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

_LONGEST_ERROR = 500

M = TypeVar("M", bound="Record")


class Record(BaseModel):
    """What all records have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class App(Record):
    """An app ("GET /v1/apps/:name"). Static apps may lack `image` and `port`; `type` may be missing."""

    name: str = ""
    type: str = ""
    image: str = ""
    status: str = ""
    url: str = ""
    updated_at: str = ""
    error: str = ""
    message: str = ""

    @property
    def kind(self) -> str | None:
        """`container` or `static` where the platform lets us know, else None."""
        if self.type in {"container", "static"}:
            return self.type
        return "container" if self.image else None


class Locked(Record):
    """The answer to asking for the deploy lock ("POST /v1/apps/:name/deploy/lock")."""

    locked: bool
    deploy_session_id: str = ""


class Finalized(Record):
    """The answer to finalize ("POST /v1/apps/:name/deploy/finalize")."""

    deploy_id: str
    cache_purged: bool | None = None


class Domain(Record):
    """A custom domain ("POST /v1/apps/:name/domains")."""

    domain: str
    cname_target: str = ""
    tls_status: str = ""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of the listing ("GET /v1/apps/:name/files"). `length` in bytes; -1 when not given."""

    path: str
    length: int = -1
    lastModified: str = ""  # noqa: N815 - the platform's name


@dataclass(frozen=True, slots=True)
class Counts:
    """What a deploy changed, as finalize takes it. `total_bytes` are the bytes uploaded."""

    files_uploaded: int = 0
    files_deleted: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Registry:
    """Credentials for a private registry ("registry_auth")."""

    server_address: str
    username: str
    password: str

    def __repr__(self) -> str:
        """Without the password: a repr ends up in tracebacks."""
        return f"Registry({self.server_address!r})"


STORED_FILES = TypeAdapter(list[StoredFile])
APPS = TypeAdapter(list[App])


def error_text(body: bytes) -> str:
    """The platform's own words: `{"error": "…"}`, or what else an answer says of itself.

    HTML pages, as proxies send them, give their title; other bodies their first line. At most 500
    characters, white space folded; never raises, whatever the bytes.
    """
    head = body[:65_536].decode("utf-8", "replace")
    text = _from_json(body) or _from_html(head) or head
    return " ".join(text.split())[:_LONGEST_ERROR].rstrip()


def _from_json(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            value = found[key]
            return _from_json(json.dumps(value).encode()) or str(value) if isinstance(value, dict) else str(value)
    return ""


def _from_html(text: str) -> str:
    lowered = text[:1000].lower()
    if "<html" not in lowered and "<!doctype" not in lowered:
        return ""
    _, _, after = text.partition("<title>")
    title = after.partition("</title>")[0]
    return f"an HTML page: {title.strip()}" if title.strip() else "an HTML page"

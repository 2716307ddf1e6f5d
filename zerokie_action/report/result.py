"""What a run did, as one record that operations fill in and the reports read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from zerokie_action.text import human_files, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA_VERSION = 1
"""Of the JSON result, `docs/result.schema.json`. It grows when a reader of the older one could break."""


class Uploaded(NamedTuple):
    """One file that was uploaded: path, size in bytes, and `+` if it was new or `~` if it was there."""

    path: str
    size: int
    sign: str = "+"


@dataclass(slots=True)
class Changes:
    """What really changed in the storage zone so far. Finalize sends exactly these counts.

    Attributes:
        uploaded: every file that the platform confirmed.
        deleted: paths that the platform confirmed as deleted.
        unchanged: how many files were proven to be unchanged.
        to_upload: how many files the plan uploads.
        to_delete: how many files the plan deletes.
        finalized: whether all was done, and the platform knows it.
    """

    uploaded: list[Uploaded] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: int = 0
    to_upload: int = 0
    to_delete: int = 0
    finalized: bool = False

    @property
    def bytes_uploaded(self) -> int:
        """Sum of the sizes of the uploaded files, in bytes."""
        return sum(file.size for file in self.uploaded)

    @property
    def state(self) -> str:
        """What state an early end leaves the site in, for a sentence; empty when there was nothing to do."""
        if self.finalized:
            return "the new version is deployed"
        parts = []
        if self.to_upload:
            parts.append(_share(len(self.uploaded), self.to_upload, "uploaded"))
        if parts or self.to_delete:
            parts.append(
                _share(len(self.deleted), self.to_delete, "deleted") if self.deleted else _NO_DELETION
            )
        return ", ".join(parts)


_NO_DELETION = "nothing was deleted"


def _share(done: int, planned: int, verb: str) -> str:
    """`36 of 38 files were uploaded`; more than was planned when some of it had to be done again."""
    some = f"{done:,} of " if done < planned else ""
    be = "was" if 1 in {done, max(done, planned)} else "were"
    return f"{some}{human_files(max(done, planned))} {be} {verb}"


@dataclass(slots=True)
class Result:
    """Everything that outputs, summary, comment and JSON result are made of.

    `None` means not known (yet): the output stays out. `status` is one of the contract's words.
    `planned` holds what a dry run would change, in the same shape as `changes`; `looked` is true when
    the wait or the health check has seen what was deployed run; `events` are the lines about outages and
    retries; `flaw` is what was not done after a deploy that was, such as "a domain was refused";
    `final_state` is what a run that failed or was cancelled has left behind, as the end of `error`.
    """

    operation: str
    app: str = ""
    status: str = "failed"
    exit_code: int = 1
    kind: str | None = None
    deploy_id: str | None = None
    url: str | None = None
    image: str | None = None
    previous_image: str | None = None
    created: bool | None = None
    changes: Changes | None = None
    planned: Changes | None = None
    cache_purged: bool | None = None
    looked: bool = False
    domains: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    duration_seconds: float = 0.0
    lock_wait_seconds: float = 0.0
    retries_used: int = 0
    error: str = ""
    hint: str = ""
    flaw: str = ""
    final_state: str = ""

    @property
    def effect(self) -> Changes | None:
        """What the reports count: what was changed, or what a dry run would change."""
        return self.planned if self.status == "planned" else self.changes


def redacted(result: Result, clean: Callable[[str], str]) -> Result:
    """Return a copy of `result` without secrets in any text that comes from elsewhere; `clean` removes them.

    Every report is rendered from this copy: in a report's own escapes a secret may not be recognisable.
    """
    ours = {"operation", "status", "kind", "phases"}
    foreign = {item.name: getattr(result, item.name) for item in fields(result) if item.name not in ours}
    return replace(result, **{name: _redacted(value, clean) for name, value in foreign.items()})


def _redacted(value: Any, clean: Callable[[str], str]) -> Any:  # noqa: ANN401 the same type comes back
    match value:
        case str():
            return clean(value)
        case list() | tuple():
            return type(value)(_redacted(item, clean) for item in value)
        case dict():
            return {clean(str(key)): _redacted(item, clean) for key, item in value.items()}
        case Changes():
            paths = "\n".join([*(file.path for file in value.uploaded), *value.deleted])
            if clean(paths) == paths:  # all at once: there may be a hundred thousand
                return value
            uploaded = [file._replace(path=clean(file.path)) for file in value.uploaded]
            return replace(value, uploaded=uploaded, deleted=_redacted(value.deleted, clean))
        case _:
            return value


def _values(result: Result) -> dict[str, object]:
    """Return every output of the contract in its order, typed; `None` where it is not known."""
    effect = result.effect
    return {
        "deploy-id": result.deploy_id or None,
        "url": result.url or None,
        "app": result.app or None,
        "kind": result.kind,
        "status": result.status,
        "image": result.image or None,
        "previous-image": result.previous_image or None,
        "created": result.created,
        "files-uploaded": effect and len(effect.uploaded),
        "files-deleted": effect and len(effect.deleted),
        "files-unchanged": effect and effect.unchanged,
        "bytes-uploaded": effect and effect.bytes_uploaded,
        "cache-purged": result.cache_purged,
        "domains": result.domains,
        "duration-seconds": _number(result.duration_seconds),
        "lock-wait-seconds": _number(result.lock_wait_seconds),
        "retries-used": result.retries_used,
        "error": one_line(result.error),
    }


def _number(seconds: float) -> float:
    """Milliseconds are precise enough; a whole number is shown as one."""
    rounded = round(seconds, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def outputs(result: Result) -> dict[str, str]:
    """Return the outputs that are known, under the contract's names and in its order.

    Booleans are `true` or `false`, numbers plain decimals, lists compact ASCII JSON; `error` is one line.
    """
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in _values(result).items()
        if value is not None
    }


def render_json(result: Result) -> str:
    """Return the JSON result as `docs/result.schema.json` describes it, in ASCII, indented."""
    effect = result.effect
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "operation": result.operation,
        **{name.replace("-", "_"): value for name, value in _values(result).items()},
        "hint": one_line(result.hint),
        "exit_code": result.exit_code,
        "warnings": [one_line(warning) for warning in result.warnings],
        "notes": [one_line(note) for note in result.notes],
        "phases": [{"name": name, "seconds": _number(seconds)} for name, seconds in result.phases],
        "uploaded": effect
        and [{"path": path, "bytes": size, "sign": sign} for path, size, sign in effect.uploaded],
        "deleted": effect and effect.deleted,
    }
    # Somebody will `cat` it in a GitHub step, whose runner obeys `##[command]` anywhere in a line.
    return json.dumps(document, indent=2).replace("##", r"#\u0023") + "\n"

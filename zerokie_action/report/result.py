"""What a run did, as one record that operations fill in and the reports read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from zerokie_action.text import human_files, one_line

if TYPE_CHECKING:
    from collections.abc import Callable


class Words(NamedTuple):
    """What is said of an outcome.

    Attributes:
        headline: of the summary and the comment.
        line: the last one of the log; of an error, the title of its annotation.
    """

    headline: str
    line: str


OUTCOMES = {
    "live": Words("✅ {app} is live", "{url} is live after {time}"),
    "deployed": Words("✅ {app} is deployed", "Deployed in {time}: {url}"),
    "deployed, running": Words("✅ {app} is deployed and runs", "Deployed and running after {time}: {url}"),
    "restarted": Words("✅ {app} is restarted", "Restarted in {time}: {url}"),
    "restarted, running": Words(
        "✅ {app} is restarted and runs", "Restarted and running after {time}: {url}"
    ),
    "destroyed": Words("✅ {app} is deleted", "Done after {time}"),
    "destroyed, nothing": Words("✅ {app} did not exist", "Done after {time}"),
    "planned": Words("🔍 Dry run for {app}: nothing was changed", "Dry run: nothing was changed"),
    "skipped": Words("⏭️ {app}: skipped", "Skipped"),
    "rolled-back": Words("⚠️ {app} runs its previous image again", "Rolled back"),
    "failed": Words("❌ {app}: {what} failed", "{What} failed"),
    "cancelled": Words("🚫 {app}: {what} cancelled", "Cancelled"),
}
"""What is said of each `Result.outcome`."""


NOTHING_CHANGED = "Nothing was changed."


class Uploaded(NamedTuple):
    """One file that was uploaded, or would be.

    Attributes:
        path: where it is on the platform.
        size: in bytes.
        sign: `+` if it was new, `~` if it was there.
        sha256: of the bytes that were sent, in hex.
    """

    path: str
    size: int
    sign: str = "+"
    sha256: str = ""


@dataclass
class Changes:
    """What really changed in the storage zone so far. Finalize sends exactly these counts.

    Attributes:
        uploaded: every file that the platform confirmed.
        deleted: lengths in bytes of the paths that the platform confirmed as deleted; -1 where it said none.
        unchanged: how many files were skipped as unchanged.
        to_upload: how many files the plan uploads.
        to_delete: how many files the plan deletes.
    """

    uploaded: list[Uploaded] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    to_upload: int = 0
    to_delete: int = 0

    @property
    def bytes_uploaded(self) -> int:
        """Sum of the sizes of the uploaded files, in bytes."""
        return sum(file.size for file in self.uploaded)

    @property
    def state(self) -> str:
        """What state an early end leaves the site in, for a sentence; empty when there was nothing to do."""
        shares = (
            (len(self.uploaded), self.to_upload, "uploaded"),
            (len(self.deleted), self.to_delete, "deleted"),
        )
        # More than was planned, when some of it had to be done again.
        return ", ".join(
            f"{done:,} of {human_files(max(done, planned))} {verb}"
            for done, planned, verb in shares
            if planned
        )


@dataclass
class Result:
    """Everything that outputs, summary, comment and JSON result are made of.

    `None` means not known (yet): the output stays out.

    Attributes:
        status: one of the contract's words.
        planned: what a dry run would change.
        seen_running: whether the platform said that the deployed image runs.
        seen_live: whether the health check saw the deployed version.
        problems: all that is wrong with the inputs, one sentence each.
        nothing_changed: whether a run failed before it asked for any change.
        final_state: what a run that failed or was cancelled has left behind, as the end of `error`.
    """

    operation: str
    app: str = ""
    dry_run: bool = False
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
    seen_running: bool = False
    seen_live: bool = False
    domains: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    duration_seconds: float = 0.0
    lock_wait_seconds: float = 0.0
    retries_used: int = 0
    error: str = ""
    problems: list[str] = field(default_factory=list)
    hint: str = ""
    nothing_changed: bool = False
    final_state: str = ""

    def add_final_state(self, text: str) -> None:
        """Say one thing more of it."""
        self.final_state = "; ".join(filter(None, (self.final_state, text)))

    @property
    def what(self) -> str:
        """What the run was, in words."""
        return "dry run" if self.dry_run else self.operation

    @property
    def effect(self) -> Changes | None:
        """What the reports count: what was changed, or what a dry run would change."""
        return self.planned if self.status == "planned" else self.changes

    @property
    def outcome(self) -> str:
        """`status`, and more than that where it is known: a key of `OUTCOMES`."""
        if self.status == "destroyed" and not self.kind:
            return "destroyed, nothing"
        if self.status not in {"deployed", "restarted"} or not (self.seen_live or self.seen_running):
            return self.status
        return "live" if self.seen_live else f"{self.status}, running"


def redact_result(result: Result, redact: Callable[[str], str]) -> Result:
    """Return a copy of `result` without secrets in any text that comes from elsewhere; `redact` removes them.

    Every report is rendered from this copy: in a report's own escapes a secret may not be recognisable.
    """
    ours = {"operation", "status", "kind"}
    foreign = {item.name: getattr(result, item.name) for item in fields(result) if item.name not in ours}
    return replace(result, **{name: _redact(value, redact) for name, value in foreign.items()})


def _redact(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 the same type comes back
    match value:
        case str():
            return redact(value)
        case list():
            return [_redact(item, redact) for item in value]
        case dict():
            return {redact(str(key)): _redact(item, redact) for key, item in value.items()}
        case Uploaded():
            return value._replace(path=redact(value.path))
        case Changes():
            deleted = _redact(value.deleted, redact)
            return replace(value, uploaded=_redact(value.uploaded, redact), deleted=deleted)
        case _:
            return value


def output_values(result: Result) -> dict[str, object]:
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
        "duration-seconds": rounded(result.duration_seconds),
        "lock-wait-seconds": rounded(result.lock_wait_seconds),
        "retries-used": result.retries_used,
        "error": one_line(result.error),
    }


def rounded(seconds: float) -> float:
    """Milliseconds are precise enough; a whole number is shown as one."""
    number = round(seconds, 3)
    return int(number) if number == int(number) else number


def outputs(result: Result) -> dict[str, str]:
    """Return the outputs that are known, under the contract's names and in its order.

    Booleans are `true` or `false`, numbers plain decimals, lists compact ASCII JSON; `error` is one line.
    """
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in output_values(result).items()
        if value is not None
    }

"""The result of a run: operations fill the record, and reports read it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import anyio

from zerokie_action.ci import Commits
from zerokie_action.errors import DeployError, Interrupted
from zerokie_action.inputs.formats import is_image
from zerokie_action.report.record import Change, was_created
from zerokie_action.text.escapes import LINE_LIMIT, is_web_url, output_line
from zerokie_action.text.numbers import human_files, human_paths

OUTCOMES = {
    "deployed": ("✅ {app} is deployed", "Deployed in {time}: {url}"),
    "restarted": ("✅ {app} is restarted", "Restarted in {time}: {url}"),
    "accepted": (
        "⏳ {app}: the platform accepted the {what}; it was not checked whether the new version runs",
        "{What} accepted after {time}; it was not checked whether the new version runs: {url}",
    ),
    "running": ("✅ {app} is {status} and runs", "{Status} and running after {time}: {url}"),
    "live": ("✅ {app} is live", "{url} is live after {time}"),
    "destroyed": ("✅ {app} is deleted", "Done after {time}"),
    "absent": ("✅ {app} did not exist", "Done after {time}"),
    "swept": ("✅ {app} of closed requests are deleted", "Done after {time}"),
    "nothing to sweep": ("✅ {app}: nothing to delete", "Done after {time}"),
    "planned": ("🔍 Dry run for {app}: nothing was changed", "Dry run: nothing was changed"),
    "skipped": ("⏭️ {app}: skipped", "Skipped"),
    "rolled-back": ("⚠️ {app} runs its previous image again", ""),
    "superseded": ("⚠️ {app} runs another deploy's image", ""),
    "failed": ("❌ {app}: {what} failed", ""),
    "cancelled": ("🚫 {app}: {what} cancelled", ""),
}
"""By `Result.outcome`: the headline of the summary, and the last line of the log, which is an error after a
failure."""


class Seen(StrEnum):
    """What a run has seen of its app, if that says more than the status of a success. Keys of `OUTCOMES`."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    LIVE = "live"
    ABSENT = "absent"


DONE = {"deploy": "deployed", "restart": "restarted", "destroy": "destroyed", "sweep": "destroyed"}
"""The status after a success, by operation."""
NOTHING_CHANGED = "Nothing was changed."


class Uploaded(NamedTuple):
    """A file that was uploaded, or that a dry run would upload.

    Attributes:
        path: the path on the platform.
        size: the size in bytes.
        sign: `+` for a new path, `~` for an existing path.
    """

    path: str
    size: int
    sign: str = "+"


@dataclass
class Changes(Change):
    """The change of a storage zone, with what was changed so far. Finalize reports these counts.

    Attributes:
        uploaded: the uploads that the platform confirmed.
        deleted: the confirmed deletions by path, with the file's length in bytes, or -1 for an unknown
            length.
        unchanged: the number of files that were skipped as unchanged.
        to_upload: the number of files that the plan uploads.
        to_delete: the number of files that the plan deletes.
        waiting: the number of stale files that a later deploy deletes; None before the deploy is finished.
        waiting_until: when all of these have waited long enough, such as `2026-03-07T17:00:00Z`; else empty.
    """

    uploaded: list[Uploaded] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    to_upload: int = 0
    to_delete: int = 0
    waiting: int | None = None
    waiting_until: str = ""

    @property
    def bytes_uploaded(self) -> int:
        """Sum of the sizes of the uploaded files, in bytes."""
        return sum(file.size for file in self.uploaded)

    @property
    def state(self) -> str:
        """The clause for the final state; after an early end the counts, with those of the plan."""
        if self.seen or not self.may_be_made:
            return super().state
        uploads = (len(self.uploaded), self.to_upload, "uploaded")
        deletions = (len(self.deleted), self.to_delete, "deleted")
        counts = ", ".join(
            f"{done:,} of {human_files(planned)} {verb}"
            for done, planned, verb in (uploads, deletions)
            if planned
        )
        is_half_new = len(self.uploaded) < self.to_upload
        return f"{counts}; the site may be half new" if is_half_new else counts


@dataclass
class Result:
    """The data for outputs, summary, comment and JSON result.

    A value that is not known is `None`; its output is left out.

    Attributes:
        status: the status, as in `docs/result.schema.json`.
        began: when the run began, by the event loop's time.
        seen: what the run saw of the app, if that says more than the status of a success.
        requested: the changes that the run has asked for; the final state is derived from them.
        changes: the changes of files that the run made, or that a dry run would make.
        problems: why the run failed, one sentence each; empty after a success.
        changed: whether something was changed, or may have been; after a dry run, whether it would be.
        nothing_changed: whether the run failed before it asked for a change.
        links: the URLs of the pages of commit and log, by their label.
        apps: the apps that a sweep destroyed, or that a dry run would destroy.
        left: the apps that a sweep has not looked at yet.
        commits: the commits of a deploy of a folder.
        lock_state: a clause about a lock that could not be released; usually empty.
    """

    operation: str
    app: str = ""
    dry_run: bool = False
    status: str = "failed"
    exit_code: int = 1
    began: float = 0.0
    seen: Seen | None = None
    kind: str | None = None
    deploy_id: str | None = None
    url: str | None = None
    image: str | None = None
    previous_image: str | None = None
    requested_image: str | None = None
    created: bool | None = None
    requested: list[Change] = field(default_factory=list)
    changes: Changes | None = None
    cache_purged: bool | None = None
    domains: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    duration_seconds: float = 0.0
    lock_wait_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    hint: str = ""
    changed: bool = False
    nothing_changed: bool = False
    links: dict[str, str] = field(default_factory=dict)
    apps: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    lock_state: str = ""
    commits: Commits = field(default_factory=Commits)

    @property
    def error(self) -> str:
        """Why the run failed, in one text; empty after a success."""
        return "; ".join(self.problems)

    @property
    def what(self) -> str:
        """`dry run`, or else the operation, for messages."""
        return "dry run" if self.dry_run else self.operation

    @property
    def outcome(self) -> str:
        """The key of `OUTCOMES`."""
        if self.status not in DONE.values():
            return self.status
        if self.operation == "sweep":
            return "swept" if self.apps else "nothing to sweep"
        return self.seen or self.status

    def conclude(self, error: DeployError | None) -> None:
        """Set the exit code, the status, the error if there is one, the duration, and what was changed."""
        self.duration_seconds = anyio.current_time() - self.began
        if error is None and self.status != "skipped":
            self.status = "planned" if self.dry_run else DONE[self.operation]
        elif isinstance(error, Interrupted):
            self.status = "cancelled"
        made = self.changes
        if self.operation == "deploy":
            self.created = was_created(self.requested)
        is_changed = any(change.may_be_made for change in self.requested)
        self.changed |= is_changed or bool(made and (made.uploaded or made.deleted))
        self.nothing_changed = error is not None and not (is_changed or self.lock_state)
        if self.nothing_changed:  # a lock that was held is finalized all the same
            self.deploy_id = self.cache_purged = self.changes = None
        if error is None:
            self.exit_code = 0
            return
        left = [app for app in self.left if app not in self.apps]
        for_later = f"left for the next sweep: {human_paths(left, 50)}" if left else ""
        *others, last = error.args
        clauses = (last, *(change.state for change in self.requested), self.lock_state, for_later)
        self.problems = [*others, "; ".join(filter(None, clauses))]
        self.exit_code, self.hint = error.exit_code, error.hint


def redact_result(result: Result, redact: Callable[[str], str]) -> Result:
    """A copy of `result` whose foreign texts have no secrets.

    Every report is rendered from this copy, because a report's escapes could make a secret unrecognisable.
    """

    def clean(value: Any) -> Any:  # noqa: ANN401 returns the type of its argument
        match value:
            case str():
                return redact(value)
            case list():
                return [clean(item) for item in value]
            case dict():
                return {clean(str(key)): clean(item) for key, item in value.items()}
            case Uploaded() | Commits():
                return type(value)(*map(clean, value))
            case Changes() | Result():
                return replace(value, **{name: clean(item) for name, item in vars(value).items()})
        return value

    redacted: Result = clean(replace(result, requested=[]))  # which no report shows
    redacted.operation, redacted.status, redacted.kind = result.operation, result.status, result.kind
    redacted.seen = result.seen
    return redacted


def output_values(result: Result) -> dict[str, object]:
    """All outputs, typed, in the documented order; `None` for an unknown value.

    Texts are one line, and issue no command if a step prints them. An `image` that is no image reference,
    and a `url` that is no web URL, count as unknown.
    """
    changes = result.changes
    return {
        "deploy-id": output_line(result.deploy_id or "") or None,
        "url": _checked(result.url, is_web_url),
        "app": output_line(result.app) or None,
        "kind": result.kind,
        "status": result.status,
        "image": _checked(result.image, is_image),
        "previous-image": _checked(result.previous_image, is_image),
        "requested-image": _checked(result.requested_image, is_image),
        "commit": result.commits.commit or None,
        "previous-commit": result.commits.previous or None,
        "compare-url": _checked(result.commits.compare_url, is_web_url),
        "created": result.created,
        "apps": result.apps if result.operation == "sweep" else None,
        "changed": result.changed,
        "files-uploaded": changes and len(changes.uploaded),
        "files-deleted": changes and len(changes.deleted),
        "files-unchanged": changes and changes.unchanged,
        "bytes-uploaded": changes and changes.bytes_uploaded,
        "cache-purged": result.cache_purged,
        "domains": result.domains,
        "duration-seconds": round(result.duration_seconds, 3),
        "exit-code": result.exit_code,
        "error": output_line(result.error),
    }


def _checked(text: str | None, is_valid: Callable[[str], bool]) -> str | None:
    return text if text and len(text) <= LINE_LIMIT and is_valid(text) else None


def harmless_json(text: str) -> str:
    """ASCII JSON that a step may print: GitHub's runner obeys `##[command]` anywhere in a line."""
    return text.replace("##", r"#\u0023")


def outputs(result: Result) -> dict[str, str]:
    """The known outputs as texts, in the documented order.

    Booleans are `true` or `false`, numbers plain decimals, lists compact ASCII JSON; `error` is one line.
    """
    return {
        name: value if isinstance(value, str) else harmless_json(json.dumps(value, separators=(",", ":")))
        for name, value in output_values(result).items()
        if value is not None
    }

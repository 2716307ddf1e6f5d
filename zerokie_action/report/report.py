"""The report of a finished run, which outputs, summary, comment and report files show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import anyio

from zerokie_action.ci import Commits
from zerokie_action.errors import DeployError
from zerokie_action.report.changes import Files, Record
from zerokie_action.report.headlines import Headline
from zerokie_action.text.numbers import human_paths

NOTHING_CHANGED = "Nothing was changed."
_DONE = {"deploy": "deployed", "restart": "restarted", "destroy": "destroyed", "sweep": "destroyed"}
"""The status after a success, by operation."""


class RunFacts(NamedTuple):
    """Facts from before the first request to the platform.

    Attributes:
        operation: the input `operation`.
        app: the input `app`. Empty for a preview cleanup.
        dry_run: the input `dry-run`.
        requested_image: the input `image`.
        links: the URLs of the pages of commit and log, by label.
        began: when the run began, by the event loop's time.
        is_skipped: whether the run does nothing, because its API key is empty.
    """

    operation: str
    app: str
    dry_run: bool
    requested_image: str | None
    links: Mapping[str, str]
    began: float
    is_skipped: bool = False


@dataclass(frozen=True)
class Report:
    """The report of a run. A value that isn't available is `None`, and its output is omitted.

    Attributes:
        status: the status, as in `docs/result.schema.json`.
        headline: the state of the app, if it says more than the status of a success.
        created: whether a deploy created the app.
        files: the changed files, or the changes that a dry run would make.
        changed: whether the run changed something, or may have. After a dry run, whether a run would.
        nothing_changed: whether the run failed before it requested a change.
        problems: the reasons of a failure, one sentence each. Empty after a success.
        apps: the apps that a preview cleanup deleted, or would delete in a dry run.
        links: the URLs of the pages of commit and log, by label.
    """

    operation: str
    app: str = ""
    dry_run: bool = False
    status: str = "failed"
    exit_code: int = 1
    headline: Headline | None = None
    kind: str | None = None
    deploy_id: str | None = None
    url: str | None = None
    image: str | None = None
    previous_image: str | None = None
    requested_image: str | None = None
    created: bool | None = None
    files: Files | None = None
    cache_purged: bool | None = None
    domains: Sequence[Mapping[str, object]] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    duration_seconds: float = 0.0
    lock_wait_seconds: float = 0.0
    problems: Sequence[str] = ()
    hint: str = ""
    changed: bool = False
    nothing_changed: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    apps: Sequence[str] = ()
    commits: Commits = field(default_factory=Commits)

    @property
    def error(self) -> str:
        """The reasons of a failure in one text. Empty after a success."""
        return "; ".join(self.problems)

    @property
    def what(self) -> str:
        """`dry run`, otherwise the operation, for messages."""
        return "dry run" if self.dry_run else self.operation

    @property
    def outcome(self) -> str:
        """The key of `HEADLINES`."""
        if self.status not in _DONE.values():
            return self.status
        if self.operation == "sweep":
            return "swept" if self.apps else "nothing to sweep"
        return self.headline or self.status


def conclude(record: Record, run: RunFacts, error: DeployError | None) -> Report:
    """Return the report of a run, without secrets.

    Secrets are removed here, because no later step could recognize a secret in escaped text. This action's
    own words, such as the status, stay as they are.

    Args:
        record: the facts that the run noted.
        run: the facts about the run itself.
        error: the error that ended the run. None after a success.
    """
    redact, files = record.log.redact, record.files
    is_changed = any(change.may_be_made for change in record.changes)
    nothing_changed = error is not None and not (is_changed or record.lock_problem)
    # A run without changes may have finalized its lock, which isn't a deploy.
    has_deployed = not nothing_changed

    def clean(value: Any) -> Any:  # noqa: ANN401 - returns the type of its argument
        match value:
            case str():
                return redact(value)
            case list():
                return [clean(item) for item in value]
            case dict():
                return {redact(str(key)): clean(item) for key, item in value.items()}
        return value

    def clean_files(files: Files) -> Files:
        uploaded = [file._replace(path=redact(file.path)) for file in files.uploaded]
        return replace(files, uploaded=uploaded, deleted=clean(files.deleted))

    return Report(
        operation=run.operation,
        app=redact(run.app),
        dry_run=run.dry_run,
        status=_status(run, error),
        exit_code=error.exit_code if error else 0,
        headline=record.headline,
        kind=record.kind,
        deploy_id=clean(record.deploy_id) if has_deployed else None,
        url=clean(record.url),
        image=clean(record.image),
        previous_image=clean(record.previous_image),
        requested_image=clean(run.requested_image),
        created=record.created if run.operation == "deploy" else None,
        files=clean_files(files) if files and has_deployed else None,
        cache_purged=record.cache_purged if has_deployed else None,
        domains=clean(record.domains),
        notes=clean(record.notes),
        warnings=clean(record.warnings),
        duration_seconds=anyio.current_time() - run.began,
        lock_wait_seconds=record.lock_wait_seconds,
        problems=clean(_problems(record, error)) if error else (),
        hint=redact(error.hint) if error else "",
        changed=is_changed or record.would_change or bool(files and (files.uploaded or files.deleted)),
        nothing_changed=nothing_changed,
        links=clean({**run.links}),
        apps=clean(record.apps),
        commits=Commits(*map(clean, record.commits)),
    )


def _status(run: RunFacts, error: DeployError | None) -> str:
    if error:
        return error.run_status
    if run.is_skipped:
        return "skipped"
    return "planned" if run.dry_run else _DONE[run.operation]


def _problems(record: Record, error: DeployError) -> list[str]:
    """Return the error's sentences. The last one also describes the state that the run leaves behind."""
    left = [app for app in record.left if app not in record.apps]
    for_later = f"left for the next run: {human_paths(left, 50)}" if left else ""
    *others, last = error.args
    clauses = (last, *(change.state for change in record.changes), record.lock_problem, for_later)
    return [*others, "; ".join(filter(None, clauses))]

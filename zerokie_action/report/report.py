"""The report of a run: its inputs, facts and result.

Operations only add facts, so they are true at any moment. After a failure, a cancellation or `timeout`, the
report still contains all facts that the run noted before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, Self

import anyio

from zerokie_action.ci import Commits, Log
from zerokie_action.errors import DeployError
from zerokie_action.http.request import Outcome
from zerokie_action.report.changes import Change, Files
from zerokie_action.text.numbers import human_paths

NOTHING_CHANGED = "Nothing was changed."
_DONE = {
    "deploy": "deployed",
    "restart": "restarted",
    "destroy": "destroyed",
    "sweep": "destroyed",
    "status": "shown",
}
"""The status after a success, by operation."""
_OWN_WORDS = {"operation", "status", "app_status", "kind", "headline"}
"""The texts that `finish` doesn't redact, because they are this action's own words, or redacted already."""
_WITHOUT_TEXT = {"log", "changes"}
"""The objects that `finish` copies as they are."""


class Headline(StrEnum):
    """A state of the app that says more than the status of a success. A key of `HEADLINES`."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    UNCHANGED = "unchanged"
    LIVE = "live"


HEADLINES = {
    "deployed": ("✅ {app} is deployed", "Deployed in {time}: {url}"),
    "restarted": ("✅ {app} is restarted", "Restarted in {time}: {url}"),
    "accepted": (
        "⏳ {app}: the platform accepted the {activity}, but the new version wasn't checked",
        "The platform accepted the {activity} after {time}, but the new version wasn't checked: {url}",
    ),
    "running": ("✅ {app} is {status} and runs", "{app} is {status} and runs after {time}: {url}"),
    "unchanged": ("✅ {app} is up to date", "{app} is up to date: {url}"),
    "live": ("✅ {app} is live", "{url} is live after {time}"),
    "destroyed": ("✅ {app} is deleted", "Deleted {app} in {time}"),
    "gone": ("✅ {app}: nothing to delete", "Nothing to delete"),
    "swept": ("✅ {app}: deleted {apps}", "Deleted {apps} in {time}"),
    "nothing to sweep": ("✅ {app}: no previews to delete", "No previews to delete"),
    "shown": ("🔎 {app}", "{app}: {url}"),
    "planned": ("🔍 Dry run for {app}: nothing was changed", "Dry run: nothing was changed"),
    "skipped": ("⏭️ {app}: skipped", "Skipped"),
    "rolled-back": ("⚠️ {app} runs its previous image again", ""),
    "superseded": ("⚠️ {app} has another deploy's image", ""),
    "failed": ("❌ {app}: {activity} failed", ""),
    "cancelled": ("🚫 {app}: {activity} cancelled", ""),
}
"""The headline of the summary and the last line of the log, by `Report.outcome`.

After a failure, the last line is the error instead.
"""


@dataclass
class Report:
    """The report of a run. A fact that isn't available is `None`, and its output is omitted.

    Attributes:
        log: the log, which gets each warning, note and plan as well.
        operation: the input `operation`.
        app: the input `app`. Empty for a preview cleanup.
        dry_run: the input `dry-run`.
        requested_image: the input `image`.
        links: the URLs of the pages of commit and log, by label.
        began: when the run began, by the event loop's time.

        is_skipped: whether the run does nothing, because its API key is empty.
        changes: the changes that the run requested.
        files: the changed files. A dry run has files, but no changes.
        would_change: whether a dry run found a change other than files.
        headline: the state of the app, if it says more than the status of a success.
        commits: the commits of a folder's deploy.
        lock_problem: a clause about a lock that may still be held. Usually empty.
        apps: the apps that a preview cleanup deleted, or would delete in a dry run.
        left: the apps that a preview cleanup still has to check.
        pending: the number of files pending deletion. None before the deploy is finished.
        pending_until: when the last of them is due, such as `2026-03-07T17:00:00Z`. Empty without any.
        app_status: the platform's word for the app's status, by `operation: status`.
        file_count: the number of the app's files, by `operation: status`.

        status: the status, as in `docs/result.schema.json`. A run has failed unless `finish` says otherwise.
        exit_code: the exit code of the process.
        problems: the reasons of a failure, one sentence each. Empty after a success.
        hint: how to fix the failure.
        duration_seconds: the duration of the run.
    """

    log: Log = field(repr=False)
    operation: str
    app: str = ""
    dry_run: bool = False
    requested_image: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    began: float = 0.0

    is_skipped: bool = False
    changes: list[Change] = field(default_factory=list)
    files: Files | None = None
    would_change: bool = False
    kind: str | None = None
    url: str | None = None
    image: str | None = None
    previous_image: str | None = None
    deploy_id: str | None = None
    cache_purged: bool | None = None
    headline: Headline | None = None
    domains: list[dict[str, object]] = field(default_factory=list)
    commits: Commits = field(default_factory=Commits)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lock_wait_seconds: float = 0.0
    lock_problem: str = ""
    apps: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pending: int | None = None
    pending_until: str = ""
    app_status: str | None = None
    file_count: int | None = None

    status: str = "failed"
    exit_code: int = 1
    problems: Sequence[str] = ()
    hint: str = ""
    duration_seconds: float = 0.0

    def add(self, change: Change) -> Change:
        """Add a change, before its first request."""
        self.changes.append(change)
        return change

    def warn(self, text: str) -> None:
        """Send a warning to the log and the reports. A repeated warning is only logged.

        A deploy that plans again under the lock repeats the plan's warnings.
        """
        self.log.warning(text)
        if text not in self.warnings:
            self.warnings.append(text)

    def note(self, text: str) -> None:
        """Send a line to the log, and a sentence to the reports. A repeated note is only logged."""
        self.log.info(text)
        if (sentence := f"{text}.") not in self.notes:
            self.notes.append(sentence)

    def plan(self, text: str) -> None:
        """Send a change that a deploy would make to the log and the reports."""
        self.would_change = True
        self.log.info(f"Plan: {text}")
        self.notes.append(f"Dry run: {text}.")

    def domain(self, name: str, **facts: str) -> None:
        """Add a domain to the reports, with the facts about it."""
        self.domains.append({"domain": name, **facts})

    def finish(self, error: DeployError | None = None) -> Self:
        """Return a copy with the result, without secrets.

        Secrets are removed here, because no later step could recognize a secret in escaped text.

        Args:
            error: the error that ended the run. None after a success.
        """
        finished = replace(
            self,
            status=error.run_status if error else self._status_of_success(),
            exit_code=error.exit_code if error else 0,
            problems=[*self._problems(error)] if error else (),
            hint=error.hint if error else "",
            duration_seconds=anyio.current_time() - self.began,
            # The problems have the clauses already.
            changes=[Change(creates=change.creates, deliveries=change.deliveries) for change in self.changes],
        )
        if finished.nothing_changed:
            # A run without changes may have finalized its lock, which isn't a deploy.
            finished = replace(finished, deploy_id=None, files=None, cache_purged=None)
        elif not finished.changed:
            # If another deploy made all changes before the lock, the run finalized without a change.
            finished = replace(finished, deploy_id=None)
        clean: Self = _redacted(finished, self.log.redact)
        return clean

    @property
    def created(self) -> bool | None:
        """Whether the run created the app. None if the response was lost."""
        created = {change.outcome for change in self.changes if change.creates}
        return None if Outcome.UNKNOWN in created else Outcome.DONE in created

    @property
    def changed(self) -> bool:
        """Whether the run changed something, or may have. After a dry run, whether a run would."""
        files = self.files and (self.files.uploaded or self.files.deleted)
        return self.would_change or self._may_have_changed or bool(files)

    @property
    def nothing_changed(self) -> bool:
        """Whether the run failed before it requested a change."""
        return bool(self.problems) and not (self._may_have_changed or self.lock_problem)

    @property
    def error(self) -> str:
        """The reasons of a failure in one text. Empty after a success."""
        return "; ".join(self.problems)

    @property
    def activity(self) -> str:
        """`dry run`, otherwise the operation, for messages."""
        return "dry run" if self.dry_run else self.operation

    @property
    def outcome(self) -> str:
        """The key of `HEADLINES`."""
        if self.status not in _DONE.values():
            return self.status
        if self.operation == "sweep":
            return "swept" if self.apps else "nothing to sweep"
        if self.operation == "destroy" and not self.changed:
            return "gone"
        return self.headline or self.status

    @property
    def _may_have_changed(self) -> bool:
        return any(change.may_be_made for change in self.changes)

    def _status_of_success(self) -> str:
        if self.is_skipped:
            return "skipped"
        return "planned" if self.dry_run else _DONE[self.operation]

    def _problems(self, error: DeployError) -> Iterator[str]:
        """Yield the error's sentences. The last one also describes the state that the run leaves behind."""
        left = [app for app in self.left if app not in self.apps]
        for_later = f"left for the next run: {human_paths(left, 50)}" if left else ""
        *others, last = error.args
        yield from others
        clauses = (last, *(change.state for change in self.changes), self.lock_problem, for_later)
        yield "; ".join(filter(None, clauses))


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 - returns the type of `value`
    """Return a copy of a report's value without secrets, at any depth.

    All texts are redacted, except the listed fields. An object of an unknown type becomes redacted text.

    Args:
        value: a report, or a value of its fields.
        redact: removes secrets from a text.
    """
    clean = partial(_redacted, redact=redact)
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {clean(key): clean(item) for key, item in value.items()}
        case tuple() if hasattr(value, "_replace"):
            return type(value)(*map(clean, value))
        case list() | tuple():
            return type(value)(map(clean, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            names = {one.name for one in fields(value)} - _OWN_WORDS - _WITHOUT_TEXT
            return replace(value, **{name: clean(getattr(value, name)) for name in names})
    return redact(str(value))

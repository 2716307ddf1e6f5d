"""GitHub Actions, and what runs its actions too: act, Gitea, Forgejo."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from zerokie_action.ci.generic import CI, Level
from zerokie_action.owner import Owner, forge_of
from zerokie_action.redact import secret_forms
from zerokie_action.text import cut_markdown, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zerokie_action.redact import Redactor

_ANNOTATIONS_PER_KIND = 10
_ANNOTATION_LIMIT = 4_096
_SUMMARY_LIMIT = 1024 * 1024
# A job's outputs may have 1 MB in UTF-16; this leaves room for every output at this length, and for others'.
_OUTPUT_LIMIT = 20_000


class GitHub(CI):
    """Workflow commands on the log's stream, and the files that `GITHUB_*` variables name.

    A file that is missing or cannot be written gets one warning and never fails the run.
    """

    folds = True

    def __init__(
        self, env: Mapping[str, str], stream: TextIO, level: Level = "info", redactor: Redactor | None = None
    ) -> None:
        super().__init__(env, stream, level, redactor)
        self._annotations: Counter[str] = Counter()
        self._unwritable: set[str] = set()
        self._grouping = False

    @classmethod
    def detects(cls, env: Mapping[str, str]) -> bool:
        """Tell whether `env` is the environment of a step of GitHub Actions."""
        return env.get("GITHUB_ACTIONS") == "true"

    def debug(self, *lines: str) -> None:
        """Log as `::debug::` if the runner shows that (`RUNNER_DEBUG`), else as plain lines."""
        if self._env.get("RUNNER_DEBUG") != "1":
            super().debug(*lines)
        elif self.shows("debug"):
            for line in lines:
                self._command("debug", self._safe(line))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines that are logged inside under `title`. Groups do not nest: an inner one is a line."""
        if self._grouping or not self.shows("info"):
            self.info(title)
            yield
            return
        self._grouping = True
        self._command("group", self._safe(title))
        try:
            yield
        finally:
            self._command("endgroup", "")
            self._grouping = False

    def mask(self, secret: str) -> None:
        """Have the runner mask every spelling of `secret` in the logs of the whole job."""
        super().mask(secret)
        for form in secret_forms(secret):
            if "\n" not in form and "\r" not in form:
                self._command("add-mask", form)

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Append to `GITHUB_OUTPUT`. A value that would not fit into a job's outputs is left out."""
        entries = []
        for key, raw in outputs.items():
            value = self._redactor.redact(raw)
            if len(value) > _OUTPUT_LIMIT:
                self.warning(f"Output {key} is left out: {len(value):,} characters are too long for GitHub")
            else:
                entries.append(_entry(key, value))
        self._append("GITHUB_OUTPUT", "".join(entries))

    def write_summary(self, text: str) -> None:
        """Append to the job's summary, in the 1 MiB that a step has for it."""
        path = self._env.get("GITHUB_STEP_SUMMARY", "")
        written = 0
        with suppress(OSError):
            written = Path(path).stat().st_size if path else 0
        room = _SUMMARY_LIMIT - written - 1
        self._append("GITHUB_STEP_SUMMARY", cut_markdown(self._redactor.redact(text), room))

    def save_state(self, state: Mapping[str, str]) -> None:
        """Append to `GITHUB_STATE`: the post step gets it back as `STATE_key`, even after a SIGKILL."""
        lines = [
            f"{key}={value}\n" if value.isprintable() else _entry(key, value) for key, value in state.items()
        ]
        self._append("GITHUB_STATE", "".join(lines))

    @property
    def commit(self) -> str:
        """The commit's hash, or an empty string. A pull request's is its head, not a trial merge."""
        event = read_event(self._env)
        heads = (_at(event, "pull_request", "head", "sha"), _at(event, "workflow_run", "head_sha"))
        return next((head for head in heads if isinstance(head, str)), self._env.get("GITHUB_SHA", ""))

    @property
    def commit_url(self) -> str:
        """The commit's page, or an empty string."""
        return f"{self._repository}/commit/{self.commit}" if self._repository and self.commit else ""

    @property
    def run_url(self) -> str:
        """The page of this run, or an empty string."""
        # Gitea and Forgejo number the runs of a repository, and address them by that.
        forge = self._env.get("GITEA_ACTIONS") or self._env.get("FORGEJO_ACTIONS")
        run = self._env.get("GITHUB_RUN_NUMBER" if forge else "GITHUB_RUN_ID", "")
        known = self._repository and run and not self._env.get("ACT")
        return f"{self._repository}/actions/runs/{run}" if known else ""

    @property
    def owner(self) -> Owner:
        """The repository that this run belongs to: for a pull request from a fork, the one that it is for."""
        return Owner(
            forge=forge_of(self._env.get("GITHUB_SERVER_URL", "")) or "github",
            id=self._env.get("GITHUB_REPOSITORY_ID", ""),
            name=self._env.get("GITHUB_REPOSITORY", ""),
            run=self.run_url,
        )

    @property
    def _repository(self) -> str:
        server, repository = self._env.get("GITHUB_SERVER_URL", ""), self._env.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}" if server and repository else ""

    def _problem(self, level: Level, lines: tuple[str, ...], title: str) -> None:
        if self._annotations[level] >= _ANNOTATIONS_PER_KIND:
            self._print_problem(level, lines)
            return
        self._annotations[level] += 1
        message = shorten("\n".join(map(self._safe, lines)), _ANNOTATION_LIMIT)
        properties = f" title={_property(self._safe(title))}" if title else ""
        self._command(level, message, properties)

    def _command(self, name: str, data: str, properties: str = "") -> None:
        self._print(f"::{name}{properties}::{_data(data)}")

    def _append(self, variable: str, text: str) -> None:
        if variable in self._unwritable:
            return
        path = self._env.get(variable, "")
        if not path:
            self._give_up(variable, "is not set")
            return
        try:
            _append_durably(Path(path), text.encode(errors="backslashreplace"))
        except OSError as error:
            self._give_up(variable, f"cannot be written: {error.strerror}")

    def _give_up(self, variable: str, reason: str) -> None:
        self._unwritable.add(variable)
        self.warning(f"{variable} {reason}; this step goes without it")


def read_event(env: Mapping[str, str]) -> dict[str, Any]:
    """The event that the run is for, as GitHub's webhooks describe it; empty if it is not known."""
    try:
        event = json.loads(Path(env.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _at(found: object, *keys: str) -> object:
    """What is in there under one key after the other; `None` if there is no such thing."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _append_durably(path: Path, data: bytes) -> None:
    """Append all of `data`, or nothing, as half an entry fails the step. It is on disk when this returns."""
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        if file.write(data) != len(data):
            file.truncate(start)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with suppress(OSError):  # not every file system can
            os.fsync(file.fileno())


def _entry(key: str, value: str) -> str:
    """One entry of a file command. The random delimiter cannot be foreseen, nor be a line of the value."""
    delimiter = _random_delimiter()
    while delimiter in value:
        delimiter = _random_delimiter()
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def _random_delimiter() -> str:
    return f"zerokie_{os.urandom(16).hex()}"  # what `secrets` would use, without its import of OpenSSL


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

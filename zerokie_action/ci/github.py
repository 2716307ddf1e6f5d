"""GitHub Actions, and what runs its actions too: act, Gitea, Forgejo."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from zerokie_action.ci.generic import CI, Level
from zerokie_action.owner import Owner, forge_of
from zerokie_action.redact import secret_forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class GitHub(CI):
    """Workflow commands on the log's stream, and the files that `GITHUB_*` variables name.

    A file that is missing or cannot be written gets one warning and never fails the run.
    """

    folds = True

    def __init__(self, env: Mapping[str, str], stream: TextIO, level: Level = "info") -> None:
        super().__init__(env, stream, level)
        self._unwritable: set[str] = set()

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
        """Fold the lines that are logged inside under `title`. GitHub's groups do not nest."""
        if not self.shows("info"):
            yield
            return
        self._command("group", self._safe(title))
        try:
            yield
        finally:
            self._command("endgroup", "")

    def mask(self, secret: str) -> None:
        """Have the runner mask every spelling of `secret` in the logs of the whole job."""
        super().mask(secret)
        for form in secret_forms(secret):
            if "\n" not in form and "\r" not in form:
                self._command("add-mask", form)

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Append to `GITHUB_OUTPUT`."""
        entries = [_entry(key, self.redact(value)) for key, value in outputs.items()]
        self._append("GITHUB_OUTPUT", "".join(entries))

    def write_summary(self, text: str) -> None:
        """Append to the job's summary. A step has 1 MiB for it."""
        self._append("GITHUB_STEP_SUMMARY", self.redact(text))

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
        heads = (at(event, "pull_request", "head", "sha"), at(event, "workflow_run", "head_sha"))
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
        # The runner shows ten annotations of a level, and the others as lines of the log.
        properties = f" title={_property(self._safe(title))}" if title else ""
        self._command(level, "\n".join(map(self._safe, lines)), properties)

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
            with Path(path).open("ab") as file:
                file.write(text.encode(errors="backslashreplace"))
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


def at(found: object, *keys: str) -> object:
    """What is in a document of JSON under one key after the other; `None` if there is no such thing."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _entry(key: str, value: str) -> str:
    """One entry of a file command. The random delimiter cannot be foreseen, nor be a line of the value."""
    delimiter = f"zerokie_{os.urandom(16).hex()}"  # as by `secrets`, without its import of OpenSSL
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

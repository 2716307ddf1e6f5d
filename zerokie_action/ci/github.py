"""GitHub Actions, and what runs its actions too: act, Gitea, Forgejo."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from zerokie_action.ci.generic import CI, Level, PullRequest
from zerokie_action.ci.repository import owner_at
from zerokie_action.text import secret_forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class GitHub(CI):
    """Workflow commands on the log's stream, and the files that `GITHUB_*` variables name.

    A file that is missing or cannot be written gets a warning and never fails the run.
    """

    folds = True

    def __init__(self, env: Mapping[str, str], stream: TextIO, level: Level = "info") -> None:
        super().__init__(env, stream, level)
        self._event = _read_event(env)
        server, repository = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
        # `GITHUB_SHA` of a pull request is a trial merge that nobody knows.
        heads = (self._at("pull_request", "head", "sha"), self._at("workflow_run", "head_sha"))
        self.commit = next((head for head in heads if isinstance(head, str)), env.get("GITHUB_SHA", ""))
        # Gitea and Forgejo number the runs of a repository, and address them by that.
        is_gitea = env.get("GITEA_ACTIONS") or env.get("FORGEJO_ACTIONS")
        run = env.get("GITHUB_RUN_NUMBER" if is_gitea else "GITHUB_RUN_ID", "")
        if server and repository:
            self.commit_url = f"{server}/{repository}/commit/{self.commit}" if self.commit else ""
            self.run_url = f"{server}/{repository}/actions/runs/{run}" if run else ""
        # For a pull request from a fork, this is the repository that it is for.
        self.owner = owner_at(f"{server}/{repository}", env.get("GITHUB_REPOSITORY_ID", ""))

    def mask(self, secret: str, user: str = "") -> None:
        """Have the runner mask every form of `secret` in the logs of the whole job."""
        super().mask(secret, user)
        for form in sorted(secret_forms(secret, user)):
            if "\n" not in form and "\r" not in form:
                self._command("add-mask", form)

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Append to `GITHUB_OUTPUT`."""
        self._append("GITHUB_OUTPUT", _entries(outputs))

    def write_summary(self, text: str) -> None:
        """Append to the job's summary. A step has 1 MiB for it."""
        self._append("GITHUB_STEP_SUMMARY", text)

    def save_state(self, state: Mapping[str, str]) -> None:
        """Append to `GITHUB_STATE`: the post step gets it back as `STATE_key`, even after a SIGKILL."""
        self._append("GITHUB_STATE", _entries(state))

    def pull_request(self, number: int | None) -> PullRequest | None:
        """GitHub Enterprise, Gitea and Forgejo have the same API."""
        found = number or self._at("pull_request", "number")
        if not isinstance(found, int):
            return None
        api = self._env.get("GITHUB_API_URL") or "https://api.github.com"
        issues = f"{api}/repos/{self._env.get('GITHUB_REPOSITORY', '')}/issues"
        return PullRequest(
            name=f"pull request #{found}",
            comments=f"{issues}/{found}/comments",
            comment=f"{issues}/comments/",
            edit="PATCH",
            token_input="github-token",  # noqa: S106 its name
            permission="`github-token` needs `permissions: pull-requests: write`, which forks don't get",
        )

    def _at(self, *keys: str) -> object:
        """What is in the event under one key after the other; `None` if there is no such thing."""
        found = self._event
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        self._print(f"::group::{_data(title)}", *lines, "::endgroup::")

    def _problem(self, level: Level, lines: tuple[str, ...], title: str = "") -> None:
        # The runner shows ten annotations of a level, and the others as lines of the log.
        properties = f" title={_property(self._safe(title))}" if title else ""
        self._command(level, "\n".join(map(self._safe, lines)), properties)

    def _command(self, name: str, data: str, properties: str = "") -> None:
        self._print(f"::{name}{properties}::{_data(data)}")

    def _append(self, variable: str, text: str) -> None:
        try:
            with Path(self._env[variable]).open("ab") as file:
                file.write(text.encode(errors="backslashreplace"))
        except (KeyError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not set"
            self.warning(f"{variable} can't be written ({reason}); this step continues without it")


def _read_event(env: Mapping[str, str]) -> object:
    """The event that the run is for, as GitHub's webhooks describe it; `None` if it is not known."""
    try:
        return json.loads(Path(env.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _entries(values: Mapping[str, str]) -> str:
    """The entries of a file command. The random delimiter cannot be foreseen, nor be a line of a value."""
    delimiter = f"zerokie_{os.urandom(16).hex()}"  # as by `secrets`, without its import of OpenSSL
    return "".join(f"{key}<<{delimiter}\n{value}\n{delimiter}\n" for key, value in values.items())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""The adapter for GitHub Actions, and for act, Gitea and Forgejo, which run GitHub's actions.

All of GitHub's variables are read here, except `GITHUB_ACTIONS` and `RUNNER_DEBUG` (`ci.detect`) and the
inputs (`inputs.load`).
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from zerokie_action.ci.commits import SHORT, Project, Source, valid_commit, valid_run, valid_sequence
from zerokie_action.ci.generic import CI, PullRequest
from zerokie_action.ci.log import Level, Log
from zerokie_action.http.url import web_url


class GitHubLog(Log):
    """A log with workflow commands."""

    folds = True

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        self._print(f"::group::{_data(title)}", *lines, "::endgroup::")

    def _problem(self, level: Level, lines: list[str]) -> None:
        # The runner shows ten annotations of each level. Further annotations are only log lines.
        self._command(level, "\n".join(lines))

    def _command(self, name: str, data: str) -> None:
        self._print(f"::{name}::{_data(data)}")


class GitHub(CI):
    """A step on GitHub. A file of the runner that can't be written causes only a warning."""

    def __init__(self, env: Mapping[str, str], log: Log) -> None:
        super().__init__(env, log)
        self._head, self._number = _read_event(env)
        server, repository = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
        commit = self._head or _own_commit(env)
        # On Gitea and Forgejo, the URL of a run contains the run's number, not its ID.
        is_gitea = env.get("GITEA_ACTIONS") or env.get("FORGEJO_ACTIONS")
        run = env.get("GITHUB_RUN_NUMBER" if is_gitea else "GITHUB_RUN_ID")
        sequence = valid_sequence(env.get("GITHUB_RUN_ID"))
        self.source = Source(valid_commit(commit), valid_run(f"actions/runs/{run}"), sequence)
        if not (server and repository):
            return
        # For a pull request from a fork, `GITHUB_REPOSITORY` is the target repository.
        page = f"{server}/{repository}"
        self.project = Project(page)
        action, ref = env.get("GITHUB_ACTION_REPOSITORY"), env.get("GITHUB_ACTION_REF")
        # Gitea and Forgejo may take an action from another host. The variables of a local action are empty.
        if action and ref and not is_gitea:
            self.docs = f"{server}/{action}/blob/{ref}/docs"
        if commit and run:
            self.links = {
                f"Commit {commit[:SHORT]}": f"{page}/commit/{commit}",
                "Log": f"{page}/actions/runs/{run}",
            }

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Append to `GITHUB_OUTPUT`."""
        self._append("GITHUB_OUTPUT", _entries(outputs))

    def write_summary(self, text: str) -> None:
        """Append to the step's summary, which GitHub limits to 1 MiB."""
        self._append("GITHUB_STEP_SUMMARY", text)

    @property
    def state_file(self) -> None:
        """None, because `save_state` keeps the state."""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Append to `GITHUB_STATE`. The post step gets each value as `STATE_key`, even after a kill."""
        self._append("GITHUB_STATE", _entries(state))

    def pull_request(self, number: int | None) -> PullRequest | None:
        """Return the pull request with this number, or else the event's.

        The APIs of GitHub, GitHub Enterprise, Gitea and Forgejo are the same.
        """
        found = number or self._number
        api, project = self.env.get("GITHUB_API_URL"), self.env.get("GITHUB_REPOSITORY")
        repository = f"{api or 'https://api.github.com'}/repos/{project}"
        if not (found and project and web_url(repository)):
            return None
        return PullRequest(
            name=f"pull request #{found}",
            number=found,
            url=f"{repository}/pulls/{found}",
            comments=f"{repository}/issues/{found}/comments",
            comment=f"{repository}/issues/comments/",
            edit="PATCH",
            token_input="github-token",  # noqa: S106 an input's name
            permission="`github-token` needs `permissions: pull-requests: write`, which forks don't get",
            reading="`github-token` needs `permissions: pull-requests: read`",
            deployments=f"{repository}/deployments",
            commit=self._head,
        )

    def _append(self, variable: str, text: str) -> None:
        try:
            with Path(self.env[variable]).open("ab") as file:
                file.write(text.encode(errors="backslashreplace"))
        except (KeyError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not set"
            self.log.warning(f"Can't write {variable} ({reason}), so this step continues without it")


def saved_state(env: Mapping[str, str]) -> dict[str, str]:
    """Return the state that the main step saved. Empty outside of a post step."""
    prefix = "STATE_"
    return {name.removeprefix(prefix): text for name, text in env.items() if name.startswith(prefix)}


def _read_event(env: Mapping[str, str]) -> tuple[str, int]:
    """Return the commit and the pull request's number in the run's event. Unknown ones are empty or 0."""
    try:
        event = json.loads(Path(env.get("GITHUB_EVENT_PATH", "")).read_bytes())
        pull_request, run = event.get("pull_request") or {}, event.get("workflow_run") or {}
        commit = pull_request.get("head", {}).get("sha") or run.get("head_sha") or ""
        return f"{commit}", int(pull_request.get("number") or 0)
    except (OSError, ValueError, TypeError, RecursionError, AttributeError):
        return "", 0


def _own_commit(env: Mapping[str, str]) -> str:
    """Return `GITHUB_SHA`. Empty if only the event contains the right commit.

    For a pull request, `GITHUB_SHA` is a temporary merge commit. For `workflow_run`, it belongs to the
    default branch.
    """
    is_event = env.get("GITHUB_EVENT_NAME", "").startswith(("pull_request", "workflow_run"))
    is_merge = env.get("GITHUB_REF", "").startswith("refs/pull/")
    return "" if is_event or is_merge else env.get("GITHUB_SHA", "")


def _entries(values: Mapping[str, str]) -> str:
    """Return the entries of a file command. The random delimiter can't be a line of a value."""
    delimiter = f"zerokie_{os.urandom(16).hex()}"  # like `secrets`, which would import OpenSSL
    return "".join(f"{key}<<{delimiter}\n{value}\n{delimiter}\n" for key, value in values.items())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

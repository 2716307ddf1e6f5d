"""The adapter for GitLab CI."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from zerokie_action.ci.commits import SHORT, Project, Source, valid_commit, valid_run, valid_sequence
from zerokie_action.ci.generic import CI, STATE_FILE, PullRequest
from zerokie_action.ci.log import Level, Log
from zerokie_action.http.url import web_url

_ERASE = "\x1b[0K"


class GitLabLog(Log):
    """A log with collapsible sections and colored problems. GitLab can't mask secrets at run time."""

    folds = True
    _colors: ClassVar[dict[Level, tuple[str, str]]] = {
        "warning": ("\x1b[0;33m", "\x1b[0;m"),
        "error": ("\x1b[31;1m", "\x1b[0;m"),
    }

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        now = int(time.time())
        name = f"zerokie_{os.urandom(8).hex()}"  # unique, because a job may deploy several times
        self._print(
            f"{_ERASE}section_start:{now}:{name}[collapsed=true]\r{_ERASE}{title}",
            *lines,
            f"{_ERASE}section_end:{now}:{name}\r{_ERASE}",
        )


class GitLab(CI):
    """A job on GitLab."""

    def __init__(self, env: Mapping[str, str], log: Log) -> None:
        super().__init__(env, log)
        # In a pipeline for merged results, `CI_COMMIT_SHA` is a temporary merge commit.
        commit = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or env.get("CI_COMMIT_SHA")
        run, sequence = valid_run(f"-/jobs/{env.get('CI_JOB_ID')}"), valid_sequence(env.get("CI_PIPELINE_ID"))
        self.source = Source(valid_commit(commit), run, sequence)
        project, job = env.get("CI_PROJECT_URL", ""), env.get("CI_JOB_URL")
        if project and commit and job:
            self.links = {f"Commit {commit[:SHORT]}": f"{project}/-/commit/{commit}", "Log": job}
        # The URL includes GitLab's relative URL root, just like the URLs of clones over HTTPS.
        self.project = Project(project, "-/")

    @property
    def state_file(self) -> Path:
        """A file in the project's directory, because `script` may change the working directory."""
        return Path(self.env.get("CI_PROJECT_DIR", "")) / STATE_FILE

    def pull_request(self, number: int | None) -> PullRequest | None:
        """Return the merge request with this number, or else the pipeline's."""
        given = self.env.get("CI_MERGE_REQUEST_IID", "")
        iid = number or (int(given) if given.isdecimal() else 0)
        # In a fork's pipeline, the merge request is not in the pipeline's project.
        project = self.env.get("CI_MERGE_REQUEST_PROJECT_ID") or self.env.get("CI_PROJECT_ID")
        url = f"{self.env.get('CI_API_V4_URL')}/projects/{project}/merge_requests/{iid}"
        if not (iid and project and web_url(url)):
            return None
        return PullRequest(
            name=f"merge request !{iid}",
            number=iid,
            url=url,
            comments=f"{url}/notes",
            comment=f"{url}/notes/",
            edit="PUT",
            token_input="gitlab-token",  # noqa: S106 its name
            permission="`gitlab-token` needs the scope `api`, because the job's own token can't comment",
            reading="`gitlab-token` needs the scope `read_api`",
        )

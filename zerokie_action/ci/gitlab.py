"""GitLab: collapsible sections, coloured problems. It has no masks, so a secret is never printed at all."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from zerokie_action.ci.generic import CI
from zerokie_action.owner import Owner, forge_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zerokie_action.ci.generic import Level

_ERASE = "\x1b[0K"


class GitLab(CI):
    """The log of a GitLab job."""

    folds = True
    _colours: ClassVar[dict[Level, tuple[str, str]]] = {
        "warning": ("\x1b[0;33m", "\x1b[0;m"),
        "error": ("\x1b[31;1m", "\x1b[0;m"),
    }
    _sections = 0

    @classmethod
    def detects(cls, env: Mapping[str, str]) -> bool:
        """Tell whether `env` is the environment of a GitLab job."""
        return bool(env.get("GITLAB_CI"))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines that are logged inside into a collapsed section."""
        if not self.shows("info"):
            yield
            return
        self._sections += 1
        start = int(time.time())
        name = f"zerokie_{start}_{self._sections}"  # unique in the job, which may deploy several times
        header = f"section_start:{start}:{name}[collapsed=true]\r{_ERASE}{self._safe(title)}"
        self._print(_ERASE + header)
        try:
            yield
        finally:
            self._print(f"{_ERASE}section_end:{int(time.time())}:{name}\r{_ERASE}")

    @property
    def commit(self) -> str:
        """The commit's hash, or an empty string. A merge request's is its head, not a trial merge."""
        return self._env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or self._env.get("CI_COMMIT_SHA", "")

    @property
    def commit_url(self) -> str:
        """The commit's page, or an empty string."""
        project = self._env.get("CI_PROJECT_URL", "")
        return f"{project}/-/commit/{self.commit}" if project and self.commit else ""

    @property
    def run_url(self) -> str:
        """The page of this job, or an empty string."""
        return self._env.get("CI_JOB_URL", "")

    @property
    def owner(self) -> Owner:
        """The project that this job belongs to."""
        return Owner(
            forge=forge_of(self._env.get("CI_SERVER_URL", "")) or "gitlab",
            id=self._env.get("CI_PROJECT_ID", ""),
            name=self._env.get("CI_PROJECT_PATH", ""),
            run=self.run_url,
        )

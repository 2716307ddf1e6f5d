"""The commit of a deploy, and its comparison with the last complete deploy.

A manifest stores the commit and the run of a deploy, so that the next run can link to both. The manifest is
public and may be damaged, so each value is validated before it becomes part of a link.
"""

import re
from typing import NamedTuple

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RUN = re.compile(r"(?:actions/runs|-/jobs)/[0-9]{1,19}")
_SEQUENCE = re.compile(r"[0-9]{1,19}")
SHORT = 7
"""Number of digits of a commit in messages and reports."""


class Source(NamedTuple):
    """The commit and the run that a deploy's files come from. Unknown values are empty or None.

    Attributes:
        commit: the full SHA in lower case.
        run: the run's address below the repository's page, such as `actions/runs/123`.
        sequence: a number that grows with each new run of the repository. A re-run keeps its number.
    """

    commit: str = ""
    run: str = ""
    sequence: int | None = None


class Project(NamedTuple):
    """The pages of a repository on GitHub or GitLab.

    Attributes:
        page: the URL of the repository. Empty if it is unknown.
        prefix: the path between `page` and `commit/` or `compare/`.
    """

    page: str = ""
    prefix: str = ""

    def run_url(self, run: str) -> str:
        """Return the URL of a run. Empty if it is unknown."""
        return f"{self.page}/{run}" if self.page and run else ""

    def commit_url(self, commit: str) -> str:
        """Return the URL of a commit. Empty if it is unknown."""
        return f"{self.page}/{self.prefix}commit/{commit}" if self.page and commit else ""

    def compare_url(self, older: str, newer: str) -> str:
        """Return the URL of a page with the commits in `newer` that aren't in `older`."""
        return f"{self.page}/{self.prefix}compare/{older}...{newer}"


class Line(NamedTuple):
    """One line for the log, the summary and the comment.

    Attributes:
        text: the words before the commits.
        commits: the short SHAs, as the text of the link. May be empty.
        url: the target of the link. May be empty.
    """

    text: str
    commits: str = ""
    url: str = ""


class Commits(NamedTuple):
    """The commits of a run and of the last complete deploy. Unknown values are empty.

    Attributes:
        commit: the commit of this run.
        commit_url: the URL of this commit's page.
        previous: the commit of the last complete deploy.
        previous_url: the URL of the run that deployed it.
        title: the result of the comparison, in words.
        range: the two short SHAs with three dots between them.
        compare_url: the URL of the page with the comparison.
        is_older: whether this run is older than the run of the last complete deploy.
        is_deployed: whether this run's commit replaced the previous one.
        is_unchanged: whether the app has had the same files since the previous commit.
    """

    commit: str = ""
    commit_url: str = ""
    previous: str = ""
    previous_url: str = ""
    title: str = ""
    range: str = ""
    compare_url: str = ""
    is_older: bool = False
    is_deployed: bool = False
    is_unchanged: bool = False

    def lines(self) -> list[Line]:
        """Return the lines about the commits. Only a run that deployed its commit shows the comparison."""
        commit, previous = self.commit[:SHORT], self.previous[:SHORT]
        if self.is_unchanged:
            return _lines("Unchanged since commit ", previous, self.previous_url)
        if not self.is_deployed:
            return [
                *_lines("Commit ", commit, self.commit_url),
                *_lines("Last complete deploy: ", previous, self.previous_url),
            ]
        same = [Line(self.title)] if self.title and not self.range else []
        return [
            *_lines("Deployed commit ", commit, self.commit_url),
            *_lines(f"{self.title} (whole repository): ", self.range, self.compare_url),
            *same,
            *_lines("Previous deploy: ", previous, self.previous_url),
        ]


def compare(source: Source, previous: Source, project: Project) -> Commits:
    """Compare the commit of a run with the commit of the last complete deploy.

    Args:
        source: the source of this run.
        previous: the source of the last complete deploy from the same repository. Empty without one.
        project: the pages of the repository.
    """
    new, old = source.commit, previous.commit
    commits = Commits(new, project.commit_url(new), old, old and project.run_url(previous.run))
    if not (new and old):
        return commits
    if new == old:
        return commits._replace(title="Same commit as before")
    order = (source.sequence or 0) - (previous.sequence or 0)
    if not (project.page and source.sequence and previous.sequence and order):
        return commits._replace(title="Commits", range=_range(old, new))
    if order > 0:
        url = project.compare_url(old, new)
        return commits._replace(title="Commits in this deploy", range=_range(old, new), compare_url=url)
    # GitHub shows no commits for a comparison with an older commit, so the order is reversed.
    url, reverse = project.compare_url(new, old), _range(new, old)
    return commits._replace(title="Commits rolled back", range=reverse, compare_url=url, is_older=True)


def valid_commit(value: object) -> str:
    """Return the value if it is a full SHA, otherwise an empty text."""
    return value if isinstance(value, str) and _COMMIT.fullmatch(value) else ""


def valid_run(value: object) -> str:
    """Return the value if it is the address of a run, otherwise an empty text."""
    return value if isinstance(value, str) and _RUN.fullmatch(value) else ""


def valid_sequence(value: object) -> int | None:
    """Return the number of a run from an integer or its digits, otherwise None."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return value if 0 < value < 10**19 else None
    return int(value) or None if _SEQUENCE.fullmatch(value) else None


def _lines(text: str, commits: str, url: str) -> list[Line]:
    """Return the line, or none without commits."""
    return [Line(text, commits, url)] if commits else []


def _range(older: str, newer: str) -> str:
    return f"{older[:SHORT]}...{newer[:SHORT]}"

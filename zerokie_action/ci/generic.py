"""The plain adapter: for terminals, containers, and CI systems without variables that we know."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from zerokie_action.ci.commits import Project, Source
from zerokie_action.ci.log import Log
from zerokie_action.ci.repository import repository_at, repository_of_checkout


class PullRequest(NamedTuple):
    """A pull or merge request, and the code host's API for it.

    Attributes:
        name: the name for people: `pull request #12`.
        number: the number, which the code host's responses repeat.
        url: the URL of the request: GET says whether it is open.
        comments: the URL of all comments: GET lists the comments, POST adds a comment.
        comment: the URL of a comment, without the ID at its end.
        edit: the HTTP method that replaces a comment's text.
        token_input: the input that has the API token.
        permission: the permission that the token needs to comment, for messages.
        reading: the permission that the token needs to read the request, for messages.
        deployments: the URL of all deployments of the repository; empty on a code host without them.
        commit: the commit of the event that started the run; empty if the event has none.
    """

    name: str
    number: int
    url: str
    comments: str
    comment: str
    edit: str
    token_input: Literal["github-token", "gitlab-token"]
    permission: str
    reading: str
    deployments: str = ""
    commit: str = ""

    @property
    def host(self) -> str:
        """The host name of the API, such as `api.github.com`, for messages."""
        return urlsplit(self.url).hostname or "the code host"


class CI:
    """The environment of a run. Subclasses know the variables of their system; this class knows none.

    Args:
        env: the environment, for example `os.environ`.
        log: the log of the run.

    Attributes:
        env: the same environment.
        links: the URLs of the pages of commit and log, by their label, as far as they are known.
        source: the commit and the run, for the manifest.
        project: the pages of the repository, if the system's variables have its URL.
    """

    def __init__(self, env: Mapping[str, str], log: Log) -> None:
        self.log = log
        self.links: dict[str, str] = {}
        self.source = Source()
        self.project = Project()
        self.env = env

    @cached_property
    def repository(self) -> str:
        """The host and full name of this run's repository, such as `github.com/acme/site`.

        From the system's variables, or else from the checkout; empty if it is not known.
        """
        return repository_at(self.project.page) or repository_of_checkout()

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Pass outputs to later steps, if the system can."""

    def write_summary(self, text: str) -> None:
        """Show a Markdown document on the run's page, if the system can."""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Keep `state` for the cleanup step, even if this process is killed. Only GitHub can."""

    @property
    def state_file(self) -> Path | None:
        """The default of `state-file`: on GitLab a file in the project directory, elsewhere none."""
        return None

    def pull_request(self, number: int | None) -> PullRequest | None:  # noqa: ARG002 for subclasses
        """The pull or merge request with this number, or else the run's own; None if there is none."""
        return None

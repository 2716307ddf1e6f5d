"""The adapter for terminals, containers and unknown CI systems."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from zerokie_action.ci.commits import Project, Source
from zerokie_action.ci.log import Log
from zerokie_action.ci.repository import repository_at, repository_of_checkout
from zerokie_action.http import URL

STATE_FILE = Path(".zerokie-state.json")


class PullRequest(NamedTuple):
    """A pull or merge request, and its URLs in the code host's API.

    Attributes:
        name: the name for messages, such as `pull request #12`.
        number: the number, which the code host's responses repeat.
        url: the URL to look up the pull request.
        comments: the URL to list comments and to add one.
        comment: the URL of a comment, without the ID at its end.
        edit: the HTTP method that replaces a comment's text.
        token_input: the input for the API token.
        permission: the token's permission to comment, as a clause for messages.
        reading: the token's permission to read the pull request, as a clause for messages.
        deployments: the URL of the repository's deployments. Empty on a code host without deployments.
        commit: the commit of the event that started the run. Empty if the event lacks one.
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
        return URL(self.url).host


class CI:
    """The CI system of a run. Subclasses read the variables of GitHub and GitLab.

    Attributes:
        env: the environment, for example `os.environ`.
        log: the log of the run.
        links: the URLs of the pages of commit and log, by label. Unknown pages are missing.
        source: the commit and the run, for the manifest.
        project: the pages of the repository, if the system's variables contain its URL.
        docs: the URL of the documents in the repository of the action. Empty if it is unknown.
    """

    def __init__(self, env: Mapping[str, str], log: Log) -> None:
        self.env = env
        self.log = log
        self.links: dict[str, str] = {}
        self.source = Source()
        self.project = Project()
        self.docs = ""

    @cached_property
    def repository(self) -> str:
        """The host and full name of the repository, such as `github.com/acme/site`. Empty if unknown.

        They come from the system's variables, or else from the checkout.
        """
        return repository_at(self.project.page) or repository_of_checkout()

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Pass outputs to later steps. Only GitHub can."""

    def write_summary(self, text: str) -> None:
        """Show a Markdown document on the run's page. Only GitHub can."""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Keep the state for the lock cleanup, even if this process is killed. Only GitHub can."""

    @property
    def state_file(self) -> Path | None:
        """The default of `state-file`. GitHub needs none."""
        return STATE_FILE

    def pull_request(self, number: int | None) -> PullRequest | None:  # noqa: ARG002 for subclasses
        """Return the pull request with this number, or else the run's own.

        None without either, or if the system's variables don't contain its API and the repository.
        """
        return None

"""The API of the forge, which is GitHub's or GitLab's: requests about a pull or merge request.

The token is sent to the API that the CI system's variables name, and to no other server.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from zerokie_action.ci.generic import PullRequest
from zerokie_action.ci.log import Log
from zerokie_action.errors import DeployError
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Failure
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.answers import words

T = TypeVar("T")

_LARGEST_RESPONSE = 32 * MEGABYTE
_SILENCE = 20.0
"""Seconds without a byte of an answer."""


class Forge(NamedTuple):
    """Sends requests to the forge.

    Attributes:
        http: sends the requests.
        tokens: the API tokens, by the names of their inputs; empty for an input that is not set.
        log: gets the warnings.
    """

    http: RetryingClient
    tokens: Mapping[str, str]
    log: Log

    async def send(
        self,
        where: PullRequest,
        purpose: str,
        method: str,
        url: str,
        read: Callable[[Response], T | Failure | DeployError],
        *,
        body: Mapping[str, str] | None = None,
        budget: float | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Send a request about `where`, and return the value of the answer.

        The other arguments and the errors are those of `RetryingClient.send`.
        """
        request = Request(
            method,
            url,
            headers={
                **HEADERS,
                "Accept": "application/json",
                "Authorization": f"Bearer {self.tokens[where.token_input]}",
            },
            json=body,
            extensions=extensions(purpose, timeout=_SILENCE, max_body=_LARGEST_RESPONSE),
        )
        return await self.http.send(request, read, budget, is_repeatable=is_repeatable)

    def quote(self, response: Response) -> str:
        """The status and the answer's own words."""
        said = words(response.content, self.log.redact)
        return f"{response.status_code}: {said}" if said else f"{response.status_code}"

"""The API of the forge, which is GitHub's or GitLab's: requests about a pull or merge request.

The token is sent to the API that the CI system's variables name, and to no other server.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.ci.log import Log
from zerokie_action.errors import ConfigurationError, DeployError
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Cause, Failure, of_status
from zerokie_action.http.group import GaveUp
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.answers import words

_OVER = {"closed", "merged"}
"""The states of a request that nobody works on any more."""
_REFUSED = {401, 403, 407}
"""The statuses that mean that the forge, or a proxy, does not accept the token or the login."""
_HINT = "Run the job again in a few minutes. If it fails again, check proxies and the status of {host}."
_LARGEST_RESPONSE = 32 * MEGABYTE
_SILENCE = 20.0
"""Seconds without a byte of an answer."""


class State(NamedTuple):
    """What the forge says about a request.

    Attributes:
        is_over: whether the request was closed or merged.
        said: the answer as a clause: `pull request #12 is open`.
    """

    is_over: bool
    said: str


class Forge(NamedTuple):
    """Makes and sends requests to the forge.

    Attributes:
        http: sends the requests.
        tokens: the API tokens, by the names of their inputs; empty for an input that is not set.
        log: gets the warnings.
    """

    http: RetryingClient
    tokens: Mapping[str, str]
    log: Log

    def request(self, about: PullRequest, purpose: str, method: str, url: str, text: str = "") -> Request:
        """A request about a pull or merge request.

        Args:
            about: the pull or merge request.
            purpose: the request in messages.
            method: the HTTP method.
            url: the URL.
            text: the text of a comment; empty for a GET.
        """
        return Request(
            method,
            url,
            headers={
                **HEADERS,
                "Accept": "application/json",
                "Authorization": f"Bearer {self.tokens[about.token_input]}",
            },
            json={"body": text} if text else None,
            extensions=extensions(purpose, silence=_SILENCE, max_body=_LARGEST_RESPONSE),
        )

    async def read_state(self, about: PullRequest) -> State:
        """Ask whether a pull or merge request is open.

        Raises:
            ConfigurationError: when the forge refuses the token, or sends it elsewhere.
            PlatformUnavailable: when there is no answer, or no JSON in it.
        """

        def read(response: Response) -> State | Failure | DeployError:
            said = f"{about.host} answered {self.quote(response)}"
            if failed := of_status(response, said):
                return failed
            if response.status_code in _REFUSED or response.is_redirect:
                return ConfigurationError(
                    f"Asking about {about.name} was refused: {said}",
                    hint=f"Check the token in `{about.token_input}`. {about.reading}.",
                )
            if not response.is_success:
                return State(is_over=False, said=f"{about.name}: {said}")
            try:
                found = json.loads(response.content)
            except (ValueError, RecursionError):
                return Failure(f"{said}, which is no JSON", Cause.WRONG_ANSWER)
            answer = found if isinstance(found, dict) else {}
            is_about_it = about.number in (answer.get("number"), answer.get("iid"))
            state = answer.get("state")
            if not is_about_it or not isinstance(state, str):
                return State(is_over=False, said=f"{about.name}: {said}")
            return State(state in _OVER, f"{about.name} is {state}")

        try:
            request = self.request(about, f"Asking about {about.name}", "GET", about.url)
            return await self.http.send(request, read)
        except GaveUp as error:
            if not error.hint:
                error.advise(_HINT.format(host=about.host))
            raise

    def quote(self, response: Response) -> str:
        """The status and the answer's own words."""
        said = words(response.content, self.log.redact)
        return f"{response.status_code}: {said}" if said else f"{response.status_code}"

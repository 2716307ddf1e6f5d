"""The API of the forge, which is GitHub's or GitLab's: requests about a pull or merge request.

The token is sent to the API that the CI system's variables name, and to no other server.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.ci.log import Log
from zerokie_action.errors import ConfigurationError, DeployError, PlatformUnavailable, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.failure import Cause, Failure, of_status
from zerokie_action.http.gave_up import GaveUp
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.answers import words

_OVER = {"closed", "merged"}
"""The states of a request that nobody works on any more."""
_REFUSED = {401, 403, 407}
"""The statuses that mean that the forge, or a proxy, does not accept the token or the login."""
_LIMITED = {403, 429}
"""The statuses of an answer to a token that has used up its requests."""
_HINT = "Run the job again in a few minutes. If it fails again, check proxies and the status of {host}."
_LARGEST_RESPONSE = 32 * MEGABYTE
_SILENCE = 20.0
"""Seconds without a byte of an answer."""
_MOST_PAGES = 30
"""Pages of a list, with 100 records each."""


class LimitReached(PlatformUnavailable):
    """The forge answers no more requests with this token until its limit is reset."""


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
        log: the log; it redacts the answers' words.
    """

    http: RetryingClient
    tokens: Mapping[str, str]
    log: Log

    async def read_state(self, about: PullRequest) -> State:
        """Ask whether a pull or merge request is open.

        Raises:
            ConfigurationError: when the forge refuses the token, or sends it elsewhere.
            LimitReached: when the token has used up its requests.
            PlatformUnavailable: when there is no answer, or no JSON in it.
        """

        def read(response: Response) -> State | Failure | DeployError:
            said = f"{about.host} answered {self._quote(response)}"
            if failed := self._limit_reached(about, response) or of_status(response, said):
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
            request = self._request(about, f"Asking about {about.name}", "GET", about.url)
            return await self.http.send(request, read)
        except GaveUp as error:
            if not error.hint:
                error.advise(_HINT.format(host=about.host))
            raise

    async def send(
        self,
        about: PullRequest,
        purpose: str,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
        *,
        is_repeatable: bool = True,
    ) -> Response:
        """Send a request until it is answered, or until the deadline of the enclosing scope.

        Args:
            about: the pull or merge request.
            purpose: the request in messages.
            method: the HTTP method.
            url: the URL.
            body: the JSON body.
            is_repeatable: whether to send the request again after an attempt that may have taken effect.

        Raises:
            RequestRejected: when the forge refuses the request, or sends it elsewhere.
            LimitReached: when the token has used up its requests.
            GaveUp: when there is no answer.
        """

        def read(response: Response) -> Response | Failure | DeployError:
            if response.is_success:
                return response
            said = self._quote(response)
            refused = RequestRejected(f"{purpose} was refused ({said})", status=response.status_code)
            failed = of_status(response, f"{about.host} answered {said}")
            return self._limit_reached(about, response) or failed or refused

        request = self._request(about, purpose, method, url, body)
        return await self.http.send(request, read, UNTIL_DEADLINE, is_repeatable=is_repeatable)

    async def list_records(
        self, about: PullRequest, purpose: str, url: str
    ) -> AsyncGenerator[dict[str, Any]]:
        """The records of a list, page by page. Close it after an early end.

        Raises:
            DeployError: as `send`, and when the list is no list, or has more than 30 pages.
        """
        query = "&" if "?" in url else "?"
        for page in range(1, _MOST_PAGES + 1):
            response = await self.send(about, purpose, "GET", f"{url}{query}per_page=100&page={page}")
            for record in records(response, purpose):
                yield record
            if 'rel="next"' not in response.headers.get("link", ""):
                return
        raise DeployError(f"{purpose} failed: the list of {about.host} has more than {_MOST_PAGES} pages")

    def _request(
        self,
        about: PullRequest,
        purpose: str,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        return Request(
            method,
            url,
            headers={
                **HEADERS,
                "Accept": "application/json",
                "Authorization": f"Bearer {self.tokens[about.token_input]}",
            },
            json=body,
            extensions=extensions(purpose, silence=_SILENCE, max_body=_LARGEST_RESPONSE),
        )

    def _limit_reached(self, about: PullRequest, response: Response) -> LimitReached | None:
        """The error for an answer to a token that has used up its requests; None for any other answer."""
        if response.status_code not in _LIMITED or response.headers.get("x-ratelimit-remaining") != "0":
            return None
        return LimitReached(
            f"{about.host} answers no more requests with `{about.token_input}` for now "
            f"({self._quote(response)})"
        )

    def _quote(self, response: Response) -> str:
        """The status and the answer's own words."""
        said = words(response.content, self.log.redact)
        return f"{response.status_code}: {said}" if said else f"{response.status_code}"


def records(response: Response, purpose: str) -> list[dict[str, Any]]:
    """The records in an answer, which is a list or one record. Each has a whole number as its `id`.

    Raises:
        DeployError: when the answer is something else.
    """
    try:
        found = json.loads(response.content)
        listed = found if isinstance(found, list) else [found]
        return [{**record, "id": int(record["id"])} for record in listed]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise DeployError(f"{purpose} failed: the API's answer has no IDs") from None

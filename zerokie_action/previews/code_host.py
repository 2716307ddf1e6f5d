"""Requests to the code host's API about a pull request.

The code host is GitHub or GitLab. The action sends the token only to the API in the CI system's variables.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.ci.log import Log
from zerokie_action.errors import ConfigurationError, DeployError, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Cause, Failure, of_status
from zerokie_action.http.group import GaveUp
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.http.request import HEADERS, MEGABYTE, RequestOptions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.responses import advice, quotation

_OVER = {"closed", "merged"}
"""The states of a pull request that isn't open."""
_UNAUTHORIZED = {401, 403, 407}
"""The statuses of a response that rejects the token, or the credentials for a proxy."""
RATE_LIMIT = "If the token reached its rate limit, run the job again later."
_HINT = "Run the job again in a few minutes. If it fails again, check proxies and the status of {host}."
_LARGEST_RESPONSE = 32 * MEGABYTE
_SILENCE = 20.0
"""The most seconds without a byte of a response."""
_MOST_PAGES = 30
"""The most pages of a list, with 100 records each."""


class State(NamedTuple):
    """The state of a pull request.

    Attributes:
        is_over: whether the pull request was closed or merged.
        said: the state as a clause, such as `pull request #12 is open`.
    """

    is_over: bool
    said: str


class CodeHost(NamedTuple):
    """The code host's API, for one purpose and one pull request.

    Attributes:
        http: the client that sends the requests.
        token: the API token.
        log: the log, which redacts quotes of responses.
        about: the pull request.
        purpose: the subject of sentences about the requests, such as `Commenting`.
    """

    http: RetryingClient
    token: str
    log: Log
    about: PullRequest
    purpose: str

    async def read_state(self) -> State:
        """Return the state of the pull request.

        Raises:
            ConfigurationError: if the code host rejects the token or redirects the request.
            PlatformUnavailable: if there is no response, or it isn't JSON.
        """
        about = self.about

        def read(response: Response) -> State | Failure | DeployError:
            said = f"{about.host} responded with {self._quote(response)}"
            if failed := of_status(response, said):
                return failed
            if response.status_code in _UNAUTHORIZED or response.is_redirect:
                return ConfigurationError(
                    f"{self.purpose} was refused: {said}",
                    hint=f"{about.reading}. {RATE_LIMIT}",
                )
            if not response.is_success:
                return State(is_over=False, said=f"{about.name}: {said}")
            try:
                found = json.loads(response.content)
            except (ValueError, RecursionError):
                return Failure(f"{said}, which isn't JSON", Cause.WRONG_SERVER)
            record = found if isinstance(found, dict) else {}
            is_about_it = about.number in (record.get("number"), record.get("iid"))
            state = record.get("state")
            if not is_about_it or not isinstance(state, str):
                return State(is_over=False, said=f"{about.name}: {said}")
            return State(state in _OVER, f"{about.name} is {state}")

        try:
            return await self.http.send(self._request("GET", about.url), read)
        except GaveUp as error:
            error.advise(advice(error.failure, _HINT.format(host=about.host)))
            raise

    async def send(
        self, method: str, url: str, body: Mapping[str, object] | None = None, *, is_repeatable: bool = True
    ) -> Response:
        """Return the response to a request, with retries until the deadline of the enclosing scope.

        Args:
            method: the HTTP method.
            url: the URL.
            body: the JSON body.
            is_repeatable: whether to retry after an attempt that may have taken effect.

        Raises:
            RequestRejected: if the code host refuses or redirects the request.
            GaveUp: if there is no response.
        """

        def read(response: Response) -> Response | Failure | DeployError:
            if response.is_success:
                return response
            said = self._quote(response)
            refused = RequestRejected(f"{self.purpose} was refused ({said})", status=response.status_code)
            failed = of_status(response, f"{self.about.host} responded with {said}")
            return failed or refused

        request = self._request(method, url, body, is_repeatable=is_repeatable)
        return await self.http.send(request, read, UNTIL_DEADLINE)

    async def list_records(self, url: str) -> AsyncGenerator[dict[str, Any]]:
        """Yield the records of a list, page by page.

        Raises:
            DeployError: as `send` and `records`, and if the list has more than 30 pages.
        """
        for page in range(1, _MOST_PAGES + 1):
            response = await self.send("GET", f"{url}?per_page=100&page={page}")
            for record in self.records(response):
                yield record
            if 'rel="next"' not in response.headers.get("link", ""):
                return
        raise DeployError(f"{self.purpose} failed: {self.about.host} lists more than {_MOST_PAGES} pages")

    def records(self, response: Response) -> list[dict[str, Any]]:
        """Return the records in a response: a list or one record. Each has an integer `id`.

        Raises:
            DeployError: if the response is something else.
        """
        try:
            found = json.loads(response.content)
            listed = found if isinstance(found, list) else [found]
            return [{**record, "id": int(record["id"])} for record in listed]
        except (ValueError, TypeError, LookupError, RecursionError):
            raise DeployError(
                f"{self.purpose} failed: the response of {self.about.host} has no IDs"
            ) from None

    def _request(
        self, method: str, url: str, body: Mapping[str, object] | None = None, *, is_repeatable: bool = True
    ) -> Request:
        headers = {**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        options = RequestOptions(
            purpose=self.purpose,
            silence=_SILENCE,
            max_body=_LARGEST_RESPONSE,
            is_repeatable=is_repeatable,
        )
        return Request(method, url, headers=headers, json=body, extensions=options.extensions)

    def _quote(self, response: Response) -> str:
        """Return the status and the words of a response."""
        said = quotation(response.content, self.log.redact)
        return f"{response.status_code}: {said}" if said else f"{response.status_code}"

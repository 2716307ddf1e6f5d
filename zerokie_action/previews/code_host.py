"""Requests to the code host's API: GitHub or GitLab.

The action sends the token only to the API in the CI system's variables.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from zerokie_action import limits
from zerokie_action.ci.log import Log
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.failure import Cause, Failure, of_status
from zerokie_action.http.request import HEADERS, MEGABYTE, RequestOptions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.platform.responses import quotation

RATE_LIMIT = "If the token reached its rate limit, run the job again later."
_LARGEST_RESPONSE = 32 * MEGABYTE


class CodeHost(NamedTuple):
    """A client of the code host's API.

    Attributes:
        http: the client that sends and retries the requests.
        token: the API token.
        log: the log, which redacts quotes of responses.
    """

    http: RetryingClient
    token: str
    log: Log

    async def send(
        self,
        purpose: str,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
        *,
        is_repeatable: bool = True,
    ) -> tuple[Any, bool]:
        """Send a request.

        Args:
            purpose: the start of sentences about the request, such as `Commenting on api.github.com`.
            method: the HTTP method.
            url: the URL.
            body: the JSON body.
            is_repeatable: whether to retry after an attempt that may have taken effect.

        Returns:
            The JSON of the response, and whether its list continues on another page.

        Raises:
            RequestRejected: if the code host refuses or redirects the request.
            GaveUp: if there is no valid response.
        """

        def read(response: Response) -> tuple[Any, bool] | Failure | DeployError:
            if response.is_success:
                with suppress(ValueError, RecursionError):
                    return json.loads(response.content), 'rel="next"' in response.headers.get("link", "")
            status, words = response.status_code, quotation(response.content, self.log.redact)
            quoted = f"{status}: {words}" if words else f"{status}"
            if response.is_success:
                return Failure(f"the response isn't JSON ({quoted})", Cause.WRONG_SERVER)
            refused = RequestRejected(f"{purpose} was refused ({quoted})", status=status, response=quoted)
            return of_status(response, f"the response was {quoted}") or refused

        options = RequestOptions(
            purpose=purpose,
            silence=limits.PAGE_SILENCE,
            max_body=_LARGEST_RESPONSE,
            is_repeatable=is_repeatable,
        )
        headers = {**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        request = Request(method, url, headers=headers, json=body, extensions=options.extensions)
        return await self.http.send(request, read)

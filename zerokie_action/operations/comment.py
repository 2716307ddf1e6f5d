"""Keeps one comment on the pull or merge request up to date. Errors become warnings and never fail a run.

The comment begins with a hidden line, by which later runs find it: a MAC of the pull request's API path and
the app's name, keyed with the API key. Anybody may comment, and the forge lets the token edit comments of
others. If the line could be guessed, somebody could post it first: the run would write its report into that
comment, and its author could change the report. Nobody else can compute the MAC. Anybody can copy it, but
only into a later comment, and only the oldest comment counts.
"""

from __future__ import annotations

import hmac
import json
from itertools import count
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure, asks_to_try_again, of_status, quote
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import UNTIL_DEADLINE, GaveUp, RetryingClient
from zerokie_action.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.ci import CI, PullRequest
    from zerokie_action.settings import Settings

_TIME = 20.0
_LARGEST_RESPONSE = 32 * MEGABYTE


async def update_comment(settings: Settings, env: Mapping[str, str], ci: CI, text: str) -> None:
    """Create or update the app's comment with `text`, within 20 seconds. A failure becomes one warning.

    Without a pull or merge request, as after a push, there is no comment and no warning.
    """
    where = ci.pull_request(settings.pull_request)
    if where is None:
        ci.info(
            "Not commenting: this run is not for a pull or merge request on GitHub or GitLab; "
            "to name one, set `pull-request`"
        )
        return
    tokens = {"github-token": settings.github_token, "gitlab-token": settings.gitlab_token}
    token = tokens[where.token_input].get_secret_value()
    if not token:
        ci.warning(f"Not commenting: `{where.token_input}` is not set; {where.permission}")
        return
    try:
        with anyio.fail_after(_TIME):
            async with Transport(env) as transport:
                http = RetryingClient(transport, retry_timeout=_TIME, log=ci.debug)
                is_new = await _put(http, where, token, _marker(settings, where), text)
    except RequestRejected as error:
        ci.warning(f"{error}; {where.permission}")
    except Exception as error:  # noqa: BLE001 - no error here may fail the deploy
        is_known = isinstance(error, DeployError | GaveUp)
        ci.warning(str(error) if is_known else f"Commenting failed: {error!r}")
    else:
        ci.info(f"{'Commented on' if is_new else 'Updated the comment on'} {where.name}")


def _marker(settings: Settings, where: PullRequest) -> str:
    """The hidden first line of the app's comment. It reveals nothing about the API key."""
    # The host of the forge's API is left out: runners may reach it under several names.
    key, label = settings.api_key.get_secret_value(), f"{URL(where.comments).path}\0{settings.app}"
    return f"<!-- zerokie-action: {hmac.digest(key.encode(), label.encode(), 'sha256').hex()} -->"


async def _put(http: RetryingClient, where: PullRequest, token: str, marker: str, text: str) -> bool:
    """Create or update the comment; return whether the comment is new."""
    body = {"body": f"{marker}\n\n{text}"}
    number = await _find(http, where, token, marker)
    is_new = number is None
    method, url = ("POST", where.comments) if is_new else (where.edit, f"{where.comment}{number}")
    # If only the answer was lost, a second POST would create a second comment.
    await _send(http, method, url, token, body, is_repeatable=not is_new)
    return is_new


async def _find(http: RetryingClient, where: PullRequest, token: str, marker: str) -> int | None:
    """The ID of the oldest comment that begins with the marker."""
    for page in count(1):
        # Oldest first: GitHub's default order; GitLab needs the parameters.
        query = f"?per_page=100&page={page}&sort=asc&order_by=created_at"
        response = await _send(http, "GET", f"{where.comments}{query}", token)
        try:
            comments = json.loads(response.content)
            ours = [int(comment["id"]) for comment in comments if comment["body"].startswith(marker)]
        except (ValueError, TypeError, LookupError, AttributeError):
            raise DeployError("Commenting failed: the API's answer is no list of comments") from None
        if ours or 'rel="next"' not in response.headers.get("link", ""):
            return next(iter(ours), None)
    return None


async def _send(
    http: RetryingClient,
    method: str,
    url: str,
    token: str,
    body: Mapping[str, str] | None = None,
    *,
    is_repeatable: bool = True,
) -> Response:
    request = Request(
        method,
        url,
        headers={**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {token}"},
        json=body,
        extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE),
    )
    return await http.send(request, _read, UNTIL_DEADLINE, is_repeatable=is_repeatable)


def _read(response: Response) -> Response | Failure | DeployError:
    status, said = response.status_code, quote(response.content, str)
    answer = f"{status}: {said}" if said else f"{status}"
    if asks_to_try_again(status):
        return of_status(response, f"the API answered {answer}")
    if response.is_success:
        return response
    return RequestRejected(f"Commenting was refused ({answer})", status=status)

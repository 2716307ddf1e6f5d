"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run.

The comment is found again by its first line, which is hidden: a MAC of the place and the app's name, made
with the API key. Everybody may comment, and a forge lets our token edit what others wrote; a report in
somebody else's comment would be theirs to change. Nobody else can write that line before we do, and who
copies it has the younger comment: the oldest one counts.
"""

from __future__ import annotations

import hmac
import json
from itertools import count
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import URL, Request
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import UNTIL_DEADLINE, RetryingClient
from zerokie_action.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.ci import CI, PullRequest
    from zerokie_action.settings import Settings

_TIME = 20.0
_LARGEST_RESPONSE = 32 * MEGABYTE


async def keep_comment(settings: Settings, env: Mapping[str, str], ci: CI, text: str) -> None:
    """Make `text` what the app's comment says, within 20 seconds. What goes wrong is one warning.

    A run that is about no pull or merge request, such as one for a push, is nothing wrong.
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
                http = RetryingClient(transport, retries=0, log=ci.debug, redact=ci.redact)
                is_new = await _put(http, where, token, _marker(settings, where), text)
    except RequestRejected as error:
        ci.warning(f"{error}; {where.permission}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the deploy is not to blame
        ci.warning(str(error) if isinstance(error, DeployError) else f"Commenting failed: {error!r}")
    else:
        ci.info(f"{'Commented on' if is_new else 'Updated the comment on'} {where.name}")


def _marker(settings: Settings, where: PullRequest) -> str:
    """The hidden line that the app's comment begins with; it tells nothing about the API key."""
    # Not of the API's host: runners may reach it by several names.
    key, label = settings.api_key.get_secret_value(), f"{URL(where.comments).path}\0{settings.app}"
    return f"<!-- zerokie-action: {hmac.digest(key.encode(), label.encode(), 'sha256').hex()} -->"


async def _put(http: RetryingClient, where: PullRequest, token: str, marker: str, text: str) -> bool:
    """Make `text` what the comment says, behind the marker. Returns whether it is a new one."""
    body = {"body": f"{marker}\n\n{text}"}
    number = await _find(http, where, token, marker)
    is_new = number is None
    method, url = ("POST", where.comments) if is_new else (where.edit, f"{where.comment}{number}")
    # If only the answer to a POST was lost, another one would make two comments.
    await http.send(
        _request(method, url, token, body),
        lambda response: response,
        UNTIL_DEADLINE,
        is_repeatable=not is_new,
    )
    return is_new


async def _find(http: RetryingClient, where: PullRequest, token: str, marker: str) -> int | None:
    """The ID of the oldest comment that begins with the marker."""
    for page in count(1):
        # GitHub lists the oldest first anyway; GitLab has to be told.
        query = f"?per_page=100&page={page}&sort=asc&order_by=created_at"
        request = _request("GET", f"{where.comments}{query}", token)
        response = await http.send(request, lambda response: response, UNTIL_DEADLINE)
        try:
            comments = json.loads(response.content)
            ours = [int(comment["id"]) for comment in comments if comment["body"].startswith(marker)]
        except (ValueError, TypeError, LookupError, AttributeError):
            raise DeployError("Commenting failed: what the API answered is no list of comments") from None
        if ours or 'rel="next"' not in response.headers.get("link", ""):
            return next(iter(ours), None)
    return None


def _request(method: str, url: str, token: str, body: Mapping[str, str] | None = None) -> Request:
    return Request(
        method,
        url,
        headers={**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {token}"},
        json=body,
        extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE, is_public=True),
    )

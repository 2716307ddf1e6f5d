"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run.

The comment is found again by its first line, which is hidden: a MAC of the place and the app's name, made
with the API key. Everybody may comment, and a forge lets our token edit what others wrote; a report in
somebody else's comment would be theirs to change. Nobody else can write that line before we do, and who
copies it has the younger comment: the oldest one counts.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import URL, Request
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import UNTIL_DEADLINE, Pauses, RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.ci import CI, PullRequest
    from zerokie_action.http import Response
    from zerokie_action.settings import Settings

_TIME = 20.0
_ONCE = (_TIME, _TIME)
"""Leaves no time for a second attempt: when only the answer was lost, there would be two comments."""
_LARGEST_RESPONSE = 32 * MEGABYTE
_MOST_PAGES = 50
_NOT_ALLOWED = {401, 403, 404}


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
                comments = _Comments(http, where, token)
                is_new = await comments.put(_marker(settings, where), text)
    except TimeoutError:
        ci.warning(f"Commenting failed: it took longer than {human_seconds(_TIME)}")
    except DeployError as error:
        lacks_permission = isinstance(error, RequestRejected) and error.status in _NOT_ALLOWED
        ci.warning(f"{error}; {where.permission}" if lacks_permission else str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the deploy is not to blame
        ci.warning(f"Commenting failed: {error}")
    else:
        ci.info(f"{'Commented on' if is_new else 'Updated the comment on'} {where.name}")


def _marker(settings: Settings, where: PullRequest) -> str:
    """The hidden line that the app's comment begins with; it tells nothing about the API key."""
    # Not of the API's host: runners may reach it by several names.
    key, label = settings.api_key.get_secret_value(), f"{URL(where.comments).path}\0{settings.app}"
    return f"<!-- zerokie-action: {hmac.digest(key.encode(), label.encode(), 'sha256').hex()} -->"


class _Comments:
    """The comments on one pull or merge request."""

    def __init__(self, http: RetryingClient, where: PullRequest, token: str) -> None:
        self._http = http
        self._where = where
        self._headers = {
            **HEADERS,
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    async def put(self, marker: str, text: str) -> bool:
        """Make `text` what the comment says, behind the marker. Returns whether it is a new one.

        Raises:
            DeployError, ValueError: when it did not work.
        """
        body = f"{marker}\n\n{text}"
        number = await self._find(marker)
        if number is None:
            await self._send("POST", self._where.comments, body, _ONCE)
        else:
            await self._send(self._where.edit, f"{self._where.comment}{number}", body)
        return number is None

    async def _find(self, marker: str) -> int | None:
        """The ID of the oldest comment that begins with the marker."""
        for page in range(1, _MOST_PAGES + 1):
            # GitHub lists the oldest first anyway; GitLab has to be told.
            query = f"?per_page=100&page={page}&sort=asc&order_by=created_at"
            response = await self._send("GET", f"{self._where.comments}{query}")
            try:
                comments = json.loads(response.content)
                ours = [int(comment["id"]) for comment in comments if comment["body"].startswith(marker)]
            except (ValueError, TypeError, LookupError, AttributeError):
                raise ValueError("what the API answered is no list of comments") from None
            if ours or 'rel="next"' not in response.headers.get("link", ""):
                return next(iter(ours), None)
        return None

    async def _send(
        self, method: str, url: str, body: str | None = None, pauses: Pauses = UNTIL_DEADLINE
    ) -> Response:
        request = Request(
            method,
            url,
            headers=self._headers,
            json=None if body is None else {"body": body},
            extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE, public=True),
        )
        return await self._http.send(request, lambda response: response, pauses)

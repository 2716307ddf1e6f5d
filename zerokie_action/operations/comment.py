"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.ci.comments import (
    CannotComment,
    NoDiscussion,
    created_comment,
    find_discussion,
    marker,
    own_comments,
)
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import Request, Response
from zerokie_action.http.network import Network
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import UNTIL_DEADLINE, RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.ci import CI
    from zerokie_action.ci.comments import Discussion
    from zerokie_action.settings import Settings

_TIME = 20.0
_LARGEST_RESPONSE = 32 * MEGABYTE
_PAGE = 100
_MOST_PAGES = 50
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class _Refused(CannotComment):
    """The API said no, in its own words, if there are any."""

    def __init__(self, status: int, answer: str) -> None:
        self.status = status
        super().__init__(f"the API answered {answer}")


async def keep_comment(settings: Settings, env: Mapping[str, str], ci: CI, body: str) -> None:
    """Make `body` what the app's comment says, within 20 seconds. What goes wrong is one warning.

    A run that is about no pull or merge request, such as one for a push, is nothing wrong.
    """
    try:
        discussion = find_discussion(
            env,
            github_token=settings.github_token.get_secret_value(),
            gitlab_token=settings.gitlab_token.get_secret_value(),
            pull_request=settings.pull_request,
        )
        key = settings.api_key.get_secret_value()
        with anyio.fail_after(_TIME):
            async with Transport(Network(env)) as transport:
                http = RetryingClient(transport, retries=0, log=ci.debug, redact=ci.redact)
                is_new = await Comments(http, discussion, key, settings.app).put(body)
    except TimeoutError:
        ci.warning(f"Commenting failed: it took longer than {human_seconds(_TIME)}")
    except NoDiscussion as reason:
        ci.info(f"Not commenting: {reason}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the deploy is not to blame
        ci.warning(f"Commenting failed: {error}")
    else:
        ci.info(f"{'Commented on' if is_new else 'Updated the comment on'} {discussion.name}")


class Comments:
    """An app's comments on one pull or merge request: the first that can be edited is kept up to date."""

    def __init__(self, http: RetryingClient, discussion: Discussion, api_key: str, app: str) -> None:
        """Send nothing yet. `api_key` signs the markers."""
        self._http = http
        self._discussion = discussion
        self._api_key = api_key
        self._app = app

    async def put(self, text: str) -> bool:
        """Make `text` what the comment says, behind the marker.

        One of ours that can't be edited, because another token wrote it, is passed over.

        Returns:
            Whether the comment is new.

        Raises:
            CannotComment: when it did not work.
        """
        try:
            for number in await self._find():
                try:
                    await self._edit(number, text)
                except _Refused as refused:
                    if refused.status not in {_FORBIDDEN, _NOT_FOUND}:
                        raise
                else:
                    return False
            # The marker needs the ID, which the forge gives. Without the marker it is a good comment already.
            created = await self._request("POST", self._discussion.all, text)
            await self._edit(created_comment(created.content), text)
        except _Refused as refused:
            if refused.status in {_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND}:
                raise CannotComment(f"{refused}; {self._discussion.permission}") from refused
            raise
        return True

    async def _edit(self, number: int, text: str) -> None:
        body = f"{marker(self._discussion, number, self._api_key, self._app)}\n\n{text}"
        await self._request(self._discussion.edit, f"{self._discussion.one}{number}", body)

    async def _find(self) -> list[int]:
        """The IDs of the app's comments that we wrote, oldest first."""
        found: list[int] = []
        for page in range(1, _MOST_PAGES + 1):
            # GitHub lists the oldest first anyway; GitLab has to be told.
            query = f"?per_page={_PAGE}&page={page}&sort=asc&order_by=created_at"
            response = await self._request("GET", self._discussion.all + query)
            found += own_comments(self._discussion, response.content, self._api_key, self._app)
            if 'rel="next"' not in response.headers.get("link", ""):
                break
        return found

    async def _request(self, method: str, target: str, body: str | None = None) -> Response:
        """The response, if it is a success."""
        request = Request(
            method,
            self._discussion.api + target,
            headers={**HEADERS, **self._discussion.headers},
            json=None if body is None else {"body": body},
            extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE, public=True),
        )
        try:
            return await self._http.send(request, lambda response: response, UNTIL_DEADLINE)
        except RequestRejected as error:
            raise _Refused(error.status, error.answer) from error
        except DeployError as error:
            raise CannotComment(str(error)) from error

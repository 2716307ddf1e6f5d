"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run."""

from __future__ import annotations

from contextlib import suppress
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
from zerokie_action.http import Response, TransportError
from zerokie_action.http.client import MEGABYTE, Http, extensions
from zerokie_action.http.failure import error_detail, may_change, retry_after
from zerokie_action.http.network import Network
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zerokie_action.ci import CI
    from zerokie_action.ci.comments import Discussion
    from zerokie_action.http import AsyncClient
    from zerokie_action.settings import Settings

_TIME = 20.0
_PAUSES = (0.5, 2.0)
_LARGEST_RESPONSE = 32 * MEGABYTE
_LONGEST_QUOTE = 500
_PAGE = 100
_MOST_PAGES = 50
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class _Refused(CannotComment):
    """The API said no, in its own words, if there are any."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(f"the API answered {status}{detail and ': '}{detail}")


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
            async with Http(Network(env)) as http:
                is_new = await Comments(http, discussion, ci.redact, key, settings.app).put(body)
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

    def __init__(
        self, http: AsyncClient, discussion: Discussion, redact: Callable[[str], str], api_key: str, app: str
    ) -> None:
        """Send nothing yet. `redact` takes secrets out of what the API says; `api_key` signs the markers."""
        self._http = http
        self._discussion = discussion
        self._redact = redact
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
        """The response, if it is a success. A new comment is not sent twice: there might be two then."""
        request = self._http.build_request(
            method,
            self._discussion.api + target,
            headers=self._discussion.headers,
            json=None if body is None else {"body": body},
            extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE),
        )
        for pause in () if method == "POST" else _PAUSES:
            wait = pause
            with suppress(TransportError):
                response = await self._http.send(request)
                if response.is_success or not may_change(response.status_code):
                    return self._checked(response)
                wait = max(pause, retry_after(response.headers) or 0)
                if anyio.current_time() + wait > anyio.current_effective_deadline():
                    return self._checked(response)  # what it says is more than that the time is over
            await anyio.sleep(wait)
        try:
            return self._checked(await self._http.send(request))
        except TransportError as error:
            raise CannotComment(str(error)) from error

    def _checked(self, response: Response) -> Response:
        if not response.is_success:
            detail = error_detail(response.content, _LONGEST_QUOTE, self._redact)
            raise _Refused(response.status_code, detail)
        return response

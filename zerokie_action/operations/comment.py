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
    from collections.abc import Mapping

    from pydantic import SecretStr

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

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        detail = error_detail(response.content, _LONGEST_QUOTE)
        super().__init__(f"the API answered {self.status}{detail and ': '}{detail}")


async def keep_comment(settings: Settings, env: Mapping[str, str], ci: CI, body: str) -> None:
    """Make `body` what the app's comment says, within 20 seconds. What goes wrong is one warning.

    A run that is about no pull or merge request, such as one for a push, is nothing wrong.
    """
    try:
        with anyio.fail_after(_TIME):
            done = await _put(settings, env, body)
    except TimeoutError:
        ci.warning(f"Commenting failed: it took longer than {human_seconds(_TIME)}")
    except NoDiscussion as reason:
        ci.info(f"Not commenting: {reason}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the deploy is not to blame
        ci.warning(f"Commenting failed: {error}")
    else:
        ci.info(done)


async def _put(settings: Settings, env: Mapping[str, str], body: str) -> str:
    """Returns what was done, as a line of the log."""
    discussion = find_discussion(
        env,
        github_token=_secret_value(settings.github_token),
        gitlab_token=_secret_value(settings.gitlab_token),
        pull_request=settings.pull_request,
    )
    async with Http(Network(env)) as http:
        new = await put_comment(
            http, discussion, body, api_key=settings.api_key.get_secret_value(), app=settings.app
        )
    return f"Commented on {discussion.name}" if new else f"Updated the comment on {discussion.name}"


async def put_comment(
    http: AsyncClient, discussion: Discussion, text: str, *, api_key: str, app: str
) -> bool:
    """Make `text` what the app's comment says, behind the marker.

    One of ours that can't be edited, because another token wrote it, is passed over.

    Returns:
        Whether the comment is new.

    Raises:
        CannotComment: when it did not work.
    """

    async def edit(number: int) -> None:
        body = f"{marker(discussion, number, api_key, app)}\n\n{text}"
        await _request(http, discussion, discussion.edit, f"{discussion.one}{number}", body)

    try:
        for number in await _own_comments(http, discussion, api_key, app):
            try:
                await edit(number)
            except _Refused as refused:
                if refused.status not in {_FORBIDDEN, _NOT_FOUND}:
                    raise
            else:
                return False
        # The marker needs the ID, which the forge gives. Without the marker it is a good comment already.
        created = await _request(http, discussion, "POST", discussion.all, text)
        await edit(created_comment(created.content))
    except _Refused as refused:
        if refused.status in {_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND}:
            raise CannotComment(f"{refused}; {discussion.permission}") from refused
        raise
    return True


async def _own_comments(http: AsyncClient, discussion: Discussion, api_key: str, app: str) -> list[int]:
    """The IDs of the app's comments that we wrote, oldest first."""
    found: list[int] = []
    for page in range(1, _MOST_PAGES + 1):
        # GitHub lists the oldest first anyway; GitLab has to be told.
        query = f"?per_page={_PAGE}&page={page}&sort=asc&order_by=created_at"
        response = await _request(http, discussion, "GET", discussion.all + query)
        found += own_comments(discussion, response.content, api_key, app)
        if 'rel="next"' not in response.headers.get("link", ""):
            break
    return found


async def _request(
    http: AsyncClient, discussion: Discussion, method: str, target: str, body: str | None = None
) -> Response:
    """The response, if it is a success. A new comment is not sent twice: there might be two then."""
    request = http.build_request(
        method,
        discussion.api + target,
        headers=discussion.headers,
        json=None if body is None else {"body": body},
        extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE),
    )
    for pause in () if method == "POST" else _PAUSES:
        wait = pause
        with suppress(TransportError):
            response = await http.send(request)
            if response.is_success or not may_change(response.status_code):
                return _checked(response)
            wait = max(pause, retry_after(response.headers) or 0)
            if anyio.current_time() + wait > anyio.current_effective_deadline():
                return _checked(response)  # what it says is more than that the time is over
        await anyio.sleep(wait)
    try:
        return _checked(await http.send(request))
    except TransportError as error:
        raise CannotComment(str(error)) from error


def _checked(response: Response) -> Response:
    if not response.is_success:
        raise _Refused(response)
    return response


def _secret_value(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""

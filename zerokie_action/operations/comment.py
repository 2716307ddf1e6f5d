"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.ci.comments import CannotComment, NoDiscussion, Refused, find_discussion, put_comment
from zerokie_action.http import Request, Response, TransportError
from zerokie_action.http.client import MEGABYTE, Http, extensions
from zerokie_action.http.failure import error_detail, may_change, retry_after
from zerokie_action.http.network import Network
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from zerokie_action.ci import CI
    from zerokie_action.settings import Settings

_TIME = 20.0
_PAUSES = (0.5, 2.0)
_LARGEST_RESPONSE = 32 * MEGABYTE
_LONGEST_QUOTE = 500
_JSON = {"Content-Type": "application/json"}


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

        async def send(method: str, target: str, content: bytes) -> Response:
            request = http.build_request(
                method,
                discussion.api + target,
                headers={**discussion.headers, **(_JSON if content else {})},
                content=content or None,
                extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE),
            )
            return await _send(http, request)

        new = await put_comment(
            discussion, body, api_key=settings.api_key.get_secret_value(), app=settings.app, send=send
        )
    return f"Commented on {discussion.name}" if new else f"Updated the comment on {discussion.name}"


async def _send(http: Http, request: Request) -> Response:
    """The response, if it is a success. A new comment is not sent twice: there might be two then."""
    for pause in () if request.method == "POST" else _PAUSES:
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
        raise Refused(response.status_code, error_detail(response.content, _LONGEST_QUOTE))
    return response


def _secret_value(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""

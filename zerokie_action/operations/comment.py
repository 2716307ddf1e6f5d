"""Keeping one comment on the pull or merge request up to date. A courtesy: it never fails a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from zerokie_action.ci.comments import CannotComment, Refused, find_discussion, put_comment
from zerokie_action.http.http import HttpTransport
from zerokie_action.http.responses import error_text
from zerokie_action.http.retry import asks_for_another_attempt, retry_after
from zerokie_action.http.transport import MEGABYTE, USER_AGENT, Answer, NoAnswer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from zerokie_action.ci import CI
    from zerokie_action.http.network import Network
    from zerokie_action.settings import Settings

_TIME = 20.0
_PAUSES = (0.5, 2.0)


async def keep_comment(
    settings: Settings, env: Mapping[str, str], network: Network, ci: CI, body: str
) -> None:
    """Make `body` what the app's comment says, within 20 seconds. What goes wrong is one warning."""
    try:
        with anyio.fail_after(_TIME):
            done = await _put(settings, env, network, body)
    except TimeoutError:
        ci.warning(f"Commenting failed: it took longer than {_TIME:.0f} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, the deploy is not to blame
        ci.warning(f"Commenting failed: {error}")
    else:
        ci.info(done)


async def _put(settings: Settings, env: Mapping[str, str], network: Network, body: str) -> str:
    """Returns what was done, as a line of the log."""
    discussion = find_discussion(
        env,
        github_token=_text(settings.github_token),
        gitlab_token=_text(settings.gitlab_token),
        pull_request=settings.pull_request,
    )
    headers = {"User-Agent": USER_AGENT, **discussion.headers}
    transport = HttpTransport(discussion.api, headers, network)

    async def send(method: str, target: str, content: bytes) -> Answer:
        kind = "application/json" if content else None
        request = Request("Commenting", method, target, content, kind, max_answer=32 * MEGABYTE)
        return await _send(transport, request)

    try:
        new = await put_comment(
            discussion, body, api_key=settings.api_key.get_secret_value(), app=settings.app, send=send
        )
    finally:
        await transport.aclose()
    return f"Commented on {discussion.name}" if new else f"Updated the comment on {discussion.name}"


async def _send(transport: HttpTransport, request: Request) -> Answer:
    """The answer, if it is a good one. Only a new comment is not asked for twice: there may be two then."""
    for pause in () if request.method == "POST" else _PAUSES:
        wait = pause
        with suppress(NoAnswer):
            answer = await transport.send(request)
            if not asks_for_another_attempt(answer.status):
                return _good(answer)
            wait = max(pause, retry_after(answer.headers) or 0)
            if anyio.current_time() + wait > anyio.current_effective_deadline():
                return _good(answer)  # what it says is more than that the time is over
        await anyio.sleep(wait)
    try:
        return _good(await transport.send(request))
    except NoAnswer as trouble:
        raise CannotComment(str(trouble)) from trouble


def _good(answer: Answer) -> Answer:
    if not answer.ok:
        raise Refused(answer.status, error_text(answer.body))
    return answer


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""

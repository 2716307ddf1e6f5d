"""Keeps one comment on the pull or merge request up to date. Errors become warnings and never fail a run.

The comment begins with a hidden line, by which later runs find it: a MAC of the pull request's API path, the
app's name and the comment's own ID, keyed with the API key. Anybody may comment, and the forge lets the token
edit comments of others. If the line could be guessed or copied, the run would write its report into a comment
whose author can change the report. Nobody else can compute the MAC, and a copy has another ID.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import NamedTuple

import anyio

from zerokie_action.ci import CI, PullRequest
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import URL, Request, Response
from zerokie_action.http.failure import Failure, of_status
from zerokie_action.http.request import HEADERS, MEGABYTE, extensions
from zerokie_action.http.retry import UNTIL_DEADLINE, RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.platform.answers import words
from zerokie_action.settings import Settings
from zerokie_action.text import human_seconds

_TIME = 20.0
_LARGEST_RESPONSE = 32 * MEGABYTE


async def update_comment(settings: Settings, env: Mapping[str, str], ci: CI, text: str) -> None:
    """Create or update the app's comment with `text`, within 20 seconds. A failure becomes one warning.

    Without a pull or merge request, as after a push, there is no comment and no warning.
    """
    where = ci.pull_request(settings.pull_request)
    if where is None:
        ci.log.info(
            "Not commenting: this run is not for a pull or merge request on GitHub or GitLab; "
            "to name one, set `pull-request`"
        )
        return
    tokens = {"github-token": settings.github_token, "gitlab-token": settings.gitlab_token}
    token = tokens[where.token_input].get_secret_value()
    if not token:
        ci.log.warning(f"Not commenting: `{where.token_input}` is not set; {where.permission}")
        return
    try:
        with anyio.fail_after(_TIME):
            async with Transport(env) as transport:
                http = RetryingClient(transport, retry_timeout=_TIME, log=ci.log.debug)
                await _put(_Forge(http, token, ci.log.redact), where, settings, text)
    except RequestRejected as error:
        ci.log.warning(f"{error}; {where.permission}")
    except TimeoutError:
        ci.log.warning(f"Commenting failed: no answer within {human_seconds(_TIME)}")
    except Exception as error:  # noqa: BLE001 - no error here may fail the deploy
        ci.log.warning(str(error) if isinstance(error, DeployError) else f"Commenting failed: {error!r}")
    else:
        ci.log.info(f"Commented on {where.name}")


async def _put(forge: _Forge, where: PullRequest, settings: Settings, text: str) -> None:
    """Create or update the comment."""
    ours: list[int] = []
    for page in count(1):
        response = await forge.send("GET", f"{where.comments}?per_page=100&page={page}")
        comments = _comments(response.content)
        ours += [number for number, body in comments if body.startswith(_marker(settings, where, number))]
        if 'rel="next"' not in response.headers.get("link", ""):
            break
    if not ours:
        # If only the answer was lost, a second POST would create a second comment.
        created = await forge.send("POST", where.comments, {"body": text}, is_repeatable=False)
        ours = [number for number, _ in _comments(b"[%b]" % created.content)]
    number = max(ours)
    body = {"body": f"{_marker(settings, where, number)}\n\n{text}"}
    await forge.send(where.edit, f"{where.comment}{number}", body)


def _marker(settings: Settings, where: PullRequest, number: int) -> str:
    """The hidden first line of the app's comment with this ID. It reveals nothing about the API key."""
    # The host of the forge's API is left out: runners may reach it under several names.
    label = f"{URL(where.comments).path}\0{settings.app}\0{number}"
    digest = hmac.digest(settings.api_key.get_secret_value().encode(), label.encode(), "sha256")
    return f"<!-- zerokie-action: {digest.hex()} -->"


def _comments(content: bytes) -> list[tuple[int, str]]:
    """The IDs and texts of the comments in an answer."""
    try:
        return [(int(comment["id"]), f"{comment.get('body')}") for comment in json.loads(content)]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise DeployError("Commenting failed: the API's answer is no list of comments") from None


class _Forge(NamedTuple):
    """The API of GitHub or GitLab.

    Attributes:
        http: sends the requests.
        token: the token for comments.
        redact: removes the secrets from an answer's text.
    """

    http: RetryingClient
    token: str
    redact: Callable[[str], str]

    async def send(
        self, method: str, url: str, body: Mapping[str, str] | None = None, *, is_repeatable: bool = True
    ) -> Response:
        request = Request(
            method,
            url,
            headers={**HEADERS, "Accept": "application/json", "Authorization": f"Bearer {self.token}"},
            json=body,
            extensions=extensions("Commenting", timeout=_TIME, max_body=_LARGEST_RESPONSE),
        )
        return await self.http.send(request, self._read, UNTIL_DEADLINE, is_repeatable=is_repeatable)

    def _read(self, response: Response) -> Response | Failure | DeployError:
        if response.is_success:
            return response
        status, said = response.status_code, words(response.content, self.redact)
        answer = f"{status}: {said}" if said else f"{status}"
        refused = RequestRejected(f"Commenting was refused ({answer})", status=status)
        return of_status(response, f"the API answered {answer}") or refused

"""Keeps one comment on the pull or merge request up to date. Errors become warnings and never fail a run.

The comment begins with a hidden line, by which later runs find it: a MAC of the pull request's API path, the
app's name and the comment's own ID, keyed with the API key. Anybody may comment, and the forge lets the token
edit comments of others. If the line could be guessed or copied, the run would write its report into a comment
whose author can change the report. Nobody else can compute the MAC, and a copy has another ID.
"""

import hmac
import json
from itertools import count
from typing import NamedTuple

import anyio

from zerokie_action.ci.forge import Forge
from zerokie_action.ci.generic import PullRequest
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http import URL, Response
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.failure import Failure, of_status
from zerokie_action.text import human_seconds

_TIME = 20.0


class Comment(NamedTuple):
    """The comment of one app.

    Attributes:
        app: the app's name.
        api_key: the platform's API key, for the hidden line, which reveals nothing about the key.
        text: the comment in Markdown.
    """

    app: str
    api_key: str
    text: str

    def first_line(self, where: PullRequest, number: int) -> str:
        """The hidden first line of the comment with this ID."""
        # The host of the forge's API is left out: runners may reach it under several names.
        label = f"{URL(where.comments).path}\0{self.app}\0{number}"
        digest = hmac.digest(self.api_key.encode(), label.encode(), "sha256")
        return f"<!-- zerokie-action: {digest.hex()} -->"


async def update_comment(forge: Forge, where: PullRequest | None, comment: Comment) -> None:
    """Create or update the app's comment, within 20 seconds. A failure becomes one warning.

    Without a pull or merge request, as after a push, there is no comment and no warning.
    """
    log = forge.log
    if where is None:
        log.info(
            "Not commenting: this run is not for a pull or merge request on GitHub or GitLab; "
            "to name one, set `pull-request`"
        )
        return
    if not forge.tokens[where.token_input]:
        log.warning(f"Not commenting: `{where.token_input}` is not set; {where.permission}")
        return
    try:
        with anyio.fail_after(_TIME):
            await _put(forge, where, comment)
    except RequestRejected as error:
        log.warning(f"{error}; {where.permission}")
    except TimeoutError:
        log.warning(f"Commenting failed: no answer within {human_seconds(_TIME)}")
    except Exception as error:  # noqa: BLE001 - no error here may fail the deploy
        log.warning(str(error) if isinstance(error, DeployError) else f"Commenting failed: {error!r}")
    else:
        log.info(f"Commented on {where.name}")


async def _put(forge: Forge, where: PullRequest, comment: Comment) -> None:
    """Create or update the comment."""

    def read(response: Response) -> Response | Failure | DeployError:
        if response.is_success:
            return response
        said = forge.quote(response)
        refused = RequestRejected(f"Commenting was refused ({said})", status=response.status_code)
        return of_status(response, f"{where.host} answered {said}") or refused

    async def send(method: str, url: str, text: str = "") -> Response:
        request = forge.request(where, "Commenting", method, url, text)
        # If only the answer to a POST was lost, a second POST would create a second comment.
        return await forge.http.send(request, read, UNTIL_DEADLINE, is_repeatable=method != "POST")

    ours: list[int] = []
    for page in count(1):
        response = await send("GET", f"{where.comments}?per_page=100&page={page}")
        comments = _comments(response.content)
        ours += [number for number, body in comments if body.startswith(comment.first_line(where, number))]
        if 'rel="next"' not in response.headers.get("link", ""):
            break
    if not ours:
        created = await send("POST", where.comments, comment.text)
        ours = [number for number, _ in _comments(b"[%b]" % created.content)]
    number = max(ours)
    text = f"{comment.first_line(where, number)}\n\n{comment.text}"
    await send(where.edit, f"{where.comment}{number}", text)


def _comments(content: bytes) -> list[tuple[int, str]]:
    """The IDs and texts of the comments in an answer."""
    try:
        return [(int(comment["id"]), f"{comment.get('body')}") for comment in json.loads(content)]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise DeployError("Commenting failed: the API's answer is no list of comments") from None

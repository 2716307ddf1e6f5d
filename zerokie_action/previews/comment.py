"""Keeps one comment on the pull or merge request up to date.

The comment begins with a hidden line, by which later runs find it: a MAC of the pull request's API path, the
app's name and the comment's own ID, keyed with the API key. Anybody may comment, and the forge lets the token
edit comments of others. If the line could be guessed or copied, the run would write its report into a comment
whose author can change the report. Nobody else can compute the MAC, and a copy has another ID.
"""

import hmac
from typing import NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.http import URL
from zerokie_action.previews.code_host import Forge


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

    def first_line(self, about: PullRequest, number: int) -> str:
        """The hidden first line of the comment with this ID."""
        # The host of the forge's API is left out: runners may reach it under several names.
        label = f"{URL(about.comments).path}\0{self.app}\0{number}"
        digest = hmac.digest(self.api_key.encode(), label.encode(), "sha256")
        return f"<!-- zerokie-action: {digest.hex()} -->"


async def update_comment(forge: Forge, comment: Comment) -> None:
    """Create or update the app's comment, and log that.

    Raises:
        DeployError: as `Forge.send` and `Forge.list_records`.
    """
    about = forge.about
    ours = [
        found["id"]
        async for found in forge.list_records(about.comments)
        if f"{found.get('body')}".startswith(comment.first_line(about, found["id"]))
    ]
    if not ours:
        # If only the answer was lost, a second POST would create a second comment.
        created = await forge.send("POST", about.comments, {"body": comment.text}, is_repeatable=False)
        ours = [found["id"] for found in forge.records(created)]
    number = max(ours)
    text = f"{comment.first_line(about, number)}\n\n{comment.text}"
    await forge.send(about.edit, f"{about.comment}{number}", {"body": text})
    forge.log.info(f"Commented on {about.name}")

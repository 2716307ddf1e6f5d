"""The app's comment on the pull request.

Later runs find the comment by its hidden first line. The line is a MAC of the pull request's API path, the
app's name and the comment's ID, with the API key as the key. Anyone can comment, and the token can edit the
comments of others. If an attacker could guess or copy the line, the run would write its report into the
attacker's comment. But only the API key's owner can compute the MAC, and a copied line has the wrong ID.
"""

import hmac
from typing import NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.http import URL
from zerokie_action.previews.code_host import CodeHost


class Comment(NamedTuple):
    """A comment about one app.

    Attributes:
        app: the app's name.
        api_key: the platform's API key. The hidden line doesn't reveal it.
        text: the Markdown text.
    """

    app: str
    api_key: str
    text: str

    def first_line(self, about: PullRequest, number: int) -> str:
        """Return the hidden first line of the comment with this ID."""
        # The API's host isn't part of the label, because runners may reach it under several names.
        label = f"{URL(about.comments).path}\0{self.app}\0{number}"
        digest = hmac.digest(self.api_key.encode(), label.encode(), "sha256")
        return f"<!-- zerokie-action: {digest.hex()} -->"


async def update_comment(host: CodeHost, comment: Comment) -> None:
    """Create or update the app's comment, and log it.

    Raises:
        DeployError: as `CodeHost.send` and `CodeHost.list_records`.
    """
    about = host.about
    ids = [
        found["id"]
        async for found in host.list_records(about.comments)
        if f"{found.get('body')}".startswith(comment.first_line(about, found["id"]))
    ]
    if not ids:
        # If only the response was lost, a second POST would create a second comment.
        created = await host.send("POST", about.comments, {"body": comment.text}, is_repeatable=False)
        ids = [found["id"] for found in host.records(created)]
    number = max(ids)
    text = f"{comment.first_line(about, number)}\n\n{comment.text}"
    await host.send(about.edit, f"{about.comment}{number}", {"body": text})
    host.log.info(f"Commented on {about.name}")

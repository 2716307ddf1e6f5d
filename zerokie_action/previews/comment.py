"""Keeps one comment on the pull request up to date.

The comment starts with a hidden line, so that later runs find it. The line is a MAC of the pull request's API
path, the app's name and the comment's ID, keyed with the API key. Anyone may comment, and the token may edit
other people's comments. If an attacker could guess or copy the line, the run would write its report into the
attacker's comment. Nobody else can compute the MAC, and a copy has another ID.
"""

import hmac
from typing import NamedTuple

from zerokie_action.ci.generic import PullRequest
from zerokie_action.http import URL
from zerokie_action.previews.code_host import CodeHost


class Comment(NamedTuple):
    """The comment of one app.

    Attributes:
        app: the app's name.
        api_key: the platform's API key. The hidden line doesn't reveal it.
        text: the comment in Markdown.
    """

    app: str
    api_key: str
    text: str

    def first_line(self, about: PullRequest, number: int) -> str:
        """Return the hidden first line of the comment with this ID."""
        # Only the URL's path, because runners may reach the API under several host names.
        label = f"{URL(about.comments).path}\0{self.app}\0{number}"
        digest = hmac.digest(self.api_key.encode(), label.encode(), "sha256")
        return f"<!-- zerokie-action: {digest.hex()} -->"


async def update_comment(code_host: CodeHost, comment: Comment) -> None:
    """Create or update the app's comment.

    Raises:
        DeployError: as `CodeHost.send` and `CodeHost.list_records`.
    """
    about = code_host.about
    ours = [
        found["id"]
        async for found in code_host.list_records(about.comments)
        if f"{found.get('body')}".startswith(comment.first_line(about, found["id"]))
    ]
    if not ours:
        # If only the response was lost, a second POST would create a second comment.
        created = await code_host.send("POST", about.comments, {"body": comment.text}, is_repeatable=False)
        ours = [found["id"] for found in code_host.records(created)]
    number = max(ours)
    text = f"{comment.first_line(about, number)}\n\n{comment.text}"
    await code_host.send(about.edit, f"{about.comment}{number}", {"body": text})
    code_host.log.info(f"Commented on {about.name}")

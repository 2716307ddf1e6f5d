"""The app's comment on the pull request.

Later runs find the comment by its hidden first line. The line is a MAC of the pull request's API path, the
app's name and the comment's ID, with the API key as the key. Anyone can comment, and the token can edit the
comments of others. If an attacker could guess or copy the line, the run would write its report into the
attacker's comment. But only the API key's owner can compute the MAC, and a copied line has the wrong ID.
"""

import hmac
from typing import NamedTuple

from zerokie_action.ci import PullRequest
from zerokie_action.errors import DeployError
from zerokie_action.http import URL
from zerokie_action.previews.code_host import CodeHost

_MOST_PAGES = 30
"""The most pages of the list of comments, with 100 comments each."""


class Comment(NamedTuple):
    """The comment about one app.

    Attributes:
        about: the pull request.
        app: the app's name.
        api_key: the platform's API key. The hidden line doesn't reveal it.
        text: the Markdown text.
    """

    about: PullRequest
    app: str
    api_key: str
    text: str

    @property
    def purpose(self) -> str:
        """The start of sentences about this comment."""
        return f"Commenting on {self.about.host}"

    @property
    def permission(self) -> str:
        """The permission that the token needs, as a clause."""
        return self.about.permission

    async def send(self, host: CodeHost) -> None:
        """Create or update the comment, and log it.

        Raises:
            DeployError: as `CodeHost.send`, and if there are too many comments.
        """
        number = max(await self._find(host), default=0)
        if not number:
            # If only the response was lost, a second POST would create a second comment.
            body = {"body": self.text}
            created, _ = await host.send(self.purpose, "POST", self.about.comments, body, is_repeatable=False)
            number = created["id"]
        body = {"body": f"{self._first_line(number)}\n\n{self.text}"}
        await host.send(self.purpose, self.about.edit, f"{self.about.comment}{number}", body)
        host.log.info(f"Commented on {self.about.name}")

    async def _find(self, host: CodeHost) -> list[int]:
        """Return the IDs of the app's comments."""
        found = []
        for page in range(1, _MOST_PAGES + 1):
            url = f"{self.about.comments}?per_page=100&page={page}"
            comments, has_more = await host.send(self.purpose, "GET", url)
            found += [
                one["id"] for one in comments if f"{one.get('body')}".startswith(self._first_line(one["id"]))
            ]
            if not has_more:
                return found
        raise DeployError(f"{self.purpose} failed: {self.about.host} lists more than {_MOST_PAGES} pages")

    def _first_line(self, number: int) -> str:
        """Return the hidden first line of the comment with this ID."""
        # The API's host isn't part of the label, because runners may reach it under several names.
        label = f"{URL(self.about.comments).path}\0{self.app}\0{number}"
        digest = hmac.digest(self.api_key.encode(), label.encode(), "sha256")
        return f"<!-- zerokie-action: {digest.hex()} -->"

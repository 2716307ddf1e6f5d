"""Whose app a static app is: the repository whose run deployed it last."""

from __future__ import annotations

from typing import NamedTuple


class Owner(NamedTuple):
    """A repository and one of its runs, as far as the run knows them; what it does not know is empty.

    Attributes:
        forge: the server that the repository is on, for example `github.com`.
        id: the repository's ID there, which survives a new name.
        name: the repository's full name, for example `acme/site`.
        run: the URL of the run.
    """

    forge: str = ""
    id: str = ""
    name: str = ""
    run: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.id or self.name)

    @property
    def repository(self) -> tuple[str, str, str]:
        """What does not change from run to run."""
        return self.forge, self.id, self.name

    def agrees_with(self, other: Owner) -> bool:
        """Whether both are the same repository: the same ID on the same forge, or the same full name."""
        same_id = bool(self.id) and (self.forge, self.id) == (other.forge, other.id)
        return same_id or (bool(self.name) and self.name == other.name)


def forge_of(server_url: str) -> str:
    """The forge's name: the host of its URL, with its port if there is one."""
    return server_url.partition("://")[2].rstrip("/")

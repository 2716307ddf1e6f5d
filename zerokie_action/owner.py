"""Whose app a static app is: the repository whose run deployed it last."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

_UNKNOWN = "0"
_DIGITS = 16


class Marks(NamedTuple):
    """An `Owner` in a manifest's name: a hash of its ID and one of its full name, `0` for what is unknown."""

    id: str = _UNKNOWN
    name: str = _UNKNOWN

    @property
    def is_known(self) -> bool:
        """Whether there is anything to compare."""
        return self != Marks()

    def agree_with(self, other: Marks) -> bool:
        """Whether both are the same repository: the same ID on the same forge, or the same full name."""
        return any(one == another != _UNKNOWN for one, another in zip(self, other, strict=True))


class Owner(NamedTuple):
    """A repository, as far as a run knows it; what it does not know is empty.

    Attributes:
        forge: the server that the repository is on, for example `github.com`.
        id: the repository's ID there, which survives a new name.
        name: the repository's full name, for example `acme/site`.
    """

    forge: str = ""
    id: str = ""
    name: str = ""

    @property
    def marks(self) -> Marks:
        """What a manifest's name says of it."""
        return Marks(self._mark(self.id), self._mark(self.name))

    def _mark(self, what: str) -> str:
        return hashlib.sha256(f"{self.forge}/{what}".encode()).hexdigest()[:_DIGITS] if what else _UNKNOWN

    def __str__(self) -> str:
        """As a person would name it."""
        return f"{self.forge}/{self.name or f'repository {self.id}'}"


def forge_of(server_url: str) -> str:
    """The forge's name: the host of its URL, with its port if there is one."""
    return server_url.partition("://")[2].rstrip("/")

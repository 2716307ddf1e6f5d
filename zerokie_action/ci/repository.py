"""The repository of a run, from the CI system's variables, or else from the checkout.

Both give a URL. All URLs of a repository (its page, HTTPS, SSH) give the same owner. The container image has
no git, so this module reads git's configuration for the remote `origin`. Includes and `insteadOf` are not
followed. The URL may contain a token and is never logged.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_URL = re.compile(
    r"""(?: (?:https?|git|ssh|git\+ssh|ssh\+git):// (?:[^/]*@)? (?P<host>\[[^]/@]*\]|[^]/:@[]+) (?::[0-9]*)? /
          | (?:[^/]*@)? (?P<ssh>[^]/:@[]+) : (?!//) )
        (?P<path>[^:?\#@\\]+)""",
    re.VERBOSE | re.IGNORECASE,
)
"""A URL, or SSH's short form `user@host:path`. The path has no `@`: an `@` could belong to a password."""
_SSH_HOST = re.compile(r"^(?:alt)?ssh\.(?=.+\.)")
"""Hosts for SSH on the HTTPS port, such as `ssh.github.com`."""
_PUBLIC_HOST = re.compile(r".+\.[^\W\d_]+")

_LARGEST_FILE = 2**20
_CONFIG = re.compile(
    r"""  [\#;][^\n]*
        | \[ \s* (?P<section>[A-Za-z0-9.-]+) (?:\s*"(?P<name>(?:[^"\\\n]|\\.)*)")? \s* \]
        | (?P<key>[A-Za-z][A-Za-z0-9-]*) [ \t]* (?:= (?P<value>(?:"(?:[^"\\\n]|\\.)*"|\\.|[^"\\\n\#;])*))?""",
    re.VERBOSE | re.DOTALL,
)
"""A comment, a section header, or a variable (git-config(1), "Syntax")."""
_QUOTED = re.compile(r'\\(.)|"', re.DOTALL)
_ESCAPES: dict[str | None, str] = {"\n": "", "n": "\n", "t": "\t", "b": "\b", None: ""}


class Owner(NamedTuple):
    """A repository. Unknown attributes are empty.

    Attributes:
        forge: the host of the repository's server, for example `github.com`.
        id: the repository's ID on the forge, which stays when the repository is renamed.
        name: the repository's full name in lower case, for example `acme/site`.
    """

    forge: str = ""
    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        """The repository's name for people: `github.com/acme/site`."""
        return f"{self.forge}/{self.name}"


def owner_at(url: str, repository_id: str = "") -> Owner:
    """The repository with this URL and this ID; unknown if the text is not a repository's URL."""
    found = _URL.fullmatch(url)
    if found is None:
        return Owner()
    path = unquote(found["path"]).lower().strip("/").removesuffix(".git")
    match [part for part in path.split("/") if part]:
        case ["v3" | "scm", *names] if len(names) > 1:  # Azure's SSH, Bitbucket Server's HTTPS
            pass
        case [organization, "_git", repository]:  # Azure: the project has the repository's name
            names = [organization, repository, repository]
        case parts:
            names = [part for part in parts if part != "_git"]
    host = (found["host"] or found["ssh"]).lower()
    return Owner(_SSH_HOST.sub("", host), repository_id, "/".join(names)) if names else Owner()


def owner_of_checkout() -> Owner:
    """The repository of the remote `origin` in the checkout around the working directory; else unknown.

    A host without a dot or without letters at its end may be an alias from an `ssh_config`; the repository
    then counts as unknown.
    """
    owner = Owner()
    with suppress(OSError, ValueError):  # an unreadable file, or a path with a NUL
        owner = owner_at(_origin(_configuration(Path.cwd())))
    return owner if _PUBLIC_HOST.fullmatch(owner.forge) else Owner()


def _configuration(directory: Path) -> str:
    """The text of git's configuration for the checkout around `directory`; empty without a checkout.

    Raises:
        OSError: when a file can't be read.
        ValueError: when a file contains an invalid path.
    """
    places = (folder / ".git" for folder in (directory, *directory.parents))
    git = next((place for place in places if place.exists()), None)
    if git is None:
        return ""
    if git.is_file():  # a worktree or a submodule
        git = git.parent / _read(git).removeprefix("gitdir:").strip()
    if (common := git / "commondir").is_file():  # a worktree
        git /= _read(common).strip()
    return _read(git / "config")


def _origin(configuration: str) -> str:
    """The first URL of the remote `origin`, from which git fetches; empty if there is none."""
    section = ""
    for found in _CONFIG.finditer(configuration):
        if found["section"]:
            section = ".".join(filter(None, (found["section"].lower(), found["name"])))
        elif section == "remote.origin" and (found["key"] or "").lower() == "url":
            value = _QUOTED.sub(lambda quoted: _ESCAPES.get(quoted[1], quoted[1]), found["value"] or "")
            if url := value.strip():
                return url
    return ""


def _read(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        return file.read(_LARGEST_FILE)

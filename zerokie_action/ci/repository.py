"""Which repository a run belongs to: from the variables of its CI, else from the checkout that it runs in.

Both give a URL, and each spelling of a repository's URL gives the same owner: that of its page, of HTTPS and
of SSH. The configuration of git is read here, as far as the remote `origin` needs it: the container image has
no git. Includes and `insteadOf` are not followed. The URL may hold a token, so nobody logs or quotes it.
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
"""A URL, or SSH's short form `user@host:path`. A path with `@` may be the rest of a password with `/`."""
_SSH_HOST = re.compile(r"^(?:alt)?ssh\.(?=.+\.)")
"""Where a forge serves SSH on the port of HTTPS."""
_PUBLIC_HOST = re.compile(r".+\.[^\W\d_]+")

_LARGEST_FILE = 2**20
_CONFIG = re.compile(
    r"""  [\#;][^\n]*
        | \[ \s* (?P<section>[A-Za-z0-9.-]+) (?:\s*"(?P<name>(?:[^"\\\n]|\\.)*)")? \s* \]
        | (?P<key>[A-Za-z][A-Za-z0-9-]*) [ \t]* (?:= (?P<value>(?:"(?:[^"\\\n]|\\.)*"|\\.|[^"\\\n\#;])*))?""",
    re.VERBOSE | re.DOTALL,
)
"""A comment, the head of a section, or a variable (git-config(1), "Syntax")."""
_QUOTED = re.compile(r'\\(.)|"', re.DOTALL)
_ESCAPES: dict[str | None, str] = {"\n": "", "n": "\n", "t": "\t", "b": "\b", None: ""}


class Owner(NamedTuple):
    """A repository, as far as a run knows it; what it does not know is empty.

    Attributes:
        forge: the host of the server that the repository is on, for example `github.com`.
        id: the repository's ID there, which survives a new name.
        name: the repository's full name in lower case, for example `acme/site`.
    """

    forge: str = ""
    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        """As a person would name it."""
        return f"{self.forge}/{self.name}"


def owner_at(url: str, number: str = "") -> Owner:
    """The repository with this URL, and this ID on its forge; unknown where the text is no such URL."""
    found = _URL.fullmatch(url)
    path = unquote(found["path"]).lower().strip("/").removesuffix(".git") if found else ""
    match [part for part in path.split("/") if part]:
        case ["v3" | "scm", *names] if len(names) > 1:  # Azure's SSH, Bitbucket Server's HTTPS
            pass
        case [organization, "_git", repository]:  # whose project on Azure has the same name
            names = [organization, repository, repository]
        case parts:
            names = [part for part in parts if part != "_git"]
    if not (found and names):
        return Owner()
    host = (found["host"] or found["ssh"]).lower()
    return Owner(_SSH_HOST.sub("", host), number, "/".join(names))


def owner_of_checkout() -> Owner:
    """The remote `origin` of the checkout that the working directory is in; unknown where there is none.

    A host without a dot, or that does not end in letters, is an alias from somebody's `ssh_config`: unknown.
    """
    owner = Owner()
    with suppress(OSError, ValueError):  # an unreadable file; a path with a NUL
        owner = owner_at(_origin(_configuration(Path.cwd())))
    return owner if _PUBLIC_HOST.fullmatch(owner.forge) else Owner()


def _configuration(directory: Path) -> str:
    """The text of git's configuration of the checkout that `directory` is in; empty where there is none.

    Raises:
        OSError: when it can't be read.
        ValueError: when a file names a path that can't be one.
    """
    places = (folder / ".git" for folder in (directory, *directory.parents))
    git = next((place for place in places if place.exists()), None)
    if git is None:
        return ""
    if git.is_file():  # of a worktree or a submodule
        git = git.parent / _read(git).removeprefix("gitdir:").strip()
    if (common := git / "commondir").is_file():  # of a worktree
        git /= _read(common).strip()
    return _read(git / "config")


def _origin(configuration: str) -> str:
    """The first URL of the remote `origin`, which git fetches from; empty where it has none."""
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

"""The repository of a run, from its page's URL or from the checkout.

All URLs of a repository (its page, HTTPS, SSH) give the same host and name. The container image lacks git, so
this module reads the remote `origin` from the configuration that git wrote. The remote's URL may contain a
token, so it is never logged.
"""

import configparser
import re
from pathlib import Path
from urllib.parse import unquote

_URL = re.compile(
    r"""(?: (?:https?|git|ssh|git\+ssh|ssh\+git):// (?:[^/]*@)? (?P<host>\[[^]/@]*\]|[^]/:@[]+) (?::[0-9]*)? /
          | (?:[^/]*@)? (?P<ssh>[^]/:@[]+) : (?!//) )
        (?P<path>[^:?\#@\\]+)""",
    re.VERBOSE | re.IGNORECASE,
)
"""A URL, or SSH's short form `user@host:path`. The path can't contain an `@`, because that may
belong to a password."""
_HOSTS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts for SSH on port 443, and the usual hosts of the same repositories."""
_PUBLIC_HOST = re.compile(r"[^/]+\.[^\W\d_]+/")
_LARGEST_FILE = 2**20


def repository_at(url: str) -> str:
    """Return the host and full name of the repository with this URL, in lower case. Otherwise empty."""
    match = _URL.fullmatch(url)
    if match is None:
        return ""
    names = [name for name in unquote(match["path"]).lower().removesuffix("/").split("/") if name]
    if names:
        names[-1] = names[-1].removesuffix(".git")
    host = (match["host"] or match["ssh"]).lower()
    return "/".join([_HOSTS.get(host, host), *names]) if names else ""


def repository_of_checkout() -> str:
    """Return the repository of `origin` in the checkout around the working directory. Empty if unknown.

    It is unknown in a worktree or a submodule, because their `.git` is a file. It is also unknown if the host
    lacks a dot or doesn't end in letters, because the host may be an alias from an `ssh_config`.
    """
    try:
        name = repository_at(_origin())
    except (OSError, ValueError, configparser.Error):  # unreadable, or not written by git
        return ""
    return name if _PUBLIC_HOST.match(name) else ""


def _origin() -> str:
    """Return the URL of the remote `origin`. Empty without one."""
    here = Path.cwd()
    git = next((path for folder in (here, *here.parents) if (path := folder / ".git").exists()), None)
    if git is None or not (git / "config").is_file():
        return ""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters="=")
    with (git / "config").open(encoding="utf-8") as file:
        parser.read_string(file.read(_LARGEST_FILE))
    return (parser.get('remote "origin"', "url", fallback="") or "").strip('"')

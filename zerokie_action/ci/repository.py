"""The repository of a run, from the CI system's variables, or else from the checkout.

Both give a URL. All URLs of a repository (its page, HTTPS, SSH) give the same host and name. The container
image has no git, so this module reads git's configuration for the remote `origin`, in the form in which git
writes it. The URL may contain a token and is never logged.
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
"""A URL, or SSH's short form `user@host:path`. The path has no `@`: an `@` could belong to a password."""
_HOSTS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts that GitHub and GitLab document for SSH on port 443, and the hosts of the same repositories."""
_PUBLIC_HOST = re.compile(r"[^/]+\.[^\W\d_]+/")
_LARGEST_FILE = 2**20


def repository_at(url: str) -> str:
    """Host and full name of the repository with this URL, in lower case; empty for any other text."""
    match = _URL.fullmatch(url)
    if match is None:
        return ""
    names = [name for name in unquote(match["path"]).lower().removesuffix("/").split("/") if name]
    if names:
        names[-1] = names[-1].removesuffix(".git")
    host = (match["host"] or match["ssh"]).lower()
    return "/".join([_HOSTS.get(host, host), *names]) if names else ""


def repository_of_checkout() -> str:
    """The repository of the remote `origin` in the checkout around the working directory; empty if unknown.

    A host without a dot or without letters at its end may be an alias from an `ssh_config`; the repository
    then counts as unknown. So does that of a worktree or a submodule, whose `.git` is a file.
    """
    try:
        name = repository_at(_origin())
    except (OSError, ValueError, configparser.Error):  # unreadable, or not as git writes it
        return ""
    return name if _PUBLIC_HOST.match(name) else ""


def _origin() -> str:
    """The URL of the remote `origin`; empty if there is none."""
    here = Path.cwd()
    git = next((path for folder in (here, *here.parents) if (path := folder / ".git").exists()), None)
    if git is None or not (git / "config").is_file():
        return ""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters="=")
    with (git / "config").open(encoding="utf-8") as file:
        parser.read_string(file.read(_LARGEST_FILE))
    return (parser.get('remote "origin"', "url", fallback="") or "").strip('"')

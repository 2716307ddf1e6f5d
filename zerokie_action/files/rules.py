"""The rules for what a directory may publish: the defaults, the ignore file and the input `ignore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.files.ignore import IGNORE_FILE, Patterns, parse_patterns

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNWANTED = (
    ".git",  # a file in a worktree
    ".hg/",
    ".svn/",
    "node_modules/",
    ".DS_Store",
    "Thumbs.db",
    ".zerokie-state*.json",  # state files, also of killed jobs
)
_SECRETS = (
    ".env",
    ".env.*",
    ".ssh/",
    ".aws/",
    ".kube/",
    "**/.docker/config.json",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
)
DEFAULT_IGNORE = (*_UNWANTED, *_SECRETS)
"""Patterns before all others. A later `!pattern` includes matching files again."""


class IgnoreRules(NamedTuple):
    """The rules that exclude files from a deploy.

    Attributes:
        file: the ignore file; None if there is none.
        patterns: the patterns of the defaults, the ignore file and the input `ignore`, in this order.
        without_secret_defaults: the same patterns without the defaults for secrets.
    """

    file: Path | None
    patterns: Patterns
    without_secret_defaults: Patterns


def ignore_rules(
    directory: Path, *, ignore_file: Path, ignore: Sequence[str]
) -> tuple[IgnoreRules, list[str]]:
    """Combine the defaults, the ignore file and the input `ignore`, whose patterns were checked already.

    Returns the rules made of the valid patterns, and a sentence for each problem.
    """
    location, problem = find_ignore_file(directory, ignore_file)
    lines: list[str] = []
    if location is not None:
        lines, problem = _read_lines(location)
    problems = [f"`ignore-file`: {problem}"] if problem else []
    from_file, wrong = parse_patterns(lines, repr(str(location)))
    own = (*from_file, *ignore)
    rules = IgnoreRules(location, Patterns((*DEFAULT_IGNORE, *own)), Patterns((*_UNWANTED, *own)))
    return rules, problems + wrong


def ignore_file_places(
    directory: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path, Path]:
    """The two places of the ignore file: the directory, then the working directory."""
    return Path(directory, ignore_file), Path(ignore_file)


def find_ignore_file(
    directory: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path | None, str]:
    """Return the ignore file, if there is one; and the problem, if a file that was named is missing."""
    for place in ignore_file_places(directory, ignore_file):
        if os.path.lexists(place):
            return place, ""
    if Path(ignore_file) == IGNORE_FILE:
        return None, ""
    where = "neither in `directory` nor in the working directory"
    return None, f"{str(ignore_file)!r} is {where}; correct the path, or leave it out"


def _read_lines(location: Path) -> tuple[list[str], str]:
    """Return the lines of the ignore file, and the problem if the file can't be used."""
    try:
        # Before opening: opening a FIFO would block until somebody writes to it.
        if not location.is_file():
            return [], f"{str(location)!r} is not a file; name a text file with one pattern per line"
        text = location.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return [], f"{str(location)!r} cannot be read ({error.strerror}); make it readable or remove it"
    except UnicodeDecodeError:
        return [], f"{str(location)!r} is not UTF-8 text; save it as UTF-8"
    return [line.removesuffix("\r") for line in text.split("\n")], ""

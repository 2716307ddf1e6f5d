"""Which patterns decide about a folder, in which order, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zerokie_action.files import gitignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What no site wants to publish; `!pattern` brings one back. In a worktree `.git` is a file.
DEFAULT_IGNORE = (
    ".git",
    ".hg/",
    ".svn/",
    "node_modules/",
    ".DS_Store",
    "Thumbs.db",
    ".env",
    ".env.*",
)


def ignore_rules(
    root: Path, *, ignore_file: str, ignore: Sequence[str]
) -> tuple[gitignore.Patterns, list[str]]:
    """Combine the defaults, the ignore file and the `ignore` input, in this order: the last match decides.

    `root` is the folder's real path. Returns the patterns that are right, and a sentence for each
    thing that is wrong.
    """
    rules, _ = gitignore.parse(DEFAULT_IGNORE)
    problems: list[str] = []
    location = Path(os.path.normpath(root / ignore_file))
    if location.is_relative_to(root) and Path(os.path.realpath(location)).is_relative_to(root):
        rules.append(gitignore.literal(location.relative_to(root).as_posix()))
        lines, problem = _read_lines(location)
    else:
        lines, problem = [], "is not inside of `directory`; give its path relative to `directory`"
    if problem:
        problems.append(f"`ignore-file`: {ignore_file!r} {problem}")
    for source, origin in ((lines, repr(ignore_file)), (ignore, "`ignore`")):
        more_rules, more_problems = parse_patterns(source, origin)
        rules += more_rules
        problems += more_problems
    return gitignore.Patterns(rules), problems


def parse_patterns(lines: Iterable[str], origin: str) -> tuple[list[gitignore.Rule], list[str]]:
    """Read patterns; the problems say where they are: in which line of `origin`."""
    rules, problems = gitignore.parse(lines)
    return rules, [f"{origin} line {number}: {problem}; correct it" for number, problem in problems]


def _read_lines(location: Path) -> tuple[list[str], str]:
    """Return the lines of the ignore file, none when there is no such file, or else why it cannot be used."""
    if not os.path.lexists(location):
        return [], ""
    try:
        # Asked first, as opening a FIFO would wait for somebody to write to it.
        if not location.is_file():
            return [], "is not a file; name a text file with one pattern per line"
        text = location.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return [], f"cannot be read ({error.strerror}); make it readable or remove it"
    except UnicodeDecodeError:
        return [], "is not UTF-8 text; save it as UTF-8"
    return [line.removesuffix("\r") for line in text.split("\n")], ""

r"""Patterns of files to ignore or to keep: `.gitignore` patterns, checked here and matched by pathspec.

Git judges each entry (a file or a directory) by its own path, and a directory before its content. The last
matching pattern decides. pathspec agrees with git about most patterns. Any other pattern, and a pattern that
can never match, is refused with advice on what to write instead, because a misread `keep` deletes files. The
tests compare this module with `git check-ignore`.

One difference remains, on purpose: `?` matches one character, where git matches one byte.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pathspec import GitIgnoreSpec

from zerokie_action.formats import has_comma

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IGNORE_FILE = Path(".zerokieignore")
"""The default of the input `ignore-file`."""

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

_QUOTES = ('""', "''", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")
"""Straight quotes, and typographic quotes from word processors."""

# The brackets allow only sets with the same meaning for git and Python's `re`: ASCII characters that are
# special to neither, ranges of letters or digits, and a `-` at either end.
_TOKEN = re.compile(
    r"""\\. | \*(?!\*) | [^\\*\[]
    | \[ (?![]!^]) (?P<set> -? (?:[0-9A-Za-z]-[0-9A-Za-z] | [\t\r\ !-%'-,.0-Z^-{}])* -? ) \]""",
    re.DOTALL | re.VERBOSE,
)
_RANGE = re.compile("(.)-(.)")
_ADVICE = {
    "\\": r"has a backslash that escapes nothing; remove it, or write `\\` for the character",
    "*": "has `**` beside other characters; write `*`, or `**` between slashes for any directories",
    "[": "has brackets that git reads differently; write ASCII letters, digits and ascending ranges "
    r"of them, as in [0-9A-Za-z_], without classes or negation, or `\[` for the character itself",
}


class Patterns:
    """Compiled patterns, in their order: a later pattern overrides an earlier pattern."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile patterns that `parse_patterns` returned."""
        patterns = tuple(patterns)
        # pathspec judges whole paths, so directories and files need different specs. Directories: all
        # patterns, without their final slash; else `*` would win over a later `!*/` for a directory `a/`.
        # Files: no patterns with a final slash, except negated ones: `!a/` re-includes what is in `a/`.
        self._directory_spec = _Spec(pattern.removesuffix("/") for pattern in patterns)
        self._file_spec = _Spec(
            pattern for pattern in patterns if pattern.startswith("!") or not pattern.endswith("/")
        )
        self._directories: dict[str, bool] = {"": False}

    def match_entry(self, path: str, *, is_directory: bool) -> bool:
        """Whether the entry itself is matched. The caller has checked the directories above the entry.

        `path` is relative, with `/` between its segments and no `/` at its end.
        """
        return (self._directory_spec if is_directory else self._file_spec).match(path)

    def match_file(self, path: str) -> bool:
        """Whether the file at `path`, or a directory above the file, is matched."""
        return self._match_directory(path.rpartition("/")[0]) or self._file_spec.match(path)

    def _match_directory(self, path: str) -> bool:
        if path not in self._directories:
            parent = path.rpartition("/")[0]
            self._directories[path] = self._match_directory(parent) or self._directory_spec.match(path)
        return self._directories[path]


class _Spec:
    """Judges single entries."""

    def __init__(self, patterns: Iterable[str]) -> None:
        # pathspec would choose another engine if re2 or hyperscan is installed.
        self._spec = GitIgnoreSpec.from_lines(patterns, backend="simple")
        # Most entries match nothing. Testing one joint expression first takes a third of the time. The names
        # of groups must be unique in it; `(?!)` never matches.
        expressions = [each.regex.pattern for each in self._spec.patterns if each.include and each.regex]
        self._any = re.compile("|".join(expressions).replace("(?P<ps_d>", "(?:") or "(?!)")

    def match(self, path: str) -> bool:
        # pathspec's expressions treat a line break as the end of a path.
        path = path.replace("\n", "\0")
        return self._any.search(path) is not None and self._spec.match_file(path)


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


def parse_patterns(lines: Iterable[str], origin: str) -> tuple[list[str], list[str]]:
    """Read the lines of an input or of an ignore file, without their line ends.

    Returns the patterns, and a sentence for each refused line: the place in `origin`, the problem, and what
    to write instead.
    """
    patterns: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        pattern = _without_trailing_spaces(line)
        if not pattern or pattern.startswith("#"):
            continue
        if problem := _problem(pattern):
            problems.append(f"{origin} line {number}: the pattern {pattern!r} {problem}".lstrip())
        else:
            patterns.append(pattern)
    return patterns, problems


def _without_trailing_spaces(line: str) -> str:
    """Drop trailing spaces as git does: no other white space, and no space after a backslash."""
    kept = line.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 and len(kept) < len(line)
    return kept + " " if escaped else kept


def _problem(pattern: str) -> str:
    """Say why a pattern is refused and what to write instead; empty if git and pathspec agree."""
    path = pattern.removeprefix("!").removesuffix("/")
    # pathspec strips any white space at the end, even before a final slash; git strips only spaces.
    if path != path.rstrip() and not path.endswith("\\ "):
        return (
            r"ends in white space; write `\ ` for a space at the end of a name and `?` for another character"
        )
    for segment in path.removeprefix("/").split("/"):
        if segment in {"", ".", ".."}:
            return (
                "can never match: no path has an empty segment, '.' or '..'; "
                "write it relative to the directory"
            )
        position = 0
        while segment != "**" and position < len(segment):
            token = _TOKEN.match(segment, position)
            if token is None or any(low > high for low, high in _RANGE.findall(token["set"] or "")):
                return _ADVICE[segment[position]]
            position = token.end()
    return ""


def input_problem(pattern: str) -> str:
    r"""Say what is wrong with a pattern from an input, where people try other notations for lists.

    Each of these mistakes has deleted files that `keep` should have kept.
    """
    first, last = pattern[0], pattern[-1]
    begins_invisibly = first.isspace() or not first.isprintable()
    has_lines = len(pattern.splitlines()) > 1
    problems = {
        f"begins with the invisible character {first!a}; remove it": begins_invisibly,
        f"ends in the invisible character {last!a}; remove it": not last.isprintable(),
        "begins with a dash, as in a YAML list; write the pattern alone, one a line": pattern[:2] == "- ",
        "has quotes around it; remove them": first + last in _QUOTES,
        "is written as a list; write one pattern a line": pattern[:2] in {'["', "['"},
        r"has `\n` in it; break the line there, one pattern a line": r"\n" in pattern,
        "has a character that git does not treat as a line break; write one pattern a line": has_lines,
        r"has a comma; write one pattern a line, and `\,` for a comma itself": has_comma(pattern),
    }
    return next((problem for problem, applies in problems.items() if applies), "")


def names_directory(pattern: str, directory: Path) -> bool:
    """Whether a pattern begins with the directory's name, and the directory has no such subdirectory."""
    first, slash, _ = pattern.removeprefix("!").removeprefix("/").partition("/")
    return bool(slash) and first == directory.resolve().name and not (directory / first).is_dir()


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

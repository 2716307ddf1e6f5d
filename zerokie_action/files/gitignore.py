r"""Patterns with the semantics of git's `.gitignore`, exactly.

The last pattern that matches decides, `!` brings back, and what lies in an ignored folder stays
ignored. Two steps, as in git: patterns are judged against one entry (a file or a folder), and
folders are judged before what is in them. The tests hold this module against `git check-ignore`.

Two differences, on purpose: `?` and `[…]` match one character, where git matches one byte; and a
pattern that can never match is reported, where git is silent.

Not taken from pathspec, which decides by whole paths and reads `[[:alpha:]]`, `[\]]`, `a[!b]c`, `a/**/`,
or `*.d` with `!keep.d`, in another way than git: a `keep` that protects less than it says loses files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\t\n\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class PatternError(ValueError):
    """A pattern that can never match anything; the message says why."""


class Rule(NamedTuple):
    """One pattern. `regex` must match the whole name, or the whole path when `anchored`."""

    regex: str
    anchored: bool
    folders_only: bool
    ignores: bool


class Patterns:
    """Compiled rules, in the order in which they were given: a later one overrides an earlier one."""

    __slots__ = ("_file_tests", "_folder_tests", "_folders")

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Compile the rules."""
        rules = tuple(rules)
        self._folder_tests = _compile(rules)
        self._file_tests = _compile(rule for rule in rules if not rule.folders_only)
        self._folders: dict[str, bool] = {}

    def match_entry(self, name: str, path: str, *, is_folder: bool) -> bool:
        """Whether the entry itself is matched; the folders that it is in were judged before.

        `path` is relative, `/` between its segments and none at its end; `name` is the last segment.
        """
        for matches, anchored, ignores in self._folder_tests if is_folder else self._file_tests:
            if matches(path if anchored else name):
                return ignores
        return False

    def match_file(self, path: str) -> bool:
        """Whether the file at `path` is matched, or one of the folders that it is in."""
        folder, _, name = path.rpartition("/")
        return self._match_folder(folder) or self.match_entry(name, path, is_folder=False)

    def _match_folder(self, path: str) -> bool:
        if not path:
            return False
        known = self._folders.get(path)
        if known is None:
            parent, _, name = path.rpartition("/")
            known = self._match_folder(parent) or self.match_entry(name, path, is_folder=True)
            self._folders[path] = known
        return known


def parse(lines: Iterable[str]) -> tuple[list[Rule], list[tuple[int, str]]]:
    """Read the lines of an ignore file, without their line ends.

    Returns the rules, and of each line that can never match its number (from 1) and what is wrong with it.
    """
    rules: list[Rule] = []
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        pattern = _without_trailing_spaces(line)
        if not pattern or pattern.startswith("#"):
            continue
        try:
            rules.append(_rule(pattern))
        except PatternError as error:
            problems.append((number, f"the pattern {pattern!r} can never match: {error}"))
    return rules, problems


def literal(path: str) -> Rule:
    """Return the rule that ignores exactly this relative path."""
    return Rule(re.escape(path), anchored=True, folders_only=False, ignores=True)


def _compile(rules: Iterable[Rule]) -> tuple[tuple[Callable[[str], object], bool, bool], ...]:
    """Join neighbours that have the same verdict; (matches, anchored, ignores), the last rule first."""
    runs: list[tuple[bool, dict[bool, list[str]]]] = []
    for rule in rules:
        if not runs or runs[-1][0] != rule.ignores:
            runs.append((rule.ignores, {}))
        runs[-1][1].setdefault(rule.anchored, []).append(rule.regex)
    return tuple(
        (re.compile("|".join(regexes), re.DOTALL).fullmatch, anchored, ignores)
        for ignores, kinds in reversed(runs)
        for anchored, regexes in kinds.items()
    )


def _without_trailing_spaces(line: str) -> str:
    """Drop what git drops: spaces only, and none that a backslash escapes."""
    kept = line.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 and len(kept) < len(line)
    return kept + " " if escaped else kept


def _rule(pattern: str) -> Rule:
    ignores = not pattern.startswith("!")
    glob = pattern if ignores else pattern[1:]
    folders_only = glob.endswith("/")
    glob = glob.removesuffix("/")
    anchored = "/" in glob
    glob = glob.removeprefix("/")
    _check_segments(glob)
    return Rule(_translate(glob), anchored, folders_only, ignores)


def _check_segments(glob: str) -> None:
    if not glob:
        raise PatternError("it names nothing")
    segments = glob.split("/")
    if "" in segments:
        raise PatternError("no path has two slashes in a row")
    if "." in segments or ".." in segments:
        raise PatternError("no path has '.' or '..' in it; paths start at the folder")


def _translate(glob: str) -> str:
    """Turn a glob into a regular expression (git: wildmatch.c)."""
    parts = []
    at = 0
    while at < len(glob):
        if glob[at] == "*":
            part, at = _stars(glob, at)
        elif glob[at] == "[":
            part, at = _bracket(glob, at + 1)
        elif glob[at] == "?":
            part, at = "[^/]", at + 1
        else:
            char, at = _character(glob, at)
            part = re.escape(char)
        parts.append(part)
    return "".join(parts)


def _character(glob: str, at: int) -> tuple[str, int]:
    """Return the literal character at `at`, which a backslash may escape, and the place after it."""
    if glob[at] == "\\":
        at += 1
        if at == len(glob):
            raise PatternError("the backslash at its end escapes nothing")
    return glob[at], at + 1


def _stars(glob: str, start: int) -> tuple[str, int]:
    end = start
    while glob.startswith("*", end):
        end += 1
    if end - start > 1 and (start == 0 or glob[start - 1] == "/"):
        if glob.startswith("/", end):
            return "(?:.*/)?", end + 1
        if end == len(glob) or glob.startswith("\\/", end):
            return ".*", end
    return "[^/]*", end


def _bracket(glob: str, at: int) -> tuple[str, int]:
    """Translate a bracket expression whose first character after `[` is at `at`."""
    negated = glob.startswith(("!", "^"), at)
    at += negated
    parts: list[str] = []
    first = at
    while at == first or not glob.startswith("]", at):
        if at >= len(glob):
            raise PatternError("its '[' has no ']'")
        part, at = _bracket_item(glob, at)
        parts.append(part)
    members = "".join(parts)
    return (f"[^/{members}]" if negated else f"(?!/)[{members}]"), at + 1


def _bracket_item(glob: str, at: int) -> tuple[str, int]:
    """Return one class, range or character as it stands in a regular expression's set."""
    if glob.startswith("[:", at):
        end = glob.find("]", at + 2)
        if end > at + 2 and glob[end - 1] == ":":
            return _character_class(glob[at + 2 : end - 1]), end + 1
    low, at = _set_character(glob, at)
    if glob.startswith("-", at) and not glob.startswith("-]", at) and at + 1 < len(glob):
        high, at = _set_character(glob, at + 1)
        # A range that runs backwards still holds its first character, in git too.
        return (f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)), at
    return re.escape(low), at


def _set_character(glob: str, at: int) -> tuple[str, int]:
    if glob[at] == "\\" and at + 1 == len(glob):
        raise PatternError("its '[' has no ']'")
    return _character(glob, at)


def _character_class(name: str) -> str:
    if name not in _CLASSES:
        raise PatternError(f"there is no class '[:{name}:]'")
    return _CLASSES[name]

r"""Patterns of files to ignore or to keep: `.gitignore` patterns, checked here and matched by pathspec.

Git judges each entry (a file or a directory) by its own path, and a directory before its content. The last
matching pattern decides. pathspec agrees with git about most patterns. Any other pattern, and a pattern that
can never match, is refused with advice on what to write instead, because a misread `keep` deletes files. The
tests compare this module with `git check-ignore`.

One difference remains, on purpose: `?` matches one character, where git matches one byte.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from zerokie_action.formats import has_comma

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORE_FILE = Path(".zerokieignore")
"""The default of the input `ignore-file`."""

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
_STAR_BEFORE_STAR = re.compile(
    r"""\[\^/\]\*                                           # pathspec's expression for a star
    ((?: \\. | \[\^/\](?!\*) | \[(?!\^/\])[^]]*\] | [^\\/\[(] )+?)  # characters, `?` and sets
    (?=\[\^/\]\*)""",
    re.DOTALL | re.VERBOSE,
)
_MOST_DOUBLE_STARS = 2
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

    def match_path(self, path: str, *, is_directory: bool) -> bool:
        """Whether the file or directory at `path`, or a directory above it, is matched."""
        return self._match_directory(path) if is_directory else self.match_file(path)

    def unmatched(self, paths: Iterable[str]) -> set[str]:
        """The paths of files that the patterns do not match."""
        return {path for path in paths if not self.match_file(path)}

    def includes(self, path: str, *, is_directory: bool) -> bool:
        """Whether the last pattern that matches the entry itself is negated."""
        return (self._directory_spec if is_directory else self._file_spec).includes(path)

    def _match_directory(self, path: str) -> bool:
        if path not in self._directories:
            parent = path.rpartition("/")[0]
            self._directories[path] = self._match_directory(parent) or self._directory_spec.match(path)
        return self._directories[path]


class _Pattern(GitIgnoreSpecPattern):
    """A pattern whose stars don't make the match slow.

    A star takes as little as lets the text up to the next star follow, and is never tried again: more would
    only leave less for the next star. The last star of a segment is as before.
    """

    @classmethod
    def pattern_to_regex(cls, pattern: str) -> tuple[str | None, bool | None]:  # type: ignore[override]
        regex, include = super().pattern_to_regex(pattern)
        return regex and _STAR_BEFORE_STAR.sub(r"(?>[^/]*?\1)", regex), include


class _Spec:
    """Judges single entries."""

    def __init__(self, patterns: Iterable[str]) -> None:
        # pathspec would choose another engine if re2 or hyperscan is installed.
        self._spec = GitIgnoreSpec.from_lines(patterns, _Pattern, backend="simple")
        # Most entries match nothing. Testing one joint expression first takes a third of the time. The names
        # of groups must be unique in it; `(?!)` never matches.
        expressions = [each.regex.pattern for each in self._spec.patterns if each.include and each.regex]
        self._any = re.compile("|".join(expressions).replace("(?P<ps_d>", "(?:") or "(?!)")

    def match(self, path: str) -> bool:
        # pathspec's expressions treat a line break as the end of a path.
        path = path.replace("\n", "\0")
        return self._any.search(path) is not None and self._spec.match_file(path)

    def includes(self, path: str) -> bool:
        for pattern in reversed(self._spec.patterns):
            match = pattern.regex and pattern.regex.search(path.replace("\n", "\0"))
            # The group matches the end of a directory above the entry.
            if match and not match.groupdict().get("ps_d"):
                return not pattern.include
        return False


def parse_patterns(lines: Iterable[str], file: str = "") -> tuple[list[str], list[str]]:
    """Read the lines of an input or of an ignore file, without their line ends.

    Returns the patterns, and a sentence for each refused line: its place, the problem, and what to write
    instead. Lines of a file are not quoted: a link may have made another file of it. Lines of an input are
    checked for other notations, too.
    """
    patterns: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        pattern = _without_trailing_spaces(line)
        if not pattern or pattern.startswith("#"):
            continue
        if problem := ("" if file else _input_problem(pattern)) or _problem(pattern):
            which = (
                f"{file} line {number}: the pattern" if file else f"line {number}: the pattern {pattern!r}"
            )
            problems.append(f"{which} {problem}")
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
    segments = path.removeprefix("/").split("/")
    if segments.count("**") > _MOST_DOUBLE_STARS:
        return "has more than two `**`, which can take very long; write one for the directories between"
    for segment in segments:
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


def _input_problem(pattern: str) -> str:
    r"""Say what is wrong with a pattern from an input, where people try other notations for lists.

    Each of these mistakes has deleted files that `keep` should have kept.
    """
    first, last = pattern[0], pattern[-1]
    is_framed = first.isspace() or not (first + last).isprintable()
    problems = {
        "begins or ends with an invisible character; remove it": is_framed,
        "begins with a dash, as in a YAML list; write the pattern alone, one a line": pattern[:2] == "- ",
        "has quotes around it; remove them": first + last in _QUOTES,
        "is written as a list; write one pattern a line": pattern[:2] in {'["', "['"},
        r"has `\n` in it; break the line there, one pattern a line": r"\n" in pattern,
        "has a line break that git does not know; write one pattern a line": len(pattern.splitlines()) > 1,
        r"has a comma; write one pattern a line, and `\,` for a comma itself": has_comma(pattern),
    }
    return next((problem for problem, applies in problems.items() if applies), "")


def names_directory(pattern: str, directory: Path) -> bool:
    """Whether a pattern begins with the directory's name, and the directory has no such subdirectory."""
    first, slash, _ = pattern.removeprefix("!").removeprefix("/").partition("/")
    return bool(slash) and first == directory.resolve().name and not (directory / first).is_dir()

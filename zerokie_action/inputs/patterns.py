r"""Reads the gitignore patterns of inputs and ignore files, and refuses patterns that git reads differently.

pathspec reads most patterns as git does. Any other pattern, and a pattern that can never match, is refused
with advice on what to write instead, because a misread `keep` deletes files.
"""

import re
from collections.abc import Iterable

_QUOTES = ('""', "''", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")
"""Straight quotes, and typographic quotes from word processors."""
_ESCAPED = re.compile(r"\\.|\[[!^]?\]?[^]]*\]")
"""An escaped character, or brackets, in which a comma is a comma."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe0e\ufe0f\uffa0"
"""Characters that show nothing, although `isprintable` accepts them."""

# The brackets allow only sets with the same meaning for git and Python's `re`: ASCII characters that are
# special to neither, ranges of letters or digits, and a `-` at either end.
_TOKEN = re.compile(
    r"""\\. | \*(?!\*) | [^\\*\[]
    | \[ (?![]!^]) (?P<set> -? (?:[0-9A-Za-z]-[0-9A-Za-z] | [\t\r\ !-%'-,.0-Z^-{}])* -? ) \]""",
    re.DOTALL | re.VERBOSE,
)
_RANGE = re.compile("(.)-(.)")
_MOST_DOUBLE_STARS = 2
_ADVICE = {
    "\\": r"has a backslash that escapes nothing; remove it, or write `\\` for the character",
    "*": "has `**` beside other characters; write `*`, or `**` between slashes for any directories",
    "[": "has brackets that git reads differently; write ASCII letters, digits and ascending ranges "
    r"of them, as in [0-9A-Za-z_], without classes or negation, or `\[` for the character itself",
}


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
    """Why a pattern is refused, and what to write instead; empty if git and pathspec agree on it."""
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
    r"""The problem with a pattern from an input, where people try other notations for lists; empty if none.

    Each of these mistakes has deleted files that `keep` should have kept.
    """
    pattern = pattern.removeprefix("!") or pattern
    first, last = pattern[0], pattern[-1]
    is_framed = first.isspace() or first in _BLANK or not (first + last).isprintable()
    has_comma = "," in _ESCAPED.sub("", pattern)
    problems = {
        "begins or ends with an invisible character; remove it": is_framed,
        "begins with a dash, as in a YAML list; write the pattern alone, one a line": pattern[:2] == "- ",
        "has quotes around it; remove them": first + last in _QUOTES,
        "is written as a list; write one pattern a line": pattern[:2] in {'["', "['"},
        r"has `\n` in it; break the line there, one pattern a line": r"\n" in pattern,
        "has a line break that git does not know; write one pattern a line": len(pattern.splitlines()) > 1,
        r"has a comma; write one pattern a line, and `\,` for a comma itself": has_comma,
    }
    return next((problem for problem, applies in problems.items() if applies), "")

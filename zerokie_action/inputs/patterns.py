"""Gitignore patterns from inputs and ignore files.

pathspec reads most patterns as Git does. This module refuses all other patterns, and those that can never
match, with the fix, because a misread `keep` pattern deletes files.
"""

import re
from collections.abc import Iterable

_QUOTES = ('""', "''", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")
"""Pairs of straight and typographic quotes."""
_ESCAPED = re.compile(r"\\.|\[[!^]?\]?[^]]*\]")
"""An escaped character or a bracket expression, where a comma doesn't separate patterns."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe0e\ufe0f\uffa0"
"""Invisible characters that `isprintable` accepts."""

# Git and Python's `re` must agree on the set in brackets. It may contain ASCII characters that are special to
# neither, ranges of letters or digits, and a `-` at either end.
_TOKEN = re.compile(
    r"""\\. | \*(?!\*) | [^\\*\[]
    | \[ (?![]!^]) (?P<set> -? (?:[0-9A-Za-z]-[0-9A-Za-z] | [\t\r\ !-%'-,.0-Z^-{}])* -? ) \]""",
    re.DOTALL | re.VERBOSE,
)
_RANGE = re.compile("(.)-(.)")
_MOST_DOUBLE_STARS = 2
_ADVICE = {
    "\\": r"has a backslash that escapes nothing. Remove it, or write `\\` for a backslash",
    "*": "has `**` next to other characters. Write `*`, or `**` between slashes for any folders",
    "[": "has brackets that Git reads differently. Write ASCII letters, digits and ascending ranges, as in "
    r"[0-9A-Za-z_], without classes or negation, or `\[` for a bracket",
}


def parse_patterns(lines: Iterable[str], file: str = "") -> tuple[list[str], list[str]]:
    """Return the patterns in the lines of an input or ignore file, and the problems with refused lines.

    Each problem has the line number, the cause and the fix. It doesn't quote a line from a file, because
    another file may have replaced it. Lines of an input are also checked for other notations of lists.
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
    """Return the line without the trailing spaces that Git drops: all but one after a backslash."""
    kept = line.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 and len(kept) < len(line)
    return kept + " " if escaped else kept


def _problem(pattern: str) -> str:
    """Return the problem with a pattern and the fix; empty if Git and pathspec agree on it."""
    path = pattern.removeprefix("!").removesuffix("/")
    # pathspec strips all whitespace at the end, even before a final slash, but Git strips only spaces.
    if path != path.rstrip() and not path.endswith("\\ "):
        return r"ends in whitespace. Write `\ ` for a space at the end, or `?` for another character"
    segments = path.removeprefix("/").split("/")
    if segments.count("**") > _MOST_DOUBLE_STARS:
        return "has more than two `**`, which can be very slow. Write one `**` for all folders between"
    for segment in segments:
        if segment in {"", ".", ".."}:
            return (
                "can never match, because no path has an empty segment, '.' or '..'. "
                "Write it relative to the folder"
            )
        position = 0
        while segment != "**" and position < len(segment):
            token = _TOKEN.match(segment, position)
            if token is None or any(low > high for low, high in _RANGE.findall(token["set"] or "")):
                return _ADVICE[segment[position]]
            position = token.end()
    return ""


def _input_problem(pattern: str) -> str:
    """Return the problem with a pattern in another notation for lists; empty if there is none.

    Each of these mistakes would delete files that `keep` was meant to protect.
    """
    pattern = pattern.removeprefix("!") or pattern
    first, last = pattern[0], pattern[-1]
    is_framed = first.isspace() or first in _BLANK or not (first + last).isprintable()
    has_line_break = len(pattern.splitlines()) > 1
    has_comma = "," in _ESCAPED.sub("", pattern)
    problems = {
        "starts or ends with an invisible character. Remove it": is_framed,
        "starts with a dash, as in a YAML list. Write only the pattern, one per line": pattern[:2] == "- ",
        "is in quotes. Remove the quotes": first + last in _QUOTES,
        "is written as a list. Write one pattern per line": pattern[:2] in {'["', "['"},
        r"contains `\n`. Break the line there, with one pattern per line": r"\n" in pattern,
        "contains a line break that Git doesn't know. Write one pattern per line": has_line_break,
        r"contains a comma. Write one pattern per line, or `\,` for a comma": has_comma,
    }
    return next((problem for problem, applies in problems.items() if applies), "")

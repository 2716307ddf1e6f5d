r"""Patterns of files to ignore or to keep: `.gitignore` patterns, checked here and translated by pathspec.

Git judges each entry (a file or a directory) by its own path, and a directory before its content. The last
matching pattern decides. pathspec reads most patterns as git does. Any other pattern, and a pattern that
can never match, is refused with advice on what to write instead, because a misread `keep` deletes files. The
tests compare this module with `git check-ignore`.

One difference remains, on purpose: `?` matches one character, where git matches one byte.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

IGNORE_FILE = ".zerokieignore"
"""The name of the ignore file."""

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
_STAR_BEFORE_STAR = re.compile(
    r"""\[\^/\]\*                                           # pathspec's expression for a star
    ((?: \\. | \[\^/\](?!\*) | \[(?!\^/\])[^]]*\] | [^\\/\[(] )+?)  # characters, `?` and sets
    (?=\[\^/\]\*)""",
    re.DOTALL | re.VERBOSE,
)
_ANYWHERE = "^(?:.+/)?"
"""The beginning of pathspec's expressions for patterns without a slash."""
_END_OR_BELOW = "(?:(?P<ps_d>/)|$)"
"""The end of pathspec's expressions."""
_EXPRESSION = f"{_ANYWHERE}a[^/]*b[^/][0-9]{_END_OR_BELOW}"
"""pathspec's expression for `a*b?[0-9]`. `_compile` takes it apart: a misread one would publish a secret."""
if GitIgnoreSpecPattern.pattern_to_regex("a*b?[0-9]") != (_EXPRESSION, True):
    raise ImportError("This version of pathspec writes other expressions than those that are known here")
_NOTHING = "(?!)"
"""An expression that never matches."""
_MOST_DOUBLE_STARS = 2
_MOST_JOINED = 64
"""The most patterns of a joint expression: no signal handler or other thread runs while it is searched."""
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
        # Of each pattern: its expression, whether it ignores, and whether it matches directories only.
        self._patterns = [
            (_compile(text.removesuffix("/")), not text.startswith("!"), text.endswith("/"))
            for text in patterns
        ]
        # Most entries match nothing. Testing joint expressions first takes a tenth of the time.
        ignoring = [expression.pattern for expression, ignores, _ in self._patterns if ignores]
        self._joint = [
            _join(ignoring[at : at + _MOST_JOINED]) for at in range(0, len(ignoring), _MOST_JOINED)
        ]
        self._directories = {"": False}

    def match_entry(self, path: str, *, is_directory: bool) -> bool:
        """Whether the entry itself is matched. The caller has checked the directories above the entry.

        `path` is relative, with `/` between its segments and no `/` at its end.
        """
        if any(joint.search(path) for joint in self._joint):
            return bool(self._judge(path, is_directory=is_directory))
        return False

    def match_path(self, path: str, *, is_directory: bool = False) -> bool:
        """Whether the file or directory at `path`, or a directory above it, is matched."""
        above = path.rpartition("/")[0]
        if above not in self._directories:
            is_matched = False
            for slash in re.finditer(r"/|\Z", above):
                directory = above[: slash.start()]
                is_matched = is_matched or self.match_entry(directory, is_directory=True)
                self._directories[directory] = is_matched
        return self._directories[above] or self.match_entry(path, is_directory=is_directory)

    def unmatched(self, paths: Iterable[str]) -> set[str]:
        """The paths of files that the patterns do not match."""
        return {path for path in paths if not self.match_path(path)}

    def includes(self, path: str) -> bool:
        """Whether the last pattern that matches the file itself is negated."""
        return self._judge(path, is_directory=False) is False

    def _judge(self, path: str, *, is_directory: bool) -> bool | None:
        """Whether the last pattern that matches the entry itself ignores it; None without such a pattern."""
        for expression, ignores, is_for_directories in reversed(self._patterns):
            if (is_directory or not is_for_directories) and expression.search(path):
                return ignores
        return None


def _join(expressions: Sequence[str]) -> re.Pattern[str]:
    """An expression that matches what any of these expressions matches."""
    names = [text.removeprefix(_ANYWHERE) for text in expressions if text.startswith(_ANYWHERE)]
    others = [text for text in expressions if not text.startswith(_ANYWHERE)]
    return re.compile("|".join((*others, f"{_ANYWHERE}(?:{'|'.join(names) or _NOTHING})")), re.DOTALL)


def _compile(pattern: str) -> re.Pattern[str]:
    """An expression that matches what the pattern itself matches, but nothing below that.

    Stars don't make the match slow. A star that another star follows takes the shortest text after which the
    characters between the two match, and is not tried again: what a longer text would skip, the next star
    matches as well. The last star of a segment is as in pathspec's expression.
    """
    expression, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    expression = _STAR_BEFORE_STAR.sub(r"(?>[^/]*?\1)", expression or _NOTHING)
    return re.compile(expression.replace(_END_OR_BELOW, r"\Z"), re.DOTALL)


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


def names_directory(pattern: str, directory: Path) -> bool:
    """Whether a pattern begins with the directory's name, and the directory has no such subdirectory."""
    first, slash, _ = pattern.removeprefix("!").removeprefix("/").partition("/")
    return bool(slash) and first == directory.resolve().name and not (directory / first).is_dir()

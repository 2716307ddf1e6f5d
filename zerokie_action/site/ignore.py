"""Matches paths against gitignore patterns, which pathspec translates.

Git judges each entry (a file or a directory) by its own path, and a directory before its content. The last
matching pattern decides. The tests compare this module with `git check-ignore`. One difference remains, on
purpose: `?` matches one character, where git matches one byte.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

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
_MOST_JOINED = 64
"""The most patterns of a joint expression: no signal handler or other thread runs while it is searched."""


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


@cache
def compiled(patterns: tuple[str, ...]) -> Patterns:
    """Return the compiled patterns of an input."""
    return Patterns(patterns)


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


def names_directory(pattern: str, directory: Path) -> bool:
    """Whether a pattern begins with the directory's name, and the directory has no such subdirectory."""
    first, slash, _ = pattern.removeprefix("!").removeprefix("/").partition("/")
    return bool(slash) and first == directory.resolve().name and not (directory / first).is_dir()

"""Gitignore patterns that match paths as Git does. `site.scan` decides which files are left out.

pathspec translates each pattern into a regular expression. Git tests each entry (a file or a folder) by its
own path, and a folder before its content. The last matching pattern decides. The tests compare this module
with `git check-ignore`. One intended difference remains: `?` matches one character, but in Git one byte.
`site.rules` lists the default patterns.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

# These are the parts of pathspec's expressions that this module looks for.
_STAR = "[^/]*"
_ANYWHERE = "^(?:.+/)?"
"""The start of the expression of a pattern without a slash."""
_END_OR_BELOW = "(?:(?P<ps_d>/)|$)"
"""The end of an expression, which also matches everything below a folder."""

# If another version of pathspec wrote other expressions, this module would misread them and publish secrets.
_EXPRESSION = f"{_ANYWHERE}a{_STAR}b[^/][0-9]{_END_OR_BELOW}"
if GitIgnoreSpecPattern.pattern_to_regex("a*b?[0-9]") != (_EXPRESSION, True):
    raise ImportError("This version of pathspec writes other expressions than this module can read")

_STAR_BEFORE_STAR = re.compile(
    rf"""{re.escape(_STAR)}
    ( (?: \\.                  # an escaped character
        | \[\^/\](?!\*)         # `?`
        | \[(?!\^/\])[^]]*\]    # a set
        | [^\\/\[(]             # any other character
      )+? )
    (?={re.escape(_STAR)})""",
    re.DOTALL | re.VERBOSE,
)
"""A star and the text (group 1) up to the next star of the same segment."""
_NOTHING = "(?!)"
"""An expression that never matches."""
_MOST_JOINED = 64
"""The most patterns in one expression, because a search blocks signal handlers and other threads."""


class Patterns:
    """Compiled patterns in their order. A later pattern overrides an earlier one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile patterns that `parse_patterns` returned."""
        # Each pattern has an expression, and flags: whether it ignores, and whether it matches only folders.
        self._patterns = [
            (_compile(text.removesuffix("/")), not text.startswith("!"), text.endswith("/"))
            for text in patterns
        ]
        # Most entries match no pattern, so it is ten times as fast to search joint expressions first.
        ignoring = [expression.pattern for expression, ignores, _ in self._patterns if ignores]
        self._joint = [
            _join(ignoring[at : at + _MOST_JOINED]) for at in range(0, len(ignoring), _MOST_JOINED)
        ]
        self._directories = {"": False}

    def match_entry(self, path: str, *, is_directory: bool) -> bool:
        """Return whether the patterns ignore the entry itself, without the folders above it.

        `path` is relative, with `/` between its segments and no `/` at its end.
        """
        if any(joint.search(path) for joint in self._joint):
            return bool(self._last_match(path, is_directory=is_directory))
        return False

    def match_path(self, path: str, *, is_directory: bool = False) -> bool:
        """Return whether the patterns ignore the file or folder at `path`, or a folder above it."""
        above = path.rpartition("/")[0]
        if above not in self._directories:
            is_matched = False
            for slash in re.finditer(r"/|\Z", above):
                directory = above[: slash.start()]
                is_matched = is_matched or self.match_entry(directory, is_directory=True)
                self._directories[directory] = is_matched
        return self._directories[above] or self.match_entry(path, is_directory=is_directory)

    def unmatched(self, paths: Iterable[str]) -> set[str]:
        """Return the paths of files that the patterns don't ignore."""
        return {path for path in paths if not self.match_path(path)}

    def includes(self, path: str) -> bool:
        """Return whether the last pattern that matches the file itself is negated."""
        return self._last_match(path, is_directory=False) is False

    def _last_match(self, path: str, *, is_directory: bool) -> bool | None:
        """Return whether the last pattern that matches the entry itself ignores it; None if none matches."""
        for expression, ignores, is_for_directories in reversed(self._patterns):
            if (is_directory or not is_for_directories) and expression.search(path):
                return ignores
        return None


@cache
def compiled(patterns: tuple[str, ...]) -> Patterns:
    """Return the patterns, compiled only once."""
    return Patterns(patterns)


def _join(expressions: Sequence[str]) -> re.Pattern[str]:
    """Return one expression that matches if any of these expressions does."""
    names = [text.removeprefix(_ANYWHERE) for text in expressions if text.startswith(_ANYWHERE)]
    others = [text for text in expressions if not text.startswith(_ANYWHERE)]
    return re.compile("|".join((*others, f"{_ANYWHERE}(?:{'|'.join(names) or _NOTHING})")), re.DOTALL)


def _compile(pattern: str) -> re.Pattern[str]:
    """Return an expression that matches the entries of a pattern, but nothing below them.

    Several stars in one segment must not make a search slow. So a star before another star takes the
    shortest text up to the characters between them, and an atomic group stops it from trying more. This loses
    no match, because the next star can match any text that a longer first star would skip.
    """
    expression, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    expression = _STAR_BEFORE_STAR.sub(r"(?>[^/]*?\1)", expression or _NOTHING)
    return re.compile(expression.replace(_END_OR_BELOW, r"\Z"), re.DOTALL)


def names_directory(pattern: str, directory: Path) -> bool:
    """Return whether a pattern starts with the folder's own name, but the folder has no such subfolder."""
    first, slash, _ = pattern.removeprefix("!").removeprefix("/").partition("/")
    return bool(slash) and first == directory.resolve().name and not (directory / first).is_dir()

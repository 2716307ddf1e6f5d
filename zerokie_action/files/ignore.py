r"""What is ignored and what is kept: `.gitignore` patterns, read by pathspec and checked before that.

Git judges each entry (a file or a directory) by its own name and path, directories before what is in
them, and the last pattern that matches decides. pathspec reads most patterns as git does. A pattern that
it reads in another way, or that can never match, is refused with what to write instead: a misread `keep`
deletes files. The tests hold this module against `git check-ignore`.

One difference remains, on purpose: `?` matches one character, where git matches one byte.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IGNORE_FILE = Path(".zerokieignore")
"""The ignore file, unless the input `ignore-file` names another one."""

_UNWANTED = (
    ".git",  # a file in a worktree
    ".hg/",
    ".svn/",
    "node_modules/",
    ".DS_Store",
    "Thumbs.db",
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
"""Patterns that come before all others; `!pattern` brings one back."""

_TOKEN = re.compile(
    r"(?P<escape>\\.?) | (?P<stars>\*\*+) | (?P<bracket>\[[!^]?\]?[^]]*\]?) | .",
    re.DOTALL | re.VERBOSE,
)
# What means the same to git and to Python's `re`: ASCII characters that are special to neither, ranges of
# letters or digits, and a `-` at either end.
_PORTABLE_BRACKET = re.compile(
    r"\[(?![!^]) -? (?:[0-9A-Za-z]-[0-9A-Za-z] | [\t\r\ !-%'-,.0-Z^-{}])* -? \]", re.VERBOSE
)
_RANGE = re.compile("([0-9A-Za-z])-([0-9A-Za-z])")


class Patterns:
    """Compiled patterns, in the order in which they were given: a later one overrides an earlier one."""

    __slots__ = ("_directories", "_directory_spec", "_file_spec")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile patterns that `parse_patterns` returned."""
        patterns = tuple(patterns)
        # pathspec judges whole paths: when it is given a directory as `a/`, a pattern such as `*` outranks
        # a later `!*/`. So a directory is judged as if it were a file, by patterns without the slash that
        # asks for a directory. Of those with a slash, files need the negated ones alone: pathspec applies
        # patterns to what is in a matched directory, and a negated one ends that.
        self._directory_spec = _Spec(pattern.removesuffix("/") for pattern in patterns)
        self._file_spec = _Spec(
            pattern for pattern in patterns if pattern.startswith("!") or not pattern.endswith("/")
        )
        self._directories: dict[str, bool] = {}

    def match_entry(self, path: str, *, is_directory: bool) -> bool:
        """Whether the entry itself is matched, when none of the directories that it is in is.

        `path` is relative, `/` between its segments and none at its end.
        """
        spec = self._directory_spec if is_directory else self._file_spec
        return spec.match(_in_one_line(path))

    def brings_back(self, path: str) -> bool:
        """Whether the last pattern that matches the file at `path` is one with `!` that names the file.

        One for everything, or for a directory that the file is in, does not.
        """
        return self._file_spec.brings_back(_in_one_line(path))

    def match_file(self, path: str) -> bool:
        """Whether the file at `path` is matched, or one of the directories that it is in."""
        directory, _, _ = path.rpartition("/")
        return self._match_directory(directory) or self.match_entry(path, is_directory=False)

    def _match_directory(self, path: str) -> bool:
        if not path:
            return False
        known = self._directories.get(path)
        if known is None:
            parent, _, _ = path.rpartition("/")
            known = self._match_directory(parent) or self.match_entry(path, is_directory=True)
            self._directories[path] = known
        return known


class IgnoreRules(NamedTuple):
    """What is not deployed.

    Attributes:
        file: the ignore file that was read, if there is one.
        patterns: the defaults, the ignore file and the input `ignore`, in this order.
        without_secrets: the same without the defaults for what holds secrets.
    """

    file: Path | None
    patterns: Patterns
    without_secrets: Patterns


def ignore_rules(
    directory: Path, *, ignore_file: Path, ignore: Sequence[str]
) -> tuple[IgnoreRules, list[str]]:
    """Combine all that says what is ignored. The ignore file itself is, in each place where it may be.

    Returns the rules, of the patterns that are right, and a sentence for each thing that is wrong.
    """
    location, problem = find_ignore_file(directory, ignore_file)
    lines: list[str] = []
    if location is not None:
        lines, problem = _read_lines(location)
    problems = [f"`ignore-file`: {problem}"] if problem else []
    own = [*_own_patterns(directory, ignore_file)]
    for more_patterns, more_problems in (
        parse_patterns(lines, repr(str(location))),
        parse_patterns(ignore, "`ignore`"),
    ):
        own += more_patterns
        problems += more_problems
    return IgnoreRules(location, Patterns((*DEFAULT_IGNORE, *own)), Patterns((*_UNWANTED, *own))), problems


def ignore_file_places(
    directory: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path, Path]:
    """Where the ignore file is looked for: in the directory, then in the working directory."""
    return Path(directory, ignore_file), Path(ignore_file)


def find_ignore_file(
    directory: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path | None, str]:
    """Return the ignore file to read, if there is one; and what is wrong, if one has to be there."""
    for place in ignore_file_places(directory, ignore_file):
        if os.path.lexists(place):
            return place, ""
    if Path(ignore_file) == IGNORE_FILE:
        return None, ""
    where = "neither in `directory` nor in the working directory"
    return None, f"{str(ignore_file)!r} is {where}; correct the path, or leave it out"


def literal_pattern(path: str) -> str:
    """The pattern that matches nothing but `path`, as the ignore file and the inputs take it."""
    pattern = "/" + GitIgnoreSpecPattern.escape(_in_one_line(path)).replace(",", r"\,")
    return pattern[:-1] + r"\ " if pattern.endswith(" ") else pattern


def parse_patterns(lines: Iterable[str], origin: str) -> tuple[list[str], list[str]]:
    """Read the lines of an input or of an ignore file, without their line ends.

    Returns the patterns, and a sentence for each line that is refused: in which line of `origin` it is,
    what is wrong with it, and what to write instead.
    """
    patterns: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        pattern = _without_trailing_spaces(line)
        if not pattern or pattern.startswith("#"):
            continue
        if problem := _problem(pattern):
            problems.append(f"{origin} line {number}: the pattern {pattern!r} {problem}")
        else:
            patterns.append(pattern)
    return patterns, problems


_IN_DIRECTORY = "ps_d"
"""The group of pathspec's expressions that matches when a file is in a directory that a pattern matches."""


class _Spec:
    """Judges single entries."""

    __slots__ = ("_any", "_patterns", "_spec")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        # The default takes another engine where re2 or hyperscan is installed.
        self._spec = GitIgnoreSpec.from_lines(self._patterns, backend="simple")
        # Nearly no entry matches any pattern. One expression tells that in a third of the time.
        expressions = [
            pattern.regex.pattern for pattern in self._spec.patterns if pattern.include and pattern.regex
        ]
        self._any = re.compile("|".join(expressions).replace(f"(?P<{_IN_DIRECTORY}>", "(?:") or "(?!)")

    def match(self, path: str) -> bool:
        return self._any.search(path) is not None and self._spec.match_file(path)

    def brings_back(self, path: str) -> bool:
        found = self._spec.check_file(path)
        if found.include is not False or found.index is None:
            return False
        name = self._patterns[found.index].rpartition("/")[2].removeprefix("!")
        matched = self._spec.patterns[found.index].match_file(path)
        return bool(name.strip("*?")) and not matched.match.groupdict().get(_IN_DIRECTORY)


def _in_one_line(path: str) -> str:
    # pathspec's expressions take a line break for an end. No pattern has a NUL, so wildcards match it alone.
    return path.replace("\n", "\0")


def _own_patterns(directory: Path, ignore_file: Path) -> Iterator[str]:
    """What leaves out the ignore file, wherever in the directory it may be."""
    root = os.path.realpath(directory)
    for place in ignore_file_places(directory, ignore_file):
        path = Path(os.path.realpath(place.parent), place.name)
        if path.is_relative_to(root) and place.name:
            yield literal_pattern(path.relative_to(root).as_posix())


def _without_trailing_spaces(line: str) -> str:
    """Drop what git drops: spaces only, and none that a backslash escapes."""
    kept = line.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 and len(kept) < len(line)
    return kept + " " if escaped else kept


def _problem(pattern: str) -> str:
    """Say why a pattern is refused and what to write instead; empty when git and pathspec agree on it."""
    path = pattern.removeprefix("!").removesuffix("/")
    if "\0" in pattern:
        return "has a NUL; remove it"
    # pathspec drops white space of any kind, and does so after the slash is gone.
    if path != path.rstrip() and not path.endswith("\\ "):
        return (
            r"ends in white space; write `\ ` for a space at the end of a name and `?` for another character"
        )
    if path in {"", "/"}:
        return "can never match: it names nothing; remove it"
    problems = map(_segment_problem, path.removeprefix("/").split("/"))
    return next(filter(None, problems), "")


def _segment_problem(segment: str) -> str:
    if not segment:
        return "can never match: no path has '//' in it; write '/'"
    if segment in {".", ".."}:
        return "can never match: no path has '.' or '..' in it; paths start at the directory, without './'"
    if segment == "**":
        return ""
    return next(filter(None, map(_token_problem, _TOKEN.finditer(segment))), "")


def _token_problem(token: re.Match[str]) -> str:
    if token[0] == "\\":
        return r"has a backslash that escapes nothing; remove it, or write `\\` for the character"
    if token.lastgroup == "stars":
        return "has `**` beside other characters; write `*`, or `**` between slashes for any directories"
    return _bracket_problem(token[0]) if token.lastgroup == "bracket" else ""


def _bracket_problem(bracket: str) -> str:
    if not bracket.endswith("]") or bracket in {"[]", "[!]", "[^]"}:
        return r"can never match: its '[' has no ']' in the same segment; write `\[` for the character"
    if "[:" in bracket:
        return f"has a character class, {bracket!r}; write ranges and characters, such as [0-9A-Za-z_]"
    if bracket.startswith(("[!", "[^")):
        return (
            f"has a negated set, {bracket!r}; write the characters that should match, "
            "or `?` in its place and after it a pattern with `!` for each exception"
        )
    if not _PORTABLE_BRACKET.fullmatch(bracket) or any(low > high for low, high in _RANGE.findall(bracket)):
        return (
            f"has {bracket!r}; in brackets write ASCII characters other than [ ] \\ / & | ~, and ranges "
            "that go up from letter to letter or digit to digit, or write a pattern for each"
        )
    return ""


def _read_lines(location: Path) -> tuple[list[str], str]:
    """Return the lines of the ignore file, or else why it cannot be used."""
    try:
        # Asked first, as opening a FIFO would wait for somebody to write to it.
        if not location.is_file():
            return [], f"{str(location)!r} is not a file; name a text file with one pattern per line"
        text = location.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return [], f"{str(location)!r} cannot be read ({error.strerror}); make it readable or remove it"
    except UnicodeDecodeError:
        return [], f"{str(location)!r} is not UTF-8 text; save it as UTF-8"
    return [line.removesuffix("\r") for line in text.split("\n")], ""

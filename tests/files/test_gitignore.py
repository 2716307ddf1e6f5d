from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.files.gitoracle import patterns, trees, write_tree
from zerokie_action.files.gitignore import Patterns, literal, parse


def matched(lines: list[str], *files: str) -> list[str]:
    rules, problems = parse(lines)
    assert problems == []
    compiled = Patterns(rules)
    return [file for file in files if compiled.match_file(file)]


@settings(max_examples=200, deadline=None)
@given(lines=patterns, files=trees)
def test_git_agrees(git, lines, files):
    """Whatever the patterns and the files: what git ignores, and nothing else, is matched."""
    # A carriage return is the end of a line for git, and no business of `parse`.
    lines = [line.rstrip("\r") for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), files)
        expected = git.ignored(Path(folder), lines, files)
    rules, _ = parse(lines)
    compiled = Patterns(rules)
    assert {file for file in files if compiled.match_file(file)} == expected


CLASSES = (
    "alnum",
    "alpha",
    "blank",
    "cntrl",
    "digit",
    "graph",
    "lower",
    "print",
    "punct",
    "space",
    "upper",
    "xdigit",
)


def test_git_agrees_about_the_characters_of_each_class(git, tmp_path):
    """Every ASCII character that can be in a name, in every class."""
    files = [f"a{chr(code)}" for code in range(1, 128) if chr(code) != "/"]
    write_tree(tmp_path, files)
    ours = {name: set(matched([f"a[[:{name}:]]"], *files)) for name in CLASSES}
    assert ours == {name: git.ignored(tmp_path, [f"a[[:{name}:]]"], files) for name in CLASSES}


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        (["*.log"], ["a.log", "x/a.log", "a.log.txt"], ["a.log", "x/a.log"]),
        (["/a"], ["a", "x/a"], ["a"]),
        (["x/a"], ["x/a", "y/x/a"], ["x/a"]),
        (["build/"], ["build/a", "x/build/a", "build"], ["build/a", "x/build/a"]),
        (["*.log", "!keep.log"], ["a.log", "keep.log"], ["a.log"]),
        (["!keep.log", "*.log"], ["keep.log"], ["keep.log"]),
        (["a/**"], ["a/b/c", "a/b", "a"], ["a/b/c", "a/b"]),
        (["**/b"], ["b", "a/b", "a/b/c", "a/bb"], ["b", "a/b", "a/b/c"]),
        (["a/**/b"], ["a/b", "a/x/y/b", "ab"], ["a/b", "a/x/y/b"]),
        (["a/*"], ["a/b", "a/b/c", "x/a/b"], ["a/b", "a/b/c"]),
        (["*/a"], ["a", "x/a", "x/y/a"], ["x/a"]),
        (["x**/a"], ["x/a", "xy/a", "x/y/a"], ["x/a", "xy/a"]),
        (["a?c", "x[!y]z"], ["abc", "a/c", "x/z", "xyz", "xaz"], ["abc", "xaz"]),
        (["a/*/b"], ["a/x/b", "a/b", "a/x/y/b"], ["a/x/b"]),
        (["a/**", "!a/b/"], ["a/b/c"], ["a/b/c"]),
        (["a/**\\/b"], ["a/x/y/b", "a/x/b", "a/b"], ["a/x/y/b", "a/x/b"]),
        (["[ab]"], ["a", "b", "c", "X"], ["a", "b"]),
        (["[[:]"], ["[", ":", "a"], ["[", ":"]),
        (["[[:a]"], ["[", ":", "a", "b"], ["[", ":", "a"]),
        (["a\\  ", "b\\\\ ", "c\\\\\\ ", "X "], ["a ", "b\\", "c\\ ", "X"], ["a ", "b\\", "c\\ ", "X"]),
        (["", "# not a pattern", "   "], ["# not a pattern", "a"], []),
        (["\\#a", "\\!b", "c\\ "], ["#a", "!b", "c ", "c"], ["#a", "!b", "c "]),
    ],
)
def test_rules_of_the_manual(lines, files, expected):
    """What git's manual says about each kind of pattern."""
    assert matched(lines, *files) == expected


def test_what_lies_in_an_ignored_folder_cannot_be_brought_back():
    """`!` does not reach into an ignored folder; it does when only the folder's content is ignored."""
    assert matched(["build/", "!build/keep"], "build/keep") == ["build/keep"]
    assert matched(["build/*", "!build/keep"], "build/keep", "build/a") == ["build/a"]


def test_a_character_is_one_character():
    """`?` and `[…]` match a character, not a byte of it; names may hold line ends."""
    assert matched(["?.txt"], "é.txt", "ée.txt", "\n.txt") == ["é.txt", "\n.txt"]
    assert matched(["[äöü]"], "ö", "o") == ["ö"]
    assert matched(["[à-ü]x"], "éx", "zx") == ["éx"]
    assert matched(["a"], "a\n", "x\ny/a") == ["x\ny/a"]


def test_a_verdict_about_a_folder_is_remembered_per_folder():
    """Asking again, and about a neighbour, gives the same answers."""
    rules, _ = parse(["x/a/"])
    compiled = Patterns(rules)
    questions = ["x/a/1", "x/a/2", "x/b/1", "x/a/1", "x/a"]
    assert [compiled.match_file(file) for file in questions] == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a\\", "the backslash at its end escapes nothing"),
        ("[a", "its '[' has no ']'"),
        ("[", "its '[' has no ']'"),
        ("[!", "its '[' has no ']'"),
        ("[]", "its '[' has no ']'"),
        ("[a-", "its '[' has no ']'"),
        ("[a\\", "its '[' has no ']'"),
        ("[[:letters:]]", "there is no class '[:letters:]'"),
        ("/", "it names nothing"),
        ("!", "it names nothing"),
        ("a//b", "no path has two slashes in a row"),
        ("./a", "no path has '.' or '..' in it; paths start at the folder"),
        ("!a/../b", "no path has '.' or '..' in it; paths start at the folder"),
    ],
)
def test_patterns_that_can_never_match_are_reported(pattern, why):
    """A slip of the pen is named, with its line; the other lines count."""
    rules, problems = parse(["# first", pattern, "b"])
    assert problems == [(2, f"the pattern {pattern!r} can never match: {why}")]
    assert Patterns(rules).match_file("b")


def test_a_literal_matches_itself_only():
    """Whatever is in a name, it stands for itself."""
    compiled = Patterns([literal("a/[b]*.txt")])
    assert compiled.match_file("a/[b]*.txt")
    assert not compiled.match_file("a/bx.txt")
    assert not compiled.match_file("x/a/[b]*.txt")

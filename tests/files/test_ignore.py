from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.files.gitoracle import paths, patterns
from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import (
    DEFAULT_IGNORE,
    Patterns,
    input_problem,
    keep_patterns,
    names_directory,
    parse_patterns,
)

ORDINARY = Path(__file__).with_name("ordinary_patterns.txt")
cases = st.lists(
    st.tuples(patterns, st.lists(paths, min_size=1, max_size=6, unique=True)), min_size=20, max_size=30
)


def matched(lines: list[str], *files: str) -> list[str]:
    accepted, problems = parse_patterns(lines, "test")
    assert problems == []
    compiled = Patterns(accepted)
    return [file for file in files if compiled.match_file(file)]


def reason(pattern: str) -> str:
    """Why a pattern is refused; empty when it is not."""
    _, problems = parse_patterns([pattern], "test")
    return "".join(problems).removeprefix(f"test line 1: the pattern {pattern!r} ")


class TestGit:
    @settings(max_examples=100, deadline=None)
    @given(cases=cases)
    def test_equal_or_refused(self, git, cases):
        """Thousands of ignore files: a line is refused, or ignores what it ignores for git."""
        cases = [([line for line in lines if not reason(line)], files) for lines, files in cases]
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error")  # `re` warns of what it may read in another way one day
            expected = git.ignored_in_each(Path(folder), cases)
            found = [set(matched(lines, *files)) for lines, files in cases]
        assert found == expected

    @settings(max_examples=50, deadline=None)
    @given(cases=cases)
    def test_equal_or_refused_for_keep(self, git, cases):
        """The same of `keep`: a remote path stays where git would ignore it, and nowhere else."""
        accepted = []
        for texts, files in cases:
            # What an input's lines are before anybody reads them as patterns.
            lines = tuple("" if line.startswith("#") else line.lstrip() for line in texts)
            try:
                accepted.append((lines, files, keep_patterns(lines)))
            except ConfigurationError as error:
                assert all(problem.startswith("`keep` line ") for problem in error.problems)  # noqa: PT017
        with tempfile.TemporaryDirectory() as folder:
            expected = git.ignored_in_each(Path(folder), [(lines, files) for lines, files, _ in accepted])
        assert [{file for file in files if keep.match_file(file)} for _, files, keep in accepted] == expected


class TestAccepted:
    def test_ordinary_patterns(self):
        """Hundreds of lines of the templates at github.com/github/gitignore are taken."""
        lines = [*ORDINARY.read_text("utf-8").splitlines(), "Icon[\r]"]
        assert [line for line in lines if reason(line)] == []

    def test_the_defaults(self):
        """They obey the rules that they come before."""
        assert parse_patterns(DEFAULT_IGNORE, "test") == (list(DEFAULT_IGNORE), [])

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
            (["a/**/"], ["a/b", "a/b/c"], ["a/b/c"]),
            (["a/*"], ["a/b", "a/b/c", "x/a/b"], ["a/b", "a/b/c"]),
            (["*/a"], ["a", "x/a", "x/y/a"], ["x/a"]),
            (["a?c"], ["abc", "a/c"], ["abc"]),
            (["a/*/b"], ["a/x/b", "a/b", "a/x/y/b"], ["a/x/b"]),
            (["a/**", "!a/b/"], ["a/b/c"], ["a/b/c"]),
            (["a", "!a/"], ["a/b", "x/a"], ["x/a"]),
            (["[ab]"], ["a", "b", "c", "X"], ["a", "b"]),
            (["a\\  ", "b\\\\ ", "c\\\\\\ ", "X "], ["a ", "b\\", "c\\ ", "X"], ["a ", "b\\", "c\\ ", "X"]),
            (["", "# not a pattern", "   "], ["# not a pattern", "a"], []),
            (["\\#a", "\\!b", "c\\ "], ["#a", "!b", "c ", "c"], ["#a", "!b", "c "]),
        ],
    )
    def test_rules_of_the_manual(self, lines, files, expected):
        """What git's manual says about each kind of pattern."""
        assert matched(lines, *files) == expected

    def test_everything_but_one_kind_of_file(self):
        """`!*/` opens the directories again."""
        assert matched(["*", "!*/", "!*.txt"], "a.txt", "a/b.txt", "a/b") == ["a/b"]
        assert matched(["a/**", "!a/**/", "!a/**/*.txt"], "a/b.txt", "a/c/b.txt", "a/c/b") == ["a/c/b"]

    def test_what_lies_in_an_ignored_directory_cannot_be_brought_back(self):
        """`!` does not reach into an ignored directory, only into one whose content is ignored."""
        assert matched(["build/", "!build/keep"], "build/keep") == ["build/keep"]
        assert matched(["build/*", "!build/keep"], "build/keep", "build/a") == ["build/a"]

    def test_a_character_is_one_character(self):
        """`?` matches a character, not a byte of it, and that may be a line break."""
        assert matched(["?.txt"], "é.txt", "ée.txt", "\n.txt") == ["é.txt", "\n.txt"]

    def test_line_breaks_in_names(self):
        """They are characters like any other, at the end, in the middle and in a directory's name."""
        assert matched(["a"], "a\n", "x\ny/a", "a\nb", "a\n/b") == ["x\ny/a"]
        assert matched(["*.d/", "x/**/z"], "a\nb.d/c", "x/y\ny/z") == ["a\nb.d/c", "x/y\ny/z"]

    def test_a_verdict_about_a_directory_is_remembered_per_directory(self):
        """Asking again, and about a neighbour, gives the same answers."""
        compiled = Patterns(["x/a/"])
        questions = ["x/a/1", "x/a/2", "x/b/1", "x/a/1", "x/a"]
        assert [compiled.match_file(file) for file in questions] == [True, True, False, True, False]


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "patterns"),
        [
            ("write `\\\\`", ["a\\", "a\\/b"]),
            ("`**` between slashes", ["a**", "a/**b/c", "***"]),
            (
                "without classes or negation",
                ["[[:alpha:]]", "[![:alpha:]]", "a[!b]c", "[^a]", "[äöü]", "[\\]a]", "[]a]"],
            ),
            ("ascending ranges of them", ["[z-a]", "[+-9]", "[a-c-e]", "[a--]"]),
            ("or `\\[` for the character", ["[a", "[a/b]", "[", "[!", "[]", "[a-"]),
            ("write it from the directory", ["a//b", "/", "!", "./a", "!a/../b"]),
            ("write `\\ `", ["a\t", "a\\\t", "a\u00a0", "a /"]),
        ],
    )
    def test_with_what_to_write_instead(self, words, patterns):
        """A slip of the pen, or what pathspec reads in another way than git."""
        assert {pattern: words in reason(pattern) for pattern in patterns} == dict.fromkeys(patterns, True)

    def test_by_line(self):
        """The problem says where it is; the other lines count."""
        accepted, problems = parse_patterns(["# first", "a//b", "b"], "'file'")
        assert accepted == ["b"]
        (problem,) = problems
        assert problem.startswith("'file' line 2: the pattern 'a//b' can never match")

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("- uploads/", "one a line"),
            ('"uploads/"', "quotes"),
            ("'uploads/'", "quotes"),
            (r"a\nb", "break the line"),
            ("a\u2028b", "line break"),
            ("a\x85b", "line break"),
            ("\ufeffuploads/", "invisible"),
            ("\u200buploads/", "invisible"),
            ("\u00a0uploads/", "invisible"),
            ("a,b", "comma"),
            ("[ab],c", "comma"),
        ],
    )
    def test_in_an_input(self, pattern, words):
        """How people write lists elsewhere: each of these was seen to delete what it should have kept."""
        assert words in input_problem(pattern)

    @pytest.mark.parametrize("pattern", ["-a", "a'", "don't", r"a\,b", "[a,b]", "a b", "!a", "#a"])
    def test_in_an_input_is_fine(self, pattern):
        """Only what looks like another kind of list is refused."""
        assert input_problem(pattern) == ""


def test_the_name_of_the_directory(tmp_path):
    """`dist/a` in `dist` means `dist/dist/a`, which is a mistake unless there is a `dist/dist`."""
    directory = tmp_path / "dist"
    directory.mkdir()
    assert [
        names_directory(pattern, directory) for pattern in ("dist/a", "/dist/a", "!dist/", "dist", "a")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]
    (directory / "dist").mkdir()
    assert not names_directory("dist/a", directory)


class TestCommas:
    def test_a_comma_in_a_name(self):
        """It is a character like any other, as it is to git; so it is behind a backslash or in brackets."""
        assert matched(["a,b"], "a,b", "a", "b") == ["a,b"]
        assert matched(["a\\,b", "c[,]d"], "a,b", "c,d", "a", "b") == ["a,b", "c,d"]

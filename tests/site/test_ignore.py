"""Ignore patterns compared with `git check-ignore`, and the refused patterns."""

import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from tests.site.gitoracle import ignored, paths, patterns
from zerokie_action.inputs.patterns import parse_patterns
from zerokie_action.site import ignore
from zerokie_action.site.ignore import Patterns

ORDINARY = Path(__file__).with_name("ordinary_patterns.txt")
cases = st.lists(
    st.tuples(patterns, st.lists(paths, min_size=1, max_size=6, unique=True)), min_size=20, max_size=30
)


def matched(lines: list[str], *files: str) -> list[str]:
    accepted, problems = parse_patterns(lines, "'file'")
    assert problems == []
    compiled = Patterns(accepted)
    return [file for file in files if compiled.match_path(file)]


def reason(pattern: str) -> str:
    """Return the problem with a pattern of an ignore file. Empty if the pattern is accepted."""
    _, problems = parse_patterns([pattern], "'file'")
    return "".join(problems)


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.exhaustive)])
def test_a_pattern_matches_as_in_git_or_is_refused(git: Path, count: int) -> None:
    """Compare thousands of ignore files with Git, a few dozen at a time."""

    @settings(max_examples=count)
    @given(cases=cases)
    def check(cases: list[tuple[list[str], list[str]]]) -> None:
        cases = [([line for line in lines if not reason(line)], files) for lines, files in cases]
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error")  # `re` warns of syntax whose meaning may change
            expected = ignored(git, Path(folder), *cases)
            found = [set(matched(lines, *files)) for lines, files in cases]
        assert found == expected

    check()


class TestAccepted:
    def test_ordinary_patterns_are_accepted(self):
        """Accept hundreds of lines from github.com/github/gitignore, and a comma in a file's line."""
        lines = [*ORDINARY.read_text("utf-8").splitlines(), "Icon[\r]", "[b-b]", "*,v"]
        assert [line for line in lines if reason(line)] == []

    def test_a_final_space_is_kept_only_after_a_backslash(self):
        assert matched(["a\\ ", "b  "], "a ", "a", "b", "b ") == ["a ", "b"]

    def test_all_but_one_kind_of_file_can_be_ignored(self):
        """`!*/` includes the folders again."""
        assert matched(["*", "!*/", "!*.txt"], "a.txt", "a/b.txt", "a/b") == ["a/b"]
        assert matched(["a/**", "!a/**/", "!a/**/*.txt"], "a/b.txt", "a/c/b.txt", "a/c/b") == ["a/c/b"]

    def test_all_content_of_folders_can_be_ignored(self):
        """For such a pattern, pathspec's expression lacks a start."""
        assert matched(["**/*/**", "x"], "a/b", "c", "d/x/y") == ["a/b", "d/x/y"]


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "patterns"),
        [
            ("write `\\\\` for a backslash", ["a\\", "a\\/b"]),
            ("`**` between slashes", ["a**", "a/**b/c", "***"]),
            (
                "without classes or negation",
                ["[[:alpha:]]", "[![:alpha:]]", "a[!b]c", "[^a]", "[äöü]", "[\\]a]", "[]a]"],
            ),
            ("ascending ranges, as in", ["[z-a]", "[+-9]", "[a-c-e]", "[a--]"]),
            ("or `\\[` for a bracket", ["[a", "[a/b]", "[", "[!", "[]", "[a-"]),
            ("Write it relative to the folder", ["a//b", "/", "!", "./a", "!a/../b"]),
            ("more than two `**`", ["a/**/b/**/c/**", "**/a/**/b/**/c"]),
            ("Write `\\ ` for a space at the end", ["a\t", "a\\\t", "a\u00a0", "a /"]),
        ],
    )
    def test_the_problem_with_a_refused_line_has_the_fix(self, words, patterns):
        """Refuse typing mistakes, and patterns that pathspec and Git read differently."""
        assert {pattern: words in reason(pattern) for pattern in patterns} == dict.fromkeys(patterns, True)

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("- uploads/", "one per line"),
            ('"uploads/"', "quotes"),
            ("'uploads/'", "quotes"),
            ("!'uploads/a'", "quotes"),
            ("! uploads/a", "invisible"),
            ("['uploads/']", "written as a list"),
            (r"a\nb", "Break the line"),
            ("a\u2028b", "line break"),
            ("\u200buploads/", "invisible"),
            ("uploads/\u200b", "invisible"),
            ("\u00a0uploads/", "invisible"),
            ("\ufe0fuploads/", "invisible"),
            ("[ab],c", "comma"),
        ],
    )
    def test_other_notations_for_lists_are_refused_in_inputs(self, pattern, words):
        """Each of these notations would delete files that `keep` should protect."""
        assert words in parse_patterns([pattern])[1][0]

    @pytest.mark.parametrize("pattern", ["-a", "a'", "don't", r"a\,b", "[a,b]", "a b", "!a", "#a"])
    def test_ordinary_patterns_are_accepted_in_inputs(self, pattern):
        """Refuse only patterns that look like another notation for lists."""
        assert parse_patterns([pattern]) == ([pattern] if pattern != "#a" else [], [])


def test_slow_patterns_dont_block_other_threads():
    """An ignore file of 64 kB can take ten seconds for one path. Signals and heartbeats still work."""
    slow = Patterns(["**/a/**/z"] * 300)
    matching = Thread(target=slow.match_entry, args=["a/" * 350 + "b"], kwargs={"is_directory": False})
    matching.start()
    seen = [time.process_time()]  # other processes don't use this time
    while matching.is_alive():
        seen.append(time.process_time())
    assert seen[-1] - seen[0] > 0.05, "the patterns aren't slow"
    assert max(after - before for before, after in pairwise(seen)) < (seen[-1] - seen[0]) / 2


@pytest.mark.parametrize("pattern", ["*a*a*a*a*b", "**/*a?*[a]*a*a*b/**"])
def test_no_number_of_stars_hangs_the_run(pattern):
    """pathspec's own expression takes ten seconds for five stars and minutes for six."""
    began = time.process_time()
    assert matched([pattern], "a" * 200) == []
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "changed", [lambda text: text.replace("ps_d", "directory"), lambda text: text.replace("[^/]*", "[^/]*?")]
)
def test_another_version_of_pathspec_fails_the_import(
    changed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, misread patterns could publish secrets."""
    original = GitIgnoreSpecPattern.pattern_to_regex
    monkeypatch.setattr(
        GitIgnoreSpecPattern, "pattern_to_regex", lambda text: (changed(original(text)[0]), original(text)[1])
    )
    spec = importlib.util.spec_from_file_location("another", ignore.__file__)
    assert spec
    assert spec.loader
    with pytest.raises(ImportError, match="pathspec writes other expressions"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

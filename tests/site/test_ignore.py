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
    """Why a pattern of an ignore file is refused; empty when it is not."""
    _, problems = parse_patterns([pattern], "'file'")
    return "".join(problems)


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.exhaustive)])
def test_a_line_ignores_what_git_ignores_or_is_refused(git: Path, count: int) -> None:
    """Thousands of ignore files, a few dozen at once."""

    @settings(max_examples=count)
    @given(cases=cases)
    def check(cases: list[tuple[list[str], list[str]]]) -> None:
        cases = [([line for line in lines if not reason(line)], files) for lines, files in cases]
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("error")  # `re` warns of what it may read in another way one day
            expected = ignored(git, Path(folder), *cases)
            found = [set(matched(lines, *files)) for lines, files in cases]
        assert found == expected

    check()


class TestAccepted:
    def test_ordinary_patterns_are_accepted(self):
        """Hundreds of lines of the templates at github.com/github/gitignore are taken; a comma is one."""
        lines = [*ORDINARY.read_text("utf-8").splitlines(), "Icon[\r]", "[b-b]", "*,v"]
        assert [line for line in lines if reason(line)] == []

    def test_a_space_at_the_end_counts_only_after_a_backslash(self):
        assert matched(["a\\ ", "b  "], "a ", "a", "b", "b ") == ["a ", "b"]

    def test_all_but_one_kind_of_file_can_be_ignored(self):
        """`!*/` opens the directories again."""
        assert matched(["*", "!*/", "!*.txt"], "a.txt", "a/b.txt", "a/b") == ["a/b"]
        assert matched(["a/**", "!a/**/", "!a/**/*.txt"], "a/b.txt", "a/c/b.txt", "a/c/b") == ["a/c/b"]

    def test_everything_in_directories_can_be_ignored(self):
        """Of such a pattern, pathspec's expression has no beginning."""
        assert matched(["**/*/**", "x"], "a/b", "c", "d/x/y") == ["a/b", "d/x/y"]


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
            ("write it relative to the directory", ["a//b", "/", "!", "./a", "!a/../b"]),
            ("more than two `**`", ["a/**/b/**/c/**", "**/a/**/b/**/c"]),
            ("write `\\ `", ["a\t", "a\\\t", "a\u00a0", "a /"]),
        ],
    )
    def test_a_refused_line_says_what_to_write(self, words, patterns):
        """A slip of the pen, or what pathspec reads in another way than git."""
        assert {pattern: words in reason(pattern) for pattern in patterns} == dict.fromkeys(patterns, True)

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("- uploads/", "one a line"),
            ('"uploads/"', "quotes"),
            ("'uploads/'", "quotes"),
            ("!'uploads/a'", "quotes"),
            ("! uploads/a", "invisible"),
            ("['uploads/']", "written as a list"),
            (r"a\nb", "break the line"),
            ("a\u2028b", "line break"),
            ("\u200buploads/", "invisible"),
            ("uploads/\u200b", "invisible"),
            ("\u00a0uploads/", "invisible"),
            ("\ufe0fuploads/", "invisible"),
            ("[ab],c", "comma"),
        ],
    )
    def test_an_inputs_other_kinds_of_list_are_refused(self, pattern, words):
        """How people write lists elsewhere: each of these was seen to delete what it should have kept."""
        assert words in parse_patterns([pattern])[1][0]

    @pytest.mark.parametrize("pattern", ["-a", "a'", "don't", r"a\,b", "[a,b]", "a b", "!a", "#a"])
    def test_an_inputs_ordinary_patterns_are_accepted(self, pattern):
        """Only what looks like another kind of list is refused."""
        assert parse_patterns([pattern]) == ([pattern] if pattern != "#a" else [], [])


def test_slow_patterns_leave_time_for_others():
    """An ignore file of 64 kB can take ten seconds for one path: signals and heartbeats go on meanwhile."""
    slow = Patterns(["**/a/**/z"] * 300)
    matching = Thread(target=slow.match_entry, args=["a/" * 350 + "b"], kwargs={"is_directory": False})
    matching.start()
    seen = [time.process_time()]  # a busy machine takes no time of the process
    while matching.is_alive():
        seen.append(time.process_time())
    assert seen[-1] - seen[0] > 0.05, "patterns that are not slow"
    assert max(after - before for before, after in pairwise(seen)) < (seen[-1] - seen[0]) / 2


@pytest.mark.parametrize("pattern", ["*a*a*a*a*b", "**/*a?*[a]*a*a*b/**"])
def test_no_number_of_stars_hangs_the_run(pattern):
    """Five stars took ten seconds, six took minutes, in which nothing ends the run."""
    began = time.process_time()
    assert matched([pattern], "a" * 200) == []
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "changed", [lambda text: text.replace("ps_d", "directory"), lambda text: text.replace("[^/]*", "[^/]*?")]
)
def test_a_pathspec_with_other_expressions_is_not_imported(
    changed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module does not load: what it would misread could be published."""
    original = GitIgnoreSpecPattern.pattern_to_regex
    monkeypatch.setattr(
        GitIgnoreSpecPattern, "pattern_to_regex", lambda text: (changed(original(text)[0]), original(text)[1])
    )
    spec = importlib.util.spec_from_file_location("another", ignore.__file__)
    assert spec
    assert spec.loader
    with pytest.raises(ImportError, match="pathspec writes other expressions"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

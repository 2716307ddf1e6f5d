"""The comparison of a run's commit with the last complete deploy: a row for each case."""

import pytest

from zerokie_action.ci.commits import Line, Project, Source, compare, valid_commit, valid_run, valid_sequence

OLD, NEW = "1" * 40, "2" * 64
GITHUB, GITLAB = Project("https://github.com/a/b"), Project("https://gitlab.com/a/b", "-/")
NOWHERE, NO_FACTS = Project(), Source()
BEFORE = Source(OLD, "actions/runs/5", 5)
FORWARD, BACK = f"compare/{OLD}...{NEW}", f"compare/{NEW}...{OLD}"


@pytest.mark.parametrize(
    ("source", "previous", "project", "title", "commits", "page"),
    [
        (Source(NEW, "", 6), NO_FACTS, GITHUB, "", "", ""),
        (Source(NEW, "", 6), Source("", "actions/runs/5", 5), GITHUB, "", "", ""),
        (Source("", "", 6), BEFORE, GITHUB, "", "", ""),
        (Source(OLD, "", 6), BEFORE, GITHUB, "Same commit as before", "", ""),
        (Source(OLD, "", 4), BEFORE, GITHUB, "Same commit as before", "", ""),
        (Source(OLD), BEFORE, NOWHERE, "Same commit as before", "", ""),
        (Source(NEW, "", 5), BEFORE, GITHUB, "Commits", "1111111...2222222", ""),
        (Source(NEW), BEFORE, GITHUB, "Commits", "1111111...2222222", ""),
        (Source(NEW, "", 6), Source(OLD), GITHUB, "Commits", "1111111...2222222", ""),
        (Source(NEW, "", 6), BEFORE, NOWHERE, "Commits", "1111111...2222222", ""),
        (Source(NEW, "", 6), BEFORE, GITHUB, "Commits in this deploy", "1111111...2222222", FORWARD),
        (Source(NEW, "", 6), BEFORE, GITLAB, "Commits in this deploy", "1111111...2222222", f"-/{FORWARD}"),
        (Source(NEW, "", 4), BEFORE, GITHUB, "Commits rolled back", "2222222...1111111", BACK),
        (Source(NEW, "", 4), BEFORE, GITLAB, "Commits rolled back", "2222222...1111111", f"-/{BACK}"),
    ],
    ids=[
        "no manifest, or another repository's",
        "the previous commit is unknown",
        "this commit is unknown",
        "equal commits in a newer run",
        "equal commits in an older run",
        "equal commits without a code host",
        "the same run",
        "this run lacks a number",
        "the previous run lacks a number",
        "no variables of GitHub or GitLab",
        "a newer run on GitHub",
        "a newer run on GitLab",
        "an older run on GitHub",
        "an older run on GitLab",
    ],
)
def test_the_first_case_that_applies_decides_the_comparison(
    source: Source, previous: Source, project: Project, title: str, commits: str, page: str
) -> None:
    found = compare(source, previous, project)
    url = page and f"{project.page}/{page}"
    assert (found.title, found.range, found.compare_url) == (title, commits, url)
    assert (found.commit, found.previous) == (source.commit, previous.commit)
    assert found.is_older == (title == "Commits rolled back")


def test_only_a_complete_deploy_shows_a_comparison() -> None:
    """A dry run and a failed deploy show the last complete deploy."""
    found = compare(Source(NEW, "", 6), BEFORE, GITHUB)
    commit, run = f"{GITHUB.page}/commit/{NEW}", f"{GITHUB.page}/actions/runs/5"
    assert found.lines() == [
        Line("Commit ", "2222222", commit),
        Line("Last complete deploy: ", "1111111", run),
    ]
    assert found._replace(is_deployed=True).lines() == [
        Line("Deployed commit ", "2222222", commit),
        Line("Commits in this deploy (whole repository): ", "1111111...2222222", f"{GITHUB.page}/{FORWARD}"),
        Line("Previous deploy: ", "1111111", run),
    ]


def test_unknown_values_are_omitted() -> None:
    assert compare(NO_FACTS, NO_FACTS, NOWHERE)._replace(is_deployed=True).lines() == []
    found = compare(Source(OLD), Source(OLD), NOWHERE)._replace(is_deployed=True)
    assert found.lines() == [
        Line("Deployed commit ", "1111111"),
        Line("Same commit as before"),
        Line("Previous deploy: ", "1111111"),
    ]


@pytest.mark.parametrize("text", ["", "abc1234", "A" * 40, "1" * 41, f"{OLD}\n", None, 1])
def test_a_commit_is_40_or_64_hex_digits(text: object) -> None:
    assert valid_commit(text) == ""
    assert [valid_commit(commit) for commit in (OLD, NEW)] == [OLD, NEW]


@pytest.mark.parametrize("text", ["", "actions/runs/", "actions/runs/1/x", "../-/jobs/1", "jobs/1", None])
def test_a_run_is_a_path_below_its_repository(text: object) -> None:
    assert valid_run(text) == ""
    assert [valid_run(run) for run in ("actions/runs/1", "-/jobs/2")] == ["actions/runs/1", "-/jobs/2"]


@pytest.mark.parametrize("value", ["", "0", "x", "-1", "1.0", "²", "1" * 20, 0, 10**19, True, 1.0, None])
def test_the_number_of_a_run_is_positive(value: object) -> None:
    assert valid_sequence(value) is None
    assert [valid_sequence(number) for number in ("12", 12)] == [12, 12]

"""Deploys show which commit went live, on GitHub and on GitLab.

Each test is a story of several runs. `tests/ci/test_commits.py` has the table of comparisons.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.previews.code_host import CodeHost
from tests.previews.code_host import run as run_on_code_host
from tests.support.world import SITE, Outcome, World
from zerokie_action.site.manifest import Manifest, find_manifests, mark_repository, new_manifest_name

FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40


class OnGitHub:
    """The variables and the pages of runs on GitHub."""

    page = "https://github.com/acme/shop"
    pages = page

    def run(self, number: int, commit: str, **more: str) -> dict[str, str]:
        """Return the variables of a run for a push."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_RUN_ID": f"{number}",
            "GITHUB_SHA": commit,
        } | more

    def address(self, number: int) -> str:
        """Return what the manifest stores of a run."""
        return f"actions/runs/{number}"


class OnGitLab:
    """The variables and the pages of jobs on GitLab. A job's ID differs from its pipeline's ID."""

    page = "https://gitlab.com/acme/shop"
    pages = f"{page}/-"

    def run(self, number: int, commit: str, **more: str) -> dict[str, str]:
        """Return the variables of the job of a pipeline for a push."""
        return {
            "GITLAB_CI": "true",
            "CI_PROJECT_URL": self.page,
            "CI_PIPELINE_ID": f"{number}",
            "CI_JOB_ID": f"{number}00",
            "CI_JOB_URL": f"{self.page}/-/jobs/{number}00",
            "CI_COMMIT_SHA": commit,
        } | more

    def address(self, number: int) -> str:
        """Return what the manifest stores of a run."""
        return f"-/jobs/{number}00"


Host = OnGitHub | OnGitLab
BOTH = pytest.mark.parametrize("host", [OnGitHub(), OnGitLab()], ids=["GitHub", "GitLab"])


def deploy(world: World, env: dict[str, str], page: str = "", **inputs: Any) -> Outcome:
    """Run a deploy with these variables. `page` is the content of a new front page."""
    world.env = env
    if page:
        world.loop.jump(2)
        world.write(SITE | {"index.html": page.encode()})
    return world.run(**inputs)


def facts(outcome: Outcome) -> list[str | None]:
    """Return commit, previous commit, comparison and previous run of the JSON result."""
    names = ("commit", "previous_commit", "compare_url", "previous_run_url")
    return [outcome.outputs[name] for name in names]


_ABOUT_COMMITS = re.compile(
    r"(Deployed commit|Unchanged since commit|Commits?|Same commit|Previous deploy:|Last complete deploy:) "
)


def log_lines(outcome: Outcome) -> list[str]:
    """Return the lines about commits in the log."""
    return [*filter(_ABOUT_COMMITS.match, outcome.log.splitlines())]


def summary_lines(outcome: Outcome) -> list[str]:
    """Return the lines about commits in the summary."""
    return [*filter(_ABOUT_COMMITS.match, outcome.summary.splitlines())]


def newest(world: World) -> dict[str, Any]:
    """Return the content of the newest manifest."""
    files = world.platform.files("site")
    content: dict[str, Any] = json.loads(files[find_manifests(files)[-1].path])
    return content


def stored(world: World) -> list[object]:
    """Return the facts in the newest manifest."""
    return [newest(world)[name] for name in ("commit", "run", "sequence")]


def pages(host: Host, number: int, old: str, new: str) -> tuple[str, str, str]:
    """Return the pages of the new commit, of the comparison, and of the run that deployed the old commit."""
    run = f"{host.page}/{host.address(number)}"
    return f"{host.pages}/commit/{new}", f"{host.pages}/compare/{old}...{new}", run


@BOTH
def test_a_push_shows_its_commits_and_the_previous_deploy(world: World, host: Host) -> None:
    """The first deploy has nothing to compare with."""
    first = deploy(world, host.run(5, FIRST), "one")
    assert facts(first) == [FIRST, None, None, None]
    assert log_lines(first) == [f"Deployed commit 1111111, {host.pages}/commit/{FIRST}"]
    assert summary_lines(first) == [f"Deployed commit [1111111](<{host.pages}/commit/{FIRST}>)"]
    assert f"[Log](<{host.page}/{host.address(5)}>)" in first.summary
    assert "[Commit " not in first.summary
    assert stored(world) == [FIRST, host.address(5), 5]

    second = deploy(world, host.run(6, SECOND), "two")
    commit, comparison, run = pages(host, 5, FIRST, SECOND)
    assert facts(second) == [SECOND, FIRST, comparison, run]
    assert log_lines(second) == [
        f"Deployed commit 2222222, {commit}",
        f"Commits in this deploy (whole repository): 1111111...2222222, {comparison}",
        f"Previous deploy: 1111111, {run}",
    ]
    assert summary_lines(second) == [
        (
            f"Deployed commit [2222222](<{commit}>) · "
            f"Commits in this deploy (whole repository): [1111111...2222222](<{comparison}>) · "
            f"Previous deploy: [1111111](<{run}>)"
        )
    ]
    assert stored(world) == [SECOND, host.address(6), 6]


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_comment_on_a_pull_request_has_the_line_of_the_summary(world: World, ci: str) -> None:
    host = CodeHost()
    for commit, words in ((FIRST, []), (SECOND, ["Commits", "Previous deploy: "])):
        event = json.dumps({"pull_request": {"number": 12, "head": {"sha": commit}}})
        given = {"comment": True} if ci == "github" else {"comment": True, "commit": commit}
        world.loop.jump(2)
        world.write(SITE | {"index.html": commit.encode()})
        outcome = run_on_code_host(world, host, ci, event, **given)
        (line,) = summary_lines(outcome)
        assert line.startswith(f"Deployed commit [{commit[:7]}](<https://git")
        assert all(word in line for word in words)
        (comment,) = host.comments.values()
        assert line in comment.splitlines()


def test_a_pull_requests_commit_is_its_head_and_never_the_merge_commit(world: World, tmp_path: Path) -> None:
    """Without a readable event, the commit is unknown."""
    event = tmp_path / "event.json"
    env = OnGitHub().run(5, SECOND, GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=f"{event}")
    outcome = deploy(world, env)
    assert facts(outcome) == [None] * 4
    assert log_lines(outcome) == summary_lines(outcome) == []
    assert stored(world) == ["", "actions/runs/5", 5]
    event.write_text(json.dumps({"pull_request": {"number": 12, "head": {"sha": FIRST}}}))
    assert facts(deploy(world, env))[0] == FIRST
    merge = OnGitLab().run(5, SECOND, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=FIRST)
    assert facts(deploy(world, merge, take_over=True))[0] == FIRST


@BOTH
@pytest.mark.parametrize("commit", [FIRST, SECOND], ids=["the same commit", "another commit"])
def test_a_run_that_changes_no_file_shows_since_when(world: World, host: Host, commit: str) -> None:
    """The manifest keeps the commit and the run of the last deploy that changed a file."""
    deploy(world, host.run(5, FIRST), "one")
    run = f"{host.page}/{host.address(5)}"
    for number in (6, 7):
        outcome = deploy(world, host.run(number, commit))
        assert facts(outcome)[:2] == [commit, FIRST]
        assert log_lines(outcome) == [f"Unchanged since commit 1111111, {run}"]
        assert summary_lines(outcome) == [f"Unchanged since commit [1111111](<{run}>)"]
        assert "`site` is up to date" in outcome.summary
        assert (outcome.outputs["changed"], outcome.outputs["deploy_id"]) == (False, None)
        assert stored(world) == [FIRST, host.address(5), 5]


@BOTH
def test_an_unchanged_deploy_takes_no_lock(world: World, host: Host) -> None:
    """Such as another attempt of a job on GitHub, or a scheduled run."""
    deploy(world, host.run(5, FIRST), "one")
    again = deploy(world, host.run(5, FIRST))
    other = deploy(world, host.run(6, FIRST))
    for outcome in (again, other):
        assert outcome.writes == []
        assert len(outcome.requests) == 3


@BOTH
def test_a_rerun_of_an_older_run_rolls_back(world: World, host: Host) -> None:
    """The comparison is reversed, because GitHub shows nothing for the other order."""
    deploy(world, host.run(5, FIRST), "one")
    deploy(world, host.run(6, SECOND), "two")
    outcome = deploy(world, host.run(5, FIRST), "one")
    commit, _, run = pages(host, 6, SECOND, FIRST)
    comparison = f"{host.pages}/compare/{FIRST}...{SECOND}"
    assert facts(outcome) == [FIRST, SECOND, comparison, run]
    assert log_lines(outcome) == [
        f"Deployed commit 1111111, {commit}",
        f"Commits rolled back (whole repository): 1111111...2222222, {comparison}",
        f"Previous deploy: 2222222, {run}",
    ]
    assert summary_lines(outcome) == [
        (
            f"Deployed commit [1111111](<{commit}>) · "
            f"Commits rolled back (whole repository): [1111111...2222222](<{comparison}>) · "
            f"Previous deploy: [2222222](<{run}>)"
        )
    ]
    assert outcome.outputs["notes"] == ["This run is older than the one it replaces."]
    assert "\nThis run is older than the one it replaces\n" in outcome.log
    assert stored(world) == [FIRST, host.address(5), 5]

    later = deploy(world, host.run(7, THIRD), "three")
    assert facts(later)[2] == f"{host.pages}/compare/{FIRST}...{THIRD}"
    assert later.outputs["notes"] == []


def test_another_repositorys_commits_are_not_shown(world: World) -> None:
    """Nor does a deploy that fails keep them as its own."""
    deploy(world, OnGitHub().run(5, FIRST), "one")
    host = OnGitLab()
    outcome = deploy(world, host.run(6, SECOND), "two")
    assert outcome.exit_code == 2
    assert facts(outcome) == [SECOND, None, None, None]
    assert stored(world) == [FIRST, "actions/runs/5", 5]

    world.fault(Kind.STATUS, "PUT", "/index.html$", status=400)
    assert deploy(world, host.run(7, SECOND), "two", take_over=True).exit_code == 4
    assert stored(world) == ["", "", None]
    outcome = deploy(world, host.run(8, SECOND), "two")
    assert facts(outcome) == [SECOND, None, None, None]
    assert log_lines(outcome) == [f"Deployed commit 2222222, {host.pages}/commit/{SECOND}"]
    assert summary_lines(outcome) == [f"Deployed commit [2222222](<{host.pages}/commit/{SECOND}>)"]


def test_without_a_repository_nothing_is_compared(world: World) -> None:
    deploy(world, {}, "one", commit=FIRST)
    assert stored(world) == [FIRST, "", None]
    outcome = deploy(world, {}, "two", commit=SECOND)
    assert facts(outcome) == [SECOND, None, None, None]
    assert log_lines(outcome) == ["Deployed commit 2222222"]


def test_outside_of_github_and_gitlab_a_checkout_shows_the_commits_as_text(world: World) -> None:
    git = world.folder.parent / ".git"
    git.mkdir()
    (git / "config").write_text('[remote "origin"]\n\turl = git@github.com:acme/shop.git\n')
    deploy(world, {}, "one", commit=FIRST)
    outcome = deploy(world, {}, "two", commit=SECOND)
    assert facts(outcome) == [SECOND, FIRST, None, None]
    assert log_lines(outcome) == [
        "Deployed commit 2222222",
        "Commits (whole repository): 1111111...2222222",
        "Previous deploy: 1111111",
    ]
    assert summary_lines(outcome) == [
        (
            "Deployed commit `2222222` · Commits (whole repository): `1111111...2222222` · "
            "Previous deploy: `1111111`"
        )
    ]


@BOTH
def test_a_failed_upload_in_between_keeps_the_last_complete_deploy(world: World, host: Host) -> None:
    deploy(world, host.run(5, FIRST), "one")
    world.fault(Kind.STATUS, "PUT", "/index.html$", status=400)
    failed = deploy(world, host.run(6, SECOND), "two")
    assert failed.exit_code == 4
    commit, comparison, run = pages(host, 5, FIRST, SECOND)
    assert facts(failed) == [SECOND, FIRST, comparison, run]
    assert log_lines(failed) == [f"Commit 2222222, {commit}", f"Last complete deploy: 1111111, {run}"]
    assert summary_lines(failed) == [
        f"Commit [2222222](<{commit}>) · Last complete deploy: [1111111](<{run}>)"
    ]
    assert stored(world) == [FIRST, host.address(5), 5]

    outcome = deploy(world, host.run(7, THIRD), "three")
    assert facts(outcome) == [THIRD, FIRST, f"{host.pages}/compare/{FIRST}...{THIRD}", run]


@BOTH
@pytest.mark.parametrize("fault", ["health check", "finalize"])
def test_what_fails_after_the_files_keeps_the_new_commit(world: World, host: Host, fault: str) -> None:
    deploy(world, host.run(5, FIRST), "one")
    if fault == "finalize":
        world.fault(Kind.STATUS, "POST", "/finalize$", status=400)
        failed = deploy(world, host.run(6, SECOND), "two")
        assert failed.exit_code == 4
    else:
        failed = deploy(world, host.run(6, SECOND), "two", health_check="/", health_check_text="three")
        assert failed.exit_code == 10
    commit, comparison, run = pages(host, 5, FIRST, SECOND)
    assert facts(failed) == [SECOND, FIRST, comparison, run]
    assert log_lines(failed)[0] == f"Deployed commit 2222222, {commit}"
    assert summary_lines(failed)[0].startswith(f"Deployed commit [2222222](<{commit}>) · Commits in this ")
    assert stored(world) == [SECOND, host.address(6), 6]

    world.platform.expire_lock("site")
    outcome = deploy(world, host.run(7, THIRD), "three")
    run = f"{host.page}/{host.address(6)}"
    assert facts(outcome) == [THIRD, SECOND, f"{host.pages}/compare/{SECOND}...{THIRD}", run]


def test_a_last_manifest_that_is_stored_survives_a_failure_right_after_it(world: World) -> None:
    """The failure stores another manifest, with the same commit."""
    host = OnGitHub()
    deploy(world, host.run(5, FIRST), "one")
    world.fault(Kind.STATUS, "DELETE", "/_zerokie/", status=409)
    assert deploy(world, host.run(6, SECOND), "two").exit_code != 0
    assert stored(world) == [SECOND, "actions/runs/6", 6]


@BOTH
def test_a_dry_run_shows_the_last_complete_deploy(world: World, host: Host) -> None:
    deploy(world, host.run(5, FIRST), "one")
    outcome = deploy(world, host.run(6, SECOND), "two", dry_run=True)
    commit, comparison, run = pages(host, 5, FIRST, SECOND)
    assert facts(outcome) == [SECOND, FIRST, comparison, run]
    assert log_lines(outcome) == [f"Commit 2222222, {commit}", f"Last complete deploy: 1111111, {run}"]
    assert summary_lines(outcome) == [
        f"Commit [2222222](<{commit}>) · Last complete deploy: [1111111](<{run}>)"
    ]
    assert stored(world) == [FIRST, host.address(5), 5]
    world.platform.put_file("site", "by-hand.html", b"")
    stopped = deploy(world, host.run(6, SECOND), dry_run=True)
    assert (stopped.exit_code, log_lines(stopped)) == (2, log_lines(outcome)), stopped.log


def test_the_input_commit_wins(world: World) -> None:
    """Such as for an artifact that another pipeline has built."""
    outcome = deploy(world, OnGitHub().run(5, FIRST), commit=SECOND.upper())
    assert facts(outcome)[0] == SECOND
    assert stored(world) == [SECOND, "actions/runs/5", 5]
    outcome = deploy(world, {}, commit="abc1234")
    assert outcome.exit_code == 2
    assert (
        "`commit` (ZEROKIE_COMMIT): 'abc1234' isn't the full SHA of a commit. Write its 40 or 64"
        in outcome.log
    )


def test_gitlabs_annotations_link_to_the_app_the_comparison_and_the_previous_deploy(
    world: World,
) -> None:
    host = OnGitLab()
    deploy(world, host.run(5, FIRST), "one")
    outcome = deploy(world, host.run(6, SECOND), "two")
    _, comparison, run = pages(host, 5, FIRST, SECOND)
    links = [link["external_link"] for link in json.loads(outcome.reports["annotations.json"])["Zerokie"]]
    assert links == [
        {"label": "site", "url": outcome.outputs["url"]},
        {"label": "Commits in this deploy (whole repository): 1111111...2222222", "url": comparison},
        {"label": "Previous deploy: 1111111", "url": run},
    ]


@BOTH
def test_a_hostile_manifest_adds_no_link_and_no_text(world: World, host: Host) -> None:
    """Each invalid fact is ignored. The manifest's entries stay valid."""
    deploy(world, host.run(5, FIRST), "one")
    content = newest(world) | {"commit": "<b>](x)", "run": "../../x", "sequence": 10**300}
    files = [*content["files"]]

    def put(**changed: object) -> None:
        name = new_manifest_name(
            find_manifests(world.platform.files("site"))[-1].number + 1,
            mark_repository(host.page.removeprefix("https://")),
            files,
        )
        world.platform.put_file("site", name.path, json.dumps(content | changed).encode())

    put()
    outcome = deploy(world, host.run(6, SECOND), "two")
    assert outcome.uploads == ["index.html"]
    assert facts(outcome) == [SECOND, None, None, None]
    assert log_lines(outcome) == [f"Deployed commit 2222222, {host.pages}/commit/{SECOND}"]
    put(commit=FIRST, run="javascript:alert(1)")
    outcome = deploy(world, host.run(7, SECOND), "three")
    assert facts(outcome) == [SECOND, FIRST, None, None]
    assert summary_lines(outcome) == [
        (
            f"Deployed commit [2222222](<{host.pages}/commit/{SECOND}>) · "
            "Commits (whole repository): `1111111...2222222` · Previous deploy: `1111111`"
        )
    ]
    links = json.loads(outcome.reports["annotations.json"])["Zerokie"]
    assert [link["external_link"]["label"] for link in links] == ["site"]
    assert Manifest(**newest(world)).source.commit == SECOND


def test_a_hostile_address_of_the_code_host_becomes_no_link(world: World) -> None:
    """Only a wrong environment has one. The commits appear as text."""
    evil = {"GITHUB_SERVER_URL": 'https://x"><script>'}
    deploy(world, OnGitHub().run(5, FIRST, **evil), "one", take_over=True)
    outcome = deploy(world, OnGitHub().run(6, SECOND, **evil), "two", take_over=True)
    assert (outcome.outputs["compare_url"], outcome.outputs["previous_run_url"]) == (None, None)
    assert "script" not in outcome.summary
    assert summary_lines(outcome)[0].startswith("Deployed commit `2222222` · ")

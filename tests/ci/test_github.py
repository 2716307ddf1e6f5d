"""GitHub Actions: exact file commands, and facts from a job's variables and event."""

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ci.grammar import HOSTILE, file_command
from zerokie_action.ci import CI, detect, saved_state

JOB = {
    "GITHUB_SERVER_URL": "https://github.example.com:8443",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "abc",
    "GITHUB_RUN_ID": "123",
    "GITHUB_RUN_NUMBER": "7",
}
PAGE = "https://github.example.com:8443/o/r"


def step(env: dict[str, str], log: io.StringIO | None = None) -> CI:
    """Return the adapter for a step of a job."""
    return detect({"GITHUB_ACTIONS": "true"} | env, log or io.StringIO())


# --- files


def test_outputs_have_random_delimiters_and_the_summary_is_appended(tmp_path: Path) -> None:
    """A guessed delimiter would allow a value to set other outputs. The step may already have a summary."""
    output, summary = tmp_path / "output", tmp_path / "summary"
    ci = step({"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)})
    for name in ("deploy-id", "url"):
        ci.write_outputs({name: "d-1", "error": ""})
        ci.write_summary(f"## {name} ✅\n")
    written = output.read_text("utf-8")
    assert file_command(written) == {"deploy-id": "d-1", "error": "", "url": "d-1"}
    delimiters = {line.partition("<<")[2] for line in written.splitlines() if "<<" in line}
    assert [len(delimiter) > 32 for delimiter in delimiters] == [True] * 2
    assert summary.read_text("utf-8") == "## deploy-id ✅\n## url ✅\n"


def test_a_missing_or_unwritable_file_of_the_runner_is_a_warning(tmp_path: Path) -> None:
    """The run doesn't fail."""
    log = io.StringIO()
    ci = step({"GITHUB_OUTPUT": f"{tmp_path}/no/file", "GITHUB_STEP_SUMMARY": "/dev/full"}, log)
    ci.write_outputs({"a": "b"})
    ci.write_summary("text")
    ci.save_state({"a": "b"})
    assert log.getvalue().splitlines() == [
        f"::warning::Can't write {name} ({why}), so this step continues without it"
        for name, why in (
            ("GITHUB_OUTPUT", "No such file or directory"),
            ("GITHUB_STEP_SUMMARY", "No space left on device"),
            ("GITHUB_STATE", "it is not set"),
        )
    ]


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex("[a-z-]{1,9}", fullmatch=True), HOSTILE, max_size=5))
def test_no_value_of_an_output_sets_another_output(values: dict[str, str]) -> None:
    """The runner reads exactly the written keys and values."""
    with tempfile.TemporaryDirectory() as folder:
        output, state = f"{folder}/output", f"{folder}/state"
        ci = step({"GITHUB_OUTPUT": output, "GITHUB_STATE": state})
        ci.write_outputs(values)
        ci.save_state(values)
        expected = {key: value.encode(errors="backslashreplace").decode() for key, value in values.items()}
        for path in (output, state):
            assert file_command(Path(path).read_bytes().decode()) == expected


# --- variables


@pytest.mark.parametrize(
    ("event", "commit", "number"),
    [
        ("no JSON", "abc", None),
        ("null", "abc", None),
        ('{"pull_request": null}', "abc", None),
        ('{"pull_request": {"number": 12, "head": {"sha": "def"}}}', "def", 12),
        ('{"pull_request": {"number": [], "head": {"sha": null}}}', "abc", None),
        ('{"workflow_run": {"head_sha": "def"}}', "def", None),
    ],
)
def test_commit_and_pull_request_come_from_the_event(
    tmp_path: Path, event: str, commit: str, number: int | None
) -> None:
    """The commit is the head of the pull request, because the merge commit is temporary."""
    (tmp_path / "event.json").write_text(event)
    ci = step(JOB | {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")})
    assert ci.links[f"Commit {commit}"] == f"{PAGE}/commit/{commit}"
    found = ci.pull_request(None)
    assert (found and found.name) == (number and f"pull request #{number}")
    third = ci.pull_request(3)
    assert third is not None
    assert third.comments == "https://api.github.com/repos/o/r/issues/3/comments"


def test_links_and_repository_come_from_the_jobs_variables() -> None:
    """Gitea and Forgejo use the run number in URLs. A link with a missing part is omitted."""
    assert step(JOB).links["Log"] == f"{PAGE}/actions/runs/123"
    for other in ("GITEA_ACTIONS", "FORGEJO_ACTIONS"):
        assert step(JOB | {other: "true"}).links["Log"] == f"{PAGE}/actions/runs/7"
    assert step(JOB).repository == "github.example.com/o/r"
    for missing in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
        assert step(JOB | {missing: ""}).links == {}


def test_the_post_step_gets_the_state_that_the_main_step_saved(tmp_path: Path) -> None:
    """The runner passes each key to the post step with a prefix."""
    state = tmp_path / "state"
    step({"GITHUB_STATE": str(state)}).save_state({"app": "site", "session": "s-1"})
    saved = file_command(state.read_text("utf-8"))
    post = {f"STATE_{key}": value for key, value in saved.items()}
    assert saved_state(post | {"HOME": "/root"}) == {"app": "site", "session": "s-1"}


SHA, HEAD = "1" * 40, "2" * 40


@pytest.mark.parametrize(
    ("more", "event", "commit"),
    [
        ({}, "", SHA),
        ({"GITHUB_SHA": "abc"}, "", ""),
        ({"GITHUB_EVENT_NAME": "pull_request"}, f'{{"pull_request": {{"head": {{"sha": "{HEAD}"}}}}}}', HEAD),
        ({"GITHUB_EVENT_NAME": "pull_request"}, "no JSON", ""),
        ({"GITHUB_REF": "refs/pull/12/merge"}, "no JSON", ""),
        ({"GITHUB_EVENT_NAME": "workflow_run"}, f'{{"workflow_run": {{"head_sha": "{HEAD}"}}}}', HEAD),
        ({"GITHUB_EVENT_NAME": "workflow_run"}, "no JSON", ""),
    ],
)
def test_the_commit_of_a_deploy_is_never_a_merge_commit(
    tmp_path: Path, more: dict[str, str], event: str, commit: str
) -> None:
    """If the event is unreadable, the commit is unknown."""
    (tmp_path / "event.json").write_text(event)
    ci = step(JOB | {"GITHUB_SHA": SHA, "GITHUB_EVENT_PATH": str(tmp_path / "event.json")} | more)
    assert ci.source == (commit, "actions/runs/123", 123)
    assert ci.project == (PAGE, "")

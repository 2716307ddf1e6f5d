"""GitHub Actions: exact workflow commands and file commands, and none that is not ours."""

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ci.grammar import HOSTILE, file_command, workflow_commands
from zerokie_action.ci import CI, detect

ENV = {"GITHUB_ACTIONS": "true"}
JOB = {
    "GITHUB_SERVER_URL": "https://github.example.com:8443",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "abc",
    "GITHUB_RUN_ID": "123",
    "GITHUB_RUN_NUMBER": "7",
}
PAGE = "https://github.example.com:8443/o/r"


class Step:
    """A step of a job: its log, its environment and its files."""

    def __init__(self, env: dict[str, str], level: str = "info") -> None:
        self.stream = io.StringIO()
        self.ci: CI = detect(ENV | env, self.stream, level)  # type: ignore[arg-type]

    @property
    def log(self) -> str:
        return self.stream.getvalue()


def test_details_fold_and_problems_are_annotations():
    """Steps are plain lines, details fold into a group, problems become annotations."""
    step = Step({})
    step.ci.log.info("Deploy lock acquired")
    step.ci.log.group("12 files", ["a.html", "b.html"])
    step.ci.log.warning("old/%20, kept")
    step.ci.log.error("App 'my-sit' not found", "It says: 100% gone", "Check it.")
    step.ci.log.debug("not shown")
    assert step.log == (
        "Deploy lock acquired\n"
        "::group::12 files\n"
        "a.html\n"
        "b.html\n"
        "::endgroup::\n"
        "::warning::old/%2520, kept\n"
        "::error::App 'my-sit' not found%0AIt says: 100%25 gone%0ACheck it.\n"
    )


def test_each_line_of_a_key_file_is_masked():
    """Every line of a key file is masked, and the runner knows its encodings; short and empty ones are not.

    What came in a variable is only redacted: a command would print it where no runner reads the log.
    """
    step = Step({}, "error")
    step.ci.log.mask("pass%word\nline", "", "abc", "variable", from_files=["pass%word\nline", "", "abc"])
    masked = {command.data for command in workflow_commands(step.log)}
    assert {command.name for command in workflow_commands(step.log)} == {"add-mask"}
    assert masked == {"pass%word", "line"}
    step.ci.log.error("pass%word, dXNlcjpsaW5l, variable")
    assert step.log.endswith("\n::error::***, dXNlcjp***, ***\n")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The file commands' variables of a step, with empty files as the runner makes them."""
    names = ("GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
    for name in names:
        (tmp_path / name).touch()
    return {name: str(tmp_path / name) for name in names}


def read(path: str) -> str:
    return Path(path).read_bytes().decode()


def test_outputs_have_random_delimiters_and_the_summary_is_appended(files):
    """Outputs have a delimiter that nobody can foresee; the summary is appended to what the step has."""
    step = Step(files)
    for name in ("deploy-id", "url"):
        step.ci.write_outputs({name: "d-1", "error": ""})
        step.ci.write_summary(f"## {name} ✅\n")
    written = read(files["GITHUB_OUTPUT"])
    assert file_command(written) == {"deploy-id": "d-1", "error": "", "url": "d-1"}
    delimiters = {line.partition("<<")[2] for line in written.splitlines() if "<<" in line}
    assert [len(delimiter) > 32 for delimiter in delimiters] == [True] * 2
    assert read(files["GITHUB_STEP_SUMMARY"]) == "## deploy-id ✅\n## url ✅\n"
    assert step.log == ""


def test_a_missing_file_of_the_runner_is_a_warning(tmp_path):
    """A runner without some file, or with one that cannot be written, gets a warning and no failure."""
    step = Step({"GITHUB_OUTPUT": str(tmp_path / "no" / "file"), "GITHUB_STEP_SUMMARY": "/dev/full"})
    step.ci.write_outputs({"a": "b"})
    step.ci.write_summary("text")
    step.ci.save_state({"a": "b"})
    assert step.log == (
        "::warning::GITHUB_OUTPUT can't be written (No such file or directory); this step continues "
        "without it\n"
        "::warning::GITHUB_STEP_SUMMARY can't be written "
        "(No space left on device); this step continues without it\n"
        "::warning::GITHUB_STATE can't be written (it is not set); this step continues without it\n"
    )


@given(HOSTILE, HOSTILE)
def test_no_text_is_a_workflow_command(text, title):
    """Whatever is logged, the runner obeys our own commands only, and the text cannot leave them."""
    step = Step({}, "debug")
    step.ci.log.group(title, [text, text])
    step.ci.log.debug(text)
    step.ci.log.warning(text)
    step.ci.log.error(text, text)
    commands = workflow_commands(step.log)
    assert [command.name for command in commands] == ["group", "endgroup", "warning", "error"]
    assert all(command.properties == "" for command in commands)
    assert "\r" not in step.log
    assert "\x1b" not in step.log


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex("[a-z-]{1,9}", fullmatch=True), HOSTILE, max_size=5))
def test_no_value_of_an_output_forges_another(values):
    """Whatever is in a value, the runner reads back exactly the keys that were written."""
    with tempfile.TemporaryDirectory() as folder:
        output, state = f"{folder}/output", f"{folder}/state"
        step = Step({"GITHUB_OUTPUT": output, "GITHUB_STATE": state})
        step.ci.write_outputs(values)
        step.ci.save_state(values)
        written = {key: value.encode(errors="backslashreplace").decode() for key, value in values.items()}
        assert file_command(read(output)) == written
        assert file_command(read(state)) == written


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
def test_commit_and_pull_request_are_the_events(
    tmp_path: Path, event: str, commit: str, number: int | None
) -> None:
    """The commit is the pull request's head, as nobody knows the temporary merge. A given number counts."""
    (tmp_path / "event.json").write_text(event)
    ci = Step(JOB | {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")}).ci
    assert ci.links[f"Commit {commit}"] == f"{PAGE}/commit/{commit}"
    for asked, expected in ((None, number), (3, 3)):
        found = ci.pull_request(asked)
        comments = f"https://api.github.com/repos/o/r/issues/{expected}/comments"
        assert (found and (found.name, found.comments)) == (
            expected and (f"pull request #{expected}", comments)
        )


def test_links_and_repository_are_those_of_the_job() -> None:
    """On Gitea and Forgejo, the number of a run is in its address. A link that would lead nowhere is none."""
    assert Step(JOB).ci.links["Log"] == f"{PAGE}/actions/runs/123"
    assert Step(JOB | {"GITEA_ACTIONS": "true"}).ci.links["Log"] == f"{PAGE}/actions/runs/7"
    assert Step(JOB).ci.repository == "github.example.com/o/r"
    for missing in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
        assert Step(JOB | {missing: ""}).ci.links == {}

"""GitLab: exact sections and colours, and no marker that is not ours."""

import io

import pytest
from hypothesis import given

from tests.ci.grammar import HOSTILE, gitlab_sections, workflow_commands
from zerokie_action.ci import detect

ENV = {"GITLAB_CI": "true"}


def test_details_are_sections_and_problems_are_coloured(monkeypatch):
    """Details are a collapsed section with its times, problems are coloured, a secret is never printed."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.9)
    monkeypatch.setattr("os.urandom", lambda _size: b"\x01\x02")
    log = io.StringIO()
    ci = detect(ENV, log)
    ci.log.mask("s3cr3t")
    ci.log.info("Deploy lock acquired")
    ci.log.group("12 files", ["a.html"])
    ci.log.warning("careful")
    ci.log.error("failed with s3cr3t", "a reason")
    ci.log.debug("not shown")
    assert log.getvalue() == (
        "Deploy lock acquired\n"
        "\x1b[0Ksection_start:1700000000:zerokie_0102[collapsed=true]\r\x1b[0K12 files\n"
        "a.html\n"
        "\x1b[0Ksection_end:1700000000:zerokie_0102\r\x1b[0K\n"
        "\x1b[0;33mWarning: careful\x1b[0;m\n"
        "\x1b[31;1mError: failed with ***\x1b[0;m\n"
        "\x1b[31;1m  a reason\x1b[0;m\n"
    )


def test_sections_have_names_of_their_own():
    """A job may deploy several times; below its level a section would be empty."""
    log = io.StringIO()
    for level in ("warning", "info", "info"):
        detect(ENV, log, level).log.group("files", ["a"])
    (_, one), (_, end), (_, another), _ = gitlab_sections(log.getvalue())
    assert one == end != another


@given(HOSTILE)
def test_no_text_is_a_marker_of_a_section(text):
    """Whatever is logged, GitLab finds our own sections and colours only."""
    log = io.StringIO()
    ci = detect(ENV, log, "debug")
    ci.log.group(text, [text])
    ci.log.warning(text)
    ci.log.error(text, text)
    assert len(gitlab_sections(log.getvalue())) == 2
    assert log.getvalue().count("\x1b") == 2 + 2 + 2 * 3
    assert log.getvalue().count("\n") == 1 + 1 + 1 + 2 + 1
    assert workflow_commands(log.getvalue()) == []


JOB = ENV | {
    "CI_PROJECT_ID": "7",
    "CI_PROJECT_URL": "https://gitlab.com/g/s/r",
    "CI_COMMIT_SHA": "abc",
    "CI_JOB_URL": "https://gitlab.com/j/1",
}


@pytest.mark.parametrize(
    ("more", "commit"), [({}, "abc"), ({"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "def"}, "def")]
)
def test_owner_commit_and_job_are_known(more: dict[str, str], commit: str) -> None:
    """The commit, the job, and whose they are; of a pipeline for merged results, the branch's commit."""
    ci = detect(JOB | more, io.StringIO())
    assert ci.links == {
        f"Commit {commit}": f"https://gitlab.com/g/s/r/-/commit/{commit}",
        "Log": "https://gitlab.com/j/1",
    }
    assert ci.repository == "gitlab.com/g/s/r"


def test_a_job_outside_of_a_project_has_no_links() -> None:
    assert detect(ENV, io.StringIO()).links == {}


@pytest.mark.parametrize(
    ("more", "given", "project", "iid"),
    [
        ({"CI_MERGE_REQUEST_IID": "3"}, None, 7, 3),
        ({"CI_MERGE_REQUEST_IID": "3"}, 5, 7, 5),
        ({"CI_MERGE_REQUEST_IID": "3", "CI_MERGE_REQUEST_PROJECT_ID": "9"}, None, 9, 3),  # of a fork
    ],
)
def test_the_merge_request_is_the_pipelines_or_the_given_one(
    more: dict[str, str], given: int | None, project: int, iid: int
) -> None:
    """A relative URL root is part of the API's address."""
    found = detect(JOB | more | {"CI_API_V4_URL": "https://a.b/gitlab/api/v4"}, io.StringIO()).pull_request(
        given
    )
    assert found is not None
    assert found.name == f"merge request !{iid}"
    assert found.comments == f"https://a.b/gitlab/api/v4/projects/{project}/merge_requests/{iid}/notes"


def test_a_pipeline_of_a_branch_has_no_merge_request() -> None:
    assert detect(JOB, io.StringIO()).pull_request(None) is None

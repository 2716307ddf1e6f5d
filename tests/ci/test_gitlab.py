"""GitLab: facts from a job's variables."""

import io
from pathlib import Path

import pytest

from zerokie_action.ci import CI, detect

JOB = {
    "CI_PROJECT_ID": "7",
    "CI_PROJECT_URL": "https://gitlab.com/g/s/r",
    "CI_COMMIT_SHA": "abc",
    "CI_JOB_URL": "https://gitlab.com/j/1",
    "CI_API_V4_URL": "https://a.b/gitlab/api/v4",
}


def job(env: dict[str, str]) -> CI:
    return detect({"GITLAB_CI": "true"} | env, io.StringIO())


def test_owner_commit_and_job_are_known() -> None:
    """A job outside a project lacks them."""
    page = "https://gitlab.com/g/s/r/-/commit"
    assert job(JOB).links == {"Commit abc": f"{page}/abc", "Log": "https://gitlab.com/j/1"}
    assert job(JOB).repository == "gitlab.com/g/s/r"
    assert job({}).links == {}
    merged = JOB | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "def"}  # of a pipeline for merged results
    assert job(merged).links["Commit def"] == f"{page}/def"


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
    """The API's URL may contain a relative URL root. A branch pipeline lacks a merge request."""
    assert job(JOB).pull_request(None) is None
    found = job(JOB | more).pull_request(given)
    assert found is not None
    assert found.name == f"merge request !{iid}"
    assert found.comments == f"https://a.b/gitlab/api/v4/projects/{project}/merge_requests/{iid}/notes"


def test_the_state_file_is_in_the_project_directory_by_default() -> None:
    """Jobs that share the directory don't share the file."""
    project = {"CI_PROJECT_DIR": "/builds/site"}
    assert job(project).state_file == Path("/builds/site/.zerokie-state.json")
    assert job({}).state_file == Path(".zerokie-state.json")
    assert detect(project, io.StringIO()).state_file == Path(".zerokie-state.json")
    assert detect(project | {"GITHUB_ACTIONS": "true"}, io.StringIO()).state_file is None


def test_the_facts_for_the_manifest_are_those_of_the_job() -> None:
    """The pipeline's ID orders the runs, and the job's page has the button for a retry."""
    facts = {"CI_COMMIT_SHA": "1" * 40, "CI_JOB_ID": "42", "CI_PIPELINE_ID": "12"}
    assert job(JOB | facts).source == ("1" * 40, "-/jobs/42", 12)
    assert job(JOB | facts).project == ("https://gitlab.com/g/s/r", "-/")
    merged = facts | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "2" * 40}
    assert job(JOB | merged).source.commit == "2" * 40
    assert job({}).source == ("", "", None)

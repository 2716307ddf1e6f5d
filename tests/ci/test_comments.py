"""Where the comment belongs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.ci.forge import GITHUB, GITLAB, TOKEN
from zerokie_action.ci.comments import CannotComment, Discussion, find_discussion

if TYPE_CHECKING:
    from pathlib import Path


def find(env: dict[str, str]) -> Discussion:
    return find_discussion(env, github_token=TOKEN, gitlab_token=TOKEN)


def reason(env: dict[str, str], *, github_token: str = "", gitlab_token: str = "") -> str:
    with pytest.raises(CannotComment) as caught:
        find_discussion(env, github_token=github_token, gitlab_token=gitlab_token)
    return str(caught.value)


class TestDiscussion:
    """Which pull or merge request, and with which token."""

    def test_github(self) -> None:
        """The API's version is fixed, and the address may be a GitHub Enterprise server's."""
        found = find({**GITHUB, "GITHUB_API_URL": "https://ghe.example.com/api/v3/"})
        assert (found.name, found.api) == ("pull request #12", "https://ghe.example.com/api/v3")
        assert found.all == "/repos/o/r/issues/12/comments"
        assert found.headers["Authorization"] == f"Bearer {TOKEN}"
        assert find(GITHUB).api == "https://api.github.com"

    def test_gitlab(self) -> None:
        """A relative URL root is part of the API's address."""
        found = find({**GITLAB, "CI_API_V4_URL": "https://example.com/gitlab/api/v4"})
        assert (found.name, found.api) == ("merge request !3", "https://example.com/gitlab/api/v4")
        assert found.all == "/projects/7/merge_requests/3/notes"
        assert found.headers["PRIVATE-TOKEN"] == TOKEN

    @pytest.mark.parametrize(
        ("event", "number"),
        [
            ({"pull_request": {"number": 5}}, "5"),
            ({"issue": {"number": 6, "pull_request": {}}}, "6"),
            ({"workflow_run": {"pull_requests": [{"number": 7}]}}, "7"),
        ],
    )
    def test_events(self, tmp_path: Path, event: dict[str, object], number: str) -> None:
        """What the event is about counts more than the ref."""
        file = tmp_path / "event.json"
        file.write_text(json.dumps(event))
        env = {**GITHUB, "GITHUB_EVENT_PATH": str(file)}
        assert find(env).all == f"/repos/o/r/issues/{number}/comments"

    @pytest.mark.parametrize(
        "event",
        [
            {"issue": {"number": 6}},
            {"workflow_run": {"pull_requests": []}},
            {"workflow_run": {"pull_requests": [{"number": 7}, {"number": 8}]}},
            {"pull_request": {"number": "7/../8"}},
            {"pull_request": None, "issue": 3, "workflow_run": []},
            [],
        ],
    )
    def test_events_about_no_pull_request(self, tmp_path: Path, event: object) -> None:
        """A push, an issue, several pull requests, nonsense."""
        file = tmp_path / "event.json"
        file.write_text(json.dumps(event))
        env = {**GITHUB, "GITHUB_EVENT_PATH": str(file), "GITHUB_REF": "refs/heads/main"}
        assert (
            reason(env, github_token=TOKEN)
            == "this run does not belong to a pull request; `pull-request` names one"
        )

    def test_the_number_that_is_given(self) -> None:
        """It outranks what the run knows."""
        assert find_discussion(GITHUB, github_token=TOKEN, pull_request=5).name == "pull request #5"
        gitlab = {**GITLAB, "CI_API_V4_URL": "https://l"}
        assert find_discussion(gitlab, gitlab_token=TOKEN, pull_request=5).name == "merge request !5"

    @pytest.mark.parametrize("path", ["", "/nowhere", "/dev/null"])
    def test_without_an_event(self, path: str) -> None:
        """The ref tells as well."""
        assert find({**GITHUB, "GITHUB_EVENT_PATH": path}).name == "pull request #12"
        assert find({**GITHUB, "GITHUB_REF": "refs/pull/9/head"}).name == "pull request #9"

    def test_reasons(self) -> None:
        """Why there is no comment, and what to do."""
        assert reason({}) == "only on GitHub and GitLab is it known where to comment"
        assert reason(GITHUB) == "`github-token` is not set: pass ${{ github.token }}"
        no_request = {name: value for name, value in GITLAB.items() if name != "CI_MERGE_REQUEST_IID"}
        assert reason({**no_request, "CI_API_V4_URL": "https://l"}) == (
            "this job does not belong to a merge request pipeline; `pull-request` names one"
        )
        assert reason({**GITLAB, "CI_API_V4_URL": "https://l"}).startswith("`gitlab-token` is not set: ")

    @pytest.mark.parametrize("repository", ["", "o", "o/r/../x"])
    def test_a_repository_that_is_none(self, repository: str) -> None:
        """No request is made of it."""
        env = {**GITHUB, "GITHUB_REPOSITORY": repository}
        assert (
            reason(env, github_token=TOKEN)
            == "this run does not belong to a pull request; `pull-request` names one"
        )

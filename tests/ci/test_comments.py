"""Where the comment belongs, and how it is found again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ci.forge import GITHUB, GITLAB, TOKEN, Forge
from zerokie_action.ci.comments import CannotComment, Discussion, Refused, find_discussion, put_comment
from zerokie_action.report.comment import comment_marker

if TYPE_CHECKING:
    from pathlib import Path

MARKER = comment_marker("site")
BOTH = pytest.mark.parametrize(
    "env", [GITHUB, {**GITLAB, "CI_API_V4_URL": "https://l"}], ids=["github", "gitlab"]
)


def find(env: dict[str, str]) -> Discussion:
    return find_discussion(env, github_token=TOKEN, gitlab_token=TOKEN)


def reason(env: dict[str, str], **tokens: str) -> str:
    with pytest.raises(CannotComment) as caught:
        find_discussion(env, **tokens)
    return str(caught.value)


@dataclass
class Answer:
    headers: dict[str, str]
    body: bytes


def put(forge: Forge, env: dict[str, str], text: str = "new", marker: str = MARKER) -> bool:
    """Put a comment; no network in between."""
    discussion = find(env)

    async def send(method: str, target: str, content: bytes) -> Answer:
        headers = {name.lower(): value for name, value in discussion.headers.items()}
        status, headers, body = forge.respond(method, target, content, headers)
        if not 200 <= status < 300:
            raise Refused(status, json.loads(body)["message"])
        return Answer(headers, body)

    async def main() -> bool:
        return await put_comment(discussion, f"{marker}\n{text}", marker=marker, send=send)

    return anyio.run(main)


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
        assert reason(env, github_token=TOKEN) == "this run does not belong to a pull request"

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
            "this job does not belong to a merge request pipeline"
        )
        assert reason({**GITLAB, "CI_API_V4_URL": "https://l"}).startswith("`gitlab-token` is not set: ")

    @pytest.mark.parametrize("repository", ["", "o", "o/r/../x"])
    def test_a_repository_that_is_none(self, repository: str) -> None:
        """No request is made of it."""
        env = {**GITHUB, "GITHUB_REPOSITORY": repository}
        assert reason(env, github_token=TOKEN) == "this run does not belong to a pull request"


class TestPut:
    """One comment for each app, whatever else is there."""

    @BOTH
    def test_created_once_then_edited(self, env: dict[str, str]) -> None:
        """The second run finds what the first one wrote."""
        forge = Forge({1: "hello"})
        assert put(forge, env, "one")
        assert not put(forge, env, "two")
        assert forge.comments == {1: "hello", 2: f"{MARKER}\ntwo"}

    @BOTH
    def test_found_on_a_later_page(self, env: dict[str, str]) -> None:
        """Hundreds of comments before it."""
        forge = Forge(dict.fromkeys(range(1, 321), "hello") | {999: f"{MARKER}\nold"})
        assert not put(forge, env)
        assert forge.comments[999] == f"{MARKER}\nnew"
        assert len(forge.comments) == 321

    def test_every_app_has_its_own(self) -> None:
        """Also when one name is the beginning of another."""
        forge = Forge()
        for app in ("site", "site-2", "site -->", "s"):
            assert put(forge, GITHUB, marker=comment_marker(app))
        assert len(forge.comments) == 4

    @pytest.mark.parametrize("text", [f"> {MARKER}\nquoted", f"look: {MARKER}", "", f"\n{MARKER}"])
    def test_what_only_mentions_the_marker(self, text: str) -> None:
        """A quotation in a reply is not ours."""
        forge = Forge({1: text})
        assert put(forge, GITHUB)
        assert forge.comments[1] == text

    def test_one_that_can_not_be_edited(self) -> None:
        """Somebody else's begins like ours: the next one is tried, or a new one made. It stays one."""
        forge = Forge({1: f"{MARKER}\nsomebody's"}, locked={1})
        assert put(forge, GITHUB, "one")
        assert not put(forge, GITHUB, "two")
        assert forge.comments == {1: f"{MARKER}\nsomebody's", 2: f"{MARKER}\ntwo"}

    @BOTH
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_missing_permission(self, env: dict[str, str], method: str) -> None:
        """The reason says which one is needed."""
        forge = Forge(refuse={method: (403, b'{"message": "no"}')})
        with pytest.raises(CannotComment) as caught:
            put(forge, env)
        assert str(caught.value).startswith('the API answered 403: "no"; `git')
        assert forge.comments == {}

    def test_another_refusal(self) -> None:
        """In the API's own words."""
        forge = Forge(refuse={"POST": (422, b'{"message": "body is too long"}')})
        with pytest.raises(CannotComment, match=r'^the API answered 422: "body is too long"$'):
            put(forge, GITHUB)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"null", b"3"])
    def test_a_list_that_is_none(self, body: bytes) -> None:
        """A proxy answers: no comment is made, there may be one already."""
        forge = Forge(refuse={"GET": (200, body)})
        with pytest.raises(CannotComment, match="is not what its documentation describes"):
            put(forge, GITHUB)
        assert forge.comments == {}

    def test_a_list_of_nonsense(self) -> None:
        """Entries without text or ID are passed over."""
        forge = Forge(refuse={"GET": (200, json.dumps([None, 3, {}, {"body": MARKER}, {"id": 4}]).encode())})
        assert put(forge, GITHUB)


@given(st.text(), st.text())
def test_markers(one: str, other: str) -> None:
    """A marker is one line of ASCII that nothing can end early, and no app's begins like another's."""
    marker = comment_marker(one)
    assert marker.isascii()
    assert marker.isprintable()
    assert marker.index("-->") == len(marker) - 3
    assert one == other or not comment_marker(other).startswith(marker)

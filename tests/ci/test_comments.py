"""Where the comment belongs, and how it is found again."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.ci.forge import GITHUB, GITLAB, TOKEN, Forge
from zerokie_action.ci.comments import CannotComment, Discussion, Refused, find_discussion, put_comment

if TYPE_CHECKING:
    from pathlib import Path

KEY = "zk-key"
TARGETS = {"github": "/repos/o/r/issues/12/comments", "gitlab": "/projects/7/merge_requests/3/notes"}
BOTH = pytest.mark.parametrize(
    "env", [GITHUB, {**GITLAB, "CI_API_V4_URL": "https://l"}], ids=["github", "gitlab"]
)


def find(env: dict[str, str]) -> Discussion:
    return find_discussion(env, github_token=TOKEN, gitlab_token=TOKEN)


def reason(env: dict[str, str], *, github_token: str = "", gitlab_token: str = "") -> str:
    with pytest.raises(CannotComment) as caught:
        find_discussion(env, github_token=github_token, gitlab_token=gitlab_token)
    return str(caught.value)


@dataclass
class Answer:
    headers: dict[str, str]
    content: bytes


def marker(number: int, *, app: str = "site", forge: str = "github", key: str = KEY) -> str:
    """What only the holder of the key can put at the beginning of this comment."""
    label = f"zerokie-action comment\0001\0{TARGETS[forge]}\0{number}\0{app}"
    return f"<!-- zerokie-action: {hmac.new(key.encode(), label.encode(), hashlib.sha256).hexdigest()} -->"


def ours(number: int, text: str, env: dict[str, str] = GITHUB, app: str = "site") -> str:
    """Our comment, whole."""
    return f"{marker(number, app=app, forge='gitlab' if 'GITLAB_CI' in env else 'github')}\n\n{text}"


def put(forge: Forge, env: dict[str, str], text: str = "new", *, app: str = "site", key: str = KEY) -> bool:
    """Put a comment; no network in between."""
    discussion = find(env)

    async def send(method: str, target: str, content: bytes) -> Answer:
        headers = {name.lower(): value for name, value in discussion.headers.items()}
        status, headers, body = forge.respond(method, target, content, headers)
        if not 200 <= status < 300:
            raise Refused(status, f'"{json.loads(body)["message"]}"')
        return Answer(headers, body)

    async def main() -> bool:
        return await put_comment(discussion, text, api_key=key, app=app, send=send)

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


class TestPut:
    """One comment for each app, whatever else is there."""

    @BOTH
    def test_created_once_then_edited(self, env: dict[str, str]) -> None:
        """The second run finds what the first one wrote."""
        forge = Forge({1: "hello"})
        assert put(forge, env, "one")
        assert forge.comments == {1: "hello", 2: ours(2, "one", env)}
        assert not put(forge, env, "two")
        assert forge.comments == {1: "hello", 2: ours(2, "two", env)}

    @BOTH
    def test_found_on_a_later_page(self, env: dict[str, str]) -> None:
        """Hundreds of comments before it."""
        forge = Forge(dict.fromkeys(range(1, 321), "hello") | {999: ours(999, "old", env)})
        assert not put(forge, env)
        assert forge.comments[999] == ours(999, "new", env)
        assert len(forge.comments) == 321

    def test_every_app_has_its_own(self) -> None:
        """Also when one name is the beginning of another."""
        forge = Forge()
        apps = ("site", "site-2", "site -->", "s", "2\0s")
        assert all(put(forge, GITHUB, app=app) for app in apps)
        assert not any(put(forge, GITHUB, "again", app=app) for app in apps)
        assert forge.comments == {
            number: ours(number, "again", app=app) for number, app in enumerate(apps, start=101)
        }

    @pytest.mark.parametrize(
        "text",
        [
            "<!-- zerokie-action: app site -->\nguessed",
            f"<!-- zerokie-action: {'0' * 64} -->\nguessed",
            f"{marker(1, key='another-key')}\nanother key's",
            f"{marker(1, app='another')}\nanother app's",
            f"{marker(1, forge='gitlab')}\nanother discussion's",
            f"{marker(2)}\ncopied from the comment that is ours",
            f"> {marker(1)}\nquoted",
            f"look: {marker(1)}",
            f"\n{marker(1)}",
            marker(1)[:-5],
            "",
        ],
    )
    def test_somebody_elses(self, text: str) -> None:
        """Our token could edit it, and its author later; so only what we made counts, where we made it."""
        forge = Forge({1: text})
        assert put(forge, GITHUB, "one")
        assert not put(forge, GITHUB, "two")
        assert forge.comments == {1: text, 2: ours(2, "two")}

    def test_a_new_key(self) -> None:
        """What another key's holder wrote may be anybody's: there is a new comment, and the old one stays."""
        forge = Forge()
        assert put(forge, GITHUB, "one")
        assert put(forge, GITHUB, "two", key="new-key")
        assert forge.comments == {101: ours(101, "one"), 102: f"{marker(102, key='new-key')}\n\ntwo"}

    def test_one_that_can_not_be_edited(self) -> None:
        """Another token wrote ours: the next one is tried, or a new one made. It stays one."""
        forge = Forge({1: ours(1, "another token's")}, locked={1})
        assert put(forge, GITHUB, "one")
        assert not put(forge, GITHUB, "two")
        assert forge.comments == {1: ours(1, "another token's"), 2: ours(2, "two")}

    def test_one_that_can_not_be_marked(self) -> None:
        """It says all that there is to say, but no later run will find it: a warning says why."""
        forge = Forge(refuse={"PATCH": (403, b'{"message": "no"}')})
        with pytest.raises(CannotComment, match=r'^the API answered 403: "no"; `github-token` needs '):
            put(forge, GITHUB)
        assert forge.comments == {101: "new"}

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": "7/../8"}', b"[" * 200_000])
    def test_a_new_one_without_an_id(self, body: bytes) -> None:
        """Nothing can be marked then, and nothing is tried."""
        forge = Forge(refuse={"POST": (201, body)})
        with pytest.raises(
            CannotComment, match=r"^the API did not tell the new comment's ID, so no later run "
        ):
            put(forge, GITHUB)
        assert [request.split(" ")[0] for request in forge.requests] == ["GET", "POST"]

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

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"null", b"3", b"[" * 200_000])
    def test_a_list_that_is_none(self, body: bytes) -> None:
        """A proxy answers: no comment is made, there may be one already."""
        forge = Forge(refuse={"GET": (200, body)})
        with pytest.raises(CannotComment, match="is not what its documentation describes"):
            put(forge, GITHUB)
        assert forge.comments == {}

    def test_a_list_of_nonsense(self) -> None:
        """Entries without text or ID are passed over."""
        listed = [None, 3, {}, {"body": marker(1)}, {"id": 4}, {"id": "1", "body": marker(1)}]
        forge = Forge(refuse={"GET": (200, json.dumps(listed).encode())})
        assert put(forge, GITHUB)

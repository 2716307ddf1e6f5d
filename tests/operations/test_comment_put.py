"""One comment for each app, whatever else is there; no network in between."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.ci.forge import GITHUB, GITLAB, TOKEN, Forge
from zerokie_action.ci.comments import CannotComment, find_discussion
from zerokie_action.operations.comment import Comments

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "zk-key"
TARGETS = {"github": "/repos/o/r/issues/12/comments", "gitlab": "/projects/7/merge_requests/3/notes"}
BOTH = pytest.mark.parametrize(
    "env", [GITHUB, {**GITLAB, "CI_API_V4_URL": "https://l"}], ids=["github", "gitlab"]
)


def marker(number: int, *, app: str = "site", forge: str = "github", key: str = KEY) -> str:
    """What only the holder of the key can put at the beginning of this comment."""
    label = f"zerokie-action comment\0001\0{TARGETS[forge]}\0{number}\0{app}"
    return f"<!-- zerokie-action: {hmac.new(key.encode(), label.encode(), hashlib.sha256).hexdigest()} -->"


def ours(number: int, text: str, env: dict[str, str] = GITHUB, app: str = "site") -> str:
    """Our comment, whole."""
    return f"{marker(number, app=app, forge='gitlab' if 'GITLAB_CI' in env else 'github')}\n\n{text}"


def put(
    forge: Forge,
    env: dict[str, str],
    text: str = "new",
    *,
    app: str = "site",
    key: str = KEY,
    redact: Callable[[str], str] = str,
) -> bool:
    """Put a comment."""

    def respond(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode()
        status, headers, body = forge.respond(request.method, target, request.content, headers)
        return httpx.Response(status, headers=headers, content=body)

    async def main() -> bool:
        discussion = find_discussion(env, github_token=TOKEN, gitlab_token=TOKEN)
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
            return await Comments(http, discussion, redact, key, app).put(text)

    return anyio.run(main)


@BOTH
def test_created_once_then_edited(env: dict[str, str]) -> None:
    """The second run finds what the first one wrote."""
    forge = Forge({1: "hello"})
    assert put(forge, env, "one")
    assert forge.comments == {1: "hello", 2: ours(2, "one", env)}
    assert not put(forge, env, "two")
    assert forge.comments == {1: "hello", 2: ours(2, "two", env)}


@BOTH
def test_found_on_a_later_page(env: dict[str, str]) -> None:
    """Hundreds of comments before it."""
    forge = Forge(dict.fromkeys(range(1, 321), "hello") | {999: ours(999, "old", env)})
    assert not put(forge, env)
    assert forge.comments[999] == ours(999, "new", env)
    assert len(forge.comments) == 321


def test_every_app_has_its_own() -> None:
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
def test_somebody_elses(text: str) -> None:
    """Our token could edit it, and its author later; so only what we made counts, where we made it."""
    forge = Forge({1: text})
    assert put(forge, GITHUB, "one")
    assert not put(forge, GITHUB, "two")
    assert forge.comments == {1: text, 2: ours(2, "two")}


def test_a_new_key() -> None:
    """What another key's holder wrote may be anybody's: there is a new comment, and the old one stays."""
    forge = Forge()
    assert put(forge, GITHUB, "one")
    assert put(forge, GITHUB, "two", key="new-key")
    assert forge.comments == {101: ours(101, "one"), 102: f"{marker(102, key='new-key')}\n\ntwo"}


def test_one_that_can_not_be_edited() -> None:
    """Another token wrote ours: the next one is tried, or a new one made. It stays one."""
    forge = Forge({1: ours(1, "another token's")}, locked={1})
    assert put(forge, GITHUB, "one")
    assert not put(forge, GITHUB, "two")
    assert forge.comments == {1: ours(1, "another token's"), 2: ours(2, "two")}


def test_one_that_can_not_be_marked() -> None:
    """It says all that there is to say, but no later run will find it: a warning says why."""
    forge = Forge(refuse={"PATCH": (403, b'{"message": "no"}')})
    with pytest.raises(CannotComment, match=r'^the API answered 403: "no"; `github-token` needs '):
        put(forge, GITHUB)
    assert forge.comments == {101: "new"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": "7/../8"}', b"[" * 200_000])
def test_a_new_one_without_an_id(body: bytes) -> None:
    """Nothing can be marked then, and nothing is tried."""
    forge = Forge(refuse={"POST": (201, body)})
    with pytest.raises(CannotComment, match=r"^the API did not tell the new comment's ID, so no later run "):
        put(forge, GITHUB)
    assert [request.split(" ")[0] for request in forge.requests] == ["GET", "POST"]


@BOTH
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_missing_permission(env: dict[str, str], method: str) -> None:
    """The reason says which one is needed."""
    forge = Forge(refuse={method: (403, b'{"message": "no"}')})
    with pytest.raises(CannotComment) as caught:
        put(forge, env)
    assert str(caught.value).startswith('the API answered 403: "no"; `git')
    assert forge.comments == {}


def test_another_refusal() -> None:
    """In the API's own words."""
    forge = Forge(refuse={"POST": (422, b'{"message": "body is too long"}')})
    with pytest.raises(CannotComment, match=r'^the API answered 422: "body is too long"$'):
        put(forge, GITHUB)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"null", b"3", b"[" * 200_000])
def test_a_list_that_is_none(body: bytes) -> None:
    """A proxy answers: no comment is made, there may be one already."""
    forge = Forge(refuse={"GET": (200, body)})
    with pytest.raises(CannotComment, match="is not what its documentation describes"):
        put(forge, GITHUB)
    assert forge.comments == {}


def test_a_list_of_nonsense() -> None:
    """Entries without text or ID are passed over."""
    listed = [None, 3, {}, {"body": marker(1)}, {"id": 4}, {"id": "1", "body": marker(1)}]
    forge = Forge(refuse={"GET": (200, json.dumps(listed).encode())})
    assert put(forge, GITHUB)


def test_a_token_in_what_the_api_says() -> None:
    """It is taken out before the text is cut: half of it would not be recognised."""
    body = json.dumps({"message": "x" * 490 + TOKEN}).encode()
    forge = Forge(refuse={"GET": (422, body)})
    with pytest.raises(CannotComment) as caught:
        put(forge, GITHUB, redact=lambda text: text.replace(TOKEN, "***"))
    assert TOKEN[:5] not in str(caught.value)
    assert "***" in str(caught.value)

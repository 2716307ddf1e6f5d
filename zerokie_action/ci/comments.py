"""The comment on a pull or merge request: created once, found again by a hidden marker, then edited.

Knows the two APIs, GitHub's (GitHub Enterprise, Gitea and Forgejo have the same) and GitLab's, but
not how to send anything: whoever calls hands in a function for that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_PAGE = 100
_MOST_PAGES = 50
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_GITHUB_API = "https://api.github.com"


class CannotComment(Exception):  # noqa: N818 - a comment is a courtesy: this becomes a warning
    """There is no comment, and why: `str(error)` is one or two sentences, without the last full stop."""


class Refused(CannotComment):
    """The API said no. `status` is the HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        """`words` are the API's own."""
        super().__init__(f'the API answered {status}: "{words}"' if words else f"the API answered {status}")
        self.status = status


class Answered(Protocol):
    """What an API answers: 2xx, its headers under lower-case names, its body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""
        ...

    @property
    def body(self) -> bytes:
        """As it came."""
        ...


if TYPE_CHECKING:
    Send = Callable[[str, str, bytes], Awaitable[Answered]]
    """Sends method, target and JSON body; raises `Refused` for any status that is no 2xx, and `CannotComment`
    when nothing came back."""


@dataclass(frozen=True, slots=True)
class Discussion:
    """The comments of one pull or merge request, as an API has them.

    Attributes:
        name: for people: `pull request #12`.
        api: where the API is, without a slash at the end.
        headers: what a request has to carry, the token too.
        all: target of all comments; GET lists them, POST adds one.
        one: target of one comment, without its ID.
        edit: the method that replaces a comment's text.
        permission: what the token needs, for a message.
    """

    name: str
    api: str
    headers: Mapping[str, str]
    all: str
    one: str
    edit: str
    permission: str


def find_discussion(env: Mapping[str, str], *, github_token: str = "", gitlab_token: str = "") -> Discussion:
    """Where the comment of this run belongs.

    Raises:
        CannotComment: when this is no pull or merge request, or there is no token.
    """
    if env.get("GITHUB_ACTIONS") == "true":
        return _on_github(env, github_token)
    if env.get("GITLAB_CI"):
        return _on_gitlab(env, gitlab_token)
    raise CannotComment("only on GitHub and GitLab is it known where to comment")


def _on_github(env: Mapping[str, str], token: str) -> Discussion:
    number = _pull_request(env)
    repository = env.get("GITHUB_REPOSITORY", "")
    if not number or repository.count("/") != 1:
        raise CannotComment("this run does not belong to a pull request")
    if not token:
        raise CannotComment("`github-token` is not set: pass ${{ github.token }}")
    issues = f"/repos/{quote(repository)}/issues"
    return Discussion(
        name=f"pull request #{number}",
        api=(env.get("GITHUB_API_URL") or _GITHUB_API).rstrip("/"),
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        all=f"{issues}/{number}/comments",
        one=f"{issues}/comments/",
        edit="PATCH",
        permission="`github-token` needs `permissions: pull-requests: write`, which runs for forks don't get",
    )


def _on_gitlab(env: Mapping[str, str], token: str) -> Discussion:
    api, project = env.get("CI_API_V4_URL", ""), env.get("CI_PROJECT_ID", "")
    number = env.get("CI_MERGE_REQUEST_IID", "")
    if not (api and project and number):
        raise CannotComment("this job does not belong to a merge request pipeline")
    if not token:
        raise CannotComment(
            "`gitlab-token` is not set: a project token may comment, the job's own token may not"
        )
    notes = f"/projects/{quote(project, safe='')}/merge_requests/{quote(number, safe='')}/notes"
    return Discussion(
        name=f"merge request !{number}",
        api=api.rstrip("/"),
        headers={"PRIVATE-TOKEN": token, "Accept": "application/json"},
        all=notes,
        one=f"{notes}/",
        edit="PUT",
        permission="`gitlab-token` needs the scope `api` and at least the role Reporter",
    )


def _pull_request(env: Mapping[str, str]) -> str:
    """The number of the pull request that the event is about; empty when it is about none."""
    event = _event(env.get("GITHUB_EVENT_PATH", ""))
    runs = _dict(event.get("workflow_run")).get("pull_requests")
    issue = _dict(event.get("issue"))
    found = (
        _dict(event.get("pull_request")).get("number"),
        issue.get("number") if "pull_request" in issue else None,
        _dict(runs[0]).get("number") if isinstance(runs, list) and len(runs) == 1 else None,
    )
    number = next((number for number in found if isinstance(number, int)), None)
    if number is not None:
        return str(number)
    match = re.fullmatch(r"refs/pull/([0-9]+)/(?:merge|head)", env.get("GITHUB_REF", ""))
    return match[1] if match else ""


def _event(path: str) -> dict[str, Any]:
    try:
        return _dict(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError):
        return {}


def _dict(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


async def put_comment(discussion: Discussion, body: str, *, marker: str, send: Send) -> bool:
    """Make `body`, which begins with `marker`, the text of our comment.

    Somebody else's comment may begin like ours; one that can't be edited is passed over.

    Returns:
        Whether the comment is new.

    Raises:
        CannotComment: when it did not work.
    """
    text = json.dumps({"body": body}).encode()
    try:
        for number in await _ours(discussion, marker, send):
            try:
                await send(discussion.edit, f"{discussion.one}{number}", text)
            except Refused as refused:
                if refused.status not in {_FORBIDDEN, _NOT_FOUND}:
                    raise
            else:
                return False
        await send("POST", discussion.all, text)
    except Refused as refused:
        if refused.status in {_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND}:
            raise CannotComment(f"{refused}; {discussion.permission}") from refused
        raise
    return True


async def _ours(discussion: Discussion, marker: str, send: Send) -> list[int]:
    """The IDs of the comments that begin with the marker, oldest first."""
    found: list[int] = []
    for page in range(1, _MOST_PAGES + 1):
        # GitHub lists the oldest first anyway; GitLab has to be told.
        query = f"?per_page={_PAGE}&page={page}&sort=asc&order_by=created_at"
        answer = await send("GET", discussion.all + query, b"")
        found += [
            comment["id"]
            for comment in _comments(answer.body)
            if str(comment.get("body")).startswith(marker) and isinstance(comment.get("id"), int)
        ]
        if 'rel="next"' not in answer.headers.get("link", ""):
            break
    return found


def _comments(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise CannotComment("the API's list of comments is not what its documentation describes")
    return [_dict(comment) for comment in found]

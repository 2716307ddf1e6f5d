"""The comment on a pull or merge request: created once, found again by a hidden marker, then edited.

Knows the two APIs, GitHub's (GitHub Enterprise, Gitea and Forgejo have the same) and GitLab's;
`operations.comment` sends the requests.

Everybody may comment, and a forge lets our token edit what others wrote. A report in somebody
else's comment would be theirs to change: its link, for example. So the marker is a MAC, made with
the API key, of the comment's own ID: nobody else can make one, and a copy of ours proves nothing
in another comment. Who wrote a comment says less: runs may have different tokens.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from zerokie_action.ci.github import _read_event as read_event

if TYPE_CHECKING:
    from collections.abc import Mapping

_GITHUB_API = "https://api.github.com"
# Another way to make the MAC gets another number.
_MARKER_VERSION = "1"


class CannotComment(Exception):  # noqa: N818 - a comment is a courtesy: this becomes a warning
    """There is no comment, and why: `str(error)` is one or two sentences, without the last full stop."""


class NoDiscussion(CannotComment):
    """The run is about no pull or merge request, such as one for a push."""


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


def find_discussion(
    env: Mapping[str, str], *, github_token: str = "", gitlab_token: str = "", pull_request: int | None = None
) -> Discussion:
    """Where the comment of this run belongs: `pull_request`, or else the one that the run is about.

    Raises:
        NoDiscussion: when this is no pull or merge request.
        CannotComment: when there is no token, or no API that is known.
    """
    if env.get("GITHUB_ACTIONS") == "true":
        return _on_github(env, github_token, str(pull_request or _pull_request(env)))
    if env.get("GITLAB_CI"):
        return _on_gitlab(env, gitlab_token, str(pull_request or env.get("CI_MERGE_REQUEST_IID", "")))
    raise CannotComment("only on GitHub and GitLab is it known where to comment")


def _on_github(env: Mapping[str, str], token: str, number: str) -> Discussion:
    repository = env.get("GITHUB_REPOSITORY", "")
    if not number or repository.count("/") != 1:
        raise NoDiscussion("this run does not belong to a pull request; `pull-request` names one")
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


def _on_gitlab(env: Mapping[str, str], token: str, number: str) -> Discussion:
    api, project = env.get("CI_API_V4_URL", ""), env.get("CI_PROJECT_ID", "")
    if not (api and project and number):
        raise NoDiscussion("this job does not belong to a merge request pipeline; `pull-request` names one")
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
    event = read_event(env)
    runs = at(event, "workflow_run", "pull_requests")
    found = (
        at(event, "pull_request", "number"),
        at(event, "issue", "number") if at(event, "issue", "pull_request") is not None else None,
        at(runs[0], "number") if isinstance(runs, list) and len(runs) == 1 else None,
    )
    number = next((number for number in found if isinstance(number, int)), None)
    if number is not None:
        return str(number)
    match = re.fullmatch(r"refs/pull/([0-9]+)/(?:merge|head)", env.get("GITHUB_REF", ""))
    return match[1] if match else ""


def marker(discussion: Discussion, number: int, api_key: str, app: str) -> str:
    """The hidden line that our comment of this ID begins with; it tells nothing about the API key.

    The API's address is not part of it: a forge may move, and runners may reach it by several names.
    """
    label = "\0".join(("zerokie-action comment", _MARKER_VERSION, discussion.all, str(number), app))
    return f"<!-- zerokie-action: {hmac.digest(api_key.encode(), label.encode(), 'sha256').hex()} -->"


def own_comments(discussion: Discussion, listed: bytes, api_key: str, app: str) -> list[int]:
    """The IDs of the app's comments that we wrote, from a list of comments as the API answers it.

    Raises:
        CannotComment: when it is no list.
    """
    comments = _parsed(listed)
    if not isinstance(comments, list):
        raise CannotComment("the API's list of comments is not what its documentation describes")
    return [
        number
        for comment in comments
        if isinstance(number := at(comment, "id"), int)
        and str(at(comment, "body")).startswith(marker(discussion, number, api_key, app))
    ]


def created_comment(body: bytes) -> int:
    """The ID of the comment that an answer is about.

    Raises:
        CannotComment: when it has none.
    """
    number = at(_parsed(body), "id")
    if not isinstance(number, int):
        raise CannotComment("the API did not tell the new comment's ID, so no later run can update it")
    return number


def _parsed(body: bytes) -> object:
    """What the JSON says; `None` if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def at(found: object, *keys: str) -> object:
    """What is in a document of JSON under one key after the other; `None` if there is no such thing."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found

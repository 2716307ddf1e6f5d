"""A code host in memory: pull requests with comments and deployments, or GitLab's merge requests."""

import io
import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http.servers import Handler, Peer, serve
from tests.support import timewarp
from tests.support.world import Outcome, World
from zerokie_action.ci import detect
from zerokie_action.inputs.load import Environment, load
from zerokie_action.previews.notify import notify
from zerokie_action.report.report import Report

TOKEN = "good-token"  # noqa: S105 - of a code host in memory
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "0123456789abcdef",
    "GITHUB_RUN_ID": "1",
}
EVENT = '{"pull_request": {"number": 12}}'
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_IID": "3",
    "CI_COMMIT_SHA": "fedcba9876543210",
    "CI_PROJECT_URL": "https://gitlab.example.com/o/r",
    "CI_JOB_URL": "https://gitlab.example.com/o/r/-/jobs/1",
}
NO_JOB: list[dict[str, str]] = [
    {},
    GITLAB,
    {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "CI_API_V4_URL": "https://gitlab.example.com/api/v4"},
    GITLAB | {"CI_API_V4_URL": "gitlab.example.com"},
    {"GITHUB_ACTIONS": "true"},
    GITHUB | {"GITHUB_API_URL": "api.example.com"},
    GITHUB | {"GITHUB_REPOSITORY": "o r"},
]
"""Environments without the variables for requests to a code host."""
_REQUEST = re.compile(r"/repos/o/r/pulls/([0-9]+)|/projects/7/merge_requests/([0-9]+)")
_ALL = re.compile(r"/repos/o/r/issues/([0-9]+)/comments|/projects/7/merge_requests/([0-9]+)/notes")
_ONE = re.compile(r"/(?:repos/o/r/issues/comments|projects/7/merge_requests/[0-9]+/notes)/([0-9]+)")
_DEPLOYMENTS = re.compile(r"/repos/o/r/deployments(?:/([0-9]+)/statuses)?")
_EDIT = {"/repos": "PATCH", "/proje": "PUT"}
_MORE = {"link": '<https://else.where/?page=2>; rel="next"'}

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers with lower-case names, and body."""


@dataclass
class Deployment:
    """A deployment with the fields of its request, and its statuses in order."""

    fields: dict[str, Any]
    statuses: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state(self) -> str:
        return str(self.statuses[-1]["state"]) if self.statuses else "pending"


@dataclass
class CodeHost:
    """Responds like GitHub or GitLab.

    Attributes:
        comments: texts by ID, in order.
        about: the pull request of each comment, by the comment's ID.
        states: states of all existing pull requests, by number.
        heads: commits of pull requests, by number.
        deployments: deployments by ID, in order. None on a code host without deployments, such as Gitea.
        answers: status and body instead of a pull request's state, by number.
        refuse: status and body for all requests with a method, by method.
        answer_deployments: response to all requests about deployments.
        allowance: number of requests until the token reaches its rate limit.
        is_endless: whether each page of comments is full and links to another one.
        requests: method and target of each request.
        received: headers and bodies of all requests.
        before: awaited before each response.
        on_request: called after each response.
    """

    comments: dict[int, str] = field(default_factory=dict)
    about: dict[int, int] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    heads: dict[int, str] = field(default_factory=dict)
    deployments: dict[int, Deployment] | None = field(default_factory=dict)
    answers: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    refuse: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    answer_deployments: Answer | None = None
    allowance: float = math.inf
    is_endless: bool = False
    requests: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None
    on_request: Callable[[str], object] = lambda _line: None

    def respond(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Return the response to a request."""
        self.requests.append(f"{method} {target}")
        parts = urlsplit(target)
        if refused := self._refused(method, headers):
            return refused
        if method == "GET" and (request := _REQUEST.fullmatch(parts.path)):
            return self._state(int(request[1] or request[2]))
        if found := _ALL.fullmatch(parts.path):
            return self._all(int(found[1] or found[2]), method, parse_qs(parts.query), body)
        if (some := _DEPLOYMENTS.fullmatch(parts.path)) and self.deployments is not None:
            return self.answer_deployments or self._deployments(some[1], method, parse_qs(parts.query), body)
        if (one := _ONE.fullmatch(parts.path)) and method == _EDIT[parts.path[:6]]:
            return self._edit(int(one[1]), body)
        return 404, {}, b'{"message": "Not Found"}'

    def _refused(self, method: str, headers: dict[str, str]) -> Answer | None:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, b'{"message": "Bad credentials"}'
        if len(self.requests) > self.allowance:
            return 403, {}, b'{"message": "API rate limit exceeded"}'
        status, body = self.refuse.get(method, (0, b""))
        return (status, {}, body) if status else None

    def _state(self, number: int) -> Answer:
        if number in self.answers:
            status, body = self.answers[number]
            return status, {}, body
        if number not in self.states:
            return 404, {}, b'{"message": "Not Found"}'
        found = {"id": 9000 + number, "number": number, "iid": number, "state": self.states[number]}
        found |= {"head": {"sha": self.heads[number]}} if number in self.heads else {}
        return 200, {}, json.dumps(found).encode()

    def _all(self, request: int, method: str, query: dict[str, list[str]], body: bytes) -> Answer:
        if method == "POST":
            number = max(self.comments, default=100) + 1
            self.comments[number] = json.loads(body)["body"]
            self.about[number] = request
            return 201, {}, json.dumps({"id": number}).encode()
        size, page = int(query["per_page"][0]), int(query["page"][0])
        assert size <= 100
        listed: list[dict[str, Any]] = [
            {"id": number, "body": text}
            for number, text in self.comments.items()
            if self.about.get(number, request) == request
        ]
        if self.is_endless:
            return 200, _MORE, json.dumps([{"id": 1, "body": "hello"}] * size).encode()
        return _page(listed, size, page)

    def _edit(self, number: int, body: bytes) -> Answer:
        self.comments[number] = json.loads(body)["body"]
        return 200, {}, b"{}"

    def _deployments(
        self, number: str | None, method: str, query: dict[str, list[str]], body: bytes
    ) -> Answer:
        """Create a deployment as in GitHub's reference. A missing flag has GitHub's default."""
        assert self.deployments is not None
        given = json.loads(body) if method == "POST" else {}
        size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
        if number is None and method == "POST":
            if given.get("auto_merge", True) or given.get("required_contexts") != []:
                return 409, {}, b'{"message": "Conflict merging main"}'
            self.deployments[new := max(self.deployments, default=500) + 1] = Deployment(given)
            return 201, {}, json.dumps({"id": new, **given}).encode()
        if number is None:
            tasks = query.get("task", [])
            listed = [
                {"id": one, **found.fields}
                for one, found in reversed(self.deployments.items())
                if found.fields["task"] in tasks
            ]
            return _page(listed, size, page)
        found = self.deployments[int(number)]
        if method == "POST":
            if given.get("auto_inactive", True) and given["state"] == "success":
                for other in self.deployments.values():
                    if other is not found and other.fields["environment"] == found.fields["environment"]:
                        other.statuses.append({"state": "inactive"})
            found.statuses.append(given)
            return 201, {}, b'{"id": 1}'
        return _page([{"id": 1, **status} for status in reversed(found.statuses)], size, page)

    async def handle(self, peer: Peer) -> None:
        """Respond over HTTP."""
        while True:
            request = await peer.request()
            method = request.line.split(" ")[0]
            self.received.append(f"{request.line} {request.headers} {request.body!r}")
            if self.before:
                await self.before(f"{method} {request.target}")
            status, headers, body = self.respond(method, request.target, request.body, request.headers)
            self.on_request(f"{method} {request.target}")
            lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            await peer.send("\r\n".join([*lines, "", ""]).encode() + body)


def _page(listed: list[dict[str, Any]], size: int, page: int) -> Answer:
    """Return one page of a list."""
    some = listed[(page - 1) * size : page * size]
    return 200, _MORE if page * size < len(listed) else {}, json.dumps(some).encode()


@asynccontextmanager
async def job(
    world: World, host: CodeHost | Handler, ci: str = "github", event: str = ""
) -> AsyncIterator[dict[str, str]]:
    """Yield the environment of a job for a pull request."""
    folder = world.folder.parent
    files = {f"GITHUB_{name}": str(folder / name) for name in ("OUTPUT", "STATE", "STEP_SUMMARY")}
    path = folder / "event.json"
    path.write_text(event or EVENT)
    async with serve(host.handle if isinstance(host, CodeHost) else host) as server:
        yield {
            "github": {**GITHUB, **files, "GITHUB_EVENT_PATH": str(path), "GITHUB_API_URL": server.url},
            "gitlab": {**GITLAB, "CI_API_V4_URL": server.url},
        }[ci]


def run(
    world: World, host: CodeHost | Handler, ci: str = "github", event: str = "", **inputs: object
) -> Outcome:
    """Run the action in such a job."""

    async def main() -> Outcome:
        async with job(world, host, ci, event) as world.env:
            tokens = {"github_token": TOKEN, "gitlab_token": TOKEN}
            return await world.arun(**{**tokens, **inputs})

    return timewarp.run(world.loop, main())  # type: ignore[no-any-return]


async def tell_here(env: dict[str, str], result: Report, **inputs: object) -> str:
    """Send this report to the code host, as at the end of a run. Return the log."""
    given = {"app": result.app, "github_token": TOKEN, "preview_environment": "previews", **inputs}
    texts = {f"ZEROKIE_{name.upper()}": str(value) for name, value in given.items()}
    settings, _ = load(Environment(env | texts))
    log = io.StringIO()
    await notify(result, detect(env, log), settings)
    return log.getvalue()


def tell(world: World, host: CodeHost, result: Report, event: str = "", **inputs: object) -> str:
    """Do the same in a new job. Return the log."""

    async def main() -> str:
        async with job(world, host, event=event) as world.env:
            return await tell_here(world.env, result, **inputs)

    return timewarp.run(world.loop, main())  # type: ignore[no-any-return]


def warnings(log: str) -> list[str]:
    """Return the warnings in a log."""
    return [line for line in log.splitlines() if re.match("::warning::|(\x1b\\[0;33m)?Warning: ", line)]


def active(host: CodeHost, task: str) -> list[str]:
    """Return the commits and states of a task's active deployments, the oldest first."""
    assert host.deployments is not None
    return [
        f"{found.fields['ref']} {found.state}"
        for found in host.deployments.values()
        if found.fields["task"] == task and found.state != "inactive"
    ]


async def hang(peer: Peer) -> None:
    """Read the request and never respond."""
    await peer.request()
    await peer.gone()

"""A forge in memory: the comments of one pull request on GitHub's API, or one merge request on GitLab's."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http.servers import Peer

TOKEN = "good-token"  # noqa: S105 - of a forge in memory
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
_ALL = re.compile(r"/repos/o/r/issues/12/comments|/projects/7/merge_requests/3/notes")
_ONE = re.compile(r"/(?:repos/o/r/issues/comments|projects/7/merge_requests/3/notes)/([0-9]+)")
_EDIT = {"/repos": "PATCH", "/proje": "PUT"}


@dataclass
class Forge:
    """Answers what a forge would answer.

    Attributes:
        comments: texts by their IDs, in order.
        refuse: method -> status and body; all requests of that method get it.
        requests: method and target of each request.
    """

    comments: dict[int, str] = field(default_factory=dict)
    refuse: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def respond(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers under lower-case names, and body."""
        self.requests.append(f"{method} {target}")
        parts = urlsplit(target)
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}, b'{"message": "Bad credentials"}'
        if answer := self.refuse.get(method):
            return answer[0], {}, answer[1]
        if _ALL.fullmatch(parts.path):
            return self._all(method, parse_qs(parts.query), body)
        if (one := _ONE.fullmatch(parts.path)) and method == _EDIT[parts.path[:6]]:
            return self._edit(int(one[1]), body)
        return 404, {}, b'{"message": "Not Found"}'

    def _all(
        self, method: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if method == "POST":
            number = max(self.comments, default=100) + 1
            self.comments[number] = json.loads(body)["body"]
            return 201, {}, json.dumps({"id": number}).encode()
        size, page = int(query["per_page"][0]), int(query["page"][0])
        assert size <= 100
        listed: list[dict[str, Any]] = [
            {"id": number, "body": text} for number, text in self.comments.items()
        ]
        some = listed[(page - 1) * size : page * size]
        more = (
            {"link": f'<https://else.where/?page={page + 1}>; rel="next"'}
            if page * size < len(listed)
            else {}
        )
        return 200, more, json.dumps(some).encode()

    def _edit(self, number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.comments[number] = json.loads(body)["body"]
        return 200, {}, b"{}"

    async def handle(self, peer: Peer) -> None:
        """The same over HTTP."""
        while True:
            request = await peer.request()
            method = request.line.split(" ")[0]
            status, headers, body = self.respond(method, request.target, request.body, request.headers)
            lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            await peer.send("\r\n".join([*lines, "", ""]).encode() + body)

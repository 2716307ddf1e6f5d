"""The record of a request, and the error that refuses a request."""

from dataclasses import asdict, dataclass, field
from typing import Any


class ApiError(Exception):
    """A request that the platform refuses.

    Attributes:
        status: the HTTP status code, one of the reference's table.
        message: the `error` of the answer's body.
        headers: of the answer, beside the usual ones.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        """Refuse with this status and message."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass(slots=True)
class Record:
    """The record of one request, completed while the request is handled.

    Attributes:
        index: the position in `Platform.requests`.
        method: `GET`, `PUT`, …
        path: the raw path, percent-encoded and not normalised.
        query: the raw query string, without `?`.
        app: the app's name in the path; empty when there is none.
        headers: by lower-case name.
        body_size: bytes of the body that were read.
        session: the `deploy_session_id` of the body.
        lock_holder: the session that held the app's lock when the request took effect, or else arrived.
        status: the answer's status; `None` without an answer; 499 if the client went away during an upload.
        fault: a short description of the injected fault.
        received: the time of arrival, in seconds since the epoch.
    """

    index: int
    method: str
    path: str
    query: str = ""
    app: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body_size: int = 0
    session: str | None = None
    lock_holder: str | None = None
    status: int | None = None
    fault: str | None = None
    received: float = 0.0

    def __str__(self) -> str:
        """`7 PUT /v1/apps/site/files/a.css -> 200`."""
        return f"{self.index} {self.method} {self.path} -> {self.status or self.fault or 'no answer'}"

    def public(self) -> dict[str, Any]:
        """All fields for JSON, without the API key."""
        headers = {name: value for name, value in self.headers.items() if name != "authorization"}
        return asdict(self) | {"headers": headers}

"""Record of a request, and error for a refused request."""

from dataclasses import asdict, dataclass, field
from typing import Any


class ApiError(Exception):
    """A refusal of a request.

    Attributes:
        status: an HTTP status code from the reference's table.
        message: the `error` in the response's body.
        headers: additional headers of the response.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        """Refuse with this status and message."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass(slots=True)
class Record:
    """The record of one request. The server adds the last fields while it handles the request.

    Attributes:
        index: the position in `Platform.requests`.
        method: `GET`, `PUT`, …
        path: the raw path, percent-encoded and not normalized.
        query: the raw query string, without `?`.
        app: the app's name in the path, or empty.
        headers: values by lower-case name.
        body_size: bytes of the body that the server read.
        session: the `deploy_session_id` of the body.
        lock_holder: the lock's holder when the request took effect, or when it arrived if it has no effect.
        status: the response's status; `None` without a response; 499 if the client disconnected.
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

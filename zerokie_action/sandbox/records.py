"""What the platform remembers of every request to `/v1` and to the apps' URLs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Record:
    """One request, filled in as it goes on.

    Attributes:
        index: its place in `Platform.requests`.
        method: `GET`, `PUT`, …
        path: as it was sent, percent-encoded and not normalised.
        query: the query string as it was sent, without `?`.
        app: the app's name in the path; empty when there is none.
        headers: by lower-case name.
        body_size: bytes of the body that were read.
        session: the `deploy_session_id` of the body.
        lock_holder: the session that held the app's lock at the moment of the effect.
        status: what was answered; `None` while, or because, there was no answer.
            499: the client went away in the middle of an upload.
        fault: the fault that was injected, in short.
        received: when it came, in seconds since the epoch.
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
        """All fields as JSON, the API key left out."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"headers": {k: v for k, v in self.headers.items() if k != "authorization"}}

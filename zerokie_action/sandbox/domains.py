"""The rules of custom domains."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zerokie_action.sandbox.problems import ApiError

if TYPE_CHECKING:
    from zerokie_action.sandbox.dialects import Dialect
    from zerokie_action.sandbox.store import Store

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
MAX_LENGTH = 253
_APEX_LABELS = 2
DOMAIN = rf"^({_LABEL}\.){{{_APEX_LABELS},}}{_LABEL}$"
"""What can be attached, as a pattern for the description."""


class Domains:
    """The custom domains of all static apps of one platform."""

    def __init__(self, store: Store, dialect: Dialect) -> None:
        """Keep the domains in `store`."""
        self._store = store
        self._dialect = dialect
        self._waiting: set[str] = set()
        """Domains whose POST was refused once, and will be carried out."""

    def list(self, app: str) -> list[str]:
        """Return the app's domains."""
        return self._store.domains(app)

    def add(self, app: str, domain: str) -> tuple[str, int]:
        """Attach a domain; return it in lower case, and the status of the answer.

        Raises:
            ApiError: 400 when it is no host name or has only two labels, 409 when it is attached already,
                be it to another app.
        """
        domain = domain.lower()
        if len(domain) > MAX_LENGTH or not _HOST_NAME.fullmatch(domain):
            raise ApiError(400, "invalid domain")
        if domain.count(".") + 1 <= _APEX_LABELS:
            raise ApiError(400, "apex domains are not supported")
        if self._dialect["domain-busy"] == "once":
            self._waiting ^= {domain}
            if domain in self._waiting:
                raise ApiError(409, "another deploy is in progress")
        owner = self._store.domain_owner(domain)
        if owner is None:
            self._store.add_domain(app, domain)
            return domain, 201
        answer = int(self._dialect["domain-attached"]) if owner == app else 409
        if answer >= 400:  # noqa: PLR2004  an error
            raise ApiError(answer, "domain already exists")
        return domain, answer

    def delete(self, app: str, domain: str) -> None:
        """Detach a domain; 404 when the app does not have it."""
        domain = domain.lower()
        if self._store.domain_owner(domain) != app:
            raise ApiError(404, "domain not found")
        self._store.delete_domain(domain)

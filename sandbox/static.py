"""Rules for static apps' files, deploy locks and custom domains."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import BinaryIO

from sandbox.records import ApiError
from sandbox.store import Domain, File, Lock, Part

_LATE = {"5s": 5.0, "12s": 12.0, "20s": 20.0, "entries": 5.0}
"""Seconds until a file list shows a change."""
_CACHED_FOR = 10.0


@dataclass
class Zone(Part):
    """The files of static apps."""

    _changes: deque[tuple[float, str, str, File | None]] = field(default_factory=deque)
    """The newest changes, each with its time, the app, the path, and the previous file."""
    _copies: dict[str, tuple[float, Sequence[File]]] = field(default_factory=dict)
    """The cached file list of each app, with its time."""

    def list(self, app: str) -> list[File]:
        """Return the app's files, sorted by path."""
        return sorted(self._store.all(File, app), key=attrgetter("path"))

    def listed(self, app: str) -> Sequence[File]:
        """Return the app's files as the file list shows them now, sorted by path."""
        now, answer = self._clock(), self._dialect["listing"]
        if answer == "cached":
            if app not in self._copies or now - self._copies[app][0] >= _CACHED_FOR:
                self._copies[app] = now, self.list(app)
            return self._copies[app][1]
        files = {file.path: file for file in self.list(app)}
        for when, name, path, before in reversed(self._changes):
            is_late = answer != "entries" or sum(path.encode()) % 2
            if name == app and is_late and when > now - _LATE.get(answer, 0.0):
                files.pop(path, None)
                files |= {path: before} if before else {}
        return sorted(files.values(), key=attrgetter("path"))

    def _note_change(self, app: str, path: str) -> None:
        now = self._clock()
        while self._changes and self._changes[0][0] <= now - max(_LATE.values()):
            self._changes.popleft()
        self._changes.append((now, app, path, self._store.get(File, app, path)))

    def forget(self, app: str) -> None:
        """Remove the earlier file lists of a deleted app."""
        self._copies.pop(app, None)
        self._changes = deque(change for change in self._changes if change[1] != app)

    @contextmanager
    def upload(self, app: str, path: str, content_type: str) -> Iterator[BinaryIO]:
        """Open a stream for a file's new content.

        The file changes atomically when the block ends. If the block raises, nothing changes.
        """
        with self._store.new_blob() as (blob, stream):
            yield stream
            length = stream.tell()
        self._require_free(app, path)
        self._note_change(app, path)
        modified, old = self._clock(), self._store.get(File, app, path)
        if old and self._keeps_time(old.blob, blob):
            modified = old.modified
        self._store.save(File(app, path, blob, length, content_type, modified))

    def _require_free(self, app: str, path: str) -> None:
        """Refuse a file with the name of a folder, or below a file, as a file system does."""
        answer = self._dialect["same-name"]
        for other in self.list(app) if answer != "both" else ():
            if other.path.startswith(f"{path}/") or path.startswith(f"{other.path}/"):
                raise ApiError(int(answer), f"{other.path} is in the way")

    def _keeps_time(self, *blobs: int) -> bool:
        """Whether a file keeps its time when the second blob replaces the first blob."""
        if self._dialect["same-content"] != "old-time":
            return self._dialect["last-modified"] == "created"
        old, new = (self._store.blob_path(blob).read_bytes() for blob in blobs)
        return old == new or self._dialect["last-modified"] == "created"

    def delete(self, app: str, path: str) -> None:
        """Delete a file, or all files in a listed directory; 404 when nothing has this path."""
        doomed = [path] if self._store.get(File, app, path) else []
        if self._dialect["listed-paths"] in {"directories", "bare-directories"}:
            doomed += [file.path for file in self.list(app) if file.path.startswith(f"{path}/")]
        for each in doomed:
            self._note_change(app, each)
            self._store.delete(File, app, each)
        if not doomed and self._dialect["delete-missing"] == "404":
            raise ApiError(404, "file not found")


EXPIRY = 30 * 60.0
"""Seconds without a heartbeat after which a lock expires ("Locks expire after 30 minutes")."""


class Locks(Part):
    """The deploy locks; an app has at most one lock."""

    def holder(self, app: str) -> str | None:
        """Return the session that holds the app's lock now."""
        lock = self._store.get(Lock, app)
        return lock.session if lock and self.seconds_left(app) else None

    def seconds_left(self, app: str) -> float:
        """Return the seconds until the lock expires without a heartbeat; 0 if no session holds it."""
        lock = self._store.get(Lock, app)
        return max(0.0, lock.expires_at - self._clock()) if lock else 0.0

    def acquire(self, app: str, session: str) -> None:
        """Take the lock; 409 when any session holds it, even the same session."""
        if self.holder(app) is not None:
            raise ApiError(409, "another deploy is already in progress")
        self.take(app, session)

    def heartbeat(self, app: str, session: str) -> None:
        """Extend the lock; 404 when no session holds it, 409 when another session does."""
        holder = self.holder(app)
        if holder is None:
            raise self._lost(404, "no deploy lock")
        if holder != session:
            raise self._lost(409, "the deploy lock is held by another session")
        self.take(app, session)

    def require(self, app: str, session: str) -> None:
        """Refuse (409) when the session does not hold the lock."""
        if self.holder(app) != session:
            raise self._lost(409, "the session does not hold the deploy lock")

    def release(self, app: str, session: str) -> None:
        """Release the lock; 409 when the session does not hold it."""
        self.require(app, session)
        self.expire(app)

    def _lost(self, status: int, message: str) -> ApiError:
        answer = self._dialect["lock-lost"]
        return ApiError(status if answer == "mixed" else int(answer), message)

    def take(self, app: str, session: str, seconds: float = EXPIRY) -> None:
        """Give the lock to the session for some seconds, even if another session holds it."""
        self._store.save(Lock(app, session, self._clock() + seconds))

    def expire(self, app: str) -> None:
        """Let the lock expire now."""
        self._store.delete(Lock, app)


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
MAX_LENGTH = 253
_APEX_LABELS = 2
DOMAIN = rf"^({_LABEL}\.){{{_APEX_LABELS},}}{_LABEL}$"
"""A pattern of attachable domains, for the OpenAPI document."""


_TAKEN = {
    "exists": (409, "domain already exists"),
    "409": (409, "the domain is in use by another account"),
    "400": (400, "this domain has already been claimed by a different account"),
    "422": (422, "the domain belongs to somebody else"),
    "app": (409, "already configured on app {owner}"),
}
"""The responses for `domain-taken`, where `{owner}` is the other app."""


class Domains(Part):
    """The custom domains of static apps."""

    def list(self, app: str) -> list[str]:
        """Return the app's domains."""
        return [domain.name for domain in self._store.all(Domain, app)]

    def add(self, app: str, domain: str) -> tuple[str, int]:
        """Attach a domain; return it in lower case, and the status of the response.

        Raises:
            ApiError: 400 for an invalid name or a name with only two labels. If an app already has the
                domain, the status depends on the API variant.
        """
        domain = domain.lower()
        if len(domain) > MAX_LENGTH or not _HOST_NAME.fullmatch(domain):
            raise ApiError(400, "invalid domain")
        if domain.count(".") + 1 <= _APEX_LABELS:
            raise ApiError(400, "apex domains are not supported")
        owner = next((row.app for row in self._store.all(Domain) if row.name == domain), None)
        if owner is None:
            self._store.save(Domain(app, domain))
            return domain, 201
        if owner != app:
            status, message = _TAKEN[self._dialect["domain-taken"]]
            raise ApiError(status, message.format(owner=owner))
        answer = int(self._dialect["domain-attached"])
        if answer >= 400:  # noqa: PLR2004  an error
            raise ApiError(answer, "domain already exists")
        return domain, answer

    def delete(self, app: str, domain: str) -> None:
        """Detach a domain; 404 when the app does not have it."""
        if not self._store.delete(Domain, app, domain.lower()):
            raise ApiError(404, "domain not found")

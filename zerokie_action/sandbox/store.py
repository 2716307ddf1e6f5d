"""Persistence: one SQLite database and a folder of file contents. No rules live here.

Every content is an immutable blob under a fresh number, and the row that refers to it is the commit:
whatever breaks an upload leaves the old row with the old content. Blobs that no row refers to any more
stay until `sweep`, because the CDN may still serve them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import weakref
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;  -- a crash of the machine may lose a sandbox; a crash of the process does not
PRAGMA foreign_keys = ON;
BEGIN;
CREATE TABLE IF NOT EXISTS app (
    name TEXT PRIMARY KEY, type TEXT NOT NULL, image TEXT, port INTEGER, cpu INTEGER, memory INTEGER,
    env TEXT NOT NULL, private INTEGER NOT NULL, status TEXT NOT NULL,
    deployed_at REAL NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    app TEXT NOT NULL REFERENCES app ON DELETE CASCADE, path TEXT NOT NULL, blob INTEGER NOT NULL,
    length INTEGER NOT NULL, content_type TEXT NOT NULL, modified REAL NOT NULL, PRIMARY KEY (app, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lock (
    app TEXT PRIMARY KEY REFERENCES app ON DELETE CASCADE, session TEXT NOT NULL, confirmed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deployment (
    deploy_id TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES app ON DELETE CASCADE, session TEXT NOT NULL,
    finished_at REAL NOT NULL, files_uploaded INTEGER NOT NULL, files_deleted INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS domain (
    domain TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES app ON DELETE CASCADE
) WITHOUT ROWID;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class App:
    """An app's row. `status` is what was stored last; `Apps.status` says what it is now.

    Attributes:
        private: whether the last create or deploy came with registry credentials; they are never kept.
    """

    name: str
    type: str
    status: str
    deployed_at: float
    created_at: float
    updated_at: float
    image: str | None = None
    port: int | None = None
    cpu: int | None = None
    memory: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    private: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file's row. Times are seconds since the epoch."""

    path: str
    blob: int
    length: int
    content_type: str
    modified: float


@dataclass(frozen=True, slots=True)
class Lock:
    """A deploy lock as it was last confirmed, be it expired or not."""

    session: str
    confirmed_at: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """A finalized deployment with the counts that the client reported."""

    app: str
    deploy_id: str
    session: str
    finished_at: float
    files_uploaded: int
    files_deleted: int
    total_bytes: int


class Store:
    """Reads and writes the rows and blobs under the folder `data`, which is created if need be."""

    def __init__(self, data: Path) -> None:
        """Open or create the store."""
        self._blobs = data / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        # One thread uses it; but a store that is forgotten is closed in whichever thread collects garbage.
        self._db = sqlite3.connect(data / "platform.sqlite3", isolation_level=None, check_same_thread=False)
        self.close = weakref.finalize(self, self._db.close)
        """Closes the database, which a store that is forgotten does by itself."""
        self._db.executescript(_SCHEMA)
        self._garbage: dict[str, list[int]] = defaultdict(list)
        self._numbers = itertools.count(self._remove_orphans() + 1)

    def _remove_orphans(self) -> int:
        """Delete the blobs of uploads that a previous process did not finish; return the highest number."""
        used = {blob for (blob,) in self._db.execute("SELECT blob FROM file")}
        for entry in os.scandir(self._blobs):
            if int(entry.name) not in used:
                Path(entry).unlink()
        return max(used, default=0)

    def _rows(self, kind: type[Any], rest: str = "", *values: object) -> list[Any]:
        names = ", ".join(column.name for column in fields(kind))
        query = f"SELECT {names} FROM {kind.__name__} {rest}"  # noqa: S608  all of it is from here
        return [kind(*row) for row in self._db.execute(query, values)]

    def _save(self, table: str, row: dict[str, Any]) -> None:
        """Insert a row, or update the one with its key."""
        names, values = ", ".join(row), ", ".join("?" * len(row))
        update = ", ".join(f"{name} = excluded.{name}" for name in row)
        into = f"{table} ({names}) VALUES ({values})"
        self._db.execute(f"INSERT INTO {into} ON CONFLICT DO UPDATE SET {update}", tuple(row.values()))

    def _apps(self, rest: str, *values: object) -> list[App]:
        apps = self._rows(App, rest, *values)
        return [replace(app, env=json.loads(app.env), private=bool(app.private)) for app in apps]

    def app(self, name: str) -> App | None:
        """Return the app's row."""
        return next(iter(self._apps("WHERE name = ?", name)), None)

    def apps(self) -> list[App]:
        """Return all apps, oldest first."""
        return self._apps("ORDER BY created_at, name")

    def save_app(self, app: App) -> None:
        """Insert or update the app's row."""
        self._save("app", asdict(app) | {"env": json.dumps(app.env)})

    def delete_app(self, name: str) -> None:
        """Delete the app, and all rows and blobs that belong to it."""
        self._garbage[name] += [file.blob for file in self.files(name)]
        self._db.execute("DELETE FROM app WHERE name = ?", (name,))
        self.sweep(name)

    def files(self, app: str, limit: int = -1) -> list[File]:
        """Return the app's files by path, all or the first ones."""
        return self._rows(File, "WHERE app = ? ORDER BY path LIMIT ?", app, limit)

    def size(self, app: str, folder: str = "") -> tuple[int, int]:
        """Return how many files the app has in a folder such as `assets/`, or in all, and how many bytes."""
        count, size = self._db.execute(
            "SELECT count(*), total(length) FROM file WHERE app = ? AND substr(path, 1, ?) = ?",
            (app, len(folder), folder),
        ).fetchone()
        return count, int(size)

    def file(self, app: str, path: str) -> File | None:
        """Return one file's row."""
        return next(iter(self._rows(File, "WHERE app = ? AND path = ?", app, path)), None)

    def save_file(self, app: str, file: File) -> None:
        """Insert or replace a file's row."""
        self._discard(app, file.path)
        self._save("file", {"app": app} | asdict(file))

    def delete_file(self, app: str, path: str) -> bool:
        """Delete a file's row, and say whether there was one."""
        self._discard(app, path)
        return self._db.execute("DELETE FROM file WHERE app = ? AND path = ?", (app, path)).rowcount == 1

    def _discard(self, app: str, path: str) -> None:
        if old := self.file(app, path):
            self._garbage[app].append(old.blob)

    @contextlib.contextmanager
    def new_blob(self) -> Iterator[tuple[int, BinaryIO]]:
        """Open a fresh blob for writing; it is gone again when the block raises."""
        number = next(self._numbers)
        path = self.blob_path(number)
        try:
            with path.open("xb", buffering=0) as stream:
                yield number, stream
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def blob_path(self, number: int) -> Path:
        """Return where the blob's content is."""
        return self._blobs / str(number)

    def sweep(self, app: str) -> None:
        """Delete the blobs that the app's files no longer refer to."""
        for number in self._garbage.pop(app, ()):
            self.blob_path(number).unlink(missing_ok=True)

    def lock(self, app: str) -> Lock | None:
        """Return the app's lock, be it expired or not."""
        return next(iter(self._rows(Lock, "WHERE app = ?", app)), None)

    def save_lock(self, app: str, lock: Lock) -> None:
        """Insert or replace the app's lock."""
        self._save("lock", {"app": app} | asdict(lock))

    def delete_lock(self, app: str) -> None:
        """Delete the app's lock."""
        self._db.execute("DELETE FROM lock WHERE app = ?", (app,))

    def deployments(self, app: str) -> list[Deployment]:
        """Return the app's deployments, oldest first."""
        return self._rows(Deployment, "WHERE app = ? ORDER BY rowid", app)

    def last_deployments(self, limit: int) -> list[Deployment]:
        """Return the last deployments of all apps, newest first."""
        return self._rows(Deployment, "ORDER BY rowid DESC LIMIT ?", limit)

    def has_deployment(self, deploy_id: str) -> bool:
        """Whether any app has a deployment of this ID."""
        return bool(self._rows(Deployment, "WHERE deploy_id = ?", deploy_id))

    def add_deployment(self, deployment: Deployment) -> None:
        """Insert a deployment."""
        self._save("deployment", asdict(deployment))

    def domain_owner(self, domain: str) -> str | None:
        """Return the app that the domain is attached to."""
        row = self._db.execute("SELECT app FROM domain WHERE domain = ?", (domain,)).fetchone()
        return row[0] if row else None

    def domains(self, app: str) -> list[str]:
        """Return the app's domains."""
        return [row[0] for row in self._db.execute("SELECT domain FROM domain WHERE app = ?", (app,))]

    def add_domain(self, app: str, domain: str) -> None:
        """Insert a domain."""
        self._save("domain", {"domain": domain, "app": app})

    def delete_domain(self, domain: str) -> None:
        """Delete a domain."""
        self._db.execute("DELETE FROM domain WHERE domain = ?", (domain,))

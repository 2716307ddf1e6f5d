"""Storage for a platform's rows and file contents.

The rows are in memory. Each change appends a line to the journal, so a killed process loses no change. The
next process reads the journal and writes a new journal.

Each file content is an immutable blob with its own number. A row refers to the blob, so the old row and the
old content survive a broken upload. A blob is deleted with its row. The rules are in the subclasses of
`Part`.
"""

import contextlib
import itertools
import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sandbox.dialects import Dialect

DEPLOYING, RUNNING, FAILED, CRASHED, STOPPED = "deploying", "running", "failed", "crashed", "stopped"

_Row = TypeVar("_Row", "App", "File", "Lock", "Deployment", "ImageDeploy", "Domain")


@dataclass(frozen=True, slots=True)
class App:
    """An app. `status` is the stored status; `Apps.status` returns the current status.

    Attributes:
        private: whether the last create or deploy had registry credentials. The store never contains them.
        not_pulled: the final status of a deploy if its image can't be pulled, else empty.
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
    not_pulled: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a static app. Times are seconds since the epoch."""

    app: str
    path: str
    blob: int
    length: int
    content_type: str
    modified: float


@dataclass(frozen=True, slots=True)
class Lock:
    """A deploy lock, possibly expired."""

    app: str
    session: str
    expires_at: float


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


@dataclass(frozen=True, slots=True)
class ImageDeploy:
    """A container app's creation or deploy. It has a `number` within the app, because the API gives no ID."""

    app: str
    number: str
    image: str
    accepted_at: float


@dataclass(frozen=True, slots=True)
class Domain:
    """A custom domain."""

    app: str
    name: str


_KEYS = {App: 1, File: 2, Lock: 1, Deployment: 2, ImageDeploy: 2, Domain: 2}
"""The number of fields in a row's key. The first field is the app's name."""


class Store:
    """The rows and blobs in the folder `data`."""

    def __init__(self, data: Path) -> None:
        """Open the store, and create the folder if it is missing."""
        self._blobs = data / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._rows: dict[type, dict[tuple[str, ...], Any]] = {kind: {} for kind in _KEYS}
        journal, fresh = data / "journal", data / "journal.new"
        if journal.exists():
            self._replay(journal)
        fresh.write_text("".join(_line(row) for rows in self._rows.values() for row in rows.values()))
        fresh.replace(journal)
        self._journal = journal.open("a", buffering=1)
        self.close = weakref.finalize(self, self._journal.close)
        """Closes the journal; a garbage-collected store closes it as well."""
        self._numbers = itertools.count(
            1 + max((int(blob.name) for blob in self._blobs.iterdir()), default=0)
        )

    def _replay(self, journal: Path) -> None:
        kinds = {kind.__name__: kind for kind in _KEYS}
        with journal.open() as lines:
            for line in lines:
                if line.endswith("\n"):  # A killed process may leave an incomplete last line.
                    name, is_there, values = json.loads(line)
                    kind = kinds[name]
                    self._change(kind, tuple(values[: _KEYS[kind]]), kind(*values) if is_there else None)

    def _change(self, kind: type, key: tuple[str, ...], row: object | None) -> None:
        """Set or delete a row. An app is deleted with all its rows."""
        if kind is File and (old := self.get(File, *key)):
            self.blob_path(old.blob).unlink(missing_ok=True)
        if row is not None:
            self._rows[kind][key] = row
        elif kind is App:
            for file in self.all(File, key[0]):
                self.blob_path(file.blob).unlink(missing_ok=True)
            for rows in self._rows.values():
                for each in [each for each in rows if each[0] == key[0]]:
                    del rows[each]
        else:
            self._rows[kind].pop(key, None)

    def get(self, kind: type[_Row], *key: str) -> _Row | None:
        """Return the row with this key, which is the app's name and any path, ID, number or domain."""
        return self._rows[kind].get(key)

    def all(self, kind: type[_Row], app: str | None = None) -> list[_Row]:
        """Return the rows of an app, or all rows, in the order of their addition."""
        return [row for key, row in self._rows[kind].items() if app in {None, key[0]}]

    def save(self, row: _Row) -> None:
        """Add a row, or replace the row with the same key."""
        kind = type(row)
        self._journal.write(_line(row))
        self._change(kind, astuple(row)[: _KEYS[kind]], row)

    def delete(self, kind: type[_Row], *key: str) -> bool:
        """Delete a row, and return whether it existed. An app is deleted with all its rows."""
        if key not in self._rows[kind]:
            return False
        self._journal.write(json.dumps([kind.__name__, False, key]) + "\n")
        self._change(kind, key, None)
        return True

    @contextlib.contextmanager
    def new_blob(self) -> Iterator[tuple[int, BinaryIO]]:
        """Open a new blob for writing. If the block raises, the blob is removed."""
        number = next(self._numbers)
        path = self.blob_path(number)
        try:
            with path.open("xb", buffering=0) as stream:
                yield number, stream
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def blob_path(self, number: int) -> Path:
        """Return the path of the blob's content."""
        return self._blobs / str(number)


def _line(row: Any) -> str:  # noqa: ANN401  any of the dataclasses above
    return json.dumps([type(row).__name__, True, astuple(row)]) + "\n"


@dataclass
class Part:
    """The base class of the platform's parts; each has the rules for some kinds of rows."""

    _store: Store
    _clock: Callable[[], float]
    _dialect: Dialect

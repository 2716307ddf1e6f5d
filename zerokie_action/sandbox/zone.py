"""The storage zone: the files of static apps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from zerokie_action.sandbox.problems import ApiError
from zerokie_action.sandbox.store import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zerokie_action.sandbox.store import Store


class Zone:
    """The files of all static apps of one platform."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """Keep the files in `store`, with the clock's times."""
        self._store = store
        self._clock = clock

    def list(self, app: str) -> list[File]:
        """Return the app's files by path."""
        return self._store.files(app)

    def read(self, file: File) -> bytes:
        """Return a file's content."""
        return self._store.blob_path(file.blob).read_bytes()

    @contextmanager
    def upload(self, app: str, path: str, content_type: str) -> Iterator[BinaryIO]:
        """Open a stream for a file's new content.

        The file changes when the block ends, at once and as a whole; a block that raises changes nothing.
        """
        with self._store.new_blob() as (blob, stream):
            yield stream
            length = stream.tell()
        self._store.save_file(app, File(path, blob, length, content_type, self._clock()))

    def delete(self, app: str, path: str) -> None:
        """Delete a file; 404 when there is none."""
        if not self._store.delete_file(app, path):
            raise ApiError(404, "file not found")

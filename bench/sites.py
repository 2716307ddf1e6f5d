"""Folders to deploy, with the same bytes on every machine."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

PAGE = (500, 20_000)
"""Smallest and largest number of bytes in a usual file. The mean is 10 kB."""
SMALL = (200, 2_000)

_FILES_IN_FOLDER = 100
_EXTENSIONS = ("html", "js", "css", "svg", "webp", "json", "woff2", "txt")
_BLOCK = 1024 * 1024


@dataclass(slots=True)
class Site:
    """A folder with its files.

    Attributes:
        sizes: the length of each file by its path in the folder.
        changed: the files that changed last, in the same form.
    """

    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    _random: random.Random = field(default_factory=lambda: random.Random(20_260_307))  # noqa: S311 - no secret

    @property
    def total(self) -> int:
        """Number of bytes in all files."""
        return sum(self.sizes.values())

    def fill(self, count: int, sizes: tuple[int, int], name: str = "file") -> Site:
        """Add files with random content and random sizes in this range."""
        for number in range(count):
            extension = _EXTENSIONS[number % len(_EXTENSIONS)]
            path = f"section-{number // _FILES_IN_FOLDER:04}/{name}-{number:06}.{extension}"
            if number % _FILES_IN_FOLDER == 0:
                (self.folder / path).parent.mkdir(parents=True)
            self.sizes[path] = self._random.randint(*sizes)
            self._write(path)
        return self

    def add_large(self, path: str, size: int) -> Site:
        """Add one file with content that repeats every megabyte."""
        block = self._random.randbytes(_BLOCK)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / path).open("wb") as file:
            for start in range(0, size, _BLOCK):
                file.write(block[: size - start])
        self.sizes[path] = size
        return self

    def change(self, count: int) -> dict[str, int]:
        """Replace the content of some random files without changing their length, and return them."""
        paths = self._random.sample(sorted(self.sizes), count)
        for path in paths:
            self._write(path)
        self.changed = {path: self.sizes[path] for path in paths}
        return self.changed

    def _write(self, path: str) -> None:
        (self.folder / path).write_bytes(self._random.randbytes(self.sizes[path]))

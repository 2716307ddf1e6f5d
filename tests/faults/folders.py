"""A folder for each case."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_numbers = count()


def new_folder(tmp_path: Path) -> Path:
    """An empty folder below `tmp_path`, never handed out before."""
    folder = tmp_path / str(next(_numbers))
    folder.mkdir()
    return folder

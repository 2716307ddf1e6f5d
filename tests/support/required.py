"""What tests need that not every machine has: they skip without it, and fail where they must not skip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def unavailable(kind: str, reason: str) -> NoReturn:
    """Skip; fail where `ZEROKIE_KIND` says that tests of this kind are required."""
    if os.environ.get(f"ZEROKIE_{kind.upper()}") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def mark(items: Iterable[pytest.Item], folder: Path, marker: pytest.MarkDecorator) -> None:
    """Mark the tests below a folder."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(marker)


def npm_file(name: str) -> Path | None:
    """A file of an npm package, which make has installed beside the programs on the PATH."""
    files = (Path(programs).parent / name for programs in os.get_exec_path())
    return next((file for file in files if file.is_file()), None)

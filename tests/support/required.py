"""What some tests need of the machine. They are marked, and fail where it is missing."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])


def mark(items: Iterable[pytest.Item], folder: Path, marker: pytest.MarkDecorator) -> None:
    """Mark the tests below a folder."""
    for item in items:
        if folder in item.path.parents:
            item.add_marker(marker)


def find_program(*names: str, from_: str) -> str:
    """The path of the first of these programs that is installed.

    Raises:
        FileNotFoundError: none is.
    """
    for name in names:
        if path := shutil.which(name, path=_PATH):
            return path
    raise FileNotFoundError(f"{' or '.join(names)} is not installed; {from_}")


def npm_file(name: str) -> Path:
    """A file of an npm package, which make has installed beside the programs on the PATH.

    Raises:
        FileNotFoundError: no package has it.
    """
    for programs in os.get_exec_path():
        if (file := Path(programs).parent / name).is_file():
            return file
    raise FileNotFoundError(f"no npm package has {name}; `make browser` and `make e2e` install them")

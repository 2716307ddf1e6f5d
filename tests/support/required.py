"""Programs that marked tests need.

The tests fail if a program is missing.
"""

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
    """Return the path of the first of these programs that is installed.

    Raises:
        FileNotFoundError: when none is installed.
    """
    for name in names:
        if path := shutil.which(name, path=_PATH):
            return path
    raise FileNotFoundError(f"{' or '.join(names)} is not installed; {from_}")


def npm_file(name: str) -> Path:
    """Return a file of an npm package, which make installs next to the programs on the PATH.

    Raises:
        FileNotFoundError: when no package has the file.
    """
    for programs in os.get_exec_path():
        if (file := Path(programs).parent / name).is_file():
            return file
    raise FileNotFoundError(f"no npm package has {name}; `make browser` and `make e2e` install them")

"""The folder itself, before anybody looks into it."""
# os.path says no where pathlib raises: a name that is too long, a folder that can't be entered.
# ruff: noqa: PTH112

from __future__ import annotations

import os
from pathlib import Path

IGNORE_FILE = Path(".zerokieignore")
"""The ignore file, unless the input `ignore-file` names another one."""


def problem_with_folder(folder: str | os.PathLike[str]) -> str:
    """Say why a folder can't be deployed, in words that follow its name; empty when it can be read."""
    if not os.path.lexists(folder):
        return "does not exist; is it built before this step, and is the path right?"
    if not os.path.isdir(folder):
        return "is not a folder; name the folder that holds the files"
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        return "cannot be read (Permission denied); make it readable for the user who runs this"
    return ""


def ignore_file_places(
    folder: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path, Path]:
    """Where the ignore file is looked for: in the folder, then in the working directory."""
    return Path(folder, ignore_file), Path(ignore_file)


def find_ignore_file(
    folder: str | os.PathLike[str], ignore_file: str | os.PathLike[str]
) -> tuple[Path | None, str]:
    """Return the ignore file to read, if there is one; and what is wrong, if one has to be there."""
    for place in ignore_file_places(folder, ignore_file):
        if os.path.lexists(place):
            return place, ""
    if Path(ignore_file) == IGNORE_FILE:
        return None, ""
    where = "neither in `directory` nor in the working directory"
    return None, f"{str(ignore_file)!r} is {where}; correct the path, or leave it out"

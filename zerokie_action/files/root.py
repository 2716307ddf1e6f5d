"""The folder itself, before anybody looks into it."""
# os.path says no where pathlib raises: a name that is too long, a folder that can't be entered.
# ruff: noqa: PTH112

from __future__ import annotations

import os

IGNORE_FILE = ".zerokieignore"
"""The ignore file's path inside the folder, unless the input `ignore-file` names another one."""


def problem_with_folder(folder: str | os.PathLike[str]) -> str:
    """Say why a folder can't be deployed, in words that follow its name; empty when it can be read."""
    if not os.path.lexists(folder):
        return "does not exist; is it built before this step, and is the path right?"
    if not os.path.isdir(folder):
        return "is not a folder; name the folder that holds the files"
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        return "cannot be read (Permission denied); make it readable for the user who runs this"
    return ""

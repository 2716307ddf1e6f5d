"""Writing a report to the place that a user named, whatever that is."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

_MODE = 0o644
_OPEN_FILE = re.compile(r"//?dev/std(out|err)|//?(dev|proc/.+)/fd/[0-9]+")


def write_report_file(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, readable for everybody (0644), in a folder that exists.

    A reader sees the old file or the new one, never a half. A symbolic link at `path` is replaced, not
    followed. Where a file cannot be replaced (its folder is read-only, it is a mount) it is overwritten, and
    a stream (`is_stream`) is appended to.

    Raises:
        OSError: nothing could be written.
    """
    path = Path(path)
    data = text.encode(errors="backslashreplace")
    if is_stream(path):
        _write(path, data, os.O_APPEND)
        return
    try:
        _replace(path, data)
    except OSError:
        if not path.is_file():
            raise
        _write(path, data, os.O_TRUNC | os.O_NOFOLLOW)


def is_stream(path: str | Path) -> bool:
    """Whether `path` is a device, a pipe, or an open file of a process: what several may write to in turn."""
    # By name: /dev/stdout leads to a regular file when the log goes to one, and must not be truncated.
    path = Path(path)
    if _OPEN_FILE.fullmatch(f"{os.path.realpath(path.parent)}/{path.name}"):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _replace(path: Path, data: bytes) -> None:
    # Not with `tempfile`: its import takes longer than everything here.
    beside = path.parent / f".zerokie-{os.urandom(8).hex()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)  # whatever the umask
            file.write(data)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _write(path: Path, data: bytes, flags: int) -> None:
    # Not blocking at open: a pipe that nobody reads is an error, not a reason to wait for ever.
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)

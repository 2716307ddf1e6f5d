"""Writing a report to the place that a user named, whatever that is."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_MODE = 0o644


def write_report_file(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, readable for everybody (0644); missing folders are made.

    A reader sees the old file or the new one, never a half. A symbolic link at `path` is replaced, not
    followed. Where a file cannot be replaced (its folder is read-only, it is a mount) it is overwritten, and
    devices and pipes (`/dev/stdout`) are appended to.

    Raises:
        OSError: nothing could be written.
    """
    path = Path(path)
    data = text.encode(errors="backslashreplace")
    if _is_stream(path):
        _write(path, data, os.O_APPEND)
        return
    try:
        _replace(path, data)
    except OSError:
        if not path.is_file():
            raise
        _write(path, data, os.O_TRUNC | os.O_NOFOLLOW)


def _is_stream(path: Path) -> bool:
    # By name: /dev/stdout leads to a regular file when the log goes to one, and must not be truncated.
    if path.is_relative_to("/dev") or path.is_relative_to("/proc"):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
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

"""The log on a terminal, with a progress bar below the lines.

A write to a paused terminal (Ctrl-S) blocks its thread. The event loop must send heartbeats and uploads even
then, so another thread writes.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from zerokie_action import limits

Frame = tuple[int, str]
"""A state of the bar: the percentage, and the text after the bar."""

_COLUMNS = 80
"""The width of a terminal that doesn't give one."""
_BAR = "{percentage:3.0f}% |{bar:10}| {desc}"


class Terminal:
    """Writes lines and the bar in a thread. No method waits for the terminal, except `finish`.

    The thread keeps only the newest frame of the bar, so a paused terminal drops the others.

    Args:
        stream: the stream of the terminal. The thread writes to a duplicate of its descriptor, because the
            end of the process would wait for the stream's own lock.

    Attributes:
        encoding: the stream's encoding.
    """

    def __init__(self, stream: TextIO) -> None:
        self.encoding = stream.encoding
        descriptor = os.dup(stream.fileno())
        self._file = open(descriptor, "w", encoding=self.encoding, errors="backslashreplace")  # noqa: SIM115, PTH123
        self._changed = threading.Condition()
        self._text: list[str] = []
        self._frame: Frame | None = None
        self._is_writing = False
        self._meter: Any = None
        self._has_bar = True
        threading.Thread(target=self._write_all, name="terminal", daemon=True).start()

    def write(self, text: str) -> None:
        """Write whole lines."""
        with self._changed:
            self._text.append(text)
            self._changed.notify_all()

    def flush(self) -> None:
        """Do nothing, because the thread writes without a delay."""

    def show_bar(self, frame: Frame | None) -> None:
        """Show the bar below all lines. None removes the bar."""
        with self._changed:
            self._frame = frame
            self._changed.notify_all()

    def finish(self) -> None:
        """Give unwritten lines `limits.LAST_LINES`."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._text or self._is_writing), limits.LAST_LINES)

    # In the thread

    def _write_all(self) -> None:
        shown: Frame | None = None
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._text or self._frame != shown)  # noqa: B023 - called here
                text, shown = "".join(self._text), self._frame
                self._text, self._is_writing = [], True
            with suppress(OSError):  # the terminal is gone
                self._draw(text, shown)

    def _draw(self, text: str, frame: Frame | None) -> None:
        """Write lines above the bar."""
        if text or not frame:
            self._draw_bar(None)
        self._file.write(text)
        self._file.flush()
        if frame:
            self._draw_bar(frame)

    def _draw_bar(self, frame: Frame | None) -> None:
        """Draw a frame, or erase the bar. After an error of the library, the log has no bar."""
        if not self._has_bar:
            return
        try:
            columns = os.get_terminal_size(self._file.fileno()).columns or _COLUMNS
            if columns == 1:  # tqdm ignores a width of 0
                return
            if frame:
                self._meter = self._meter or _meter(self._file)
                self._meter.ncols = columns - 1
                self._meter.n, self._meter.desc = frame
                self._meter.refresh()
            elif self._meter:
                self._meter.clear()
        except Exception:  # noqa: BLE001 - the lines matter more than the bar
            self._has_bar = False


def _meter(file: TextIO) -> Any:  # noqa: ANN401 - tqdm has no types
    """Return a bar that tqdm draws without its own threads and locks."""
    # tqdm reads these variables during its import. Several of their values make it fail.
    for name in [name for name in os.environ if name.startswith("TQDM_")]:
        del os.environ[name]
    from tqdm.std import tqdm  # type: ignore[import-untyped] # noqa: PLC0415 - CI runs have no bar

    tqdm.monitor_interval = 0
    tqdm.set_lock(threading.RLock())
    # With a delay, the constructor draws nothing.
    return tqdm(total=100, bar_format=_BAR, file=file, position=0, delay=1)


@contextmanager
def log_stream(stream: TextIO) -> Iterator[TextIO | Terminal]:
    """Yield the stream. For a terminal, yield a `Terminal`, and finish it at the end."""
    if not stream.isatty():
        yield stream
        return
    terminal = Terminal(stream)
    yield terminal
    terminal.finish()

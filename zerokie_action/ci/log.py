"""The log of a run: levels, redacted secrets, and lines that no CI system runs as a command."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import ClassVar, Literal, TextIO, get_args

from zerokie_action.ci.terminal import Frame, Terminal
from zerokie_action.text.escapes import log_line
from zerokie_action.text.redaction import Redactor

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[Level, ...] = get_args(Level)


class Log:
    r"""The log as plain text. Subclasses add a CI system's markup.

    This class makes text safe for the log, so no caller needs to. It redacts secrets and neutralizes commands
    right before it writes a line. Each argument becomes one line, and a line break in it is shown as `\n`. A
    line that can't be written is dropped, because the log must not fail the run.

    Args:
        stream: the stream of the log.
        level: the least important level to show.

    Attributes:
        folds: whether the log can fold groups of lines.
        bar: shows a progress bar below the log. None in CI, in files and below the level `info`.
    """

    folds = False
    _colors: ClassVar[dict[Level, tuple[str, str]]] = {}

    def __init__(self, stream: TextIO | Terminal, level: Level = "info") -> None:
        self.bar: Terminal | None = None
        self._stream = stream
        self._threshold = _LEVELS.index(level)
        self._redactor = Redactor()

    def shows(self, level: Level) -> bool:
        """Return whether the log shows this level. Callers use it to skip lines that are costly to build."""
        return _LEVELS.index(level) >= self._threshold

    def debug(self, *lines: str) -> None:
        """Log details for debugging."""
        if self.shows("debug"):
            self._print(*map(self._safe, lines))

    def info(self, *lines: str) -> None:
        """Log the progress of the run."""
        if self.shows("info"):
            self._print(*map(self._safe, lines))

    def warning(self, text: str) -> None:
        """Log a problem that the run survives."""
        if self.shows("warning"):
            self._problem("warning", [self._safe(text)])

    def error(self, *lines: str) -> None:
        """Log the error that ends the run, with further lines for its hint."""
        self._problem("error", [*map(self._safe, lines)])

    def group(self, title: str, lines: Sequence[str]) -> None:
        """Log lines below a title, folded if the CI system can fold lines."""
        if not lines:
            self.info(title)
        elif self.shows("info"):
            self._fold(self._safe(title), map(self._safe, lines))

    def show_bar(self, frame: Frame | None) -> None:
        """Show the progress bar below the log, if the log has one. None removes the bar."""
        if self.bar:
            self.bar.show_bar(frame and (frame[0], self._safe(frame[1])))

    def mask(self, *secrets: str) -> None:
        """Redact these secrets and their encodings from now on. Call this once, with all secrets."""
        self._redactor = Redactor(*secrets)

    def redact(self, text: str) -> str:
        """Return the text without secrets. Callers need this before they shorten text."""
        return self._redactor.redact(text)

    # The arguments of these methods are safe already. Subclasses override the first two.

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        """Write a group of lines."""
        self._print(title, *lines)

    def _problem(self, level: Level, lines: list[str]) -> None:
        """Write a warning or an error."""
        first, *rest = lines
        before, after = self._colors.get(level, ("", ""))
        said = (f"{level.capitalize()}: {first}", *(f"  {line}" for line in rest))
        self._print(*(f"{before}{line}{after}" for line in said))

    def _print(self, *lines: str) -> None:
        """Write lines. All lines go through this method."""
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            writable = line.encode(encoding, "backslashreplace").decode(encoding)
            with suppress(OSError):
                self._stream.write(writable + "\n")
                self._stream.flush()

    def _safe(self, text: str) -> str:
        return log_line(self.redact(text))

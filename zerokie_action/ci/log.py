"""The log of a run: levels, secrets, and lines that no CI system takes for a command."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import ClassVar, Literal, TextIO, get_args

from zerokie_action.text.escapes import log_line
from zerokie_action.text.redaction import Redactor

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[Level, ...] = get_args(Level)


class Log:
    r"""Writes plain text; subclasses add a CI system's markup.

    Only this class makes text safe for the log: it redacts secrets and neutralises commands right before it
    writes a line. Each argument becomes one line; a line break in an argument is shown as `\n`. A line that
    can't be written is dropped, and never fails the run.

    Args:
        stream: the stream of the log.
        level: the least important level to show.

    Attributes:
        folds: whether the log can fold groups of lines.
    """

    folds = False
    _colours: ClassVar[dict[Level, tuple[str, str]]] = {}

    def __init__(self, stream: TextIO, level: Level = "info") -> None:
        self._stream = stream
        self._threshold = _LEVELS.index(level)
        self._redactor = Redactor()

    def shows(self, level: Level) -> bool:
        """Whether lines of this level are shown, for callers whose lines are costly to make."""
        return _LEVELS.index(level) >= self._threshold

    def debug(self, *lines: str) -> None:
        """Log details for debugging."""
        if self.shows("debug"):
            self._print(*map(self._safe, lines))

    def info(self, *lines: str) -> None:
        """Log a step of the run."""
        if self.shows("info"):
            self._print(*map(self._safe, lines))

    def warning(self, text: str) -> None:
        """Log a problem that the run survives."""
        if self.shows("warning"):
            self._problem("warning", [self._safe(text)])

    def error(self, *lines: str) -> None:
        """Log the problem that ends the run, with its reason and a hint, one line each."""
        self._problem("error", [*map(self._safe, lines)])

    def group(self, title: str, lines: Sequence[str]) -> None:
        """Log lines under `title`, folded if the system can fold."""
        if not lines:
            self.info(title)
        elif self.shows("info"):
            self._fold(self._safe(title), map(self._safe, lines))

    def mask(self, *secrets: str) -> None:
        """Redact the secrets of the run and their encodings from now on; called once, with all of them."""
        self._redactor = Redactor(*secrets)

    def redact(self, text: str) -> str:
        """The text without secrets, for callers that shorten text before they log it."""
        return self._redactor.redact(text)

    # For subclasses, whose arguments are safe already

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        """Write a group of lines."""
        self._print(title, *lines)

    def _problem(self, level: Level, lines: list[str]) -> None:
        """Write a warning or an error."""
        first, *rest = lines
        before, after = self._colours.get(level, ("", ""))
        said = (f"{level.capitalize()}: {first}", *(f"  {line}" for line in rest))
        self._print(*(f"{before}{line}{after}" for line in said))

    def _print(self, *lines: str) -> None:
        """Write lines. All output goes through this method."""
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            writable = line.encode(encoding, "backslashreplace").decode(encoding)
            with suppress(OSError):
                self._stream.write(writable + "\n")
                self._stream.flush()

    def _safe(self, text: str) -> str:
        return log_line(self.redact(text))

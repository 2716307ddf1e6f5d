"""The plain adapter: for terminals, containers, and CI systems without markup in their logs."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TextIO, get_args

from zerokie_action.text import Redactor, log_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from zerokie_action.ci.repository import Repository

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[Level, ...] = get_args(Level)


class PullRequest(NamedTuple):
    """A pull or merge request, and the API of its comments.

    Attributes:
        name: the name for people: `pull request #12`.
        comments: the URL of all comments: GET lists the comments, POST adds a comment.
        comment: the URL of a comment, without the ID at its end.
        edit: the HTTP method that replaces a comment's text.
        token_input: the input that has the API token.
        permission: the permission that the token needs, for messages.
    """

    name: str
    comments: str
    comment: str
    edit: str
    token_input: Literal["github-token", "gitlab-token"]
    permission: str


class CI:
    r"""The log and the environment of a run. This class writes plain text; subclasses add a system's markup.

    Only this class makes text safe for the log: it redacts secrets and neutralises commands right before it
    writes a line. Each argument becomes one line; a line break in an argument is shown as `\n`. A line that
    can't be written is dropped, and never fails the run.

    Args:
        env: the environment, for example `os.environ`.
        stream: the stream of the log.
        level: the least important level to show.

    Attributes:
        folds: whether the log can fold groups of lines.
        terminal: the log's stream, if it is an interactive terminal.
        links: the URLs of the pages of commit and log, by their label, as far as they are known.
        repository: the repository of this run; None if it is not known.
    """

    folds = False
    _colours: ClassVar[dict[Level, tuple[str, str]]] = {}

    def __init__(self, env: Mapping[str, str], stream: TextIO, level: Level = "info") -> None:
        self.terminal = stream if stream.isatty() and env.get("TERM") != "dumb" else None
        self.links: dict[str, str] = {}
        self.repository: Repository | None = None
        self._env = env
        self._stream = stream
        self._write: Callable[[str], object] = self._write_to_stream
        self._threshold = _LEVELS.index(level)
        self._redactor = Redactor()

    # --- the log

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
            self._problem("warning", (text,))

    def error(self, *lines: str, title: str = "") -> None:
        """Log the problem that ends the run, with its reason and a hint, one line each.

        `title` is the title of the annotation, if the system has annotations.
        """
        self._problem("error", lines, title)

    def group(self, title: str, lines: Sequence[str]) -> None:
        """Log lines under `title`, folded if the system can fold."""
        if not lines:
            self.info(title)
        elif self.shows("info"):
            self._fold(self._safe(title), map(self._safe, lines))

    @contextmanager
    def written_by(self, write: Callable[[str], object]) -> Iterator[None]:
        """Pass log lines to `write` while the block draws on the terminal."""
        self._write = write
        try:
            yield
        finally:
            self._write = self._write_to_stream

    def mask(self, secret: str, user: str = "") -> None:
        """Redact `secret` and its encodings from now on, also in Basic authentication with `user`."""
        self._redactor.add(secret, user)

    def redact(self, text: str) -> str:
        """Return the text without secrets, for callers that shorten text before they log it."""
        return self._redactor.redact(text)

    # --- what later steps read

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Pass outputs to later steps, if the system can."""

    def write_summary(self, text: str) -> None:
        """Show a Markdown document on the run's page, if the system can."""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Keep `state` for the cleanup step, even if this process is killed. Only GitHub can."""

    # --- what is known about the run

    def pull_request(self, number: int | None) -> PullRequest | None:  # noqa: ARG002 for subclasses
        """The pull or merge request with this number, or else the run's own; None if there is none."""
        return None

    # --- for subclasses

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        """Print a group of lines that are safe already."""
        self._print(title, *lines)

    def _safe(self, text: str) -> str:
        return log_line(self.redact(text))

    def _problem(self, level: Level, lines: tuple[str, ...], title: str = "") -> None:  # noqa: ARG002 no heading here
        first, *rest = lines
        before, after = self._colours.get(level, ("", ""))
        said = (f"{level.capitalize()}: {self._safe(first)}", *(f"  {self._safe(line)}" for line in rest))
        self._print(*(f"{before}{line}{after}" for line in said))

    def _print(self, *lines: str) -> None:
        """Write lines that are safe already. All output goes through this method."""
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            writable = line.encode(encoding, "backslashreplace").decode(encoding)
            with suppress(OSError):
                self._write(writable)

    def _write_to_stream(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

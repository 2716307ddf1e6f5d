"""The plain way: a terminal, a container, or a CI system whose log has no markup of its own."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TextIO, get_args

from zerokie_action.ci.repository import Owner
from zerokie_action.text import Redactor, log_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[Level, ...] = get_args(Level)


class PullRequest(NamedTuple):
    """A pull or merge request, and where the API of its forge has the comments on it.

    Attributes:
        name: for people: `pull request #12`.
        comments: URL of all comments; GET lists them, POST adds one.
        comment: URL of one comment, without its ID at the end.
        edit: the method that replaces a comment's text.
        token_input: the one with the token for the API.
        permission: which token may comment, for a message.
    """

    name: str
    comments: str
    comment: str
    edit: str
    token_input: Literal["github-token", "gitlab-token"]
    permission: str


class CI:
    r"""The log and the surroundings of a run. This class is plain text; subclasses know a system's markup.

    Every text that comes in is foreign: secrets are redacted and commands neutralised here, right before a
    line is written, and nowhere else. One argument is one line; a line break inside it is shown as `\n`.
    Losing the log never fails the run: what cannot be written is dropped.

    Args:
        env: the environment, for example `os.environ`.
        stream: where the log goes.
        level: the least important level that is shown.

    Attributes:
        folds: whether the lines of a group are hidden until somebody unfolds it.
        terminal: the log's stream, if a person watches it on a terminal.
        commit: the hash of the commit that the run is for, empty if it is not known; so are the others.
        commit_url: its page.
        run_url: the page of this run.
        owner: the repository that this run belongs to, as far as the system's variables say so.
    """

    folds = False
    _colours: ClassVar[dict[Level, tuple[str, str]]] = {}

    def __init__(self, env: Mapping[str, str], stream: TextIO, level: Level = "info") -> None:
        self.terminal = stream if stream.isatty() and env.get("TERM") != "dumb" else None
        self.commit = self.commit_url = self.run_url = ""
        self.owner = Owner()
        self._env = env
        self._stream = stream
        self._write: Callable[[str], object] = self._write_to_stream
        self._threshold = _LEVELS.index(level)
        self._redactor = Redactor()

    # --- the log

    def shows(self, level: Level) -> bool:
        """Whether lines of this level are shown, for those to whom it is work to make them."""
        return _LEVELS.index(level) >= self._threshold

    def debug(self, *lines: str) -> None:
        """Log what only somebody who looks for a bug wants to know."""
        if self.shows("debug"):
            self._print(*map(self._safe, lines))

    def info(self, *lines: str) -> None:
        """Log a step of the story."""
        if self.shows("info"):
            self._print(*map(self._safe, lines))

    def warning(self, text: str) -> None:
        """Log a problem that the run survives."""
        if self.shows("warning"):
            self._problem("warning", (text,))

    def error(self, *lines: str, title: str = "") -> None:
        """Log the problem that ends the run: what happened, why, what to do, a line each.

        `title` heads the annotation where there is one.
        """
        self._problem("error", lines, title)

    def group(self, title: str, lines: Sequence[str]) -> None:
        """Log lines, folded under `title` where the system can."""
        if not lines:
            self.info(title)
        elif self.shows("info"):
            self._fold(self._safe(title), map(self._safe, lines))

    @contextmanager
    def written_by(self, write: Callable[[str], object]) -> Iterator[None]:
        """Hand each line to `write`, which puts it above what the block draws on the terminal."""
        self._write = write
        try:
            yield
        finally:
            self._write = self._write_to_stream

    def mask(self, secret: str, user: str = "") -> None:
        """Never show `secret`, nor any encoding of it, also as the password of `user`."""
        self._redactor.add(secret, user)

    def redact(self, text: str) -> str:
        """The text without what is masked, for those who cut text before they log it."""
        return self._redactor.redact(text)

    # --- what later steps read

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Hand outputs (the contract's names) to later steps, where the system has a way for it."""

    def write_summary(self, text: str) -> None:
        """Show a Markdown document on the run's page, where the system has one."""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Keep `state` for the cleanup step, even if this process is killed. Only GitHub has such a thing."""

    # --- what is known about the run

    def pull_request(self, number: int | None) -> PullRequest | None:  # noqa: ARG002 nobody knows of one here
        """The pull or merge request of this number, or else the one that the run is about, if any."""
        return None

    # --- for subclasses

    def _fold(self, title: str, lines: Iterable[str]) -> None:
        """Print a group, of lines that are safe already."""
        self._print(title, *lines)

    def _safe(self, text: str) -> str:
        return log_line(self.redact(text))

    def _problem(self, level: Level, lines: tuple[str, ...], title: str = "") -> None:  # noqa: ARG002 no heading here
        first, *rest = lines
        before, after = self._colours.get(level, ("", ""))
        said = (f"{level.capitalize()}: {self._safe(first)}", *(f"  {self._safe(line)}" for line in rest))
        self._print(*(f"{before}{line}{after}" for line in said))

    def _print(self, *lines: str) -> None:
        """Write lines that are safe already. All output goes through here."""
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            writable = line.encode(encoding, "backslashreplace").decode(encoding)
            with suppress(OSError):
                self._write(writable)

    def _write_to_stream(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

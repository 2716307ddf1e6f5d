"""Markdown report to paste into an issue.

The report must not show the API key, the account or the names of other apps.
"""

import platform as machine
import re
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

HELD, BROKEN, NOT_TRIED = "held", "broken", "not tried"
KEY_MASK = "***"
_LOG_LENGTH = 20_000
"""The report shows at most this many characters of a log, from its end."""


@dataclass
class Promise:
    """A promise of the action, and its result in this run.

    Attributes:
        text: the promise, as the report shows it.
        result: `HELD`, `BROKEN` or `NOT_TRIED`.
        why: why the promise is broken or was not tried.
        seconds: the duration of the step.
        log: the commands' logs, if the promise is broken.
    """

    text: str
    result: str = NOT_TRIED
    why: str = "the run ended before this step"
    seconds: float = 0.0
    log: str = ""


@dataclass
class Question:
    """A question about the platform.

    Attributes:
        text: the question, as the report shows it.
        known: the known answers by their shapes.
        shape: the observed shape.
        why: why there is no shape.
    """

    text: str
    known: Mapping[str, str]
    shape: str = ""
    why: str = "not asked"

    @property
    def answer(self) -> str:
        """The name of the answer, or the shape of an unknown answer."""
        return self.known.get(self.shape, self.shape)

    def __str__(self) -> str:
        if not self.shape:
            return f"no answer: {self.why}"
        return f"`{self.answer}`" if self.shape in self.known else f"**unknown**: `{self.shape}`"


@dataclass
class Report:
    """The results of a run.

    Attributes:
        version: the action's version.
        questions: the open questions of the API's reference, by the names of the API variants.
        facts: other observations, by their questions.
        masks: the replacements for texts that the report must not show.
        notes: sentences for the top of the report.
    """

    version: str
    promises: dict[str, Promise]
    questions: dict[str, Question]
    facts: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def count(self, result: str) -> int:
        """Return the number of promises with this result."""
        return sum(promise.result == result for promise in self.promises.values())

    @property
    def summary(self) -> str:
        """The number of promises with each result, and the duration of the run."""
        results = ", ".join(f"{self.count(result)} {result}" for result in (HELD, BROKEN, NOT_TRIED))
        return f"{results}; {time.monotonic() - self._started:.0f}s"

    def mask_host(self, url: str) -> None:
        """Mask the host of a URL, because its name may contain the account's name."""
        self.masks[urlsplit(url).netloc] = "…"

    def markdown(self, times: Mapping[str, list[float]]) -> str:
        """Return the whole report; `times` has the seconds of requests by the kind of request."""
        system = f"Python {machine.python_version()} on {machine.system()} {machine.machine()}"
        lines = [
            f"# Acceptance of {self.version}",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {system}: {self.summary}",
            *(f"- {self._masked(note)}" for note in self.notes),
            "## Promises",
            _table(
                ("promise", "result", "seconds", "why"),
                *(
                    (row.text, f"**{row.result}**" if row.result == BROKEN else row.result,
                     f"{row.seconds:.1f}" if row.seconds else "", self._masked(row.why))
                    for row in self.promises.values()
                ),
            ),
            *(self._details(row) for row in self.promises.values() if row.log),
            "## Questions",
            "This platform's API variants. The API's reference leaves these questions open.",
            _table(
                ("API variant", "question", "answer"),
                *((f"`{name}`", row.text, self._masked(str(row))) for name, row in self.questions.items()),
            ),
            "## Facts",
            "Observations of this run. The action doesn't depend on them.",
            _table(("fact", "seen"), *((fact, self._masked(seen)) for fact, seen in self.facts.items())),
            "## Times",
            "Durations of the script's own requests in seconds.",
            _table(
                ("request", "count", "median", "longest"),
                *(
                    (f"`{kind}`", str(len(took)), f"{statistics.median(took):.2f}", f"{max(took):.2f}")
                    for kind, took in sorted(times.items())
                ),
            ),
        ]  # fmt: skip
        return "\n\n".join(lines) + "\n"

    def _details(self, row: Promise) -> str:
        log = re.sub("^", "    ", self._masked(row.log)[-_LOG_LENGTH:].rstrip(), flags=re.MULTILINE)
        return f"The log of *{row.text}*:\n\n{log}"

    def _masked(self, text: str) -> str:
        for secret in sorted(filter(None, self.masks), key=len, reverse=True):
            mask = self.masks[secret]
            # Mask the key even inside longer words, but don't mask the name of an app "web" in "cobweb".
            word = re.escape(secret) if mask == KEY_MASK else rf"(?<![\w-]){re.escape(secret)}(?![\w-])"
            text = re.sub(word, mask, text)
        return text


def _table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = (head, ("---",) * len(head), *body)
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def say(*lines: str) -> None:
    """Print lines. The script ignores a closed output (`| head`), so that it still deletes its apps."""
    with suppress(OSError):
        print(*lines, sep="\n", flush=True)

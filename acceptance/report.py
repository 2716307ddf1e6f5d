"""What came out, as Markdown to paste into an issue: no key, no account, no name of another app in it."""

from __future__ import annotations

import platform as machine
import re
import statistics
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acceptance.questions import Question

HELD, BROKEN, NOT_TRIED = "held", "broken", "not tried"
KEY = "***"
_LOG = 20_000
"""Characters of a log that are shown, from its end."""


@dataclass
class Promise:
    """A row of the report."""

    text: str
    result: str = NOT_TRIED
    why: str = "the run did not get there"
    seconds: float = 0.0
    log: str = ""


@dataclass
class Report:
    """All rows, and what must not be in it."""

    version: str
    promises: dict[str, Promise]
    questions: dict[str, Question]
    hidden: dict[str, str] = field(default_factory=dict)
    """Each text that must not be shown, with what stands in its place."""
    notes: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def count(self, result: str) -> int:
        """Say how many promises have this result."""
        return Counter(promise.result for promise in self.promises.values())[result]

    @property
    def verdict(self) -> str:
        """How many promises have which result, and how long that took."""
        results = ", ".join(f"{self.count(result)} {result}" for result in (HELD, BROKEN, NOT_TRIED))
        return f"{results}; {time.monotonic() - self._started:.0f} s"

    def hide_host(self, url: str) -> None:
        """Hide the host of a URL: an account may be part of it."""
        self.hidden[urlsplit(url).netloc] = "…"

    def markdown(self, times: Mapping[str, list[float]]) -> str:
        """Return the whole report."""
        system = f"Python {machine.python_version()} on {machine.system()} {machine.machine()}"
        lines = [
            f"# Acceptance of {self.version}",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {system}: {self.verdict}",
            *(f"- {self.clean(note)}" for note in self.notes),
            "## Promises",
            _table(
                ("promise", "result", "seconds", "why"),
                *(
                    (row.text, f"**{row.result}**" if row.result == BROKEN else row.result,
                     f"{row.seconds:.1f}" if row.seconds else "", self.clean(row.why))
                    for row in self.promises.values()
                ),
            ),
            *(self._details(row) for row in self.promises.values() if row.log),
            "## Questions",
            "What the API's reference leaves open, and what this platform answers.",
            _table(
                ("question", "", "answer"),
                *((f"`{name}`", row.text, self.clean(str(row))) for name, row in self.questions.items()),
            ),
            "## Times",
            "The script's own requests, in seconds.",
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
        log = re.sub("^", "    ", self.clean(row.log)[-_LOG:].rstrip(), flags=re.MULTILINE)
        return f"The log of *{row.text}*:\n\n{log}"

    def clean(self, text: str) -> str:
        """Return a text of somebody else's without what must not be shown."""
        for secret in sorted(filter(None, self.hidden), key=len, reverse=True):
            shown = self.hidden[secret]
            # A key is hidden wherever it stands; "web", another app, not in "cobweb".
            word = re.escape(secret) if shown == KEY else rf"(?<![\w-]){re.escape(secret)}(?![\w-])"
            text = re.sub(word, shown, text)
        return text


def _table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = (head, ("---",) * len(head), *body)
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def say(*lines: str) -> None:
    """Tell a person. That nobody reads it (`| head`) must not end the run before its teardown."""
    with suppress(OSError):
        print(*lines, sep="\n", flush=True)

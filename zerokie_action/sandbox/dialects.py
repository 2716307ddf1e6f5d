"""The questions that the reference leaves open, and the answers that one platform gives to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Question:
    """An open question with its possible answers. The first answer is the default."""

    text: str
    answers: tuple[str, ...]


def _question(text: str, *answers: str) -> Question:
    return Question(text, answers)


QUESTIONS: Mapping[str, Question] = {
    "updated-at": _question("What moves `updated_at`?", "deploy", "image", "never", "absent"),
    "image": _question(
        "How is an image written? All but `full` and those for POST are about GET.",
        "given", "full", "full-in-get", "mirror", "tag-and-digest", "digest", "bare-digest", "not-in-post",
        "not-in-get", "before-in-post",
    ),
    "deploying": _question(
        "How does GET show a deploy? `none`: never `deploying`; `late`: status and image 12 s later;"
        " `image-first`: the status 3 s later.",
        "seconds", "none", "late", "image-first",
    ),
    "before-deploying": _question("What does GET show for 2 s before `deploying`?", "nothing", "stopped"),
    "deploy-answer": _question(
        "What answers `POST deploy`? `lost`: a 502, deployed; `empty`: a 202 without a body, deployed;"
        " `lost-before`: a 502, not deployed, every other time.",
        "sent", "lost", "empty", "lost-before",
    ),
    "times": _question(
        "How are times written, but for `lastModified`?", "seconds", "fractions", "offset", "numbers"
    ),
    "date": _question("Have answers a `Date`?", "sent", "absent"),
    "new-app": _question(
        "What answers requests for an app in the first 8 s after its creation?", "ready", "404", "502"
    ),
    "new-site": _question("What does a new static app have?", "empty", "page"),
    "url": _question(
        "Where does an app answer? `bare`: `url` has no scheme; `late`: a 404 for the first minute;"
        " `redirect`: a 302 to elsewhere; `login`: a 401.",
        "https", "bare", "absent", "late", "redirect", "login",
    ),
    "hidden": _question(
        "What becomes of files with a name, or in a folder, that starts with a dot?",
        "stored", "refused", "unlisted", "unserved",
    ),
    "last-modified": _question(
        "How is `lastModified` written?",
        "seconds", "fractions", "offset", "rfc1123", "number", "absent", "null",
    ),
    "listed-paths": _question(
        "How are paths listed? `slash`: as `/a/b`; `directories`: beside `a/b` there is `a/`.",
        "plain", "slash", "directories",
    ),
    "empty-zone": _question("What is the list of no files?", "list", "null", "204", "404"),
    "conflict": _question(
        "What is the body of a 409? `object`: an object without `error`.", "error", "object", "text", "empty"
    ),
    "lock-lost": _question(
        "What answers a heartbeat or finalize without the lock? `mixed`: a 404 for a heartbeat while the lock"
        " is free, else a 409.",
        "mixed", "404", "409",
    ),
    "heartbeat": _question("What answers a heartbeat?", "object", "empty", "204"),
    "finalize": _question(
        "What answers finalize? `502`: the deployment is recorded, the lock is free, the CDN is not purged.",
        "ok", "201", "no-deploy-id", "502",
    ),
    "delete": _question(
        "What answers DELETE? `body`: a 200 with an object.", "204", "200", "202", "body"
    ),
    "domain-attached": _question(
        "What answers the POST of a domain that the app has already?", "409", "400", "422", "200", "201"
    ),
    "domain-busy": _question(
        "Does a 409 (`another deploy is in progress`) answer the POST of a domain at first?", "no", "once"
    ),
}  # fmt: skip
"""By the dialect's name."""


class Dialect:
    """The answers of one platform: `dialect["times"]` is `seconds` unless it was told otherwise."""

    def __init__(self, answers: Iterable[str] = ()) -> None:
        """Give the default answers but for these, each written as `NAME=ANSWER`."""
        self._answers = {name: question.answers[0] for name, question in QUESTIONS.items()}
        self.speak(*answers)

    def __getitem__(self, name: str) -> str:
        return self._answers[name]

    def speak(self, *answers: str) -> None:
        """Give these answers from now on, each written as `NAME=ANSWER`.

        Raises:
            ValueError: there is no such dialect, or it has no such answer; the others are named.
        """
        self._answers |= dict(map(parse_answer, answers))

    def answers(self) -> dict[str, str]:
        """Return all answers by the dialects' names."""
        return dict(self._answers)


def parse_answer(text: str) -> tuple[str, str]:
    """Split `NAME=ANSWER`.

    Raises:
        ValueError: there is no such dialect, or it has no such answer; the others are named.
    """
    name, _, answer = text.partition("=")
    if name not in QUESTIONS:
        raise ValueError(f"{name!r} is no dialect. The dialects are: {', '.join(QUESTIONS)}")
    if answer not in QUESTIONS[name].answers:
        raise ValueError(f"{answer!r} is no answer to {name}: {', '.join(QUESTIONS[name].answers)}")
    return name, answer

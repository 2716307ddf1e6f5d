"""Dialects: questions that the reference leaves open, and the answers that a platform gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Question:
    """An open question.

    Attributes:
        choices: the possible answers, separated by spaces; the first answer is the default.
    """

    choices: str
    text: str

    @property
    def answers(self) -> list[str]:
        """Return the possible answers; the first answer is the default."""
        return self.choices.split()


QUESTIONS: Mapping[str, Question] = {
    "updated-at": Question("deploy image never absent", "What moves `updated_at`?"),
    "image": Question("given full full-in-get mirror tag-and-digest digest bare-digest not-in-post"
        " not-in-get before-in-post",
        "How is an image written? All but `full` and those for POST are about GET."),
    "deploying": Question("seconds none late image-first",
        "How does GET show a deploy? `none`: never `deploying`; `late`: status and image 12 s"
        " later; `image-first`: the status 3 s later."),
    "before-deploying": Question("nothing stopped", "What does GET show for 2 s before `deploying`?"),
    "deploy-answer": Question("sent lost empty lost-before",
        "What answers `POST deploy`? `lost`: a 502, deployed; `empty`: a 202 without a body,"
        " deployed; `lost-before`: a 502, not deployed, every other time."),
    "times": Question("seconds fractions offset numbers", "How are times written, but for `lastModified`?"),
    "date": Question("sent absent", "Have answers a `Date`?"),
    "new-app": Question("ready 404 502",
        "What answers requests for an app in the first 8 s after its creation?"),
    "new-site": Question("empty page", "What does a new static app have?"),
    "url": Question("https bare absent late redirect login",
        "Where does an app answer? `bare`: `url` has no scheme; `late`: a 404 for the first"
        " minute; `redirect`: a 302 to elsewhere; `login`: a 401."),
    "hidden": Question("stored refused unlisted unserved",
        "What becomes of files with a name, or in a folder, that starts with a dot?"),
    "last-modified": Question("seconds fractions offset rfc1123 number absent null",
        "How is `lastModified` written?"),
    "listed-paths": Question("plain slash directories",
        "How are paths listed? `slash`: as `/a/b`; `directories`: beside `a/b` there is `a/`."),
    "empty-zone": Question("list null 204 404", "What is the list of no files?"),
    "conflict": Question("error object text empty",
        "What is the body of a 409? `object`: one without `error`."),
    "lock-lost": Question("mixed 404 409",
        "What answers a heartbeat or finalize without the lock? `mixed`: a 404 for a heartbeat"
        " while the lock is free, else a 409."),
    "heartbeat": Question("object empty 204", "What answers a heartbeat?"),
    "finalize": Question("ok 201 no-deploy-id 502",
        "What answers finalize? `502`: the deployment is recorded, the lock is free, the CDN is"
        " not purged."),
    "delete": Question("204 200 202 body", "What answers DELETE? `body`: a 200 with an object."),
    "domain-attached": Question("409 400 422 200 201",
        "What answers the POST of a domain that the app has already?"),
    "domain-busy": Question("no once",
        "Does a 409 (`another deploy is in progress`) answer the POST of a domain at first?"),
}  # fmt: skip
"""By the dialect's name."""


class Dialect:
    """The answers of one platform: `dialect["times"]` is `seconds` by default."""

    def __init__(self, answers: Iterable[str] = ()) -> None:
        """Use the default answers except for `answers`, each written as `NAME=ANSWER`."""
        self._answers = {name: question.answers[0] for name, question in QUESTIONS.items()}
        self.speak(*answers)

    def __getitem__(self, name: str) -> str:
        return self._answers[name]

    def speak(self, *answers: str) -> None:
        """Change some answers, each written as `NAME=ANSWER`.

        Raises:
            ValueError: for an unknown dialect or answer; the message lists the known ones.
        """
        self._answers |= dict(check(answer).split("=") for answer in answers)

    def answers(self) -> dict[str, str]:
        """Return all answers by the dialects' names."""
        return dict(self._answers)


def check(text: str) -> str:
    """Check `NAME=ANSWER`, and return it unchanged.

    Raises:
        ValueError: for an unknown dialect or answer; the message lists the known ones.
    """
    name, _, answer = text.partition("=")
    if name not in QUESTIONS:
        raise ValueError(f"{name!r} is no dialect. The dialects are: {', '.join(QUESTIONS)}")
    if answer not in QUESTIONS[name].answers:
        raise ValueError(f"{answer!r} is no answer to {name}: {', '.join(QUESTIONS[name].answers)}")
    return text

"""Dialects: questions that the reference leaves open, and the answers that a platform gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Question:
    """An open question: its possible answers, separated by spaces, and its text."""

    choices: str
    text: str

    @property
    def answers(self) -> list[str]:
        """The possible answers; the first answer is the default."""
        return self.choices.split()


QUESTIONS: Mapping[str, Question] = {
    "updated-at": Question("deploy image never absent", "Which deploys change `updated_at`?"),
    "image": Question("given full full-in-get mirror tag-and-digest digest bare-digest not-in-post"
        " not-in-get before-in-post",
        "How do POST deploy and GET write the name of the image? `full` applies to both,"
        " `not-in-post` and `before-in-post` to POST, the others to GET."),
    "deploying": Question("seconds none late image-first",
        "How does GET show a deploy in progress? `none`: never `deploying`; `late`: status and image 12 s"
        " late; `image-first`: only the status, 3 s late."),
    "before-deploying": Question("nothing stopped", "Which status does GET show for 2 s before `deploying`?"),
    "deploy-answer": Question("sent lost empty lost-before",
        "How does the platform answer POST deploy? `lost`: a 502, deployed; `empty`: a 202 without a body,"
        " deployed; `lost-before`: a 502, not deployed, every other time."),
    "times": Question("seconds fractions offset numbers",
        "How does the platform write times other than `lastModified`?"),
    "date": Question("sent absent", "Do responses have a `Date` header?"),
    "new-app": Question("ready 404 502",
        "How does the platform answer requests for a new app in the first 8 s?"),
    "new-site": Question("empty page", "Is a new site empty?"),
    "url": Question("https bare absent late redirect login",
        "How can visitors reach an app at its `url`? `bare`: `url` has no scheme; `late`: a 404 for the first"
        " minute; `redirect`: a 302 to elsewhere; `login`: a 401."),
    "hidden": Question("stored refused unlisted unserved",
        "How does the platform treat hidden files: those whose path has a name that begins with a dot?"),
    "last-modified": Question("seconds fractions offset rfc1123 number absent null",
        "How does the list of files write `lastModified`?"),
    "listed-paths": Question("plain slash directories",
        "How does the list of files write paths? `slash`: as `/a/b`; `directories`: beside `a/b` there"
        " is `a/`."),
    "empty-zone": Question("list null 204 404", "How does the platform list the files of an empty site?"),
    "conflict": Question("error object text empty",
        "What is the body of a 409 response? `object`: without `error`."),
    "lock-lost": Question("mixed 404 409",
        "How does the platform answer heartbeat and finalize for a released lock? `mixed`: a"
        " heartbeat with 404 while the lock is free; everything else with 409."),
    "heartbeat": Question("object empty 204", "How does the platform answer a heartbeat?"),
    "finalize": Question("ok 201 no-deploy-id 502",
        "How does the platform answer finalize? `502`: the deployment is recorded, the lock is free,"
        " the CDN is not purged."),
    "delete": Question("204 200 202 body",
        "How does the platform answer DELETE? `body`: a 200 with an object."),
    "domain-attached": Question("409 400 422 200 201",
        "How does the platform answer POST of a domain that the app already has?"),
    "domain-busy": Question("no once",
        "Does the platform refuse every other POST of a domain (409, `another deploy is in progress`)?"),
}  # fmt: skip
"""The questions by name."""


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
            ValueError: for an unknown question or answer; the message lists the known ones.
        """
        self._answers |= dict(check(answer).split("=") for answer in answers)

    def answers(self) -> dict[str, str]:
        """All answers, by the questions' names."""
        return dict(self._answers)


def check(text: str) -> str:
    """Check `NAME=ANSWER`, and return it unchanged.

    Raises:
        ValueError: for an unknown question or answer; the message lists the known ones.
    """
    name, _, answer = text.partition("=")
    if name not in QUESTIONS:
        raise ValueError(f"{name!r} is not a question. The questions are: {', '.join(QUESTIONS)}")
    if answer not in QUESTIONS[name].answers:
        raise ValueError(f"{answer!r} is no answer to {name}: {', '.join(QUESTIONS[name].answers)}")
    return text

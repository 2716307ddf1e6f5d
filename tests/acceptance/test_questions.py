"""The report names the dialect that a platform speaks."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from acceptance.facts import open_facts
from acceptance.names import new_name
from acceptance.platform import Platform
from acceptance.questions import ask_container, ask_site, open_questions
from tests.support.platform import API_KEY
from zerokie_action.sandbox.dialects import QUESTIONS

if TYPE_CHECKING:
    from tests.acceptance.conftest import Acceptance

PROVOKED = {
    "domain-attached": "by a whole run with a domain",
    "domain-busy": "never",
}
IMAGES = {"updated-at", "image", "deploying", "before-deploying", "deploy-answer"}
NOT_SEEN = {("deploy-answer", "lost-before")}
"""Nothing tells it from one that was lost afterwards, unless the app is watched for longer."""
READABLE = {("url", "https"), ("url", "late")}


def answers(*, images: bool) -> list[tuple[str, str]]:
    return [
        (name, answer)
        for name, question in QUESTIONS.items()
        for answer in question.answers
        if name not in PROVOKED and (name in IMAGES) is images and (name, answer) not in NOT_SEEN
    ]


def test_it_knows_the_answers_of_the_sandbox() -> None:
    """Both have the same questions and answers."""
    known = {name: set(question.known.values()) for name, question in open_questions().items()}
    known["deploy-answer"] |= {"lost-before"}
    assert known == {name: set(question.answers) for name, question in QUESTIONS.items()}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "answer"), answers(images=False))
def test_a_site_is_asked(acceptance: Acceptance, name: str, answer: str) -> None:
    """Each answer is seen as such, and no other question has another answer than before."""
    acceptance.platform.speak(**{name: answer})
    questions = open_questions()
    with closing(Platform(acceptance.platform.url, API_KEY)) as platform:
        patience = 70 if answer == "late" else 3
        readable = ask_site(platform, new_name(), questions, open_facts(), patience)
    assert readable is (name != "url" or (name, answer) in READABLE)
    seen = {asked: question.answer for asked, question in questions.items() if question.shape}
    plain = {asked: question.answers[0] for asked, question in QUESTIONS.items()}
    assert seen == {asked: (plain | {name: answer})[asked] for asked in seen}
    assert name in seen


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "answer"), answers(images=True))
def test_a_container_is_asked(acceptance: Acceptance, name: str, answer: str) -> None:
    """Each answer is seen as such, and no other question has another answer than before."""
    questions, app = open_questions(), new_name()
    created = {"name": app, "image": "nginx:1.27.5-alpine", "port": 80}
    acceptance.platform.client.post("/v1/apps", json=created).raise_for_status()
    acceptance.platform.speak(**{name: answer})
    shown = f"/v1/apps/{app}"
    acceptance.platform.wait_until(
        lambda: acceptance.platform.client.get(shown).json()["status"] == "running"
    )
    with closing(Platform(acceptance.platform.url, API_KEY)) as platform:
        ask_container(platform, app, questions, open_facts(), "nginx:1.26.3-alpine")
    plain = {asked: question.answers[0] for asked, question in QUESTIONS.items()}
    expected = {asked: (plain | {name: answer})[asked] for asked in IMAGES}
    assert {asked: questions[asked].answer for asked in IMAGES} == expected

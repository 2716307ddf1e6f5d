"""API variants of a platform in the report."""

from contextlib import closing

import pytest

from acceptance.names import new_name
from acceptance.platform import Platform
from acceptance.questions import ask_container, ask_deletion, ask_site, open_questions
from acceptance.report import Report
from sandbox.dialects import QUESTIONS
from tests.acceptance.conftest import Acceptance
from tests.support.platform import API_KEY

PROVOKED = {"domain-attached"}
"""The answer requires a whole run with a domain."""
IMAGES = {"updated-at", "image", "deploying", "before-deploying", "deploy-answer"}
READABLE = {("url", "https"), ("url", "late")}


PLAIN = {name: question.answers[0] for name, question in QUESTIONS.items()}


def answers(*, images: bool) -> list[tuple[str, str]]:
    return [
        (name, answer)
        for name, question in open_questions().items()
        for answer in sorted(set(question.known.values()))
        if name not in PROVOKED and (name in IMAGES) is images
    ]


def test_the_sandbox_and_the_report_have_the_same_answers() -> None:
    """The sandbox has more variants, because plain requests can't find all of them."""
    for name, question in open_questions().items():
        assert set(question.known.values()) <= set(QUESTIONS[name].answers)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "answer"), answers(images=False))
def test_the_report_shows_each_answer_of_a_site(acceptance: Acceptance, name: str, answer: str) -> None:
    """The report shows this answer, and the answers to all other questions stay the same."""
    acceptance.platform.speak(**{name: answer})
    report, app = Report("", {}, questions := open_questions()), new_name()
    with closing(Platform(acceptance.platform.url, API_KEY)) as platform:
        patience = 70 if answer == "late" else 3
        readable = ask_site(platform, app, report, patience)
        ask_deletion(platform, app, report)
    assert readable is (name != "url" or (name, answer) in READABLE)
    seen = {asked: question.answer for asked, question in questions.items() if question.shape}
    assert seen == {asked: (PLAIN | {name: answer})[asked] for asked in seen}
    assert name in seen


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "answer"), answers(images=True))
def test_the_report_shows_each_answer_of_a_container(acceptance: Acceptance, name: str, answer: str) -> None:
    """The report shows this answer, and the answers to all other questions stay the same."""
    report, app = Report("", {}, questions := open_questions()), new_name()
    created = {"name": app, "image": "nginx:1.27.5-alpine", "port": 80}
    acceptance.platform.client.post("/v1/apps", json=created).raise_for_status()
    acceptance.platform.speak(**{name: answer})
    shown = f"/v1/apps/{app}"
    acceptance.platform.wait_until(
        lambda: acceptance.platform.client.get(shown).json()["status"] == "running"
    )
    with closing(Platform(acceptance.platform.url, API_KEY)) as platform:
        ask_container(platform, app, report, ("nginx:1.26.3-alpine", "nginx:broken"), 0)
    expected = {asked: (PLAIN | {name: answer})[asked] for asked in IMAGES}
    assert {asked: questions[asked].answer for asked in IMAGES} == expected

"""Whole runs against a sandbox, in real time."""

import signal
from datetime import timedelta

import pytest

from acceptance import names
from acceptance.facts import AT_ONCE
from acceptance.questions import open_questions
from acceptance.story import CONTAINER_STEPS, LAST_STEPS, SITE_STEPS, promises
from sandbox.dialects import QUESTIONS
from tests.acceptance.conftest import Acceptance
from tests.support.platform import API_KEY

pytestmark = pytest.mark.acceptance
FAILED, INTERRUPTED = 1, 130
PLAIN = {name: QUESTIONS[name].answers[0] for name in open_questions()}
MIXED = {"image": "full", "updated-at": "never", "conflict": "empty", "listed-paths": "slash"}
FACTS = {
    "The list of files shows new files": "after Ns",
    "The list of files shows other lengths": "after Ns",
    "The list of files shows deletions": "after Ns",
    "A path that does not exist": "404, another page",
    "A path that does not exist, and the site has a `404.html`": "404, 404.html",
    "`/about`, and the site has `about.html`": "404, 404.html",
    "`/team`, and the site has `team/index.html`": "404, 404.html",
    "`/team/`, and the site has `team/index.html`": "200, team/index.html",
    "The headers of a page": "content-type: text/html, cache-control: none",
    "The headers of a script": "content-type: text/javascript, cache-control: none",
    "A page comes back byte for byte": "yes",
    "Visitors get a changed page": "Ns after finalize",
    **{f"{count} parallel uploads": "N a second" for count in AT_ONCE},
    "The deletion of an app": 'gone after Ns; DELETE: 204; the first GET: 404 {"error":"app not found"}',
}
"""The facts of a sandbox with any API variants. `N` is a number that depends on the machine."""


def promised(*groups: tuple[object, ...]) -> set[str]:
    """Return the texts of promises."""
    texts = promises()
    return {texts[step.__name__].text for group in groups for step in group}  # type: ignore[attr-defined]


def check_report(acceptance: Acceptance) -> None:
    """Check that the report shows the API variants, but neither the key nor another app."""
    answers = acceptance.answers
    seen = {name: answer for name, answer in answers.items() if not answer.startswith("no answer")}
    assert seen == {name: answer for name, answer in (PLAIN | MIXED).items() if name in seen}
    assert set(PLAIN) == set(seen)
    assert API_KEY not in acceptance.report
    assert "production" not in acceptance.report
    assert acceptance.platform.url.partition("://")[2] not in acceptance.report


def check_production(acceptance: Acceptance) -> None:
    """Check that the other person's app is unchanged, and no other app exists."""
    assert acceptance.apps() == ["production"]
    assert acceptance.platform.stored("production") == {"index.html": b"live"}
    assert acceptance.platform.app("production")["deployments"] == []


def test_all_promises_hold_in_a_whole_run(acceptance: Acceptance) -> None:
    """The report also names the API variants."""
    acceptance.platform.speak(**MIXED)
    code, said = acceptance.run(ACCEPTANCE_DOMAIN="acceptance.example.org")
    assert code == 0, said
    assert acceptance.results == dict.fromkeys(promised(SITE_STEPS, CONTAINER_STEPS, LAST_STEPS), "held")
    check_report(acceptance)
    facts = acceptance.facts
    assert facts == facts | FACTS
    shown = facts["GET while an image that does not exist is deployed"].replace("REGISTRY/", "")
    assert shown == "Ns `running` BEFORE; Ns `deploying` IMAGE; Ns `failed` IMAGE"
    assert all(
        facts[f"POST of a domain that {whose} app has"].startswith("409") for whose in ("the same", "another")
    )
    assert "acceptance.example.org" not in acceptance.report
    check_production(acceptance)


def test_the_shells_settings_have_no_effect(acceptance: Acceptance) -> None:
    """A variable for another deploy sends nothing there. `--static-only` doesn't create a container."""
    site = acceptance.folder / "site"
    site.mkdir()
    env = {"INPUT_APP": "production", "PLUGIN_DIRECTORY": str(site), "ZEROKIE_TAKE_OVER": "true"}
    env |= {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/production"}
    code, said = acceptance.run("--static-only", **env)
    assert code == 0, said
    without = promised(CONTAINER_STEPS) | {promises()["attach_domain"].text}
    expected = dict.fromkeys(promised(SITE_STEPS, LAST_STEPS), "held") | dict.fromkeys(without, "not tried")
    assert acceptance.results == expected
    assert not [post for post in acceptance.platform.requests("POST", "") if post["path"].endswith("/deploy")]
    check_production(acceptance)


def test_ctrl_c_deletes_the_runs_apps(acceptance: Acceptance) -> None:
    """During a deploy, Ctrl-C deletes the apps and writes a report."""
    process = acceptance.start("--static-only")
    acceptance.until(process, promises()["deploy_same_files"].text)
    for _ in range(2):  # people press it more than once
        process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    assert "interrupted" in acceptance.report
    assert acceptance.results[promises()["create_site"].text] == "held"
    assert acceptance.results[promises()["kill"].text] == "not tried"
    check_production(acceptance)


def test_a_sweep_deletes_the_apps_of_a_killed_run(
    acceptance: Acceptance,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sweep keeps them for an hour."""
    acceptance.platform.create("zk-acceptance")
    process = acceptance.start("--static-only")
    acceptance.until(process, promises()["deploy_same_files"].text)
    process.kill()
    process.communicate()
    left = [name for name in acceptance.apps() if name not in {"production", "zk-acceptance"}]
    assert len(left) == 1

    assert acceptance.run("--sweep")[0] == 0
    assert acceptance.apps() == sorted([*left, "production", "zk-acceptance"])

    monkeypatch.setattr(names, "LEFTOVER_AFTER", timedelta(seconds=-60))
    assert acceptance.main(monkeypatch, "--sweep") == 0
    assert f"{left[0]}: deleted" in capsys.readouterr().out
    assert acceptance.apps() == ["production", "zk-acceptance"]

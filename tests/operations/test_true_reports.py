"""What a report says is what was seen: nothing is live, created, deleted or left behind by guess."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import NEW, OLD, running_web
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import World
    from zerokie_action.sandbox.records import Record

pytestmark = pytest.mark.usefixtures("handlers")


def test_our_own_state_file_is_no_change_of_the_directory(world: World) -> None:
    """On GitLab it lies in the project's directory, which may be what is deployed."""
    world.env |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(world.folder), "CI_JOB_ID": "42"}
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert not [path for path in world.stored() if "state" in path]


@pytest.mark.parametrize(("app", "before"), [("web", OLD), ("new", "")])
@pytest.mark.parametrize("answered", [True, False])
def test_an_image_that_is_cancelled_while_it_is_asked_for(
    world: World, app: str, before: str, *, answered: bool
) -> None:
    """The answer is waited for; without one, nobody says which image the app was left with."""
    running_web(world)
    world.signals.install()
    request = ("POST", "/v1/apps$" if app == "new" else "/deploy$")
    world.platform.faults.add(Fault(Kind.DELAY, *request, seconds=0.5 if answered else 30))
    world.loop.call_later(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    outcome = world.run(app=app, image=NEW, create=True, port=80)
    assert outcome.exit_code == 143
    if answered:
        assert f"{app!r} was left with {NEW!r}" in outcome.outputs["error"]
        assert world.platform.apps.get(app).image == NEW
    else:
        assert "it is not known which image" in outcome.outputs["error"]
        assert before not in outcome.outputs["error"] or not before


def test_an_app_that_somebody_else_has_created_meanwhile(world: World) -> None:
    """A lost answer does not make it ours: what they put there is not deleted unasked."""

    def create(record: Record) -> None:
        if record.method == "POST" and record.path == "/v1/apps":
            world.platform.on_request = None
            world.platform.apps.create_static("new")
            world.platform.put_file("new", "theirs.html", b"x")

    world.platform.on_request = create
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/v1/apps$", status=502))
    outcome = world.run(app="new", create=True)
    assert outcome.exit_code == 2
    assert "take-over" in outcome.outputs["hint"]
    assert world.stored("new") == {"theirs.html": b"x"}
    assert outcome.outputs["created"] is None


def test_a_key_that_is_given_as_a_file(world: World) -> None:
    """The path is quoted nowhere: it may be the key itself."""
    outcome = world.run(api_key=None, api_key_file="sk-live-0123456789")
    assert outcome.exit_code == 2
    assert "api-key-file" in outcome.log
    assert "sk-live" not in outcome.log + json.dumps(outcome.outputs)


def test_nothing_to_destroy(world: World, tmp_path: Path) -> None:
    """It is no success of ours that an app is gone."""
    summary = tmp_path / "summary.md"
    assert (
        world.run(app="nothere", operation="destroy", directory=None, summary_file=str(summary)).exit_code
        == 0
    )
    text = summary.read_text("utf-8")
    assert "`nothere` did not exist" in text
    assert "eleted" not in text


@pytest.mark.parametrize("path", ["", "no/such/file"])
def test_only_what_was_checked_is_live(world: World, path: str) -> None:
    """Another site, or a page of this one that was not deployed, says nothing about the new version."""
    world.platform.apps.create_static("other")
    world.platform.put_file("other", "index.html", b"x")
    world.platform.put_file("site", "no/such/file", b"x")
    url = f"{world.server.url}/_apps/{'site/no/such/file' if path else 'other/'}" if world.server else ""
    outcome = world.run(health_check=f"/{path}" if path else url, keep="no/")
    assert " is live" not in outcome.log


def test_a_domain_that_may_be_another_apps(world: World) -> None:
    """After a lost answer a conflict may be with anybody."""
    world.platform.apps.create_static("other")
    world.platform.domains.add("other", "www.example.com")
    world.platform.faults.add(Fault(Kind.STATUS, "POST", "/domains$", status=502))
    outcome = world.run(domains="www.example.com")
    assert json.loads(json.dumps(outcome.outputs["domains"])) == [
        {"domain": "www.example.com", "status": "attached already"}
    ]


@pytest.mark.parametrize("url", ["https://h/{x}", "https://h/a/../b", "https://${HOST}", "https://h/$BASE"])
def test_a_url_that_is_none_of_an_api(world: World, url: str) -> None:
    """It is an input that is wrong, no bug and no outage."""
    outcome = world.run(api_url=url)
    assert outcome.exit_code == 2
    assert "`api-url`" in outcome.log

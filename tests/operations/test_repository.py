"""A run knows its repository without a CI's variables: from the checkout that the working directory is in."""

import os
from pathlib import Path

import pytest

from tests.support.world import Outcome, World

SHOP = "git@gitlab.com:acme/web/shop.git"
DOCS = "https://github.com/acme/docs.git"
TOKEN = "ghp_s3cr3t"  # noqa: S105 - of a forge that does not exist
PIPELINE = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/web/shop",
}


def run(world: World, origin: str, env: dict[str, str] | None = None, **inputs: object) -> Outcome:
    """Run in a folder of a checkout with this `origin`; without one, outside of all checkouts."""
    here = world.folder.parent
    if origin:
        here = here / f"checkout of {origin.rpartition('/')[2]}" / "web"
        here.mkdir(parents=True, exist_ok=True)
        (here.parent / ".git").mkdir(exist_ok=True)
        (here.parent / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {origin}\n')
    os.chdir(here)  # the world gives the working directory back
    world.env = env or {}
    return world.run(**inputs)


@pytest.mark.parametrize("env", [{}, PIPELINE], ids=["shell", "GitLab"])
def test_another_checkout_stops_and_the_same_one_goes_on(world: World, env: dict[str, str]) -> None:
    """A shell in the checkout goes on with what the CI has deployed; another one does not.

    `take-over` goes on, and the app is the other's from then on.
    """
    assert run(world, "" if env else SHOP, env).exit_code == 0
    assert run(world, SHOP).exit_code == 0
    before = world.platform.files("site")
    for inputs in ({}, {"operation": "destroy"}):
        outcome = run(world, DOCS, {}, **inputs)
        assert outcome.exit_code == 2, outcome.log
        assert "This run is of 'github.com/acme/docs'" in outcome.outputs["error"]
        assert "`take-over: true` for one run by hand" in outcome.outputs["hint"]
        assert world.platform.files("site") == before
        assert world.platform.lock("site") is None
    assert run(world, DOCS, PIPELINE).exit_code == 0  # the variables say which repository it is
    assert run(world, DOCS, take_over=True).exit_code == 0
    assert run(world, SHOP, env).exit_code == 2
    assert run(world, DOCS, operation="destroy").exit_code == 0


@pytest.mark.parametrize("origin", [f"https://{TOKEN}@github.com/acme/docs", f"https://me:{TOKEN}@/docs"])
def test_a_token_in_origin_is_shown_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: str
) -> None:
    """In no log, error, traceback or report."""
    dotenv = tmp_path / "dotenv"
    inputs: dict[str, object] = {"dotenv_file": dotenv, "log_level": "debug"}
    outcomes = [run(world, SHOP), run(world, origin, {}, **inputs)]
    with monkeypatch.context() as broken:  # a bug, whose traceback the log shows
        broken.setattr("zerokie_action.operations.site.zone.find_manifests", None)
        outcomes.append(run(world, origin, {}, **inputs))
    assert "Traceback" in outcomes[-1].log
    said = [str((outcome.log, outcome.outputs, outcome.summary)) for outcome in outcomes]
    assert [text for text in (*said, dotenv.read_text()) if TOKEN in text] == []

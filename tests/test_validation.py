"""Inputs that are set and that a run does not use: one warning names them all, in log, summary and JSON."""

import html
from pathlib import Path

import pytest

from tests.support.containers import running_web
from tests.support.world import World

CREATION = {"port": 80, "cpu": 256, "memory": 512, "env": "A=1"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password_file": "file"}
FOLDER = {
    "ignore": "*.map",
    "ignore_file": "file",
    "keep": "/uploads/",
    "delete_stale": False,
    "max_deletes": 0,
    "incremental": False,
}
CONTAINER = {**CREATION, **REGISTRY, "wait": False, "rollback": True}
CHECKED = {"health_check": "/", "health_check_text": "v1", "health_check_timeout": "1m"}
IMAGE = {"app": "web", "image": "nginx:2"}
RESTART = {"app": "web", "operation": "restart"}
DESTROY = {"app": "web", "operation": "destroy"}


@pytest.mark.parametrize(
    ("run", "used", "unused", "what"),
    [
        pytest.param(
            {}, {**FOLDER, "take_over": True, "wait_timeout": "1m"}, CONTAINER, "`directory`", id="folder"
        ),
        pytest.param(
            IMAGE,
            {**CONTAINER, **CHECKED, "create": True, "wait_timeout": "1m"},
            {**FOLDER, "take_over": True},
            "`image`",
            id="image",
        ),
        pytest.param(
            RESTART,
            {**REGISTRY, **CHECKED, "wait": False, "wait_timeout": "1m"},
            {"create": True, **CREATION, **FOLDER, "take_over": True, "domains": "a.b.c", "rollback": True},
            "`operation: restart`",
            id="restart",
        ),
        pytest.param(
            DESTROY,
            {"take_over": True},
            {"create": True, **CONTAINER, **FOLDER, **CHECKED, "domains": "a.b.c", "wait_timeout": "1m"},
            "`operation: destroy`",
            id="destroy",
        ),
    ],
)
def test_one_warning_names_all_inputs_without_effect(
    world: World,
    tmp_path: Path,
    run: dict[str, object],
    used: dict[str, object],
    unused: dict[str, object],
    what: str,
) -> None:
    """Each is named with the variable that was read; those that the run uses are not."""
    (tmp_path / "file").write_text("s3cr3t")
    running_web(world)
    common = {
        "lock_timeout": "1m",
        "timeout": "10m",
        "retry_timeout": "3s",
        "concurrency": 8,
        "dry_run": True,
    }
    outcome = world.run(**common, **run, **used, **unused)
    assert outcome.exit_code == 0, outcome.log
    (warning,) = (text for text in outcome.outputs["warnings"] if f"no effect with {what}; leave out" in text)
    assert f"Warning: {warning}\n" in outcome.log
    assert "no effect with" in html.unescape(outcome.summary)
    named = {name for name in used | unused | common if f"(ZEROKIE_{name.upper()})" in warning}
    assert named == unused.keys()


@pytest.mark.parametrize("run", [{}, IMAGE, RESTART, DESTROY], ids=["folder", "image", "restart", "destroy"])
def test_empty_inputs_and_defaults_are_not_named(world: World, run: dict[str, object]) -> None:
    """A reusable workflow hands on all inputs: empty ones, and defaults, which change nothing anywhere."""
    running_web(world)
    empty = dict.fromkeys((*CONTAINER, *FOLDER, *CHECKED, "create", "domains"), "  ")
    nothing = {"env": "# none\n", "keep": "# none\n", "ignore": "\n", "wait": True, "rollback": "no"}
    defaults = {"wait_timeout": "5m", "delete_stale": "yes", "take_over": False, "create": "false"}
    outcome = world.run(dry_run=True, **(empty | nothing | defaults | run))
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["warnings"] == []


def test_no_login_for_a_public_image_is_fine(world: World) -> None:
    """A public image needs no login, so nothing is said about one."""
    running_web(world)
    outcome = world.run(app="web", image="ghcr.io/o/web:2", dry_run=True)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])

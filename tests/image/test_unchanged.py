"""A deploy of a digest that the app already runs: no restart. And the cases that deploy anyway."""

from typing import Any

import pytest

from sandbox.faults import Kind
from tests.support.containers import LOOK, asked, deploy, lines, running_web, says
from tests.support.world import World

DIGEST, OTHER = f"nginx@sha256:{'1' * 64}", f"nginx@sha256:{'2' * 64}"


@pytest.fixture(autouse=True)
def _web(world: World) -> None:
    running_web(world)
    world.platform.apps.deploy("web", image=DIGEST, private=False)
    world.platform.apps.set_status("web", "running")
    world.loop.jump(60)


def test_an_unchanged_digest_is_not_restarted(world: World) -> None:
    outcome = deploy(world, DIGEST, rollback=True)
    assert (outcome.exit_code, outcome.writes) == (0, []), outcome.log
    assert lines(outcome) == [
        "Waiting for 'web' to keep running; 15s left",
        f"'web' already runs {DIGEST!r}",
        "web is up to date: http://platform/_apps/web",
    ]
    outputs = outcome.outputs
    assert (outputs["status"], outputs["changed"], outputs["deploy_id"]) == ("deployed", False, None)
    assert outputs["image"] == outputs["previous_image"] == DIGEST
    assert outcome.summary.startswith("## ✅ `web` is up to date")


@pytest.mark.parametrize("name", ["full", "as another name"])
def test_docker_defaults_do_not_change_the_name(world: World, name: str) -> None:
    """A name in full, or with a tag next to the digest, is the same name."""
    image = f"docker.io/library/{DIGEST}" if name == "full" else DIGEST.replace("@", ":1@")
    assert deploy(world, image).outputs["changed"] is False


def test_a_dry_run_decides_by_one_get(world: World) -> None:
    outcome = deploy(world, DIGEST, dry_run=True)
    assert (outcome.exit_code, outcome.outputs["changed"]) == (0, False)
    assert len(outcome.requests) == 1
    assert outcome.outputs["notes"] == [f"'web' already runs {DIGEST!r}."]
    assert "would deploy" not in outcome.log
    assert deploy(world, OTHER, dry_run=True).outputs["changed"] is True


def test_the_health_check_follows(world: World) -> None:
    """An unhealthy app isn't rolled back, because nothing was deployed."""
    assert deploy(world, DIGEST, health_check="/").exit_code == 0
    world.platform.set_page("web", 500)
    outcome = deploy(world, DIGEST, health_check="/", wait=5, rollback=True)
    assert (outcome.exit_code, outcome.outputs["status"], outcome.writes) == (10, "failed", [])
    assert "Nothing was changed." in outcome.log


@pytest.mark.parametrize(
    ("image", "inputs"),
    [
        ("nginx:1", {}),
        (OTHER, {}),
        (f"ghcr.io/a/{DIGEST}", {}),
        (DIGEST, {"registry_username": "ci", "registry_password": "pass-word"}),
    ],
    ids=["a tag", "another digest", "another registry", "credentials"],
)
def test_another_name_or_credentials_deploy(world: World, image: str, inputs: dict[str, Any]) -> None:
    outcome = deploy(world, image, **inputs)
    assert (outcome.exit_code, asked(outcome), outcome.outputs["changed"]) == (0, 1, True), outcome.log


@pytest.mark.parametrize("status", ["failed", "deploying", ""])
def test_an_app_that_does_not_run_is_deployed(world: World, status: str) -> None:
    says(world, skip=0, image=DIGEST, status=status)
    assert asked(deploy(world, DIGEST)) == 1


@pytest.mark.parametrize(
    "shown", [{"image": OTHER, "status": "running"}, {"image": DIGEST, "status": "failed"}]
)
def test_a_change_within_15_seconds_deploys(world: World, shown: dict[str, str]) -> None:
    """The first responses may be late, and a colleague's deploy may be in progress."""
    says(world, skip=9, times=2, image=shown["image"], status=shown["status"])
    outcome = deploy(world, DIGEST)
    assert (outcome.exit_code, asked(outcome)) == (0, 1), outcome.log
    assert outcome.outputs["previous_image"] == shown["image"]


def test_a_deletion_within_15_seconds_is_exit_4(world: World) -> None:
    says(world, skip=5, times=None, image=DIGEST, status="deleting")
    outcome = deploy(world, DIGEST)
    assert (outcome.exit_code, outcome.writes) == (4, [])


def test_an_outage_within_15_seconds_is_exit_5(world: World) -> None:
    world.fault(Kind.STATUS, "GET", LOOK, skip=5, times=None, status=503)
    outcome = deploy(world, DIGEST, retry_timeout=20)
    assert (outcome.exit_code, outcome.writes) == (5, []), outcome.log
    assert "Nothing was changed." in outcome.log

"""Deploying a static folder, seen from the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.world import SITE

if TYPE_CHECKING:
    from tests.support.world import World


def test_the_storage_equals_the_folder(world: World) -> None:
    """A first deploy stores every file, and finalizes once with true counts."""
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == SITE
    assert world.platform.lock("site") is None
    (deployment,) = world.platform.deployments("site")
    assert (deployment.files_uploaded, deployment.files_deleted) == (4, 0)


def test_nothing_changed_uploads_nothing(world: World) -> None:
    """A second deploy of the same folder proves every file to be unchanged."""
    world.run()
    outcome = world.run()
    assert outcome.outputs["files_unchanged"] == 4
    assert [record.method for record in outcome.writes] == ["POST"]

"""`max-deletes`: a deploy that would delete more than that does nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.schema import check_result

if TYPE_CHECKING:
    from tests.support.world import World

FEW = {"index.html": b"new"}


@pytest.mark.parametrize("limit", [0, 2])
@pytest.mark.parametrize("incremental", [True, False])
def test_too_many_deletions(world: World, limit: int, incremental: bool) -> None:  # noqa: FBT001 - an input
    """Nothing is written or deleted; the lock is finalized with zeros; the log names what would have gone."""
    world.run()
    before = world.platform.files("site")
    world.write(FEW)
    outcome = world.run(max_deletes=limit, incremental=incremental)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == f"`max-deletes`: this deploy would delete 3 files, more than {limit}"
    assert "assets/style.css" in outcome.log
    assert world.platform.files("site") == before
    assert world.platform.lock("site") is None
    assert [record.method for record in outcome.writes] == ["POST"]
    finalized = world.platform.deployments("site")[-1]
    assert (finalized.files_uploaded, finalized.files_deleted) == (0, 0)
    assert (outcome.outputs["files_uploaded"], outcome.outputs["files_deleted"]) == (0, 0)
    check_result(outcome.outputs)


def test_a_dry_run_of_too_many_deletions(world: World) -> None:
    """It ends as the deploy would, so that a check on a pull request fails."""
    world.run()
    world.write(FEW)
    outcome = world.run(max_deletes=2, dry_run=True)
    assert outcome.exit_code == 2
    assert "this deploy would delete 3 files, more than 2" in outcome.log
    assert {record.method for record in outcome.requests} == {"GET"}


def test_as_many_as_allowed(world: World) -> None:
    """The limit itself is no more than the limit."""
    world.run()
    world.write(FEW)
    assert world.run(max_deletes=3).exit_code == 0
    assert world.stored() == FEW


def test_what_is_kept_does_not_count(world: World) -> None:
    """Only what would be deleted does."""
    world.run()
    world.write(FEW)
    assert world.run(max_deletes=0, keep=["assets/", "about/", "empty"]).exit_code == 0
    assert world.run(max_deletes=0, delete_stale=False).exit_code == 0

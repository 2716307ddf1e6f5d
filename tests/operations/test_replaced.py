"""A file that another one replaces during the deploy, with the same size and time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.world import World
    from zerokie_action.sandbox.records import Record

ASSET = "assets/style.css"


def replace_while_uploading(world: World, content: bytes) -> None:
    """Let another file take the asset's place, after it was uploaded."""
    file, other = world.folder / ASSET, world.folder.with_name("other")

    def replace(record: Record) -> None:
        if record.method == "PUT" and record.path.endswith("/files/index.html"):
            status = file.stat()
            other.write_bytes(content)
            os.utime(other, ns=(status.st_mtime_ns, status.st_mtime_ns))
            other.rename(file)
            assert (file.stat().st_size, file.stat().st_ino != status.st_ino) == (status.st_size, True)

    world.platform.on_request = replace


def test_other_bytes(world: World) -> None:
    """The deploy ends, nothing is deleted, and the next one is right."""
    world.write({**world.read(), "stale": b""})
    world.run()
    world.write({"index.html": b"new", ASSET: b"html{}"})
    replace_while_uploading(world, b"main{}")
    outcome = world.run(max_deletes=9)
    assert outcome.exit_code == 8, outcome.log
    assert f"{ASSET!r} was replaced" in outcome.outputs["error"]
    assert "stale" in world.stored()
    world.platform.on_request = None
    assert world.run(max_deletes=9).exit_code == 0
    assert world.stored() == world.read()


@pytest.mark.parametrize("is_uploaded", [True, False], ids=["uploaded", "unchanged"])
def test_the_same_bytes(world: World, *, is_uploaded: bool) -> None:
    """Some file systems number their files anew: the bytes decide."""
    if not is_uploaded:
        world.run()
        world.write({**world.read(), "index.html": b"new"})
    replace_while_uploading(world, world.read()[ASSET])
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()

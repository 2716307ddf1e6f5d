"""Deploys on platforms with a late file list.

No deploy deletes an unmanaged file, and deploys a minute apart are right. `test_dialects.py` has more deploys
on such platforms, and `tests/site/test_confirmed.py` has the rules.
"""

import random
import re
from functools import partial

import pytest

from sandbox.faults import Kind
from sandbox.records import Record
from tests.support.sites import require_equal, upper
from tests.support.world import SITE, World

ANSWERS = ["5s", "12s", "20s", "entries", "cached"]


@pytest.mark.parametrize("end", ["killed", "failed"])
def test_a_deploy_within_the_delay_keeps_unlisted_files(world: World, end: str) -> None:
    """The deploy relies on its first file list. It keeps unlisted files, and the next deploy asks once.

    If a killed deploy replaced a file and the list shows the old one, the next deploy ends with exit code 5.
    """
    world.run()
    world.loop.jump(60)
    world.platform.dialect.speak("listing=12s")
    world.write(upper("index.html") | {"new.css": b"x"})
    if end == "killed":
        world.die(lambda record: record.path.endswith("/files/index.html"))
    else:
        world.fault(Kind.STATUS, "PUT", "/files/index.html", status=400)
    world.run()
    world.revive()

    world.write(upper("assets/style.css"))
    outcome = world.run()
    if end == "killed":
        assert outcome.exit_code == 5
        assert "Something else changed the app during this deploy: 'index.html'" in outcome.log
    else:
        assert outcome.exit_code == 0
        assert world.stored() == world.read() | {"new.css": b"x"}
    world.loop.jump(60)
    outcome = world.run()
    assert outcome.exit_code == 2
    assert "'new.css'" in outcome.outputs["error"]
    assert world.run(take_over=True).exit_code == 0
    assert world.stored() == world.read()
    assert world.run().exit_code == 2, "the listing still shows what was deleted"
    world.loop.jump(60)
    require_equal(world)


def is_put(path: str, record: Record) -> bool:
    return record.method == "PUT" and re.search(path, record.path) is not None


@pytest.mark.parametrize(
    "seed", [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(150)]
)
def test_a_late_file_list_never_deletes_an_unmanaged_file(world: World, seed: int) -> None:
    """Failed, killed or quick deploys don't delete unmanaged files, and later deploys are right."""
    chance = random.Random(seed)  # noqa: S311

    def vary(_: Record) -> None:
        world.platform.dialect.speak(f"listing={chance.choice([*ANSWERS[:-1], 'now'])}")

    world.platform.dialect.speak(f"listing={chance.choice(ANSWERS)}")
    world.platform.on_response = vary if seed % 3 == 0 else None  # how late it is changes all the time
    names = [f"{folder}/{name}" for folder in "ab" for name in ("x.css", "y.js", "z.html")]
    versions = [
        SITE | {name: chance.choice([b"1", b"2", b"333"]) for name in names if chance.random() < 0.6}
        for _ in range(3)
    ]
    for step in range(8):
        world.write(chance.choice(versions))
        at, end = chance.choice(["index.html", "[ab]/", "_zerokie"]), chance.choice(["", "killed", "failed"])
        if step > 1 and end == "failed":
            world.fault(Kind.STATUS, "PUT", f"/files/{at}", status=400, skip=chance.randrange(3))
        elif step > 1 and end == "killed":
            world.die(partial(is_put, at))
        if step == 1:
            world.platform.put_file("site", "a/theirs.css", b"1")
            world.loop.jump(60)
        outcome = world.run()
        world.revive()
        assert outcome.exit_code in {0, 2, 4, 5, 143}, outcome.log
        world.loop.jump(60 if step < 2 else chance.choice([0, 1, 3, 8, 60]))
    assert world.stored()["a/theirs.css"] == b"1"
    world.loop.jump(60)
    outcome = world.run(take_over=True)
    assert outcome.exit_code == 0
    assert world.stored() == world.read()
    # The entry of a repeated upload is late at random.
    for _ in range(10):
        world.loop.jump(60)
        outcome = world.run()
        if not outcome.uploads:
            break
    assert outcome.uploads == []

"""`delete-stale: 7d`: a file goes when no version that was live in the last seven days has it.

`tests/site/test_plan.py` and `test_proofs.py` have the rules, as tables.
"""

import html
from datetime import datetime

import pytest

from sandbox.faults import Kind
from tests.support.containers import tell
from tests.support.schema import check_result
from tests.support.world import SITE, Outcome, World
from zerokie_action.site.manifest import Manifest, find_manifests, parse_manifest

DAY = 86_400.0
PAGES = {"index.html", "about.html"}


def chunks(*builds: int) -> set[str]:
    """The assets of these builds; each build renames all of them."""
    return {f"assets/{name}-{number}.js" for number in builds for name in ("index", "vendor", "about")}


def build(number: int) -> dict[str, bytes]:
    """A site of pages, chunks and a logo that keeps its name."""
    return dict.fromkeys(PAGES | chunks(number), b"<p>%d" % number) | {"assets/logo.svg": b"<svg/>"}


def deploy(world: World, files: dict[str, bytes], code: int = 0, **inputs: object) -> Outcome:
    """Deploy these files, with a week for stale ones."""
    world.write(files)
    outcome = world.run(**{"delete_stale": "7d"} | inputs)
    assert outcome.exit_code == code, outcome.log
    check_result(outcome.outputs)
    return outcome


def extra(world: World) -> set[str]:
    """What the app has and the folder does not."""
    stored = world.stored()
    assert {path: stored.get(path) for path in world.read()} == world.read()
    return stored.keys() - world.read().keys()


def newest(world: World) -> Manifest:
    files = world.platform.files("site")
    manifest = parse_manifest(files[find_manifests(files)[-1].path])
    assert manifest
    return manifest


def test_chunks_of_the_last_seven_days_stay(world: World) -> None:
    """Each chunk of a version that was live in the last seven days is there, and none of an older one.

    So going back to an older build sends only its pages.
    """
    for number in range(6):
        deploy(world, build(number))
        assert extra(world) == chunks(*range(max(0, number - 4), number))  # since 6, 4, 2 and 0 days
        world.loop.jump(2 * DAY)
    assert {*deploy(world, build(4)).uploads} == PAGES
    world.loop.jump(7.1 * DAY)
    outcome = deploy(world, build(4), log_level="debug")
    assert (extra(world), outcome.log.count(".js (its delay has passed)\n")) == (set(), 3 * 3)
    assert (outcome.outputs["files_waiting"], outcome.outputs["waiting_until"]) == (0, None)
    assert "wait;" not in outcome.log
    assert [record.method for record in deploy(world, build(4)).writes] == ["POST"]


@pytest.mark.parametrize("end", ["failed", "killed"])
def test_a_deploy_that_does_not_finish_neither_begins_nor_loses_a_time(world: World, end: str) -> None:
    deploy(world, build(1))
    deploy(world, build(2))
    began = newest(world).stale
    assert began.keys() == chunks(1)
    world.loop.jump(DAY)
    if end == "killed":
        world.die(lambda record: record.method == "PUT" and record.path.endswith("index.html"))
    else:
        world.fault(Kind.STATUS, "PUT", "index.html", status=400)
    deploy(world, build(3), code={"killed": 143, "failed": 4}[end])
    assert newest(world).stale == began
    world.revive()
    world.loop.jump(6.5 * DAY)
    deploy(world, build(4))
    assert extra(world) == chunks(2, 3)


def test_an_unreadable_site_keeps_assets_until_true(world: World) -> None:
    """Pages go; assets wait anew and are not asked about, until `true`. A warning says so."""
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    for number in range(3):
        outcome = deploy(world, build(number) | {f"{number}.html": b""}, max_deletes=1)
        assert extra(world) == chunks(*range(number))
        warnings = str(outcome.outputs["warnings"])
        assert ("until a deploy with `delete-stale: true`" in warnings) is (number > 0)
        world.loop.jump(8 * DAY)
    deploy(world, build(2), delete_stale=True, max_deletes=100)
    assert extra(world) == set()


# --- what is said


@pytest.mark.parametrize("dry_run", [True, False])
def test_plan_summary_and_json_say_what_waits(world: World, *, dry_run: bool) -> None:
    """A dry run says the same, and changes nothing."""
    deploy(world, build(1))
    outcome = deploy(world, build(2), dry_run=dry_run)
    assert ", 0 to delete, 1 unchanged, 3 wait\n" in outcome.log
    words = "3 stale files wait; the first deploy after 2026-09-28 deletes them"
    assert f"{words}\n" in outcome.log
    assert f"- {words}." in html.unescape(outcome.summary)
    assert f"{words}." in outcome.outputs["notes"]
    assert (outcome.outputs["files_waiting"], outcome.outputs["waiting_until"][:13]) == (3, "2026-09-28T14")
    assert (world.stored().keys() == build(1).keys()) is dry_run


def test_the_wait_begins_when_the_deploy_ends(world: World) -> None:
    """The time that is told is that of the manifest, also after uploads that took long."""
    deploy(world, build(1))
    world.fault(Kind.DELAY, "PUT", "index.html", seconds=25.0)
    until = datetime.fromisoformat(deploy(world, build(2)).outputs["waiting_until"]).timestamp()
    assert 0 <= until - 7 * DAY - max(newest(world).stale.values()) <= 1


def test_one_waiting_file_has_its_own_sentence(world: World) -> None:
    deploy(world, SITE | {"a.css": b"x"})
    log = deploy(world, SITE, delete_stale="12h").log
    assert ", 1 waits\n" in log
    assert "1 stale file waits; the first deploy after" in log


def test_a_cancelled_deploy_says_nothing_of_waiting_files(world: World) -> None:
    """It does not know what waits."""
    deploy(world, build(1))
    world.fault(Kind.HANG, "PUT", "index.html")
    tell(world, after=3)
    outcome = deploy(world, build(2), code=143)
    assert outcome.outputs["files_waiting"] is None
    assert "wait;" not in outcome.log

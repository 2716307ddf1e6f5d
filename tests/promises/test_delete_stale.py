"""Deploys with `delete-stale: 7d`.

They delete a file if no version of the last seven days contained it. `tests/site/test_plan.py` and
`test_confirmed.py` have tables of the rules.
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
    """Return the assets of these builds. Each build renames all of them."""
    return {f"assets/{name}-{number}.js" for number in builds for name in ("index", "vendor", "about")}


def build(number: int) -> dict[str, bytes]:
    """A site with pages, chunks and a logo of constant name."""
    return dict.fromkeys(PAGES | chunks(number), b"<p>%d" % number) | {"assets/logo.svg": b"<svg/>"}


def deploy(world: World, files: dict[str, bytes], code: int = 0, **inputs: object) -> Outcome:
    """Deploy these files with `delete-stale: 7d`."""
    world.write(files)
    outcome = world.run(**{"delete_stale": "7d"} | inputs)
    assert outcome.exit_code == code, outcome.log
    check_result(outcome.outputs)
    return outcome


def extra(world: World) -> set[str]:
    """Return the remote files that the folder lacks."""
    stored = world.stored()
    assert {path: stored.get(path) for path in world.read()} == world.read()
    return stored.keys() - world.read().keys()


def newest(world: World) -> Manifest:
    files = world.platform.files("site")
    manifest = parse_manifest(files[find_manifests(files)[-1].path])
    assert manifest
    return manifest


def test_chunks_of_the_last_seven_days_are_kept(world: World) -> None:
    """The app has each chunk of a version that was live in the last seven days, and no older ones.

    A deploy of an older build therefore uploads only its pages.
    """
    for number in range(6):
        deploy(world, build(number))
        assert extra(world) == chunks(*range(max(0, number - 4), number))  # since 6, 4, 2 and 0 days
        world.loop.jump(2 * DAY)
    assert {*deploy(world, build(4)).uploads} == PAGES
    world.loop.jump(7.1 * DAY)
    outcome = deploy(world, build(4), log_level="debug")
    assert (extra(world), outcome.log.count(".js (its delay has passed)\n")) == (set(), 3 * 3)
    assert (outcome.outputs["files_pending"], outcome.outputs["pending_until"]) == (0, None)
    assert "wait;" not in outcome.log
    assert deploy(world, build(4)).writes == []


@pytest.mark.parametrize("end", ["failed", "killed"])
def test_an_unfinished_deploy_neither_starts_nor_loses_a_time(world: World, end: str) -> None:
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


def test_an_unreadable_site_keeps_pending_assets_until_true(world: World) -> None:
    """The deploy deletes pages, but assets stay pending until `true`, as a warning explains."""
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    for number in range(3):
        outcome = deploy(world, build(number) | {f"{number}.html": b""}, max_deletes=1)
        assert extra(world) == chunks(*range(number))
        warnings = str(outcome.outputs["warnings"])
        assert ("delete these files with `delete-stale: true`" in warnings) is (number > 0)
        world.loop.jump(8 * DAY)
    deploy(world, build(2), delete_stale=True, max_deletes=100)
    assert extra(world) == set()


# --- what is said


@pytest.mark.parametrize("dry_run", [True, False])
def test_plan_summary_and_json_show_pending_files(world: World, *, dry_run: bool) -> None:
    """A dry run shows the same, and changes nothing."""
    deploy(world, build(1))
    outcome = deploy(world, build(2), dry_run=dry_run)
    assert ", 0 to delete, 1 unchanged, 3 pending deletion\n" in outcome.log
    words = "3 stale files are pending deletion. The first deploy after 2026-09-28 deletes them"
    assert f"{words}\n" in outcome.log
    assert f"- {words}." in html.unescape(outcome.summary)
    assert f"{words}." in outcome.outputs["notes"]
    assert (outcome.outputs["files_pending"], outcome.outputs["pending_until"][:13]) == (3, "2026-09-28T14")
    assert (world.stored().keys() == build(1).keys()) is dry_run


def test_the_delay_starts_at_the_end_of_the_deploy(world: World) -> None:
    """The log shows the manifest's time, even after long uploads."""
    deploy(world, build(1))
    world.fault(Kind.DELAY, "PUT", "index.html", seconds=25.0)
    until = datetime.fromisoformat(deploy(world, build(2)).outputs["pending_until"]).timestamp()
    assert 0 <= until - 7 * DAY - max(newest(world).stale.values()) <= 1


def test_a_single_pending_file_has_its_own_sentence(world: World) -> None:
    deploy(world, SITE | {"a.css": b"x"})
    log = deploy(world, SITE, delete_stale="12h").log
    assert ", 1 pending deletion\n" in log
    assert "1 stale file is pending deletion. The first deploy after" in log


def test_a_cancelled_deploy_does_not_mention_pending_files(world: World) -> None:
    """It can't determine them."""
    deploy(world, build(1))
    world.fault(Kind.HANG, "PUT", "index.html")
    tell(world, after=3)
    outcome = deploy(world, build(2), code=143)
    assert outcome.outputs["files_pending"] is None
    assert "wait;" not in outcome.log

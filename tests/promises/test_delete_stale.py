"""`delete-stale: 7d`: a file goes when no version that was live in the last seven days has it."""

import hashlib
import html
from collections.abc import Callable, Iterable
from datetime import datetime

import pytest

from tests.support.containers import tell
from tests.support.schema import check_result
from tests.support.world import SITE, Outcome, World
from zerokie_action.files.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.records import Record

DAY = 86_400.0
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com"}


def build(number: int, pages: Iterable[str] = ("index.html", "about.html")) -> dict[str, bytes]:
    """A site of Vite's in which each build renames all assets but the logo."""

    def digest(name: str) -> str:
        return hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:8].upper()

    assets = {
        f"assets/{name}-{digest(name)}.{kind}": b"%d" % number
        for name in ("index", "vendor", "about", "chart")
        for kind in ("js", "css")
    }
    return assets | dict.fromkeys(pages, b"<p>%d" % number) | {"assets/logo.svg": b"<svg/>"}


def is_asset(path: str) -> bool:
    return path.startswith("assets/")


def deploy(world: World, files: dict[str, bytes] | None = None, code: int = 0, **inputs: object) -> Outcome:
    """Write the folder, and deploy it with a week for stale files."""
    if files is not None:
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
    paths = [found.path for found in find_manifests(world.platform.files("site"))]
    manifest = parse_manifest(world.platform.files("site")[paths[-1]])
    assert manifest
    return manifest


# --- what open pages load


def test_chunks_of_the_last_seven_days_stay(world: World) -> None:
    """Each chunk of a version that was live in the last seven days is there, and none of an older one."""
    live_until: dict[str, float] = {}
    for number in range(10):
        deploy(world, build(number))
        now = world.loop.now
        if number:
            live_until |= dict.fromkeys(build(number - 1), now)  # the version before
        within_a_week = {
            path for path, until in live_until.items() if is_asset(path) and now - until < 7 * DAY
        }
        assert extra(world) == within_a_week - world.read().keys()
        assert deploy(world).uploads == []
        world.loop.jump(2 * DAY)
    assert len(extra(world)) == 4 * 8
    world.loop.jump(7 * DAY)
    outcome = deploy(world)
    assert (extra(world), outcome.outputs["files_deleted"]) == (set(), 4 * 8)
    assert outcome.outputs["files_waiting"] == 0
    assert [record for record in deploy(world).writes if "_zerokie" in record.path] == []


def test_a_removed_page_goes_at_once(world: World) -> None:
    """A page goes at once: nobody should find it any more."""
    deploy(world, build(1, pages=("index.html", "about.html", "old/index.html", "old.xhtml")))
    outcome = deploy(world, build(1))
    assert (extra(world), outcome.outputs["files_deleted"]) == (set(), 2)


def test_an_older_commit_uploads_only_its_pages(world: World) -> None:
    """Its assets are still there: only its pages are sent. Then those of the newer commit wait."""
    deploy(world, build(1))
    for number, sent in ((2, 10), (1, 2), (2, 2)):
        world.loop.jump(DAY)
        assert len(deploy(world, build(number)).uploads) == sent
        assert len(extra(world)) == 8
    world.loop.jump(6.5 * DAY)
    deploy(world)
    assert len(extra(world)) == 8, "it was live again six and a half days ago"
    world.loop.jump(0.6 * DAY)
    deploy(world)
    assert extra(world) == set()


STEPS: dict[str, Callable[[Record], bool]] = {
    "first manifest": lambda record: record.method == "PUT" and "_zerokie" in record.path,
    "asset": lambda record: record.method == "PUT" and "/assets/" in record.path,
    "page": lambda record: record.method == "PUT" and record.path.endswith(".html"),
    "deletion": lambda record: record.method == "DELETE",
    "finalize": lambda record: record.path.endswith("/finalize"),
}


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("end", ["failed", "killed"])
def test_times_begin_in_finished_deploys(world: World, step: str, end: str) -> None:
    """Times begin where a deploy has finished; none is lost, and `true` leaves exactly the folder."""
    deploy(world, build(1))
    world.loop.jump(DAY)
    deploy(world, build(2))
    began = newest(world).stale
    assert len(began) == 8
    world.loop.jump(DAY)
    world.write(build(3, pages=("index.html",)))
    if end == "killed":
        world.die(STEPS[step])
    else:
        places = {"first manifest": "_zerokie", "asset": "assets/", "page": "index", "deletion": "about.html"}
        method = {"deletion": "DELETE", "finalize": "POST"}.get(step, "PUT")
        world.fault(Kind.STATUS, method, places.get(step, "finalize"), status=400, times=None)
    world.run(delete_stale="7d")
    world.revive()
    world.loop.jump(60)
    assert newest(world).stale.items() >= began.items()
    is_last = step == "finalize" or (step == "deletion" and end == "killed")
    assert is_last or newest(world).stale == began
    assert {*build(2)} - {"about.html"} <= world.stored().keys()
    world.loop.jump(DAY)
    deploy(world, build(4))
    assert {path for number in (1, 2) for path in build(number) if is_asset(path)} <= world.stored().keys()
    world.loop.jump(7.1 * DAY)
    deploy(world)
    assert extra(world) == set()
    deploy(world, build(5))
    deploy(world, delete_stale=True)
    assert world.stored() == world.read()


# --- what is deleted at once


def test_true_deletes_all_that_waits_unasked(world: World) -> None:
    """It deletes all that waits, without a question. `max-deletes` and the checks do not ask either."""
    for number in range(8):
        deploy(world, build(number))
    assert len(extra(world)) == 7 * 8
    outcome = deploy(world, delete_stale=True, max_deletes=0, log_level="debug")
    assert outcome.outputs["files_deleted"] == 7 * 8
    assert outcome.log.count(" (has waited)\n") == 7 * 8
    assert world.stored() == world.read()


# --- what waits is no part of the site


def test_waiting_files_do_not_hide_lost_pages(world: World) -> None:
    """A build that lost its pages stops; one that lost a single page does not."""
    pages = [f"{number}.html" for number in range(20)] + ["index.html"]
    for number in range(10):
        deploy(world, build(number, pages))
    outcome = deploy(world, build(10), code=2, dry_run=True)
    assert "The directory has 11 files, fewer than half of the site's 30" in outcome.log
    deploy(world, build(10, pages[1:]))


def test_max_deletes_counts_what_becomes_stale(world: World) -> None:
    """It counts what becomes stale, not what waits or is deleted after its wait."""
    deploy(world, build(1))
    assert (
        "`max-deletes` is 7, and this deploy would delete, at once or after their wait, 8 files"
        in deploy(world, build(2), max_deletes=7, code=2).log
    )
    deploy(world, max_deletes=8)
    world.loop.jump(7.1 * DAY)
    assert deploy(world, max_deletes=0).outputs["files_deleted"] == 8


# --- a manifest that can't be read


@pytest.fixture
def unreadable(world: World) -> None:
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)


@pytest.mark.usefixtures("unreadable")
def test_an_unreadable_site_keeps_assets_until_true(world: World) -> None:
    """Pages go; assets wait anew and are not asked about, until `true`. A warning says so."""
    for number in range(5):
        world.loop.jump(8 * DAY)
        outcome = deploy(world, build(number, ["index.html", f"{number}.html"]), max_deletes=1)
        assert (
            extra(world)
            == {path for other in range(number) for path in build(other) if is_asset(path)}
            - world.read().keys()
        )
        assert any("`delete-stale: true`" in warning for warning in outcome.outputs["warnings"]) == (
            number > 0
        )
    deploy(world, delete_stale=True, max_deletes=100)
    assert world.stored() == world.read()


@pytest.mark.usefixtures("unreadable")
def test_without_a_duration_assets_count_as_well(world: World) -> None:
    """Without a duration nothing waits: assets count as well."""
    deploy(world, build(0))
    gone = sum(map(is_asset, build(0).keys() - build(1).keys()))
    assert gone > 1
    deploy(world, build(1), delete_stale=True, max_deletes=gone - 1, code=2)
    deploy(world, build(1), delete_stale=True, max_deletes=gone)


def test_a_stranger_beside_an_unreadable_manifest_stops(world: World) -> None:
    """The listing is not what the manifest's name tells: the deploy stops, as without a duration."""
    deploy(world, SITE | {"a.css": b"x"})
    world.platform.put_file("site", "theirs.css", b"x")
    world.fault(Kind.STATUS, "GET", "_zerokie", status=404, times=None)
    world.write(SITE)
    assert "can't be read" in deploy(world, code=2).log
    assert {"a.css", "theirs.css"} <= world.stored().keys()


def test_two_repositories_wait_with_each_others_files(world: World) -> None:
    """Under `take-over`, each waits with the other's files as with its own."""
    for number in range(4):
        world.env = GITHUB | {"GITHUB_REPOSITORY": f"acme/{number % 2}"}
        deploy(world, build(number), code=2 if number else 0)
        deploy(world, take_over=True)
        world.loop.jump(4 * DAY)
    assert len(extra(world)) == 2 * 8


# --- what is said


def test_plan_summary_and_json_say_what_waits(world: World) -> None:
    """Plan line, sentence, summary, JSON."""
    deploy(world, build(1))
    outcome = deploy(world, build(2))
    assert ", 0 to delete, 1 unchanged, 8 wait\n" in outcome.log
    words = "8 stale files wait; the first deploy after 2026-09-28 deletes them"
    assert f"{words}\n" in outcome.log
    assert f"- {words}." in html.unescape(outcome.summary)
    assert f"{words}." in outcome.outputs["notes"]
    assert (outcome.outputs["files_waiting"], outcome.outputs["waiting_until"][:13]) == (8, "2026-09-28T14")
    world.loop.jump(7.1 * DAY)
    outcome = deploy(world, log_level="debug")
    assert ".js (has waited)\n" in outcome.log
    assert (outcome.outputs["files_waiting"], outcome.outputs["waiting_until"]) == (0, None)
    assert "wait;" not in outcome.log


def test_the_wait_begins_when_the_deploy_ends(world: World) -> None:
    """The time that is told is that of the manifest, also after uploads that took long."""
    deploy(world, build(1))
    world.fault(Kind.DELAY, "PUT", "index.html", seconds=25.0)
    until = datetime.fromisoformat(deploy(world, build(2)).outputs["waiting_until"]).timestamp()
    assert 0 <= until - 7 * DAY - max(newest(world).stale.values()) <= 1


def test_a_dry_run_says_what_waits(world: World) -> None:
    """It says the same, and changes nothing."""
    deploy(world, build(1))
    before = world.platform.files("site")
    outcome = deploy(world, build(2), dry_run=True)
    assert ", 0 to delete, 1 unchanged, 8 wait\n" in outcome.log
    assert "8 stale files wait; the first deploy after 2026-09-28 deletes them" in html.unescape(
        outcome.summary
    )
    assert outcome.outputs["files_waiting"] == 8
    assert world.platform.files("site") == before


def test_one_waiting_file_has_its_own_sentence(world: World) -> None:
    """The sentence for a single one."""
    deploy(world, SITE | {"a.css": b"x"})
    world.write(SITE)
    log = deploy(world, delete_stale="12h").log
    assert ", 1 waits\n" in log
    assert "1 stale file waits; the first deploy after" in log


@pytest.mark.usefixtures("handlers")
def test_a_cancelled_deploy_says_nothing_of_waiting_files(world: World) -> None:
    """It does not know what waits, and says nothing about it."""
    deploy(world, build(1))
    world.fault(Kind.HANG, "PUT", "index.html")
    tell(world, after=3)
    outcome = deploy(world, build(2), code=143)
    assert outcome.outputs["files_waiting"] is None
    assert "wait;" not in outcome.log

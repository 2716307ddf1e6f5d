"""The second deploy of the same directory uploads nothing, and one after a failure the rest only."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from tests.operations.test_dry_run import STRANGER
from tests.support.timewarp import wall_clock
from tests.support.world import API_KEY, SITE
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import Outcome, World
    from zerokie_action.sandbox.records import Record

MANIFEST = r"/files/\.zerokie/"


def many(count: int) -> dict[str, bytes]:
    """So many files, a tenth of them pages."""
    return {f"{number % 7}/{number}.{'css' if number % 10 else 'html'}": b"x" for number in range(count)}


def manifests(world: World) -> list[str]:
    return [path for path in world.platform.files("site") if path.startswith(".zerokie/")]


def uploads(outcome: Outcome) -> list[str]:
    """What was sent, the manifests aside, in whatever state it arrived."""
    sent = (record.path for record in outcome.requests if record.method == "PUT" and "/files/" in record.path)
    return [path.partition("/files/")[2] for path in sent if ".zerokie" not in path]


# --- whatever the platform's clock says


def in_another_zone(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone(timedelta(hours=-9, minutes=-30))).isoformat()


CLOCKS: dict[str, dict[str, object]] = {
    "whole seconds": {},
    "behind": {"clock": -3600},
    "ahead": {"clock": 86_400},
    "without a date": {"dates": False},
    "in another zone": {"last_modified": in_another_zone},
    "milliseconds": {"last_modified": lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat()},
    "as HTTP writes it": {"last_modified": formatdate},
}


def set_clock(world: World, name: str) -> None:
    """Make the platform's times what they are called."""
    settings = dict(CLOCKS[name])
    ahead = settings.pop("clock", 0)
    assert isinstance(ahead, int)
    for part in (world.platform, world.platform.zone, world.platform.locks):
        clock: Callable[[], float] = lambda: wall_clock(world.loop) + ahead  # noqa: E731
        setattr(part, "clock" if part is world.platform else "_clock", clock)
    for attribute, value in settings.items():
        setattr(world.platform, attribute, value)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("count", [1, 10, 1_000])
def test_nothing_is_uploaded_twice(world: World, clock: str, count: int) -> None:
    """Neither by the second nor by the third deploy, which follow at once; one edit is one upload."""
    set_clock(world, clock)
    world.write(many(count))
    assert world.run().outputs["files_uploaded"] == count
    for _ in range(2):
        outcome = world.run()
        assert (uploads(outcome), outcome.outputs["files_unchanged"]) == ([], count)
        assert [record.method for record in outcome.writes] == ["POST"]
    world.write(many(count) | {"0/0.html": b"y"})
    assert uploads(world.run()) == ["0/0.html"]
    assert uploads(world.run()) == []
    assert world.stored() == world.read()


@pytest.mark.parametrize("count", [1_001, 3_000])
def test_nothing_is_uploaded_twice_of_many(world: World, count: int) -> None:
    """A first deploy of many files leaves as good a manifest as any."""
    world.write(many(count))
    assert world.run().outputs["files_uploaded"] == count
    for _ in range(2):
        assert uploads(world.run()) == []


def test_it_takes_no_waiting(world: World) -> None:
    """Not a moment passes by any clock."""
    assert world.run().seconds < 0.1


def test_without_times(world: World) -> None:
    """A platform that shows none proves nothing: everything is uploaded again, and the log says why."""
    world.platform.last_modified = lambda _seconds: ""
    outcome = world.run()
    assert "no length or time of 4 of 4 uploads" in outcome.log
    assert world.run().outputs["files_uploaded"] == len(SITE)


def test_a_second_key(world: World) -> None:
    """Whoever deploys next finds the manifest."""
    world.platform.api_keys = frozenset({API_KEY, "another"})
    world.run()
    assert uploads(world.run(api_key="another")) == []


def test_without_comparing(world: World) -> None:
    """`incremental: false` uploads everything, and leaves a manifest for those who compare."""
    world.run()
    outcome = world.run(incremental=False)
    assert outcome.outputs["files_uploaded"] == len(SITE)
    assert len(manifests(world)) == 1
    assert uploads(world.run()) == []


def test_files_that_are_kept_stay_known(world: World) -> None:
    """A file of an earlier deploy is no stranger when it is deleted at last."""
    world.write(SITE | {"old": b"x"})
    world.run()
    world.write(SITE | {"new": b"x"})
    world.run(delete_stale=False)
    outcome = world.run()
    assert outcome.outputs["files_deleted"] == 1
    assert outcome.outputs["warnings"] == []


# --- the manifest is true whenever a deploy ends


def kill(world: World, when: Callable[[Record], bool]) -> Callable[[], None]:
    """Let nothing of the run have an effect after this request. Returns what undoes that."""

    def die(record: Record) -> None:
        if when(record):
            world.platform.faults.add(Fault(Kind.RESET, index=record.index + 1, times=None))
            os.kill(os.getpid(), signal.SIGTERM)

    world.signals.install()
    world.platform.on_request = die

    def revive() -> None:
        world.platform.on_request = None
        world.platform.faults.clear()
        world.reset_signals()
        world.platform.expire_lock("site")

    return revive


@pytest.mark.usefixtures("handlers")
def test_a_deploy_that_is_killed_within_the_second(world: World) -> None:
    """What it replaced, by something of the same length, is not taken for what was there before."""
    now = wall_clock(world.loop)
    world.platform.zone._clock = lambda: now
    world.run()
    world.write(SITE | {"index.html": SITE["index.html"].upper()})
    revive = kill(world, lambda record: record.path.endswith("/files/index.html"))
    world.run()
    assert world.stored() == world.read()
    revive()
    world.write(SITE)
    assert world.run().outputs["files_uploaded"] == 1
    assert world.stored() == SITE


def test_before_the_first_write(world: World) -> None:
    """A manifest without what is about to change is stored, the old one deleted, then files are uploaded."""
    world.run()
    (old,) = manifests(world)
    world.write(SITE | {"index.html": b"new"})
    outcome = world.run()
    writes = [(record.method, ".zerokie" in record.path) for record in outcome.writes]
    assert writes == [
        ("PUT", True),
        ("DELETE", True),
        ("PUT", False),
        ("PUT", True),
        ("DELETE", True),
        ("POST", False),
    ]
    assert old in outcome.writes[1].path
    assert len(manifests(world)) == 1


def test_a_first_deploy_has_nothing_to_put_right(world: World) -> None:
    """It stores one manifest, at its end."""
    outcome = world.run()
    assert [record.path for record in outcome.writes if ".zerokie" in record.path] == [
        outcome.writes[-2].path
    ]


@pytest.mark.parametrize("content", [b"{}", b'{"version":2,"app":"site","files":{}}'])
def test_more_than_one_manifest(world: World, content: bytes) -> None:
    """None of them counts. One that says nothing replaces them before a file is written, and one is left."""
    world.run()
    world.platform.put_file("site", f".zerokie/{'0' * 64}.json", content)
    outcome = world.run()
    assert outcome.outputs["files_uploaded"] == len(SITE)
    assert "There are 2 manifests" in outcome.log
    first = [(record.method, ".zerokie/" in record.path) for record in outcome.writes[:4]]
    assert first == [("PUT", True), ("DELETE", True), ("DELETE", True), ("PUT", False)]
    assert len(manifests(world)) == 1
    assert uploads(world.run()) == []


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.RESET])
def test_a_site_that_restarts_for_some_seconds(world: World, kind: Kind) -> None:
    """The manifest is read all the same."""
    world.run()
    world.platform.faults.add(Fault(kind, "GET", r"\.zerokie", times=None, lasts=3))
    assert uploads(world.run()) == []


def test_a_manifest_that_cannot_be_read(world: World) -> None:
    """It is none."""
    world.run()
    world.platform.put_file("site", manifests(world)[0], b"no JSON")
    outcome = world.run()
    assert outcome.outputs["files_uploaded"] == len(SITE)
    assert "The manifest can't be read" in outcome.log
    assert uploads(world.run()) == []


def test_a_manifest_that_cannot_be_deleted(world: World) -> None:
    """Nothing is written that it vouches for: what would be killed then would not be noticed."""
    world.run()
    before = world.stored()
    world.platform.faults.add(Fault(Kind.STATUS, "DELETE", MANIFEST, status=403, times=None))
    world.write(SITE | {"index.html": b"new"})
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert world.stored() == before
    world.platform.faults.clear()
    assert world.run().exit_code == 0
    assert world.stored() == world.read()
    assert uploads(world.run()) == []


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 500])
def test_a_manifest_that_the_platform_refuses(world: World, status: int) -> None:
    """The site is right, and the deploy a success: the next one uploads more than it has to."""
    world.run()
    world.write(SITE | {"index.html": b"new"})
    fault = Fault(Kind.STATUS, "PUT", MANIFEST, status=status, times=None)
    world.platform.faults.add(fault)
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    (warning,) = outcome.outputs["warnings"]
    assert warning.startswith(
        "The manifest could not be stored, so the next deploy uploads more than it has to"
    )
    world.platform.faults.clear()
    assert world.run().outputs["files_uploaded"] == len(SITE)
    assert uploads(world.run()) == []


# --- what was achieved is kept

COUNT, IN_FLIGHT = 200, 64


def fail_at(world: World, share: float, fault: dict[str, object]) -> None:
    """Let the upload fail for good after that share of the files."""
    skip = int(COUNT * share)
    world.platform.faults.add(Fault(method="PUT", path="/files/[0-9]", skip=skip, times=None, **fault))  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_after_a_failure(world: World, share: float) -> None:
    """The next deploy uploads the rest, and at most what was in flight again."""
    world.write(many(COUNT))
    fail_at(world, share, {"kind": Kind.STATUS, "status": 400})
    outcome = world.run()
    assert outcome.exit_code == 4, outcome.log
    assert world.platform.lock("site") is None
    world.platform.faults.clear()
    again = world.run()
    assert again.exit_code == 0, again.log
    assert len(uploads(again)) <= COUNT * (1 - share) + IN_FLIGHT
    assert again.outputs["files_unchanged"] == outcome.outputs["files_uploaded"] >= COUNT * share - IN_FLIGHT
    assert world.stored() == world.read()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_after_a_signal(world: World, share: float) -> None:
    """Likewise, and within the time that a signal leaves."""
    world.write(many(COUNT))
    world.signals.install()

    def interrupt(record: Record) -> None:
        if record.method == "PUT" and len(world.stored()) == int(COUNT * share):
            os.kill(os.getpid(), signal.SIGTERM)

    world.platform.on_request = interrupt
    outcome = world.run(concurrency=8)
    assert outcome.exit_code == 143
    assert outcome.seconds < 5
    world.platform.on_request = None
    world.reset_signals()
    again = world.run()
    assert again.outputs["files_unchanged"] == outcome.outputs["files_uploaded"] >= COUNT * share
    assert world.stored() == world.read()


def test_after_the_time_is_over(world: World) -> None:
    """`timeout` is such an end as well."""
    world.write(many(COUNT))
    fail_at(world, 0.5, {"kind": Kind.HANG})
    outcome = world.run(timeout="20s")
    assert outcome.exit_code == 9
    world.platform.faults.clear()
    assert len(uploads(world.run())) <= COUNT / 2 + IN_FLIGHT


def test_not_after_a_lost_lock(world: World) -> None:
    """Nothing is written without it."""
    world.write(many(COUNT))
    world.platform.faults.add(Fault(Kind.DELAY, "PUT", "/files/", skip=100, times=None, seconds=40))
    world.loop.call_later(5, world.platform.take_lock, "site", "somebody else")
    outcome = world.run(lock_heartbeat="10s")
    assert outcome.exit_code == 7
    assert manifests(world) == []


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.RESET])
def test_a_platform_that_does_not_take_it(world: World, kind: Kind) -> None:
    """The lock is worth more: a minute after the failure it is released all the same."""
    world.write(many(COUNT))
    fail_at(world, 0.5, {"kind": Kind.STATUS, "status": 400})
    world.platform.faults.add(Fault(kind, "GET", "/files$", skip=1, times=None))
    outcome = world.run()
    assert outcome.exit_code == 4
    assert outcome.seconds < 60
    assert world.platform.lock("site") is None
    world.platform.faults.clear()
    assert world.run().exit_code == 0
    assert world.stored() == world.read()


def test_not_while_the_platform_is_down(world: World) -> None:
    """Then the time is for the release."""
    world.platform.faults.add(Fault(Kind.STATUS, "PUT", "/files/", status=500, skip=2, times=None))
    outcome = world.run()
    assert outcome.exit_code == 5
    assert manifests(world) == []
    assert 120 < outcome.seconds < 140


@pytest.mark.usefixtures("handlers")
def test_a_kill_in_a_long_upload(world: World) -> None:
    """Every half a minute a manifest says what was confirmed by then."""
    world.write(many(40))
    world.platform.faults.add(Fault(Kind.DELAY, "PUT", "/files/[0-9]", times=None, seconds=10))
    killed = kill(world, lambda record: record.method == "PUT" and len(world.stored()) == 35)
    world.run(concurrency=5)
    assert len(manifests(world)) == 1
    stored = len(world.stored())
    killed()
    again = world.run()
    assert 40 - stored <= len(uploads(again)) <= 20
    assert world.stored() == world.read()


def test_an_upload_that_did_not_arrive(world: World) -> None:
    """A proxy answered 200 in the platform's place, then the deploy failed: nobody relies on that answer."""
    world.run()
    world.write(SITE | {"empty": b"", "about/index.html": SITE["about/index.html"].upper(), "z.html": b""})
    proxy = Fault(Kind.STATUS, "PUT", "/files/about/index.html", status=200, body=b"")
    world.platform.faults.add(proxy, Fault(Kind.STATUS, "PUT", "/files/z.html", status=400, times=None))
    assert world.run().exit_code == 4
    world.platform.faults.clear()
    assert "about/index.html" in uploads(world.run())
    assert world.stored() == world.read()


# --- the directory moves


def while_uploading(world: World, change: Callable[[], object]) -> None:
    """Do this when everything but one file is uploaded."""

    def move(record: Record) -> None:
        if record.method == "PUT" and record.path.endswith("/files/index.html"):
            change()

    world.platform.on_request = move


def add(world: World) -> None:
    (world.folder / "added").write_bytes(b"")


def edit_in_disguise(world: World, name: str = "assets/style.css") -> None:
    """The old length, the old time."""
    path = world.folder / name
    status = path.stat()
    path.write_bytes(path.read_bytes().upper())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def swap(world: World) -> None:
    """Another build takes the place of the directory; its files have the same sizes."""
    world.folder.rename(world.folder.with_name("old"))
    world.folder.mkdir()
    world.write({path: content.upper() for path, content in SITE.items()})


def vanish(world: World) -> None:
    world.folder.rename(world.folder.with_name("old"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (add, "'added' was added"),
        (lambda world: (world.folder / "empty").unlink(), "'empty' was removed"),
        (lambda world: (world.folder / "empty").write_bytes(b"x"), "'empty' was edited"),
        (edit_in_disguise, "'assets/style.css' was edited"),
        (swap, "'about/index.html' was edited, 'assets/style.css' was edited"),
        (vanish, "does not exist"),
    ],
)
def test_a_directory_that_moves(world: World, change: Callable[[World], object], words: str) -> None:
    """The files are named, nothing is deleted, and the next deploy is right."""
    world.platform.put_file("site", "stale", b"")
    while_uploading(world, lambda: change(world))
    outcome = world.run()
    assert outcome.exit_code == 8, outcome.log
    assert words in outcome.outputs["error"]
    assert outcome.outputs["error"].endswith(", nothing was deleted")
    assert "stale" in world.stored()
    world.platform.on_request = None
    if world.folder.exists():
        assert world.run().exit_code == 0
        assert world.stored() == world.read()


def touch(world: World) -> None:
    os.utime(world.folder / "empty")
    os.utime(world.folder / "index.html", (0, 0))


def replace_by_its_like(world: World) -> None:
    path = world.folder / "assets/style.css"
    path.rename(world.folder.parent / "moved")
    path.write_bytes((world.folder.parent / "moved").read_bytes())


def come_and_go(world: World) -> None:
    (world.folder / "temporary").write_bytes(b"")
    (world.folder / "temporary").unlink()


def swap_for_a_copy(world: World) -> None:
    world.folder.rename(world.folder.with_name("old"))
    world.folder.mkdir()
    world.write(SITE)


@pytest.mark.parametrize(
    "change",
    [
        touch,
        lambda world: (world.folder / "empty").chmod(0o600),
        replace_by_its_like,
        come_and_go,
        swap_for_a_copy,
    ],
)
def test_a_directory_that_stays_the_same(world: World, change: Callable[[World], object]) -> None:
    """Times, modes, inodes, files that nobody has seen and the run's own are no reason."""
    while_uploading(world, lambda: change(world))
    outcome = world.run(state_file=world.folder / "state.json")
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == SITE


def test_a_link_to_the_directory_that_leads_elsewhere(world: World) -> None:
    """What `directory` resolves to may change as well: the content decides."""
    new = world.folder.with_name("new")
    link = world.folder.with_name("current")
    link.symlink_to(world.folder)

    def release(upper: bool) -> None:  # noqa: FBT001
        for path, content in SITE.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content.upper() if upper else content)
        link.unlink()
        link.symlink_to(new)

    while_uploading(world, lambda: release(upper=False))
    assert world.run(directory=link).exit_code == 0
    link.unlink()
    link.symlink_to(world.folder)
    world.write(SITE | {"index.html": b"changed"})
    while_uploading(world, lambda: release(upper=True))
    assert world.run(directory=link).exit_code == 8


@pytest.mark.parametrize("incremental", [True, False])
@pytest.mark.parametrize("before", ["nothing", "another version"])
def test_an_edit_of_what_is_not_sent_yet(world: World, before: str, incremental: bool) -> None:  # noqa: FBT001
    """Half of the site would be of one build, and half of another."""
    if before != "nothing":
        world.write(SITE | {"index.html": b"old", "assets/style.css": b"old"})
        world.run()
        world.write(SITE)

    def edit(record: Record) -> None:
        if record.method == "PUT" and record.path.endswith("/style.css"):  # pages come after it
            edit_in_disguise(world, "index.html")

    world.platform.on_request = edit
    world.platform.faults.add(Fault(Kind.DELAY, "GET", "/files$", seconds=1))  # the files are hashed by then
    outcome = world.run(incremental=incremental)
    world.platform.on_request = None
    assert outcome.exit_code == 8, outcome.log
    assert (
        "The directory changed while it was deployed: 'index.html' was edited; " in outcome.outputs["error"]
    )
    assert world.run().exit_code == 0
    assert world.stored() == world.read()


def test_a_directory_that_moves_while_nothing_is_uploaded(world: World) -> None:
    """A success would not be true."""
    world.run()

    def edit(record: Record) -> None:
        if record.path.endswith("/lock"):
            edit_in_disguise(world)
            world.platform.on_request = None

    world.platform.on_request = edit
    outcome = world.run()
    assert outcome.exit_code == 8 or world.stored() == world.read()


# --- others


def test_files_for_other_platforms(world: World) -> None:
    """One warning names them, whether they are deployed or would be."""
    world.write(SITE | {"_redirects": b"", "vercel.json": b"", "sub/_headers": b""})
    for dry_run in (True, False):
        (warning,) = world.run(dry_run=dry_run).outputs["warnings"]
        assert warning == (
            "Files for other platforms, which this one does not read and serves as they are: "
            "'_redirects', 'vercel.json'"
        )


def test_deleting_what_somebody_else_put_there(world: World) -> None:
    """One warning names what no deploy of ours has left, with the input that keeps it."""
    world.run()
    for number in range(5):
        world.platform.put_file("site", f"theirs/{number}", b"")
    world.write({"index.html": SITE["index.html"]})
    for dry_run in (True, False):
        outcome = world.run(dry_run=dry_run)
        assert outcome.outputs["files_deleted"] == 8
        assert outcome.outputs["warnings"] == [
            STRANGER.replace("'old.txt'", "'theirs/0', 'theirs/1', 'theirs/2' and 2 more")
        ]


def test_deleting_what_somebody_else_puts_there_meanwhile(world: World) -> None:
    """It is stale as well, and named as well; what this deploy has to delete twice is not."""
    world.run()
    world.write({"index.html": b"changed"})

    def add(record: Record) -> None:
        if record.method == "PUT" and record.path.endswith("/index.html"):
            world.platform.put_file("site", "late.txt", b"")

    world.platform.on_request = add
    world.platform.faults.add(Fault(Kind.STATUS, "DELETE", "/files/empty$", status=204))
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert outcome.outputs["warnings"] == [STRANGER.replace("old.txt", "late.txt")]


# --- a listing that does not show yet, or cannot show, what was done


@pytest.mark.parametrize("lag", [1, 4])
def test_a_listing_that_lags(world: World, lag: int) -> None:
    """It shows for some seconds what was there before: nothing is sent twice."""
    world.write(SITE | {"old": b"x"})
    world.run()
    world.loop.jump(10)
    world.write(SITE | {"new": b"x"})
    before = world.listing()
    world.platform.faults.add(
        Fault(Kind.STATUS, "GET", "/files$", status=200, body=before, skip=1, times=lag)
    )
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert "trying once more" not in outcome.log
    assert uploads(outcome) == ["new"]
    assert [record.path for record in outcome.writes if record.path.endswith("/files/old")] == [
        "/v1/apps/site/files/old"
    ]
    assert uploads(world.run()) == []


def test_a_listing_that_lags_behind_the_second_attempt(world: World) -> None:
    """It still shows what somebody has added meanwhile, and what was deleted for that."""
    world.run()
    world.loop.jump(10)
    world.write(SITE | {"new": b"x"})
    left = [False, True]

    def intrude(record: Record) -> None:
        if record.method == "GET" and record.path.endswith("/files") and left and left.pop(0):
            world.platform.put_file("site", "other", b"x")
            stale = Fault(
                Kind.STATUS, "GET", "/files$", status=200, body=world.listing(), index=record.index + 1
            )
            world.platform.faults.add(stale)

    world.platform.on_request = intrude
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert outcome.outputs["files_deleted"] == 1


def test_an_edit_within_the_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing shows length and time of what was replaced, the app the new content: it is sent once."""
    began = wall_clock(world.loop)
    monkeypatch.setattr(world.platform.zone, "_clock", lambda: began)
    world.run()
    world.write(SITE | {"index.html": SITE["index.html"].upper()})
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
    assert uploads(outcome) == ["index.html"]
    assert uploads(world.run()) == []

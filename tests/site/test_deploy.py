"""Deploys of a folder: order of uploads, warnings and the log."""

import pytest

from sandbox.faults import Kind
from tests.support.world import SITE, World


def test_pages_are_uploaded_last(world: World) -> None:
    """A page's assets are live before the page. The largest asset is the first upload."""
    world.platform.latency = 0.1
    world.write({"a.html": b"x", "b/index.html": b"x", "m.js": b"xx", "z.css": b"xxx", "y.css": b"x"})
    order = world.at_once(2).run().uploads
    assert [sorted(order[:2]), order[2], sorted(order[3:])] == [
        ["m.js", "z.css"],
        "y.css",
        ["a.html", "b/index.html"],
    ]


def test_pages_are_uploaded_after_the_last_assets_response(world: World) -> None:
    live: list[set[str]] = []
    world.write({"index.html": b"x", "a.js": b"x", "b.css": b"x"})
    world.fault(Kind.DELAY, "PUT", "/files/b.css$", seconds=5)
    world.once("PUT", "/files/index.html$", lambda: live.append({*world.stored()}))
    assert world.run().exit_code == 0
    assert live == [{"a.js", "b.css"}]


def test_a_missing_front_page_causes_a_warning(world: World) -> None:
    """The run warns only if the live site had one or is new, because then the build may be broken."""
    missing = "The folder has no index.html at its root, so the site's address may show no page"
    feed = {"feed.xml": b"<feed/>"}
    world.write(feed)
    assert world.run().outputs["warnings"] == [missing]
    world.write(feed | {"sub/index.html": b""})
    assert world.run().outputs["warnings"] == []
    world.write(SITE)
    world.run()
    world.write(feed)
    assert world.run(keep="index.html", max_deletes=9).outputs["warnings"] == []
    assert world.run(max_deletes=9).outputs["warnings"] == [missing]


def test_a_pattern_that_starts_with_the_folders_name_causes_a_warning(world: World) -> None:
    """Patterns are relative to the folder."""
    outcome = world.run(keep="folder/uploads/", ignore="/folder/*.map")
    why = (
        "begins with the name of `directory`. Remove that name, because patterns are relative to `directory`"
    )
    assert outcome.outputs["warnings"] == [
        f"`ignore`: '/folder/*.map' {why}",
        f"`keep`: 'folder/uploads/' {why}",
    ]


def test_an_unchanged_file_that_something_else_changes_fails_the_deploy(world: World) -> None:
    """Another tool or a late upload may change it. Nothing is deleted."""
    style = "assets/style.css"

    def change() -> None:
        world.platform.delete_file("site", "empty")
        world.platform.put_file("site", style, SITE[style].upper())

    world.write(SITE | {"old": b"x"})
    world.run()
    world.loop.jump(30)
    world.write(SITE | {"index.html": b"new"})
    world.once("PUT", "/index.html$", change)
    outcome = world.run()
    assert outcome.exit_code == 5, outcome.log
    assert outcome.outputs["error"] == (
        f"Something else changed the app during this deploy: '{style}', 'empty'; "
        "1 of 1 file uploaded, 0 of 1 file deleted"
    )
    assert outcome.outputs["hint"].startswith("Nothing was deleted. ")


def test_the_log_names_the_ignore_file_and_counts_ignored_entries(world: World) -> None:
    """Without an ignore file, the log doesn't mention one."""
    log = world.run(directory="folder").log
    assert "gnore" not in log
    world.write(SITE | {".zerokieignore": b"about/\n"})
    outcome = world.run(directory="folder")
    assert "Ignore file: folder/.zerokieignore\n" in outcome.log
    assert ", 2 ignored\n" in outcome.log
    assert {*world.stored()} == {"index.html", "assets/style.css", "empty"}


@pytest.mark.parametrize("dry_run", [False, True])
def test_one_log_line_lists_files_left_out_because_of_secret_names(world: World, *, dry_run: bool) -> None:
    """The log only counts other ignored files. A file that `ignore` includes again is deployed."""
    assert "secrets" not in world.run(dry_run=dry_run).log
    world.write(SITE | {f"{number:02}/.env": b"" for number in range(23)})
    log = world.run(dry_run=dry_run).log
    assert ": '00/.env', '01/.env'," in log
    assert ", '19/.env' and 3 more\n" in log
    world.write(SITE | {"x/.ENV": b"", "id_rsa": b"", ".git/config": b"", "a.map": b"", ".npmrc": b""})
    log = world.run(ignore="*.map\n!.npmrc", dry_run=dry_run).log
    assert "\nLeft out names that look like secrets: 'id_rsa', 'x/.ENV'\n" in log


@pytest.mark.parametrize(
    ("status", "body", "hints"),
    [
        (413, b"<html>", ["client_max_body_size", "Or leave the file ("]),
        (
            413,
            b'{"error": "over quota"}',
            ["Fix the problem that the response describes", "Or leave the file ("],
        ),
        (403, b'{"error": "app limit reached"}', ["Fix the problem that the response describes"]),
    ],
)
def test_the_hint_mentions_gateways_only_if_one_responded(
    world: World, status: int, body: bytes, hints: list[str]
) -> None:
    world.fault(Kind.STATUS, "PUT", "/files/index.html", status=status, body=body, times=None)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert [hint for hint in hints if hint not in outcome.outputs["hint"]] == []
    assert ("nginx" in outcome.outputs["hint"]) == ("client_max_body_size" in hints)


@pytest.mark.parametrize(("path", "skip"), [("/deploy/lock", 0), ("/files$", 0), ("/files$", 1)])
def test_a_deploy_that_fails_before_its_first_write_changed_nothing(
    world: World, path: str, skip: int
) -> None:
    """The error doesn't count files. Finalize only releases the lock, so there is no deploy ID."""
    world.run()
    world.write(world.read() | {"index.html": b"new"})
    world.fault(Kind.STATUS, path=path, status=400, skip=skip, times=None)
    outcome = world.run()
    assert outcome.exit_code == 4
    assert "uploaded" not in outcome.outputs["error"]
    assert "\n\nNothing was changed.\n\n" in outcome.summary
    assert "\n  Nothing was changed.\n" in outcome.log
    assert outcome.outputs["deploy_id"] is None

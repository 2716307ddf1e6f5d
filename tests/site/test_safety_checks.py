"""Rules of the safety checks, for the content of an app and of a folder.

`tests/promises/test_no_surprises.py` has the messages and effects of whole deploys.
"""

import pytest

from tests.site.remotes import DOCS, SHOP, UNKNOWN, entry, file_list, patterns, plan, remote
from zerokie_action.site.manifest import mark_repository
from zerokie_action.site.remote import FileList, Remote, make_remote
from zerokie_action.site.safety_checks import (
    Stop,
    why_not_delete,
    why_not_deploy,
    why_not_destroy,
    why_not_sweep,
)


def live(*paths: str, repository: str = SHOP, unmanaged: str = "", **more) -> Remote:
    """Return the site of an app whose last deploy, from this repository, uploaded these files."""
    files = dict.fromkeys([*paths, *unmanaged.split()], b"x")
    entries = dict.fromkeys(paths, entry(b"x"))
    return remote(file_list(files), entries, mark=mark_repository(repository), **more)


def unread(*paths: str, unmanaged: str = "") -> Remote:
    """Return the same site with an unreadable manifest."""
    before = live(*paths, unmanaged=unmanaged)
    return make_remote(before.listed, before.newest, None, patterns())


def by_hand(count: int) -> Remote:
    """Return the site of an app whose files were uploaded by hand."""
    return remote(file_list({f"{number}.html": b"x" for number in range(count)}))


def deploy(before: Remote, *paths: str, keep=(), max_deletes=None, **options) -> Stop | None:
    """Return the reason to stop a deploy of a folder with these files."""
    made = plan(dict.fromkeys(paths, b"x"), before, keep=keep, **options)
    return why_not_delete(made, max_deletes)


# --- the owner


@pytest.mark.parametrize(
    ("before", "run", "stopped"),
    [
        pytest.param(live("a"), SHOP, "", id="the same repository"),
        pytest.param(live("a"), DOCS, "deploy destroy sweep", id="another repository"),
        pytest.param(unread("a"), DOCS, "deploy destroy sweep", id="another repository, unreadable manifest"),
        pytest.param(live("a"), UNKNOWN, "deploy destroy sweep", id="some repository, unknown run"),
        pytest.param(live("a", repository=UNKNOWN), SHOP, "sweep", id="unknown owner"),
        pytest.param(live("a", repository=UNKNOWN), UNKNOWN, "sweep", id="unknown owner, unknown run"),
        pytest.param(by_hand(4), SHOP, "deploy destroy sweep", id="four unmanaged files"),
        pytest.param(by_hand(3), SHOP, "deploy", id="three unmanaged files"),
        pytest.param(by_hand(0), UNKNOWN, "", id="empty"),
        pytest.param(Remote(FileList(not_found="404")), SHOP, "deploy destroy sweep", id="no file list"),
    ],
)
def test_an_app_of_another_owner_stops_the_run(before: Remote, run: str, stopped: str) -> None:
    made = plan(dict.fromkeys(before.files, b"x"), before, repository=run)
    stops = {
        "deploy": why_not_deploy("site", made),
        "destroy": why_not_destroy("site", before, run),
        "sweep": why_not_sweep("site", before, run),
    }
    assert [name for name, stop in stops.items() if stop] == stopped.split()


@pytest.mark.parametrize(
    ("before", "deployed", "said"),
    [
        pytest.param(
            live("a", unmanaged="b"),
            "a",
            "1 file that this action didn't upload",
            id="an unmanaged file is stale",
        ),
        pytest.param(live("a", unmanaged="b"), "a b", "", id="an unmanaged file is replaced"),
        pytest.param(live("a", "b"), "a", "", id="a managed file is stale"),
        pytest.param(
            unread("a", unmanaged="b"), "a", "Can't read the manifest", id="unreadable manifest, stale file"
        ),
        pytest.param(unread("a", unmanaged="b"), "a b", "", id="unreadable manifest, no stale file"),
        pytest.param(unread("a", "b"), "a", "", id="the manifest's name verifies that it is managed"),
    ],
)
def test_deleting_unmanaged_files_stops_the_deploy(before: Remote, deployed: str, said: str) -> None:
    stop = why_not_deploy("site", plan(dict.fromkeys(deployed.split(), b"x"), before))
    assert said in (stop.problem if stop else "")
    assert bool(stop) is bool(said)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(live("a"), "", id="all managed"),
        pytest.param(live("a", unmanaged="b"), "didn't upload 1 file ('b')", id="one unmanaged"),
        pytest.param(unread("a"), "", id="the manifest's name verifies that all are managed"),
        pytest.param(unread("a", unmanaged="b"), "may be unmanaged: 2 files", id="unreadable manifest"),
    ],
)
def test_unmanaged_files_stop_destroy(before: Remote, said: str) -> None:
    stop = why_not_destroy("site", before, SHOP)
    assert said in (stop.problem if stop else "")
    assert bool(stop) is bool(said)


# --- the folder

PAGES = ["index.html", *(f"{name}.html" for name in ("about", "blog", "contact", "docs", "team"))]
DIRECTORIES = ["index.html", *(f"{page.removesuffix('.html')}/index.html" for page in PAGES[1:])]
ASSETS = [f"assets/{number}.js" for number in range(12)]
DOCS_A = ["index.html", *(f"a{number}/index.html" for number in range(40))]
DOCS_B = ["index.html", *(f"b{number}/index.html" for number in range(40))]


RIGHT = {
    "a first deploy": ([], PAGES),
    "a site of three pages": (PAGES[:3], ["index.html", "x.html", "y.html"]),
    "a build of a single-page app renames all assets": (
        ["index.html", *ASSETS],
        ["index.html", *(f"b/{path}" for path in ASSETS)],
    ),
    "just more than half of the pages remain": (DOCS_A, DOCS_A[:21]),
    "about.html becomes about/index.html": (PAGES, DIRECTORIES),
    "about/index.html becomes about.html": (DIRECTORIES, PAGES),
    "about.htm becomes about/index.html": ([page.removesuffix("l") for page in PAGES], DIRECTORIES),
    "three pages are deleted": (PAGES, [*PAGES[:3], "x", "y"]),
}


@pytest.mark.parametrize("history", RIGHT)
def test_right_folders_are_deployed(history: str) -> None:
    before, after = RIGHT[history]
    assert deploy(live(*before), *after) is None


WRONG = {
    "another documentation": (DOCS_A, DOCS_B, "1 of the site's 41 pages, fewer than half"),
    "a parent folder": (
        [*PAGES, *ASSETS],
        ["index.html", "docker-compose.yml", *(f"dist/{path}" for path in PAGES + ASSETS)],
        "1 of the site's 6 pages, fewer than half",
    ),
    "sources instead of their report": (
        ["index.html", *(f"src/{number}.js.html" for number in range(10))],
        ["index.html", *(f"src/{number}.js" for number in range(10))],
        "1 of the site's 11 pages, fewer than half",
    ),
    "pages are lost": (DOCS_A, [*DOCS_A[:20], *ASSETS], "20 of the site's 41 pages"),
    "about.html becomes about": (
        PAGES,
        ["index.html", *(page.removesuffix(".html") for page in PAGES[1:])],
        "1 of the site's 6 pages, fewer than half",
    ),
    "about.html and about/index.html are one page": (
        [*PAGES, *DIRECTORIES[1:], *ASSETS],
        [*PAGES[:2], *ASSETS],
        "2 of the site's 6 pages",
    ),
    "files are lost": (["index.html", *ASSETS], ["index.html"], "1 file, fewer than half of the site's 13"),
}


@pytest.mark.parametrize("history", WRONG)
def test_wrong_folders_stop_the_deploy(history: str) -> None:
    """The message has the share of files, and the number that overrides the check."""
    before, after, said = WRONG[history]
    stop = deploy(live(*before), *after)
    gone = len({*before} - {*after})
    assert stop is not None
    assert f"The folder has {said}" in stop.problem
    assert f"would delete {gone} files" in stop.problem
    assert stop.override == f"`max-deletes: {gone}`"
    assert deploy(live(*before), *after, max_deletes=gone) is None
    assert deploy(live(*before), *after, max_deletes=gone - 1) is not None


@pytest.mark.parametrize(
    ("before", "after", "is_stopped"),
    [(5, 1, True), (4, 1, False), (8, 4, False), (9, 4, True)],
)
def test_fewer_than_half_of_the_files_stop_if_more_than_three_are_deleted(
    before: int, after: int, *, is_stopped: bool
) -> None:
    names = [f"{number}.js" for number in range(before)]
    assert bool(deploy(live(*names), *names[:after])) is is_stopped


def test_the_last_finished_deploy_is_the_reference() -> None:
    """Cancelled deploys leave files behind. The manifest has the number of files of the last finished one."""
    left = [f"{number}.js" for number in range(60)]
    assert deploy(live(*PAGES, *left, count=8), *PAGES) is None
    assert deploy(live(*PAGES, *left), *PAGES) is not None


def test_deleting_the_front_page_stops_the_deploy() -> None:
    stop = deploy(live(*PAGES), *PAGES[1:])
    assert stop is not None
    assert stop.problem == "The folder has no index.html, so this deploy would delete the site's front page"
    assert deploy(live(*PAGES), *PAGES[1:], max_deletes=1) is None
    assert deploy(live(*PAGES), *PAGES[1:], max_deletes=0, delete_stale=False) is None
    assert deploy(live(*PAGES[1:]), *PAGES[2:]) is None


def test_kept_files_are_not_part_of_the_site() -> None:
    """The checks ignore their pages and files."""
    uploads = [f"uploads/{number}.html" for number in range(40)]
    before = live(*PAGES, *uploads, count=None)
    assert deploy(before, *PAGES, keep=["uploads/"]) is None
    stop = deploy(before, "index.html", keep=["uploads/"])
    assert stop is not None
    assert "1 file, fewer than half of the site's 6" in stop.problem


def test_pending_deletions_are_not_part_of_the_site() -> None:
    """Stale pages are, because they are deleted immediately. The message mentions the delay of others."""
    pending = dict.fromkeys(ASSETS, 900)
    before = live(*PAGES, *ASSETS, *(f"b/{path}" for path in ASSETS), count=18, stale=pending)
    week = {"delete_stale": 7 * 86_400.0}
    assert deploy(before, *PAGES, *(f"c/{path}" for path in ASSETS), **week) is None
    assert deploy(before, *PAGES, *(f"b/{path}" for path in ASSETS), max_deletes=0) is None  # already pending
    stop = deploy(before, "index.html", *(f"c/{number}.js" for number in range(17)), **week)
    assert stop is not None
    assert "1 of the site's 6 pages, fewer than half" in stop.problem
    assert "this deploy would delete 17 files (" in stop.problem
    assert stop.problem.endswith(" immediately or after the `delete-stale` delay")


def test_with_an_unreadable_manifest_only_pages_become_stale() -> None:
    """With a delay, assets don't, because the action can't tell which were already pending."""
    before = unread("index.html", "old.html", *ASSETS)
    assert deploy(before, "index.html", max_deletes=1, delete_stale=60.0) is None
    assert deploy(before, "index.html", max_deletes=0, delete_stale=60.0) is not None
    assert deploy(before, "index.html", max_deletes=12, delete_stale=True) is not None

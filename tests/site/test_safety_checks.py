"""Which changes are doubtful: rules over what the app has and what the folder has.

`tests/promises/test_no_surprises.py` has what a deploy says and does then.
"""

import pytest

from tests.site.remotes import DOCS, SHOP, UNKNOWN, entry, listing, patterns, plan, remote
from zerokie_action.site.manifest import mark_repository
from zerokie_action.site.remote import Remote, make_remote
from zerokie_action.site.safety_checks import (
    Doubt,
    about_deploying,
    about_destroying,
    about_directory,
    about_sweeping,
)


def live(*paths: str, repository: str = SHOP, theirs: str = "", **more) -> Remote:
    """The zone of an app whose last deploy, of this repository, has uploaded these files."""
    files = dict.fromkeys([*paths, *theirs.split()], b"x")
    entries = dict.fromkeys(paths, entry(b"x"))
    return remote(listing(files), entries, mark=mark_repository(repository), **more)


def unread(*paths: str, theirs: str = "") -> Remote:
    """The same zone; its manifest can't be read."""
    before = live(*paths, theirs=theirs)
    return make_remote(before.files, before.newest, None, patterns())


def by_hand(count: int) -> Remote:
    """The zone of an app in which somebody else has put files."""
    return remote(listing({f"{number}.html": b"x" for number in range(count)}))


def deploy(before: Remote, *paths: str, keep=(), max_deletes=None, **options) -> Doubt | None:
    """The doubt about a folder with these files."""
    made = plan(dict.fromkeys(paths, b"x"), before, keep=keep, **options)
    return about_directory(made, patterns(*keep), max_deletes)


# --- whose is the app?


@pytest.mark.parametrize(
    ("before", "run", "asked"),
    [
        pytest.param(live("a"), SHOP, "", id="of the same repository"),
        pytest.param(live("a"), DOCS, "deploy destroy sweep", id="of another one"),
        pytest.param(unread("a"), DOCS, "deploy destroy sweep", id="of another one, as its name tells"),
        pytest.param(live("a"), UNKNOWN, "deploy destroy sweep", id="of one, and the run knows none"),
        pytest.param(live("a", repository=UNKNOWN), SHOP, "sweep", id="of none, and the run is of one"),
        pytest.param(live("a", repository=UNKNOWN), UNKNOWN, "sweep", id="of none, as the run"),
        pytest.param(by_hand(4), SHOP, "deploy destroy sweep", id="filled by somebody else"),
        pytest.param(by_hand(3), SHOP, "deploy", id="with a few files of somebody else"),
        pytest.param(by_hand(0), UNKNOWN, "", id="empty"),
        pytest.param(Remote(not_found="404"), SHOP, "deploy destroy sweep", id="without a list"),
    ],
)
def test_another_repositorys_app_is_asked_about(before: Remote, run: str, asked: str) -> None:
    made = plan(dict.fromkeys(before.files, b"x"), before)
    doubts = {
        "deploy": about_deploying("site", made, run),
        "destroy": about_destroying("site", before, run),
        "sweep": about_sweeping("site", before, run),
    }
    assert [name for name, doubt in doubts.items() if doubt] == asked.split()


@pytest.mark.parametrize(
    ("before", "deployed", "said"),
    [
        pytest.param(live("a", theirs="b"), "a", "1 file that no deploy", id="a stranger's file would go"),
        pytest.param(live("a", theirs="b"), "a b", "", id="it would be replaced"),
        pytest.param(live("a", "b"), "a", "", id="a file of ours would go"),
        pytest.param(unread("a", theirs="b"), "a", "can't be read", id="nobody knows whose file would go"),
        pytest.param(unread("a", theirs="b"), "a b", "", id="nobody knows, and none would go"),
        pytest.param(unread("a", "b"), "a", "", id="the manifest's name tells that it is ours"),
    ],
)
def test_files_of_somebody_else_are_asked_about(before: Remote, deployed: str, said: str) -> None:
    doubt = about_deploying("site", plan(dict.fromkeys(deployed.split(), b"x"), before), SHOP)
    assert said in (doubt.problem if doubt else "")
    assert bool(doubt) is bool(said)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(live("a"), "", id="all managed"),
        pytest.param(live("a", theirs="b"), "didn't upload 1 file ('b')", id="one unmanaged"),
        pytest.param(unread("a"), "", id="the manifest's name proves that all are managed"),
        pytest.param(unread("a", theirs="b"), "may be unmanaged: 2 files", id="unreadable manifest"),
    ],
)
def test_unmanaged_files_stop_destroy(before: Remote, said: str) -> None:
    doubt = about_destroying("site", before, SHOP)
    assert said in (doubt.problem if doubt else "")
    assert bool(doubt) is bool(said)


# --- is it the right folder?

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
    "just more than half of the pages stay": (DOCS_A, DOCS_A[:21]),
    "three pages go": (PAGES, [*PAGES[:3], "x", "y"]),
}


@pytest.mark.parametrize("history", RIGHT)
def test_right_folders_stop_nothing(history: str) -> None:
    before, after = RIGHT[history]
    assert deploy(live(*before), *after) is None


WRONG = {
    "another documentation": (DOCS_A, DOCS_B, "1 of the site's 41 pages, fewer than half"),
    "one level too high": (
        [*PAGES, *ASSETS],
        ["index.html", "docker-compose.yml", *(f"dist/{path}" for path in PAGES + ASSETS)],
        "1 of the site's 6 pages, fewer than half",
    ),
    "sources in place of the report about them": (
        ["index.html", *(f"src/{number}.js.html" for number in range(10))],
        ["index.html", *(f"src/{number}.js" for number in range(10))],
        "1 of the site's 11 pages, fewer than half",
    ),
    "pages are lost": (DOCS_A, [*DOCS_A[:20], *ASSETS], "20 of the site's 41 pages"),
    "about.html becomes about/index.html": (
        PAGES,
        DIRECTORIES,
        "1 of the site's 6 pages, fewer than half",
    ),
    "about.html becomes about": (
        PAGES,
        ["index.html", *(page.removesuffix(".html") for page in PAGES[1:])],
        "1 of the site's 6 pages, fewer than half",
    ),
    "about.html and about/index.html are two pages": (
        [*PAGES, *DIRECTORIES[1:], *ASSETS],
        [*PAGES[:2], *ASSETS],
        "2 of the site's 11 pages",
    ),
    "files are lost": (["index.html", *ASSETS], ["index.html"], "1 file, fewer than half of the site's 13"),
}


@pytest.mark.parametrize("history", WRONG)
def test_wrong_folders_stop(history: str) -> None:
    """The message says how many of how many, and with which number it goes on."""
    before, after, said = WRONG[history]
    doubt = deploy(live(*before), *after)
    gone = len({*before} - {*after})
    assert doubt is not None
    assert f"The directory has {said}" in doubt.problem
    assert f"would delete {gone} files" in doubt.problem
    assert doubt.confirmation == f"`max-deletes: {gone}`"
    assert deploy(live(*before), *after, max_deletes=gone) is None
    assert deploy(live(*before), *after, max_deletes=gone - 1) is not None


@pytest.mark.parametrize(
    ("before", "after", "is_stopped"),
    [(5, 1, True), (4, 1, False), (8, 4, False), (9, 4, True)],
)
def test_fewer_than_half_of_the_files_and_more_than_three_deletions_stop(
    before: int, after: int, *, is_stopped: bool
) -> None:
    names = [f"{number}.js" for number in range(before)]
    assert bool(deploy(live(*names), *names[:after])) is is_stopped


def test_the_folder_deployed_last_is_what_is_halved() -> None:
    """Cancelled deploys leave files behind: the manifest has the number of the last finished deploy."""
    left = [f"{number}.js" for number in range(60)]
    assert deploy(live(*PAGES, *left, count=8), *PAGES) is None
    assert deploy(live(*PAGES, *left), *PAGES) is not None


def test_the_front_page_is_asked_about() -> None:
    doubt = deploy(live(*PAGES), *PAGES[1:])
    assert doubt is not None
    assert (
        doubt.problem == "The directory has no index.html, and this deploy would delete the site's front page"
    )
    assert deploy(live(*PAGES), *PAGES[1:], max_deletes=1) is None
    assert deploy(live(*PAGES), *PAGES[1:], max_deletes=0, delete_stale=False) is None
    assert deploy(live(*PAGES[1:]), *PAGES[2:]) is None


def test_what_is_kept_is_no_part_of_the_site() -> None:
    """Neither its pages nor its files count."""
    uploads = [f"uploads/{number}.html" for number in range(40)]
    before = live(*PAGES, *uploads, count=None)
    assert deploy(before, *PAGES, keep=["uploads/"]) is None
    doubt = deploy(before, "index.html", keep=["uploads/"])
    assert doubt is not None
    assert "1 file, fewer than half of the site's 6" in doubt.problem


def test_what_waits_is_no_part_of_the_site() -> None:
    """The pages that a duration lets go at once are, and the message says when the rest goes."""
    waiting = dict.fromkeys(ASSETS, 900)
    before = live(*PAGES, *ASSETS, *(f"b/{path}" for path in ASSETS), count=18, stale=waiting)
    week = {"delete_stale": 7 * 86_400.0}
    assert deploy(before, *PAGES, *(f"c/{path}" for path in ASSETS), **week) is None
    assert deploy(before, *PAGES, *(f"b/{path}" for path in ASSETS), max_deletes=0) is None  # it has waited
    doubt = deploy(before, "index.html", *(f"c/{number}.js" for number in range(17)), **week)
    assert doubt is not None
    assert "1 of the site's 6 pages, fewer than half" in doubt.problem
    assert "this deploy would delete, at once or after their wait, 17 files" in doubt.problem


def test_beside_an_unreadable_manifest_only_pages_become_stale() -> None:
    """Where assets wait: nobody can tell which of them waited already."""
    before = unread("index.html", "old.html", *ASSETS)
    assert deploy(before, "index.html", max_deletes=1, delete_stale=60.0) is None
    assert deploy(before, "index.html", max_deletes=0, delete_stale=60.0) is not None
    assert deploy(before, "index.html", max_deletes=12, delete_stale=True) is not None

"""Folders that are projects instead of built sites.

`tests/promises/test_no_surprises.py` has whole deploys.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.site.gitoracle import write_tree
from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError
from zerokie_action.site.rules import PROJECT_FILES, why_not_built
from zerokie_action.site.scan import scan

VITE = '<!doctype html><div id="root"></div><script type="module" src="/src/main.tsx"></script>'
PARCEL = '<link rel="stylesheet" href="./src/a.css"><script type=module src=src/index.js></script>'
ELEVENTY = "---\nlayout: base\n---\n<h1>Hello</h1>"
BUILT = '<link href="/assets/a.css"><img src="src/a.png"><a href="src/">Source</a><script src="/a-src/b.js">'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to fill."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def problem(folder: Path, paths: str, page: str | None = None, *ignore: str) -> str:
    """Return the scan's problem and hint for a folder with these files; empty if there is none."""
    write_tree(folder, paths.split())
    if page is not None:
        (folder / "index.html").write_text(page)
    try:
        scan(folder, ignore, ())
    except ConfigurationError as error:
        return f"{error.args[0]}. {error.hint}".removeprefix(f"`directory`: '{folder}' ")
    return ""


SOURCES, NO_PAGE = "an index.html that loads from src/", "no index.html"
STOPPED: Mapping[str, tuple[str, str | None, str, str]] = {
    # the project's files and front page, the reason in the message, and the built site
    "Vite": ("package.json src/a.ts public/vite.svg dist/index.html", VITE, SOURCES, "dist"),
    "Parcel": ("package.json src/index.js", PARCEL, SOURCES, ""),
    "Next": ("package.json app/page.tsx out/index.html", None, f"package.json and {NO_PAGE}", "out"),
    "Create React App": ("package.json public/index.html build/index.html", None, NO_PAGE, "build"),
    "Create React App, not built": ("package.json src/a.js public/index.html", None, NO_PAGE, ""),
    "Eleventy": ("package.json _site/index.html", ELEVENTY, "starts with front matter (---)", "_site"),
    "Hugo": ("hugo.toml content/a.md public/index.html", None, f"hugo.toml and {NO_PAGE}", "public"),
    "MkDocs": ("mkdocs.yml docs/index.md site/index.html", None, f"mkdocs.yml and {NO_PAGE}", "site"),
    "a monorepo": ("package.json apps/web/dist/index.html", None, f"package.json and {NO_PAGE}", ""),
}
SITES = {
    "a built Jekyll site with a copy": ("package.json blog/index.html", BUILT),
    "a site without a project file": ("dist/index.html src/a.js", VITE),
    "a project in a subfolder": ("app/package.json app/dist/index.html", None),
    "another case": ("PACKAGE.JSON", None),
    "a horizontal rule later in the page": ("package.json", "<pre>\n---\n</pre>"),
    "src/ after the first 64 kB": ("package.json", " " * 70_000 + VITE),
}


@pytest.mark.parametrize("name", STOPPED)
def test_a_project_is_refused(folder: Path, name: str) -> None:
    """The message has the reason, and the hint suggests the built site if there is one."""
    paths, page, seen, site = STOPPED[name]
    said = problem(folder, paths, page)
    assert said.startswith("is a project, not a built site, because it has ")
    assert seen in said.partition(". ")[0]
    build = "Build the site before this step, and set `directory` to the build's output."
    found = f"Set `directory` to the built site, perhaps `directory: {folder / site}`."
    assert (found if site else build) in said
    if site:
        assert not problem(folder / site, "")


@pytest.mark.parametrize("name", SITES)
def test_a_built_site_is_accepted(folder: Path, name: str) -> None:
    assert not problem(folder, *SITES[name])


def test_each_kind_of_project_file_is_found(folder: Path) -> None:
    names = sorted(PROJECT_FILES)
    said = problem(folder, " ".join(names))
    assert said.startswith(
        f"is a project, not a built site, because it has {', '.join(names)} and no index.html. "
    )


@pytest.mark.parametrize(
    ("ignore_file", "ignore", "is_stopped"),
    [
        ("", ["!/package.json"], True),
        ("", ["!/package.json", "!deno.json"], False),
        ("!/package.json\n!/deno.json", [], True),
        ("", ["!*.json"], False),
        ("", ["*.json"], False),
        ("*.json", [], False),
        ("*.json", ["!/package.json"], False),
    ],
)
def test_only_the_input_ignore_publishes_a_project(
    folder: Path, ignore_file: str, ignore: list[str], *, is_stopped: bool
) -> None:
    """It must include each project file that isn't ignored. The hint has the patterns."""
    write_tree(folder, ["a.js", ".zerokieignore"])
    (folder / ".zerokieignore").write_text(ignore_file)
    said = problem(folder, "package.json deno.json", None, *ignore)
    assert bool(said) is is_stopped
    names = ["deno.json"] if ignore else ["deno.json", "package.json"]
    patterns = ", ".join(f"`!/{name}`" for name in names)
    link = page("safety-checks.md#project")
    hint = f"To publish the project itself, add {patterns} to the input `ignore`: {link}"
    assert not said or said.endswith(hint)


@pytest.mark.parametrize(
    "text", ["<script " * 8_000, "<script " + " src" * 16_000, "<link href=" + " " * 64_000]
)
def test_no_front_page_hangs_the_run(text: str) -> None:
    began = time.process_time()
    assert not why_not_built(text.encode())
    assert time.process_time() - began < 3


def test_an_ignored_front_page_is_missing(folder: Path) -> None:
    assert "package.json and no index.html" in problem(folder, "package.json a.js", BUILT, "*.html")

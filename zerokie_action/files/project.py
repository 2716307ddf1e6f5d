"""Recognises a project in place of a site: its sources would be published, and the page would be blank.

A project has a project's file at its root and no built front page. The front page decides, because a site may
have such a file as well: Jekyll copies `package.json`, and tools lie beside a site that is written by hand.
"""

import re
from collections.abc import Collection, Container

PACKAGE = "package.json"
PROJECT_FILES = frozenset((
    *(PACKAGE, "deno.json", "composer.json", "Gemfile", "pyproject.toml", "Cargo.toml", "go.mod", "conf.py"),
    *("book.toml", "_quarto.yml", "_config.toml", "_config.yml", "_config.yaml", "mkdocs.yml", "mkdocs.yaml"),
    *("hugo.toml", "hugo.json", "hugo.yml", "hugo.yaml"),
))  # fmt: skip
"""Names of files that are at the root of a project, for its build or its packages."""
_OUTPUT_DIRECTORIES = ("dist", "build", "out", "_site", "site", "public", "www")
_LOADS_SOURCES = re.compile(
    rb"""<(?:script|link)\b[^<>]*?\s(?:src|href)\s*=\s*["']?(?:\./|/)?src/""", re.IGNORECASE
)
"""A page of Vite or Parcel before the build: `<script type="module" src="/src/main.ts">`."""


def output_directories(names: Container[str]) -> list[str]:
    """The usual names of a build's output directory, the most usual first.

    Beside a `package.json`, `public` often has a project's own assets or a template.
    """
    return [name for name in _OUTPUT_DIRECTORIES if name != "public" or PACKAGE not in names]


def why_not_built(front_page: bytes | None) -> str:
    """Why a front page is none of a built site, as words after "it has a package.json and"; else empty.

    `front_page` is the begin of the root's `index.html`; None if there is none.
    """
    if front_page is None:
        return "no index.html"
    if front_page.startswith(b"---"):  # Jekyll or Eleventy has not rendered it
        return "an index.html that begins with front matter (---)"
    return "an index.html that loads from src/" if _LOADS_SOURCES.search(front_page) else ""


def find_built_site(paths: Collection[str]) -> str:
    """The directory of a project that probably is its built site; empty if there is none."""
    return next((name for name in output_directories(paths) if f"{name}/index.html" in paths), "")

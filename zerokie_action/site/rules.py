"""The rules for what a directory may publish: the defaults, the ignore file and the input `ignore`."""
# os.path returns False for a name that is too long or a directory that can't be entered; pathlib raises. Its
# abspath takes `..` out of the text.
# ruff: noqa: PTH100, PTH112

import os
import re
from collections.abc import Collection, Container
from contextlib import suppress
from pathlib import Path

from zerokie_action.inputs.patterns import parse_patterns
from zerokie_action.site.ignore import Patterns

IGNORE_FILE = ".zerokieignore"
"""The name of the ignore file."""

FRONT_PAGE = "index.html"
MANIFEST_FOLDER = "_zerokie/"
_LARGEST_IGNORE_FILE = 64 * 1024

UNWANTED = (
    "node_modules/",
    ".DS_Store",
    "Thumbs.db",
    ".zerokie-state*.json",  # state files, also of killed jobs
)
"""Names that nobody wants to publish. A later `!pattern` includes matching files again."""
_SECRETS = (
    ".git",  # a file in a worktree
    ".hg/",
    ".svn/",
    ".env",
    ".env.*",
    "gha-creds-*.json",
    ".ssh/",
    ".aws/",
    ".kube/",
    ".docker/",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
)
PROTECTED = tuple(
    re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", name) for name in _SECRETS
)
"""Patterns of names, in upper and lower case, that only the input `ignore` can publish, by `!pattern`."""
PROTECTED_NAMES = Patterns(PROTECTED)
FOR_OTHER_HOSTS = frozenset((
    *("_headers", "_redirects", "CNAME", ".htaccess"),
    *("netlify.toml", "vercel.json", "staticwebapp.config.json"),
))  # fmt: skip
"""Names of files that configure other hosts: they have no effect here, and are published as they are."""

# A project has a project file at its root and no built front page. The front page decides, because a site
# may have such a file too: Jekyll copies `package.json`, and tools are next to a site written by hand.
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


def read_ignore_file(directory: Path) -> tuple[Path | None, list[str], list[str]]:
    """The ignore file, or None if there is none; its patterns; its problems, one sentence each.

    The file is in the directory, otherwise in the working directory. A symlink is refused, because whoever
    wrote the tree must not choose the file that is read.
    """
    location = next(filter(os.path.lexists, (directory / IGNORE_FILE, Path(IGNORE_FILE))), None)
    if location is None:
        return None, [], []
    name = repr(str(location))
    problem = "is a symlink. Replace it with a regular file"
    if not location.is_symlink():
        with suppress(OSError, UnicodeDecodeError):
            # Before opening: opening a FIFO would block until somebody writes to it.
            if location.is_file() and location.stat().st_size <= _LARGEST_IGNORE_FILE:
                lines = location.read_bytes().decode("utf-8-sig").split("\n")
                return location, *parse_patterns((line.removesuffix("\r") for line in lines), name)
        problem = "is not a readable text file (UTF-8) of at most 64 kB"
    return location, [], [f"The ignore file {name} {problem}"]


def resolve(path: str | os.PathLike[str]) -> Path:
    """The real path. `..` is taken out of the text first, so a link before it does not count."""
    return Path(os.path.realpath(os.path.abspath(path)))


def _checkout() -> Path:
    """The real path of the working directory, or of its nearest ancestor with a `.git`."""
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if os.path.lexists(place / ".git")), here)


def problem_with_path(path: str | os.PathLike[str], tree: Path) -> str:
    """Why a path from an input must not be followed, as words after the path; empty if it may be.

    Links and names belong to whoever wrote the tree, which may be a fork. So below the checkout, and below
    `tree`, no part of the path may be a link or have a protected name. All else is the user's own.
    """
    given, real = Path(os.path.abspath(path)), resolve(path)
    for top in (_checkout(), resolve(tree)):
        below = (place for place in (given, *given.parents) if resolve(place.parent).is_relative_to(top))
        if any(map(os.path.islink, below)):
            return f"leads through a link to {str(real)!r}; if that is meant, write {str(real)!r}"
        name = str(real.relative_to(top)) if real.is_relative_to(top) else ""
        if PROTECTED_NAMES.match_path(name, is_directory=os.path.isdir(real)):
            return "may hold secrets and is never used; choose another path"
    return ""


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

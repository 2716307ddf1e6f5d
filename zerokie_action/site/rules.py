"""Rules about which files and folders a deploy may publish.

The folder may come from a fork, so its author must not be able to publish secrets of the machine.
"""
# os.path returns False for a name that is too long or a folder that isn't accessible, but pathlib raises.
# Only os.path.abspath removes `..` without following symlinks.
# ruff: noqa: PTH100, PTH112

import os
import re
from collections.abc import Collection, Container
from contextlib import suppress
from pathlib import Path

from zerokie_action.docs import page
from zerokie_action.inputs.patterns import parse_patterns
from zerokie_action.site.ignore import compiled

IGNORE_FILE = ".zerokieignore"
FRONT_PAGE = "index.html"
MANIFEST_FOLDER = "_zerokie/"
_LARGEST_IGNORE_FILE = 64 * 1024

UNWANTED = (
    "node_modules/",
    ".DS_Store",
    "Thumbs.db",
    # State files, including those of killed jobs.
    ".zerokie-state*.json",
)
"""Patterns of files that are ignored by default. A later `!pattern` includes matching files again."""


def _in_any_case(*names: str) -> tuple[str, ...]:
    """Return patterns that match the names in upper and lower case."""
    return tuple(re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", name) for name in names)


# In a Git worktree, `.git` is a file.
_REPOSITORIES = _in_any_case(".git", ".hg/", ".svn/")
SECRETS = _in_any_case(
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
"""Patterns of names that look like secrets."""
PROTECTED = _REPOSITORIES + SECRETS
"""Patterns of files that only a `!pattern` in the input `ignore` can publish."""
FOR_OTHER_HOSTS = frozenset((
    *("_headers", "_redirects", "CNAME", ".htaccess"),
    *("netlify.toml", "vercel.json", "staticwebapp.config.json"),
))  # fmt: skip
"""Names of files that configure other hosts. They have no effect here and are published unchanged."""

# A project has a project file at its root and no built front page. The file alone isn't enough, because a
# site may have one too: Jekyll copies `package.json`, and a hand-written site may have tools next to it.
PACKAGE = "package.json"
PROJECT_FILES = frozenset((
    *(PACKAGE, "deno.json", "composer.json", "Gemfile", "pyproject.toml", "Cargo.toml", "go.mod", "conf.py"),
    *("book.toml", "_quarto.yml", "_config.toml", "_config.yml", "_config.yaml", "mkdocs.yml", "mkdocs.yaml"),
    *("hugo.toml", "hugo.json", "hugo.yml", "hugo.yaml"),
))  # fmt: skip
"""Names of build or package files at the root of a project."""
_OUTPUT_DIRECTORIES = ("dist", "build", "out", "_site", "site", "public", "www")
_LOADS_SOURCES = re.compile(
    rb"""<(?:script|link)\b[^<>]*?\s(?:src|href)\s*=\s*["']?(?:\./|/)?src/""", re.IGNORECASE
)
"""A tag in an unbuilt page of Vite or Parcel, such as `<script type="module" src="/src/main.ts">`."""


def read_ignore_file(directory: Path) -> tuple[Path | None, list[str], list[str]]:
    """Return the ignore file (None if there is none), its patterns and its problems.

    The folder's own ignore file comes before the one in the working directory. A symlink is a problem,
    because the folder's author must not be able to choose which file the action reads.
    """
    location = next(filter(os.path.lexists, (directory / IGNORE_FILE, Path(IGNORE_FILE))), None)
    if location is None:
        return None, [], []
    name = repr(str(location))
    problem = f"The ignore file {name} is a symlink. Replace it with a regular file"
    if not location.is_symlink():
        with suppress(OSError, UnicodeDecodeError):
            # Check this first, because opening a FIFO would block until something writes to it.
            if location.is_file() and location.stat().st_size <= _LARGEST_IGNORE_FILE:
                lines = location.read_bytes().decode("utf-8-sig").split("\n")
                return location, *parse_patterns((line.removesuffix("\r") for line in lines), name)
        problem = f"Can't read the ignore file {name} as UTF-8 text of at most 64 kB"
    return location, [], [problem]


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return the real path. `..` is removed first, so it doesn't follow a symlink before it."""
    return Path(os.path.realpath(os.path.abspath(path)))


def _checkout() -> Path:
    """Return the nearest folder at or above the working directory that has a `.git`; else the working one."""
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if os.path.lexists(place / ".git")), here)


def problem_with_path(path: str | os.PathLike[str], tree: Path) -> str:
    """Return the problem with following a path from an input, as words after the path; empty if none.

    A fork may have created symlinks and folders in the checkout. So below the checkout, and below `tree`, no
    part of the path may be a symlink or have a protected name. The user controls everything else.
    """
    given, real = Path(os.path.abspath(path)), resolve(path)
    link = page("safety-checks.md#path-of-directory")
    for top in (_checkout(), resolve(tree)):
        below = (place for place in (given, *given.parents) if resolve(place.parent).is_relative_to(top))
        if any(map(os.path.islink, below)):
            fix = f"If you mean this folder, set {str(real)!r}: {link}"
            return f"leads through a symlink to {str(real)!r}. {fix}"
        name = str(real.relative_to(top)) if real.is_relative_to(top) else ""
        if compiled(PROTECTED).match_path(name, is_directory=os.path.isdir(real)):
            return f"may contain secrets, so it is never deployed. Choose another folder: {link}"
    return ""


def output_directories(names: Container[str]) -> list[str]:
    """Return the usual names of a build's output folder, the most usual first.

    Next to a `package.json`, `public` often contains a project's own assets or a template.
    """
    return [name for name in _OUTPUT_DIRECTORIES if name != "public" or PACKAGE not in names]


def why_not_built(front_page: bytes | None) -> str:
    """Return why a front page isn't built, as words after "it has a package.json and"; else empty.

    `front_page` is the start of the root's `index.html`, or None if there is none.
    """
    if front_page is None:
        return "no index.html"
    # Jekyll and Eleventy remove the front matter of a page when they render it.
    if front_page.startswith(b"---"):
        return "an index.html that starts with front matter (---)"
    return "an index.html that loads from src/" if _LOADS_SOURCES.search(front_page) else ""


def find_built_site(paths: Collection[str]) -> str:
    """Return the folder of a project that probably contains the built site; empty if there is none."""
    return next((name for name in output_directories(paths) if f"{name}/index.html" in paths), "")

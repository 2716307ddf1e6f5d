"""What the image adds to its base, and how much."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.engine import Image

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTES = {"the action": 1.3, "its libraries": 17.5, "bytecode of Python's library": 13.0}
"""How much there may be. Whoever needs more says why in the commit that raises the number."""

_LIST = r"find / -xdev ( -path /proc -o -path /sys -o -path /dev ) -prune -o ! -type d -printf %s\t%T@\t%p\n"
_ENGINES_OWN = re.compile(r"/workspace/|/etc/(hosts|hostname|resolv\.conf|mtab)$|/run/|/\.dockerenv$")
_PACKAGES = re.compile(r"/opt/zerokie/lib/python3\.\d+/site-packages/")

Contents = dict[str, tuple[int, str]]
"""Size in bytes and time of each file and link, by path."""


def contents(image: Image, workspace: Path) -> Contents:
    listed = image.run(
        *_LIST.split()[1:], env={}, workspace=workspace, options=("--quiet", "--entrypoint=find")
    )
    assert listed.code == 0, listed.log
    lines = (line.split("\t") for line in listed.log.splitlines())
    return {path: (int(size), time) for size, time, path in lines if not _ENGINES_OWN.match(path)}


@pytest.fixture(scope="module")
def base(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Contents:  # noqa: ARG001
    """What is in the image that ours is made from."""
    name = re.findall(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[-1]
    return contents(Image(name), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def ours(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What is in our image."""
    return contents(image, tmp_path_factory.mktemp("ours"))


def part(path: str) -> str:
    """What a file belongs to, as in `MEGABYTES`; the path itself when it has no business to be there."""
    if package := _PACKAGES.match(path):
        return "the action" if path[package.end() :].startswith("zerokie_action") else "its libraries"
    if re.match(r"/opt/zerokie/(bin/|lib64$|pyvenv\.cfg$|\.gitignore$)|/usr/local/bin/zerokie-", path):
        return "the action"
    if re.match(r"/usr/(local/)?lib/python3\.\d+/(.*/)?__pycache__/", path):
        return "bytecode of Python's library"
    return path


def test_adds_little(base: Contents, ours: Contents) -> None:
    """Two commands, their environment and bytecode: no cache, no compiler, no log, no growth by accident."""
    added = {path: size for path, (size, time) in ours.items() if base.get(path) != (size, time)}
    sizes = Counter[str]()
    for path, size in added.items():
        sizes[part(path)] += size
    shown = {name: f"{size / 1e6:.1f} MB" for name, size in sizes.items()}
    assert sizes.keys() == MEGABYTES.keys(), shown
    assert all(size / 1e6 < MEGABYTES[name] for name, size in sizes.items()), shown


def test_leaves_its_base_alone(base: Contents, ours: Contents) -> None:
    """Nothing is removed and nothing replaced, bytecode aside: updates of the base reach us."""
    changed = (path for path in base if ours.get(path) != base[path])
    assert [path for path in changed if "/__pycache__/" not in path] == []

"""Sites that others made: the documentation and assets of npm packages, from `.ci/package-lock.json`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.platform import contents
from tests.support.required import npm_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engine import Image
    from tests.support.platform import Platform

SITES = {"paper": 180, "ckeditor4": 2500, "mathjax": 3000}
"""How many files each has at least."""


def package(name: str) -> Path:
    """The folder of an npm package that `make e2e` has installed."""
    return npm_file(f"{name}/package.json").parent


def deploy(image: Image, platform: Platform, workspace: Path) -> dict[str, Any]:
    """Deploy the folder `site`; the result."""
    env = platform.inputs(app="site", directory="site", create="true", output_file="result.json")
    done = image.run(env=env, workspace=workspace)
    assert done.code == 0, done.log
    result: dict[str, Any] = json.loads((workspace / "result.json").read_text("utf-8"))
    return result


@pytest.mark.parametrize("name", SITES)
def test_a_real_site(name: str, image: Image, platform: Platform, tmp_path: Path) -> None:
    """It is stored byte for byte; the second deploy uploads nothing, and after an edited byte one file."""
    workspace = tmp_path / "workspace"
    site = shutil.copytree(package(name), workspace / "site")
    files = contents(site)
    assert len(files) >= SITES[name]

    first = deploy(image, platform, workspace)
    assert first["files_uploaded"] == len(files)
    assert platform.stored("site") == files

    second = deploy(image, platform, workspace)
    assert (second["files_uploaded"], second["files_unchanged"]) == (0, len(files))

    path = max(files, key=lambda path: len(files[path]))
    edited = files[path][:-1] + bytes([files[path][-1] ^ 1])
    (site / path).write_bytes(edited)
    third = deploy(image, platform, workspace)
    assert [file["path"] for file in third["uploaded"]] == [path]
    assert platform.stored("site") == files | {path: edited}

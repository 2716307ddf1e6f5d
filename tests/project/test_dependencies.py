"""Dependencies of the image and the package."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LICENCES = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0"}
SYSTEMS = ("manylinux", "musllinux")
ARCHITECTURES = {"x86_64", "aarch64"}
PYTHONS = {"cp311", "cp312", "cp313", "cp314"}


_REQUIREMENTS = re.sub(r"\\\n", "", (ROOT / "requirements.txt").read_text("utf-8"))
PINNED = dict(re.findall(r"^([a-z0-9-]+)==(.+)$", _REQUIREMENTS, re.MULTILINE))
"""The version and all other data of each pinned package, by its name."""
LOCKED = {found["name"]: found for found in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}


@pytest.mark.parametrize("name", PINNED)
def test_wheels_exist_for_every_platform(name: str) -> None:
    """Neither the image nor users' installations have to compile a package."""
    wheels = [wheel["url"].rsplit("/")[-1] for wheel in LOCKED[name]["wheels"]]
    if any(wheel.endswith("-none-any.whl") for wheel in wheels):
        return
    for system, architecture in product(SYSTEMS, ARCHITECTURES):
        usable = [wheel for wheel in wheels if re.search(rf"{system}\w*_{architecture}\b", wheel)]
        assert {python for python in PYTHONS for wheel in usable if f"-{python}-" in wheel} == PYTHONS


def licence(package: metadata.PackageMetadata) -> str:
    """Return a package's license as an SPDX expression."""
    said = package.json
    if "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)" in said.get("classifier", ()):
        return "MPL-2.0"  # pathspec says it nowhere else
    return str(said.get("license_expression") or said.get("license") or "unknown")


@pytest.mark.parametrize("name", PINNED)
def test_licenses_allow_the_image(name: str) -> None:
    """Anyone can use and redistribute the image, even in a closed product."""
    try:
        package = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        # Only some versions of Python or only Windows need it.
        assert re.search("python_full_version|sys_platform == 'win32'", PINNED[name])
    else:
        assert set(re.split(r" (?:AND|OR) ", licence(package))) <= LICENCES


# --- known vulnerabilities

VULNERABLE = {"name": "h11", "version": "0.14.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["0.16.0"]}]}
UNFIXED = {"name": "idna", "version": "3.0", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}


@pytest.mark.parametrize(
    ("answer", "on_github", "code", "said"),
    [
        ({"name": "anyio", "version": "4.16.0", "vulns": []}, "true", 0, ""),
        (VULNERABLE, "", 1, "a.txt: h11 0.14.0: GHSA-1, fixed in 0.16.0\n"),
        (UNFIXED, "", 1, "a.txt: idna 3.0: PYSEC-1, fixed in no version yet\n"),
        ({"name": "idna", "skip_reason": "not found"}, "true", 1, "error: a.txt: the package index doesn't "),
        (None, "true", 1, "error: a.txt: the package index is unavailable: no route to host"),
        (None, "", 0, "warning: a.txt: the package index is unavailable: no route to host"),
    ],
)
def test_known_vulnerabilities_fail_the_audit(
    tmp_path: Path, answer: object, on_github: str, code: int, said: str
) -> None:
    """On GitHub, an audit without results fails too, because the network works there."""
    program = tmp_path / "pip-audit"
    text = json.dumps({"dependencies": [answer], "fixes": []}) if answer else ""
    program.write_text(f"#!/bin/sh\necho '{text}'\necho 'no route to host' >&2\nexit {code}\n", "utf-8")
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_ACTIONS": on_github}
    command = [sys.executable, str(ROOT / ".ci" / "vulnerabilities.py"), "a.txt"]
    done = subprocess.run(command, env=env, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout[: len(said) or None]) == (code, said)

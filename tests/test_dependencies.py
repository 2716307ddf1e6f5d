"""What the image and the package depend on: hashed, available for every platform, free to pass on."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LICENCES = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0"}
ARCHITECTURES = {"x86_64", "aarch64"}
PYTHONS = {"cp311", "cp312", "cp313", "cp314"}


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text("utf-8"))


def requirements(name: str) -> dict[str, str]:
    """What is pinned, by name: the version, and all that is said about it."""
    text = re.sub(r"\\\n", "", (ROOT / name).read_text("utf-8"))
    found = re.findall(r"^([a-z0-9-]+)==(.+)$", text, re.MULTILINE)
    return dict(found)


PINNED = requirements("requirements.txt")
LOCKED = {package["name"]: package for package in toml("uv.lock")["package"]}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_requirement_is_hashed(name: str) -> None:
    """A version alone does not say which file is installed."""
    assert [package for package, said in requirements(name).items() if "--hash=sha256:" not in said] == []


@pytest.mark.parametrize("name", PINNED)
def test_wheels_exist_for_every_platform(name: str) -> None:
    """Nothing is compiled: neither in the image, nor where people install the package."""
    wheels = [wheel["url"].rsplit("/")[-1] for wheel in LOCKED[name]["wheels"]]
    if any(wheel.endswith("-none-any.whl") for wheel in wheels):
        return
    for architecture in ARCHITECTURES:
        usable = [wheel for wheel in wheels if re.search(rf"manylinux\w*_{architecture}\b", wheel)]
        assert {python for python in PYTHONS for wheel in usable if f"-{python}-" in wheel} == PYTHONS


def licence(package: metadata.PackageMetadata) -> str:
    """What a package says about its licence, as an SPDX expression."""
    said = package.json
    if "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)" in said.get("classifier", ()):
        return "MPL-2.0"  # pathspec says it nowhere else
    return str(said.get("license_expression") or said.get("license") or "unknown")


@pytest.mark.parametrize("name", PINNED)
def test_licences_allow_the_image(name: str) -> None:
    """Everybody may use and pass on the image, also in a closed product."""
    try:
        package = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        assert "python_full_version" in PINNED[name]  # only some versions of Python need it
    else:
        assert set(re.split(r" (?:AND|OR) ", licence(package))) <= LICENCES


def direct() -> Iterator[str]:
    """Every dependency that this project names itself."""
    project = toml("pyproject.toml")
    yield from project["project"]["dependencies"]
    for extra in project["project"]["optional-dependencies"].values():
        yield from extra
    for group in project["dependency-groups"].values():
        yield from group


@pytest.mark.parametrize("dependency", list(direct()))
def test_dependencies_have_a_lower_bound_and_no_upper_one(dependency: str) -> None:
    """`.ci/lowest` tests the lower bound; an upper one would only keep people from updates."""
    assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", dependency)


def imports(path: Path) -> set[str]:
    """The packages that a module imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def test_requests_go_through_httpx() -> None:
    """No other client and no parser is used beside it, and only `http` knows httpx and its engine."""
    package = ROOT / "zerokie_action"
    client = [path for path in package.rglob("*.py") if package / "sandbox" not in path.parents]
    importing = {name: path for path in client for name in imports(path)}
    assert importing.keys() & {"aiohttp", "h11", "httptools", "requests", "urllib3"} == set()
    users = {path.parent for path in client if imports(path) & {"httpx", "httpcore"}}
    assert users == {package / "http"}


# --- known vulnerabilities

CLEAN = {"name": "anyio", "version": "4.16.0", "vulns": []}
SKIPPED = {"name": "idna", "skip_reason": "not found"}
VULNERABLE = {
    "name": "h11",
    "version": "0.14.0",
    "vulns": [{"id": "GHSA-vqfr-h8mv-ghfj", "fix_versions": ["0.16.0"], "aliases": [], "description": ""}],
}
UNFIXED = {**VULNERABLE, "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}


def ask(
    tmp_path: Path, answer: object, *, code: int = 0, files: int = 1, on_github: bool = False
) -> tuple[int, str]:
    """Run the script with a `pip-audit` that answers this."""
    program = tmp_path / "pip-audit"
    text = answer if isinstance(answer, str) else json.dumps({"dependencies": answer, "fixes": []})
    program.write_text(
        f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho 'no route to host' >&2\nexit {code}\n", "utf-8"
    )
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "vulnerabilities.py", *("a.txt", "b.txt")[:files]],
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_ACTIONS": "true" if on_github else ""},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    return done.returncode, done.stdout


def test_nothing_is_vulnerable(tmp_path: Path) -> None:
    """Then there is nothing to say."""
    assert ask(tmp_path, [CLEAN]) == (0, "")


def test_vulnerabilities_fail(tmp_path: Path) -> None:
    """Each with its version, its name and what to update to."""
    code, said = ask(tmp_path, [CLEAN, VULNERABLE, UNFIXED], code=1)
    assert code == 1
    assert said.splitlines() == [
        "a.txt: h11 0.14.0: GHSA-vqfr-h8mv-ghfj, fixed in 0.16.0",
        "a.txt: h11 0.14.0: PYSEC-1, fixed in no version yet",
    ]


@pytest.mark.parametrize("on_github", [False, True], ids=["elsewhere", "GitHub"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [("", "nothing could be asked: no route to host"), ([SKIPPED], "the index knows none of the packages")],
    ids=["out of reach", "all unknown"],
)
def test_no_answer(tmp_path: Path, answer: object, said: str, *, on_github: bool) -> None:
    """A warning; on GitHub the network works, and an audit that asks nobody must not be green."""
    kind = "error" if on_github else "warning"
    expected = (int(on_github), f"{kind}: a.txt: {said}\n{kind}: b.txt: {said}\n")
    assert ask(tmp_path, answer, code=1, files=2, on_github=on_github) == expected

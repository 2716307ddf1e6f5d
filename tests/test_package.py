"""Rules of the house: what is public is documented, and what is said twice is the same."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zerokie_action
from zerokie_action import cli, errors
from zerokie_action.http.client import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "zerokie_action").rglob("*.py"))
MAJOR = zerokie_action.__version__.split(".")[0]


def test_the_rules_see_the_package() -> None:
    """The folder that is looked through is the one that is imported."""
    assert Path(zerokie_action.__file__) in MODULES
    assert len(MODULES) > 50


# --- documentation


def public(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """A module, its public classes and functions, and their public methods."""
    yield name, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
            inner = public(child, f"{name}.{child.name}")
            yield from inner if isinstance(child, ast.ClassDef) else [next(inner)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_public_is_documented(path: Path) -> None:
    """Every module, public class and public function says what it is for; an empty module has nothing to."""
    module = ast.parse(path.read_text("utf-8"))
    things = public(module, path.stem) if module.body else ()
    assert [name for name, node in things if not ast.get_docstring(node)] == []  # type: ignore[arg-type]


# --- errors


def subclasses(base: type[errors.DeployError]) -> Iterator[type[errors.DeployError]]:
    yield base
    for error in base.__subclasses__():
        yield from subclasses(error)


def test_every_error_is_in_the_tree_with_its_exit_code() -> None:
    """The drawing in the module's docstring shows all classes, with the codes that they have."""
    drawn = re.findall(r"(\w+) +(128 \+ n|\d+)(?:   .*)?$", errors.__doc__ or "", re.MULTILINE)
    real = {error.__name__: str(error.exit_code) for error in subclasses(errors.DeployError)}
    assert dict(drawn) == real | {"Interrupted": "128 + n"}
    assert len(drawn) == len(real)


def test_the_tree_is_drawn_as_it_is() -> None:
    """All errors are children of the one at its root."""
    assert [error.__bases__ for error in subclasses(errors.DeployError)][1:] == [(errors.DeployError,)] * 10


def test_interruptions_have_the_shells_exit_codes() -> None:
    """128 plus the signal's number."""
    assert [errors.Interrupted(signum).exit_code for signum in (1, 2, 3, 15)] == [129, 130, 131, 143]


# --- versions


def test_the_version_has_one_source() -> None:
    """The distribution takes it from the package, and so does what is sent to the platform."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "zerokie_action/__init__.py"
    assert USER_AGENT.split("/") == ["zerokie-action", zerokie_action.__version__]
    assert re.fullmatch(r"\d+\.\d+\.\d+", zerokie_action.__version__)


def test_the_changelog_knows_the_version() -> None:
    """Its newest release is this version, if anything was released; what is not is on top."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", zerokie_action.__version__}
    assert [heading for heading in headings if heading != "Unreleased"][:1] in (
        [],
        [zerokie_action.__version__],
    )


SHOWN = [
    path
    for folder in ("examples", "templates", "docs", ".")
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*")
    if path.suffix in {".md", ".yml", ".sh"} or path.name == "Jenkinsfile"
]


def test_what_people_copy_names_the_major_version() -> None:
    """Action, component and image are pinned to the version that this is."""
    pins = {
        (path.relative_to(ROOT).as_posix(), version)
        for path in SHOWN
        for version in re.findall(
            r"zerokie/zerokie-action(?:/deploy)?(?:@v?|:)(?!sha256)([\w.]+)", path.read_text("utf-8")
        )
    }
    assert len(pins) > 10
    assert {version for _, version in pins} == {MAJOR}, pins


def test_the_commands_are_the_commands() -> None:
    """What is installed, what the image starts and what GitHub runs at the end is the same code."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts == {
        "zerokie-deploy": "zerokie_action.cli:deploy",
        "zerokie-cleanup": "zerokie_action.cli:cleanup",
    }
    installed = {
        script.name: script.load()
        for script in entry_points(group="console_scripts")
        if script.name in scripts
    }
    assert installed == {"zerokie-deploy": cli.deploy, "zerokie-cleanup": cli.cleanup}
    action = (ROOT / "action.yml").read_text("utf-8")
    assert "\n  entrypoint: zerokie-deploy\n  post-entrypoint: zerokie-cleanup\n" in action
    assert '\nENTRYPOINT ["zerokie-deploy"]\n' in (ROOT / "Dockerfile").read_text("utf-8")

"""Contents of the image."""

import json
import re
from pathlib import Path

from tests.e2e.conftest import ROOT
from tests.e2e.engine import run, succeed

PACKAGES = "/opt/zerokie/lib/python3.13/site-packages"


def test_the_image_contains_only_the_locked_packages(image: str, workspace: Path) -> None:
    """The environment contains this platform's packages from requirements.txt and the action, but not pip."""
    pattern = r"^([a-z0-9-]+)==(\S+)(?! ; sys_platform == 'win32')(?=\s)"
    locked = re.findall(pattern, (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    seen = run(image, "sh", "-c", f"cd {PACKAGES} && ls -d *.dist-info", env={}, workspace=workspace)
    listed = seen.log.split()
    installed = {tuple(name.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1)) for name in listed}
    assert {name for name, _ in installed} == {name for name, _ in locked} | {"zerokie-action"}
    assert installed >= set(locked)


def test_python_never_checks_bytecode(image: str, workspace: Path) -> None:
    """A run neither compares the bytecode with its source nor compiles it again."""
    look = """
import pathlib, sys, zerokie_action.run, zerokie_action.cleanup
files = [module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)]
print(len(files), {file for file in files if pathlib.Path(file).read_bytes()[4:8] != b"\\1\\0\\0\\0"})
"""
    seen = run(image, "sh", "-c", f"/opt/zerokie/bin/python -I -c '{look}'", env={}, workspace=workspace)
    count, _, checked = seen.log.strip().partition(" ")
    assert int(count) > 300
    assert checked == "set()"


def test_a_build_of_the_archive_has_the_same_layers(image: str, archive: Path) -> None:
    """The same input gives the same bytes, so users don't have to trust the builder.

    GitHub builds the action from an archive without the files that `.gitattributes` excludes.
    """
    assert not (archive / "tests").exists()
    again = f"{image}-again"
    succeed("docker", "build", "--no-cache", "--tag", again, archive)

    def layers(tag: str) -> object:
        return json.loads(succeed("docker", "image", "inspect", tag, "--format", "{{json .RootFS.Layers}}"))

    assert layers(image) == layers(again)
    succeed("make", "--dry-run", "demo", folder=archive)

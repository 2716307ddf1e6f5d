"""What is in the image, and what is not."""

import json
import re
from pathlib import Path

from tests.e2e.conftest import ROOT
from tests.e2e.engine import Image, succeed
from tests.e2e.repository import extract_archive

PACKAGES = "/opt/zerokie/lib/python3.13/site-packages"


def test_the_image_has_the_locked_packages_and_no_others(image: Image, workspace: Path) -> None:
    """The environment holds what requirements.txt lists for this platform, and the action: no pip."""
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    seen = image.run("sh", "-c", f"cd {PACKAGES} && ls -d *.dist-info", env={}, workspace=workspace)
    listed = seen.log.split()
    installed = {tuple(name.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1)) for name in listed}
    assert {name for name, _ in installed} == {name for name, _ in locked} | {"zerokie-action"}
    assert installed >= set(locked)


def test_bytecode_is_never_checked(image: Image, workspace: Path) -> None:
    """Python neither compares what a run loads with its source, nor compiles it again."""
    look = """
import pathlib, sys, zerokie_action.run, zerokie_action.cleanup
files = [module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)]
print(len(files), {file for file in files if pathlib.Path(file).read_bytes()[4:8] != b"\\1\\0\\0\\0"})
"""
    seen = image.run("sh", "-c", f"/opt/zerokie/bin/python -I -c '{look}'", env={}, workspace=workspace)
    count, _, checked = seen.log.strip().partition(" ")
    assert int(count) > 300
    assert checked == "set()"


def build_again(image: Image, folder: Path, *options: str) -> None:
    """Build the image once more. It has the same layers."""
    again = f"{image.tag}-again"
    succeed("docker", "build", *options, "--tag", again, folder)
    layers = [
        succeed("docker", "image", "inspect", tag, "--format", "{{json .RootFS.Layers}}")
        for tag in (image.tag, again)
    ]
    assert json.loads(layers[0]) == json.loads(layers[1])


def test_same_input_gives_the_same_layers(image: Image) -> None:
    """A build from nothing ends in the same bytes: nobody has to trust the builder."""
    build_again(image, ROOT, "--no-cache")


def test_an_archive_has_all_that_is_needed(image: Image, tmp_path: Path) -> None:
    """GitHub builds the action from one, without what `.gitattributes` leaves out; people start there too."""
    extract_archive(ROOT, tmp_path / "action")
    assert not (tmp_path / "action" / "tests").exists()
    build_again(image, tmp_path / "action")
    succeed("make", "--dry-run", "demo", folder=tmp_path / "action")

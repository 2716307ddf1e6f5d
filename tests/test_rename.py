"""The script that gives the repository another owner changes the repository's names, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    *("examples/github/deploy.yml", "examples/gitlab/component.yml", "examples/shell/deploy.sh"),
    *("docs/pictures/summary-dark.png", ".ci/rename.py"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def rename(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / ".ci" / "rename.py"), *arguments]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def changed(checkout: Path) -> dict[str, list[str]]:
    """The lines of each file that are new."""
    diff = subprocess.run(["git", "-C", checkout, "diff", "-U0"], check=True, capture_output=True, text=True)
    files = diff.stdout.split("\n+++ b/")[1:]
    return {
        file.partition("\n")[0]: [line[1:].strip() for line in file.splitlines() if line.startswith("+")]
        for file in files
    }


def test_each_name_gets_its_owner(checkout: Path) -> None:
    """As each place wants it: images in lower case, components with the group."""
    rename(checkout, "Another-Owner-of-old")  # it can be done again
    done = rename(checkout, "Another-Owner", "another/group")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("It can't register the names")
    lines = changed(checkout)
    assert lines.keys() == {*FILES[:3]}
    (action,) = lines["examples/github/deploy.yml"]
    assert action.startswith("uses: Another-Owner/zerokie-action@v1 ")
    assert lines["examples/gitlab/component.yml"] == [
        "- component: $CI_SERVER_FQDN/another/group/zerokie-action/deploy@1"
    ]
    assert all("ghcr.io/another-owner/zerokie-action:1" in line for line in lines["examples/shell/deploy.sh"])

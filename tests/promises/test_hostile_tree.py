"""Malicious folders from a merged change or a fork's artifact.

The inputs are the user's own. `tests/site/test_rules.py` and `test_scan.py` have tables of refused files. The
tests here check that nothing leaks.
"""

from pathlib import Path

import pytest

from tests.support.world import Outcome, World
from zerokie_action.docs import page

SECRET = "hunter2"  # noqa: S105
SECRETS = [
    *(".git/config", ".env", ".npmrc", ".docker/config.json", ".aws/credentials", "gha-creds-0a1b.json"),
    *("public/.env", "../home/.aws/credentials", "../home/site/index.html"),
]


@pytest.fixture(autouse=True)
def work(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout as the runs' working directory, with secrets inside and outside."""
    work = world.folder.parent / "work"
    for path in (*SECRETS, "public/index.html"):
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"token={SECRET}\n" if path in SECRETS else path)
    monkeypatch.chdir(work)
    return work


def require_refused(world: World, words: str, **inputs: object) -> None:
    """Check for exit code 2 and this message, without a write or a leak."""
    outcome = world.run(**inputs)
    assert outcome.exit_code == 2
    assert words in outcome.log
    assert outcome.writes == []
    require_no_leak(world, outcome)


def require_no_leak(world: World, outcome: Outcome) -> None:
    shown = f"{world.stored()} {outcome.log} {outcome.summary} {outcome.outputs}"
    assert SECRET not in shown
    assert "sandbox-key" not in shown


def test_a_directory_behind_a_symlink_publishes_nothing(world: World, work: Path) -> None:
    """The action stops before any request, and shows the path to use instead."""
    Path("out").symlink_to("../home/.aws")
    real = f"'{work.parent}/home/.aws'"
    words = (
        f"leads through a symlink to {real}. If you mean this folder, set {real}: {page('safety-checks.md')}"
    )
    require_refused(world, words, directory="out")
    assert world.platform.requests == []


@pytest.mark.parametrize("target", ["/proc/self/environ", "../.git", ".env"])
def test_a_symlink_in_the_folder_publishes_nothing(world: World, target: str) -> None:
    Path("public/page.html").symlink_to(target)
    require_refused(world, "'page.html' is a symlink", directory="public", ignore="!**")


def test_an_ignore_file_behind_a_symlink_is_not_shown(world: World) -> None:
    """Messages quote invalid patterns, and a symlink could lead to the environment with the key."""
    Path("public/.zerokieignore").symlink_to("/proc/self/environ")
    words = "The ignore file 'public/.zerokieignore' is a symlink. Replace it with a regular file"
    require_refused(world, words, directory="public")


def test_the_folders_ignore_file_cannot_include_secrets(world: World) -> None:
    """Only the input `ignore` can publish a secret, because the folder may come from another person."""
    Path(".zerokieignore").write_text("!.env\n!.git\n!.git/\n!.aws/\n!gha-*\n!*\n!*/\n!**\n!**/.git/**")
    outcome = world.run(directory=".")
    assert outcome.exit_code == 0
    assert world.stored().keys() == {"public/index.html"}
    require_no_leak(world, outcome)

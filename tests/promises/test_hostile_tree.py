"""A tree that means harm: a merged change, or a fork's artifact. The inputs are the user's.

`tests/site/test_rules.py` and `test_scan.py` have what is refused, in rows; here nothing of it leaks.
"""

from pathlib import Path

import pytest

from tests.support.world import Outcome, World

SECRET = "hunter2"  # noqa: S105
SECRETS = [
    *(".git/config", ".env", ".npmrc", ".docker/config.json", ".aws/credentials", "gha-creds-0a1b.json"),
    *("public/.env", "../home/.aws/credentials", "../home/site/index.html"),
]


@pytest.fixture(autouse=True)
def work(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, the working directory of the runs, with secrets in it and beside it."""
    work = world.folder.parent / "work"
    for path in (*SECRETS, "public/index.html"):
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"token={SECRET}\n" if path in SECRETS else path)
    monkeypatch.chdir(work)
    return work


def require_refused(world: World, words: str, **inputs: object) -> None:
    """Exit 2, in these words, without a write; nothing leaks."""
    outcome = world.run(**inputs)
    assert outcome.exit_code == 2
    assert words in outcome.log
    assert outcome.writes == []
    require_no_leak(world, outcome)


def require_no_leak(world: World, outcome: Outcome) -> None:
    shown = f"{world.stored()} {outcome.log} {outcome.summary} {outcome.outputs}"
    assert SECRET not in shown
    assert "sandbox-key" not in shown


def test_a_directory_that_leads_out_through_a_link_publishes_nothing(world: World, work: Path) -> None:
    """It is refused before any request, with the path to write instead."""
    Path("out").symlink_to("../home/.aws")
    real = f"'{work.parent}/home/.aws'"
    words = f"leads through a symlink to {real}. If you mean this folder, set {real}: https://"
    require_refused(world, words, directory="out")
    assert world.platform.requests == []


@pytest.mark.parametrize("target", ["/proc/self/environ", "../.git", ".env"])
def test_a_link_in_the_folder_publishes_nothing(world: World, target: str) -> None:
    Path("public/page.html").symlink_to(target)
    require_refused(world, "'page.html' is a symlink", directory="public", ignore="!**")


def test_an_ignore_file_that_is_a_link_shows_nothing(world: World) -> None:
    """A pattern that was refused was quoted once, and the environment has the key."""
    Path("public/.zerokieignore").symlink_to("/proc/self/environ")
    words = "The ignore file 'public/.zerokieignore' is a symlink. Replace it with a regular file"
    require_refused(world, words, directory="public")


def test_the_trees_ignore_file_brings_no_secret_back(world: World) -> None:
    """The tree's ignore file is the tree's; only the input, which is ours, may publish a secret."""
    Path(".zerokieignore").write_text("!.env\n!.git\n!.git/\n!.aws/\n!gha-*\n!*\n!*/\n!**\n!**/.git/**")
    outcome = world.run(directory=".")
    assert outcome.exit_code == 0
    assert world.stored().keys() == {"public/index.html"}
    require_no_leak(world, outcome)

"""A user's repository, as runners want to see it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.e2e.engine import call

if TYPE_CHECKING:
    from pathlib import Path

_AUTHOR = ("-c", "user.name=e2e", "-c", "user.email=e2e@example.com")


def commit(folder: Path) -> None:
    """Make the folder a repository whose only commit has everything in it."""
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        (*_AUTHOR, "commit", "--quiet", "--message=everything"),
        ("remote", "add", "origin", "git@gitlab.com:example/site.git"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"),
    ):
        done = call("git", *command, folder=folder)
        assert done.code == 0, done.log


def copy_checkout(checkout: Path, folder: Path) -> None:
    """Copy what belongs to a checkout: no environment, no caches."""
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", folder=checkout)
    assert listed.code == 0, listed.log
    names = (name for name in listed.log.split("\0") if (checkout / name).is_file())
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout / name, target)

"""A user's repository, as runners want to see it."""

from __future__ import annotations

import tarfile
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


def extract_archive(checkout: Path, folder: Path) -> None:
    """Extract what GitHub hands out of a commit: here of the last one, with uncommitted changes."""
    stash = call("git", *_AUTHOR, "stash", "create", folder=checkout)
    assert stash.code == 0, stash.log
    archive = folder.with_suffix(".tar")
    command = ("git", "archive", f"--output={archive}", stash.log.strip() or "HEAD")
    made = call(*command, folder=checkout)
    assert made.code == 0, made.log
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")

"""A user's repository, as runners want to see it."""

import tarfile
from pathlib import Path

from tests.e2e.engine import succeed

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
        succeed("git", *command, folder=folder)


def extract_archive(checkout: Path, folder: Path) -> None:
    """Extract what GitHub hands out of a commit: here of the last one, with uncommitted changes."""
    stash = succeed("git", *_AUTHOR, "stash", "create", folder=checkout)
    archive = folder.with_suffix(".tar")
    command = ("git", "archive", f"--output={archive}", stash.strip() or "HEAD")
    succeed(*command, folder=checkout)
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")

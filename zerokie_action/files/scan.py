"""Scans the directory: lists its files with their sizes, and refuses files that can't be deployed.

The scan reads names and metadata, the ignore file, and files that are named like private keys. An entry that
can't be deployed (a link that leaves the directory, a FIFO, an unreadable file, …) is refused before anything
changes on the platform. One error names all refused entries. Ignored entries are not examined.
"""
# os.path returns False for a name that is too long or a directory that can't be entered; pathlib raises.
# ruff: noqa: PTH112

from __future__ import annotations

import errno
import os
import stat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import IGNORE_FILE
from zerokie_action.files.local import LocalFile, holds_private_key, is_addressable
from zerokie_action.files.manifest import MANIFEST_FOLDER
from zerokie_action.files.rules import (
    checkout,
    ignore_file_places,
    is_protected,
    make_rules,
    problem_with_path,
    resolve,
)
from zerokie_action.text import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zerokie_action.files.rules import Rules

_LISTED_PROBLEMS = 20
_MOST_LINKED = 50_000
"""The most entries behind links to directories: links to links multiply."""
_OUTPUT_DIRECTORIES = ("dist", "build", "public", "out", "_site", "site", "www")
"""Usual names of a build tool's output directory."""
_WHOLE_REPOSITORY = (
    "`directory` is the root of a repository, and everything in it that is not ignored is published. Name "
    f"the folder that has the site, or list the rest in {IGNORE_FILE}"
)


class Scan(NamedTuple):
    """The result of a scan.

    Attributes:
        files: the files to deploy, sorted by path; never empty.
        ignored: the number of ignored files and directories; an ignored directory counts once.
        warnings: sentences for the user.
        secrets: the paths that are ignored only because they may be secrets; a directory's path ends in `/`.
        ignore_file: the ignore file; None if there is none.
    """

    files: tuple[LocalFile, ...]
    ignored: int
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ignore_file: Path | None = None

    @property
    def total_bytes(self) -> int:
        """Sum of the sizes of the files, in bytes."""
        return sum(file.size for file in self.files)


def problem_with_directory(directory: str | os.PathLike[str]) -> str:
    """Say why a directory can't be deployed, as words after its name; empty if it can be read."""
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.lexists(directory) else "does not exist"
        if similar := _similar_directories(Path(directory)):
            return f"{what}; did you mean {' or '.join(map(repr, similar))}?"
        return (
            f"{what}; check out the repository and build it before this step, in the same job, or correct "
            "the path (in a container: mount the folder, and write the path as the container sees it)"
        )
    if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        return "cannot be read (Permission denied); make it readable for the user who runs this"
    return problem_with_path(directory, checkout())


def _similar_directories(directory: Path) -> list[str]:
    """The directories in the place of a missing one that have a similar name, or that of a build's output."""
    try:
        others = [place.name for place in directory.parent.iterdir() if place.is_dir()]
    except (OSError, ValueError):
        return []
    names = closest(directory.name, others) or [name for name in _OUTPUT_DIRECTORIES if name in others]
    return [str(directory.parent / name) for name in names]


def scan(
    directory: Path,
    *,
    ignore: Sequence[str] = (),
    ignore_file: Path = IGNORE_FILE,
    exclude: Collection[Path] = (),
) -> Scan:
    """Walk `directory`; runs in the calling thread and may take seconds.

    Args:
        directory: the directory to deploy. Links to places inside the directory are followed.
        ignore: gitignore patterns, applied after the defaults and the ignore file.
        ignore_file: a path in `directory`, or else in the working directory; only the default may be missing.
        exclude: the run's own files, which are never deployed.

    Raises:
        ConfigurationError: when the directory can't be deployed; `problems` has the first twenty problems and
            the number of the others.
    """
    # `validation.check` has checked the directory, but it may be gone by now.
    if problem := problem_with_directory(directory):
        raise ConfigurationError(f"`directory`: {str(directory)!r} {problem}")
    root = resolve(directory)
    rules, problems = make_rules(directory, ignore_file=ignore_file, ignore=ignore)
    walk = _Walk(root, rules, [*exclude, *ignore_file_places(directory, ignore_file)])
    walk.run()
    problems += sorted(walk.problems)
    if not (problems or walk.files):
        problems.append(
            f"`directory`: {str(directory)!r} has nothing to deploy (ignored: {walk.ignored:,}); is it the "
            "right directory, and is it built before this step?"
        )
    if (more := len(problems) - _LISTED_PROBLEMS) > 0:
        problems[_LISTED_PROBLEMS:] = [f"and {more} more"]
    if problems:
        raise ConfigurationError(*problems)
    if rules.file is None and (root / ".git").exists():
        walk.warnings.append(_WHOLE_REPOSITORY)
    return Scan(
        files=tuple(sorted(walk.files, key=attrgetter("path"))),
        ignored=walk.ignored,
        warnings=tuple(walk.warnings),
        secrets=tuple(sorted(walk.secrets)),
        ignore_file=rules.file,
    )


class _Directory(NamedTuple):
    """A directory to visit.

    Attributes:
        prefix: its path on the platform, with a final slash; empty for the scanned directory.
        above: its real path, then the real path of the directory of each link that leads to it.
    """

    prefix: str
    above: tuple[str, ...]


class _Walk:
    """One walk through the directory; it fills `files`, `problems`, `warnings`, `secrets` and `ignored`."""

    def __init__(self, root: Path, rules: Rules, exclude: Collection[Path]) -> None:
        self.files: list[LocalFile] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.secrets: list[str] = []
        self.ignored = 0
        self._root = root
        self._rules = rules
        self._excluded = {os.path.realpath(path) for path in exclude}
        # `realpath` is slow, so names are compared first.
        self._excluded_names = {Path(path).name for path in self._excluded}
        self._pending = [_Directory("", (str(root),))]
        self._linked = 0

    def run(self) -> None:
        """Visit the directory and every directory in it that is not ignored."""
        while self._pending:
            directory = self._pending.pop()
            try:
                with os.scandir(directory.above[0]) as entries:
                    self._visit(entries, directory)
            except OSError as error:
                self._unreadable(directory.prefix[:-1] or ".", error.strerror)

    def _visit(self, entries: Iterable[os.DirEntry[str]], directory: _Directory) -> None:
        for entry in entries:
            self._linked += len(directory.above) > 1
            if self._linked > _MOST_LINKED:
                raise ConfigurationError(
                    f"Links make more than {_MOST_LINKED:,} entries of `directory`; remove links to "
                    "directories that have links, or add them to `ignore`"
                )
            # Names are UTF-8, whatever the locale's encoding; other bytes become surrogates.
            path = directory.prefix + os.fsencode(entry.name).decode("utf-8", "surrogateescape")
            try:
                self._judge(entry, path, directory)
            except OSError as error:
                self._unreadable(path, error.strerror)

    def _judge(self, entry: os.DirEntry[str], path: str, directory: _Directory) -> None:
        if entry.is_symlink() and (problem := self._link_problem(entry, directory)):
            # What the link should be is unknown: a pattern for files and a pattern for directories, such as
            # `node_modules/`, ignore it.
            if not any(
                self._leave_out(entry, path, is_directory=is_directory) for is_directory in (True, False)
            ):
                self._refuse(path, problem)
            return
        is_directory = entry.is_dir()
        if self._leave_out(entry, path, is_directory=is_directory):
            return
        if not is_addressable(path):
            self._refuse(path, "has a name that is not UTF-8", fix="rename it")
        elif not is_directory:
            self._add_file(entry, path)
        elif path + "/" == MANIFEST_FOLDER:
            self.warnings.append(
                f"{path!r} is not deployed: the platform has this action's manifest in a folder of that name"
            )
        elif entry.is_symlink():
            self._pending.append(_Directory(path + "/", (os.path.realpath(entry.path), *directory.above)))
        else:
            self._pending.append(_Directory(path + "/", (entry.path, *directory.above[1:])))

    def _link_problem(self, entry: os.DirEntry[str], directory: _Directory) -> str:
        """Return the problem of a symbolic link, or an empty text."""
        try:
            target = os.path.realpath(entry.path, strict=True)
        except OSError as error:
            return f"is a broken symbolic link (to {str(Path(entry.path).readlink())!r}: {error.strerror})"
        if not Path(target).is_relative_to(self._root):
            return f"is a symbolic link that leaves the directory (to {target!r})"
        if any(f"{above}/".startswith(f"{target}/") for above in directory.above):
            return "is a symbolic link to a directory that contains it"
        return ""

    def _leave_out(self, entry: os.DirEntry[str], path: str, *, is_directory: bool) -> bool:
        """Leave out an ignored entry, or one of the run's own files; return whether the entry is such."""
        rules = self._rules
        left_out = rules.patterns.match_entry(path, is_directory=is_directory)
        secret = left_out and not rules.without_secrets.match_entry(path, is_directory=is_directory)
        is_link = entry.is_symlink()
        if not left_out and (is_link or entry.name in self._excluded_names):
            target = Path(os.path.realpath(entry.path))
            secret = (
                is_link
                and is_protected(target, self._root)
                and not rules.input.includes(path, is_directory=is_directory)
            )
            left_out = secret or str(target) in self._excluded
        if secret:
            self.secrets.append(f"{path}/" if is_directory else path)
        self.ignored += left_out
        return left_out

    def _add_file(self, entry: os.DirEntry[str], path: str) -> None:
        status = entry.stat()
        file = LocalFile(path, str(self._root), status.st_size, status.st_mtime_ns)
        if not stat.S_ISREG(status.st_mode):
            self._refuse(path, "is not a regular file")
        elif not os.access(entry.path, os.R_OK, effective_ids=True):
            self._unreadable(path, os.strerror(errno.EACCES))
        elif self._is_secret_key(file, entry):
            self._refuse(path, "holds a private key", more=" (`!` before its path in the input publishes it)")
        else:
            self.files.append(file)

    def _is_secret_key(self, file: LocalFile, entry: os.DirEntry[str]) -> bool:
        real_path = os.path.realpath(entry.path) if entry.is_symlink() else file.path
        return holds_private_key(file, real_path) and not self._rules.input.includes(
            file.path, is_directory=False
        )

    def _unreadable(self, path: str, why: str | None) -> None:
        self._refuse(path, f"cannot be read ({why})", fix="make it readable")

    def _refuse(self, path: str, what: str, *, fix: str = "remove it", more: str = "") -> None:
        name = path if is_addressable(path) else path.encode("utf-8", "surrogateescape")
        self.problems.append(f"{name!r} {what}; {fix} or add it to `ignore`{more}")

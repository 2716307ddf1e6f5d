"""Scans the directory: lists its files with their sizes, and refuses files that can't be deployed.

The scan reads names and metadata, the ignore file, and files that are named like private keys. An entry that
can't be deployed (a link that leaves the directory, a FIFO, an unreadable file, …) is refused before anything
changes on the platform. One error names all refused entries. Ignored entries are not examined.
"""
# os.path and glob find nothing where a name is too long or a directory can't be entered; pathlib raises.
# ruff: noqa: PTH110, PTH112, PTH113, PTH207

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from glob import glob
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import IGNORE_FILE, Patterns
from zerokie_action.files.local import LONGEST_PATH, LocalFile, holds_private_key, is_addressable
from zerokie_action.files.manifest import MANIFEST_FOLDER
from zerokie_action.files.project import PACKAGE, find_built_site
from zerokie_action.files.rules import (
    PROTECTED,
    PROTECTED_NAMES,
    UNWANTED,
    ignore_file_places,
    problem_with_path,
    read_ignore_file,
    resolve,
)
from zerokie_action.text import shorten

_LISTED_PROBLEMS = 20
_SHOWN_PATH = 200
"""Characters of a path that no URL can name; it may be long."""
_MOST_LINKED = 50_000
"""The most entries behind links to directories: links to links multiply."""
_OUTPUT_DIRECTORIES = ("dist", "build", "public", "out", "_site", "site", "www")
"""Usual names of a build tool's output directory."""
_WHOLE_REPOSITORY = (
    "`directory` is the root of a repository, and everything in it that is not ignored is published. Name "
    f"the folder that has the site, or list the rest in {IGNORE_FILE}"
)


@dataclass
class Scan:
    """The result of a scan.

    Attributes:
        directory: the scanned directory, as it was named.
        ignore_file: the ignore file; None if there is none.
        files: the files to deploy, sorted by path; never empty.
        ignored: the number of ignored files and directories; an ignored directory counts once.
        secrets: the ignored paths that have a protected name; a directory's path ends in `/`.
        warnings: sentences for the user.
    """

    directory: Path
    ignore_file: Path | None
    files: list[LocalFile] = field(default_factory=list)
    ignored: int = 0
    secrets: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def problem_with_directory(directory: str | os.PathLike[str]) -> str:
    """Why a directory can't be deployed, as words after its name; empty if it can be read."""
    if os.path.isfile(directory):
        return "is a file; name the folder that has the site (an archive has to be unpacked first)"
    if not os.path.isdir(directory):
        fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
        if similar := _similar_directories(Path(directory)):
            return f"does not exist; {fix}: did you mean {' or '.join(map(repr, similar))}?"
        in_container = "mount the folder, and write the path as the container sees it"
        return f"does not exist; {fix} (in a container: {in_container})"
    if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        return "cannot be read (Permission denied); make it readable for the user who runs this"
    return problem_with_path(directory, tree=Path(directory, ".."))


def _similar_directories(directory: Path) -> list[str]:
    """The directories in the place of a missing one that have a similar name, or that of a build's output.

    Beside a `package.json`, `public` often has a project's own assets.
    """
    parent = directory.parent
    unlikely = "public" if os.path.exists(parent / PACKAGE) else ""
    others = {name.rstrip("/") for name in glob("*/", root_dir=parent)} - {unlikely}
    usual = [name for name in _OUTPUT_DIRECTORIES if name in others]
    return [str(parent / name) for name in get_close_matches(directory.name, sorted(others)) or usual]


def scan(directory: Path, ignore: Sequence[str], ignore_file: Path, exclude: Iterable[Path]) -> Scan:
    """Walk `directory`; runs in the calling thread and may take seconds.

    Args:
        directory: the directory to deploy. Links to places inside the directory are followed.
        ignore: gitignore patterns, applied after the defaults and the ignore file.
        ignore_file: a path in `directory`, or else in the working directory; it may be missing.
        exclude: the run's own files, which are never deployed.

    Raises:
        ConfigurationError: when the directory can't be deployed; `args` has the first twenty problems and
            the number of the others.
    """
    # `validation.check` has checked the directory, but a second scan may find it gone.
    if problem := problem_with_directory(directory):
        raise ConfigurationError(f"`directory`: {str(directory)!r} {problem}")
    root = resolve(directory)
    location, patterns, problems = read_ignore_file(directory, ignore_file)
    result = Scan(directory, location)
    rules = Patterns((*UNWANTED, *patterns, *PROTECTED, *ignore))
    excluded = {os.path.realpath(path) for path in (*exclude, *ignore_file_places(directory, ignore_file))}
    walk = _Walk(result, root, rules, Patterns(ignore), excluded)
    walk.run()
    problems += sorted(walk.problems)
    site = find_built_site({file.path for file in result.files})
    if site and not walk.input.includes(PACKAGE, is_directory=False):
        problems.append(
            f"`directory`: {str(directory)!r} is a project, not a site: it has a {PACKAGE}, and {site!r} "
            f"has an index.html; name the directory that the build writes, perhaps `directory: "
            f"{directory / site}` (`!{PACKAGE}` in the input `ignore` publishes the project)"
        )
    if not (problems or result.files):
        problems.append(
            f"`directory`: {str(directory)!r} has nothing to deploy (ignored: {result.ignored:,}); is it the "
            "right directory, and is it built before this step?"
        )
    if (more := len(problems) - _LISTED_PROBLEMS) > 0:
        problems[_LISTED_PROBLEMS:] = [f"and {more} more"]
    if problems:
        raise ConfigurationError(*problems)
    if location is None and (root / ".git").exists():
        result.warnings.append(_WHOLE_REPOSITORY)
    result.files.sort(key=attrgetter("path"))
    result.secrets.sort()
    return result


class _Directory(NamedTuple):
    """A directory to visit.

    Attributes:
        prefix: its path on the platform, with a final slash; empty for the scanned directory.
        above: its real path, then the real path of the directory of each link that leads to it.
    """

    prefix: str
    above: tuple[str, ...]


@dataclass
class _Walk:
    """One walk through the directory; it fills `result` and `problems`.

    Attributes:
        result: gets the files.
        root: the real path of the directory.
        patterns: the patterns of ignored entries.
        input: the patterns of the input `ignore` alone.
        excluded: the real paths of files that are never deployed.
        problems: a sentence for each entry that can't be deployed.
        linked: the number of entries behind links to directories.
        pending: the directories to visit.
    """

    result: Scan
    root: Path
    patterns: Patterns
    input: Patterns
    excluded: set[str]
    problems: list[str] = field(default_factory=list)
    linked: int = 0
    pending: list[_Directory] = field(default_factory=list)

    def run(self) -> None:
        """Visit every entry of the directory that is not in an ignored directory."""
        self.pending.append(_Directory("", (str(self.root),)))
        while self.pending:
            directory = self.pending.pop()
            try:
                with os.scandir(directory.above[0]) as entries:
                    for entry in entries:
                        self._visit(entry, directory)
            except OSError as error:
                what = f"or something in it cannot be read ({error.strerror})"
                self.refuse(directory.prefix[:-1] or ".", what, fix="make it readable")

    def _visit(self, entry: os.DirEntry[str], directory: _Directory) -> None:
        self.linked += len(directory.above) > 1
        if self.linked > _MOST_LINKED:
            raise ConfigurationError(
                f"Links make more than {_MOST_LINKED:,} entries of `directory`; remove links to "
                "directories that have links, or add them to `ignore`"
            )
        path = directory.prefix + _decoded(entry.name)
        is_link = entry.is_symlink()
        target = os.path.realpath(entry.path) if is_link else entry.path
        link_problem = self._link_problem(entry.path, target, directory) if is_link else ""
        is_linked = not link_problem and (is_link or len(directory.above) > 1)
        own_path = _decoded(os.path.relpath(target, self.root)) if is_linked else path
        # Nobody knows what a link with a problem should be: a pattern for directories ignores it as well.
        is_directory = bool(link_problem) or entry.is_dir()
        if self._is_left_out(entry, path, target, own_path, is_directory=is_directory):
            self.result.ignored += 1
        elif link_problem:
            self.refuse(path, link_problem)
        elif not is_addressable(path):
            what = f"has a path that is not UTF-8, or longer than {LONGEST_PATH:,} bytes"
            self.refuse(shorten(path, _SHOWN_PATH), what, fix="rename it")
        elif not os.access(entry.path, os.R_OK | (os.X_OK if is_directory else 0), effective_ids=True):
            self.refuse(path, "cannot be read (Permission denied)", fix="make it readable")
        elif not is_directory:
            self._add_file(entry, path, target)
        elif path + "/" == MANIFEST_FOLDER:
            self.result.warnings.append(
                f"{path!r} is not deployed: the platform has this action's manifest in a folder of that name"
            )
        else:
            above = directory.above if is_link else directory.above[1:]
            self.pending.append(_Directory(path + "/", (target, *above)))

    def _link_problem(self, link: str, target: str, directory: _Directory) -> str:
        """Why a symbolic link can't be deployed; empty if it can."""
        if not os.path.exists(link):
            return f"is a broken symbolic link (to {target!r})"
        if not Path(target).is_relative_to(self.root):
            return f"is a symbolic link that leaves the directory (to {target!r})"
        if any(f"{above}/".startswith(f"{target}/") for above in directory.above):
            return "is a symbolic link to a directory that contains it"
        return ""

    def _is_left_out(
        self, entry: os.DirEntry[str], path: str, target: str, own_path: str, *, is_directory: bool
    ) -> bool:
        """Whether the entry is ignored, or one of the run's own files; notes a protected name.

        `own_path` is the path without links: a link must not publish what the input ignores, or what has a
        protected name, under another name.
        """
        is_ignored = self.patterns.match_entry(path, is_directory=is_directory)
        is_secret = is_ignored and PROTECTED_NAMES.match_entry(path, is_directory=is_directory)
        if own_path != path and not self.input.includes(path, is_directory=is_directory):
            if entry.is_symlink():
                is_secret |= PROTECTED_NAMES.match_path(own_path, is_directory=is_directory)
                is_ignored |= self.input.match_path(own_path, is_directory=is_directory)
            else:  # the link was judged with the directories above what it leads to
                is_ignored |= self.input.match_entry(own_path, is_directory=is_directory)
        if is_secret:
            self.result.secrets.append(f"{path}/" if is_directory else path)
        return is_ignored or is_secret or target in self.excluded

    def _add_file(self, entry: os.DirEntry[str], path: str, target: str) -> None:
        status = entry.stat()
        file = LocalFile(path, str(self.root), status.st_size, status.st_mtime_ns)
        if not entry.is_file():
            self.refuse(path, "is not a regular file")
        elif holds_private_key(file, target) and not self.input.includes(path, is_directory=False):
            fix = f"remove it, or write `/{path}` into `ignore` (`!/{path}` publishes it)"
            self.problems.append(f"{path!r} holds a private key; {fix}")
        else:
            self.result.files.append(file)

    def refuse(self, path: str, what: str, *, fix: str = "remove it") -> None:
        """Note a problem."""
        self.problems.append(f"{path!r} {what}; {fix} or add it to `ignore`")


def _decoded(name: str) -> str:
    """A name or path as UTF-8, whatever the locale's encoding; other bytes become surrogates."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")

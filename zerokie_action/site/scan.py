"""Scans the directory: lists its files with their sizes, and refuses files that can't be deployed.

The scan reads names and metadata, the ignore file, files that are named like private keys, and the front page
beside a project's file. An entry that can't be deployed (a link, a FIFO, an unreadable file, …) is refused
before anything changes on the platform. One error names all of them. Ignored entries are not examined.
"""
# os.path and glob find nothing where a name is too long or a directory can't be entered; pathlib raises.
# ruff: noqa: PTH112, PTH113, PTH207

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import glob
from operator import attrgetter
from pathlib import Path

from zerokie_action.errors import ConfigurationError
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import LONGEST_PATH, LocalFile, is_addressable, is_private_key, read_start
from zerokie_action.site.rules import (
    FOR_OTHER_HOSTS,
    FRONT_PAGE,
    MANIFEST_FOLDER,
    PROJECT_FILES,
    PROTECTED,
    PROTECTED_NAMES,
    UNWANTED,
    find_built_site,
    output_directories,
    problem_with_path,
    read_ignore_file,
    resolve,
    why_not_built,
)
from zerokie_action.text.numbers import human_paths

_LISTED_PROBLEMS = 20
_FRONT_PAGE_START = 64 * 1024
"""The bytes of a front page that tell whether it is built."""


@dataclass
class Scan:
    """The result of a scan.

    Attributes:
        directory: the scanned directory, as it was named.
        ignore_file: the ignore file; None if there is none.
        files: the files to deploy, sorted by path; never empty.
        ignored: the number of ignored files and directories; an ignored directory counts once.
        secrets: the ignored paths whose names look like secrets, sorted.
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
    try:
        os.getcwd()  # noqa: PTH109 - of a directory that is gone, `stat` still finds `.`
    except FileNotFoundError:
        return "can't be deployed: the working directory of this run is gone; start the run in another one"
    if os.path.isfile(directory):
        return "is a file; name the folder that has the site (an archive has to be unpacked first)"
    if not os.path.isdir(directory):
        fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
        if built := _built_directories(Path(directory).parent):
            return f"does not exist; {fix}: did you mean {' or '.join(map(repr, built))}?"
        in_container = "mount the folder, and write the path as the container sees it"
        return f"does not exist; {fix} (in a container: {in_container})"
    return problem_with_path(directory, tree=Path(directory, ".."))


def _built_directories(parent: Path) -> list[str]:
    """The directories in `parent` that have the name of a build's output."""
    places = [parent / name for name in output_directories(glob("*", root_dir=parent))]
    return [str(place) for place in places if os.path.isdir(place)]


def scan(directory: Path, ignore: Sequence[str], exclude: Iterable[Path]) -> Scan:
    """Walk `directory`; runs in the calling thread and may take seconds.

    Args:
        directory: the directory to deploy.
        ignore: gitignore patterns, applied after the defaults and the ignore file.
        exclude: the run's own files, which are never deployed.

    Raises:
        ConfigurationError: when the directory can't be deployed; `args` has the first twenty problems and
            the number of the others.
    """
    root = resolve(directory)
    location, patterns, problems = read_ignore_file(directory)
    result = Scan(directory, location)
    rules = Patterns((*UNWANTED, *patterns, *PROTECTED, *ignore))
    excluded = {os.path.realpath(path) for path in (*exclude, *([location] if location else []))}
    walk = _Walk(result, root, rules, Patterns(ignore), excluded)
    walk.run()
    problems += sorted(walk.problems)
    if problem := _problem_with_project(result, walk):
        problems.append(f"`directory`: {str(directory)!r} {problem}")
    if not (problems or result.files):
        problems.append(
            f"`directory`: {str(directory)!r} has nothing to deploy (ignored: {result.ignored:,}); is it the "
            "right directory, and is it built before this step?"
        )
    if (more := len(problems) - _LISTED_PROBLEMS) > 0:
        problems[_LISTED_PROBLEMS:] = [f"and {more} more"]
    if problems:
        raise ConfigurationError(*problems)
    others = sorted(file.path for file in result.files if file.path.rpartition("/")[2] in FOR_OTHER_HOSTS)
    if others:
        result.warnings.append(
            f"{human_paths(others)}: files with such names configure other hosts; they have no effect here, "
            "and are published as they are, with the passwords that one may hold"
        )
    result.files.sort(key=attrgetter("path"))
    result.secrets.sort()
    return result


def _problem_with_project(result: Scan, walk: "_Walk") -> str:
    """Why the directory is a project and no site, as words after its name; empty if it is a site."""
    paths = {file.path for file in result.files}
    found = [name for name in sorted(PROJECT_FILES & paths) if not walk.publishes(name)]
    why = found and why_not_built(walk.front_page)
    if not why:
        return ""
    site = find_built_site(paths)
    fix = (
        f"name the built site, perhaps `directory: {result.directory / site}`"
        if site
        else "build it before this step, and name the directory that the build writes"
    )
    patterns = ", ".join(f"`!/{name}`" for name in found)
    return (
        f"is a project, not a site: it has {', '.join(found)} and {why}; {fix} ({patterns} in the input "
        "`ignore` publishes the project)"
    )


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
        front_page: the begin of the front page; None if there is none.
    """

    result: Scan
    root: Path
    patterns: Patterns
    input: Patterns
    excluded: set[str]
    problems: list[str] = field(default_factory=list)
    front_page: bytes | None = None

    def run(self) -> None:
        """Visit every entry of the directory that is not in an ignored directory."""
        pending = [(str(self.root), "")]
        while pending:
            directory, prefix = pending.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        path = prefix + _decoded(entry.name)
                        if self._visit(entry, path):
                            pending.append((entry.path, f"{path}/"))
            except OSError as error:
                what = f"or something in it cannot be read ({error.strerror})"
                self.refuse(prefix[:-1] or str(self.result.directory), what, fix="make it readable")

    def _visit(self, entry: os.DirEntry[str], path: str) -> bool:
        """Add or refuse an entry; return whether it is a directory to visit."""
        is_link, is_directory = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
        # Nobody knows what a link should be: a pattern for directories ignores it as well.
        may_be_directory = is_directory or is_link
        if self.patterns.match_entry(path, is_directory=may_be_directory) or entry.path in self.excluded:
            self.result.ignored += 1
            if PROTECTED_NAMES.match_entry(path, is_directory=may_be_directory):
                self.result.secrets.append(path)
        elif is_link:
            self._refuse_link(entry, path)
        elif not is_addressable(path):
            what = f"has a path that is not UTF-8, or longer than {LONGEST_PATH:,} bytes"
            self.refuse(path, what, fix="rename it")
        elif not os.access(entry.path, os.R_OK | (os.X_OK if is_directory else 0), effective_ids=True):
            self.refuse(path, "cannot be read (Permission denied)", fix="make it readable")
        elif not is_directory:
            self._add_file(entry, path)
        elif path + "/" == MANIFEST_FOLDER:
            self.result.warnings.append(
                f"{path!r} is not deployed: the platform has this action's manifest in a folder of that name"
            )
        else:
            return True
        return False

    def _refuse_link(self, entry: os.DirEntry[str], path: str) -> None:
        """Refuse a link, wherever it leads: whoever wrote the tree has chosen that place."""
        target = os.path.realpath(entry.path)
        if Path(target).is_relative_to(self.root):
            self.refuse(path, f"is a symbolic link (to {target!r})", fix="let the build put a copy there")
        else:
            self.refuse(path, f"is a symbolic link that leaves the directory (to {target!r})")

    def _add_file(self, entry: os.DirEntry[str], path: str) -> None:
        status = entry.stat(follow_symlinks=False)
        file = LocalFile(path, str(self.root), status.st_size, status.st_mtime_ns)
        if not entry.is_file(follow_symlinks=False):
            self.refuse(path, "is not a regular file")
        elif is_private_key(file) and not self.publishes(path):
            fix = f"remove it, or write `/{path}` into `ignore` (`!/{path}` publishes it)"
            self.problems.append(f"{path!r} holds a private key, by its content or its name; {fix}")
        else:
            self.result.files.append(file)
            if path == FRONT_PAGE:
                self.front_page = read_start(file, _FRONT_PAGE_START)

    def publishes(self, path: str) -> bool:
        """Whether the input `ignore` lets a file through by `!`."""
        return self.input.includes(path)

    def refuse(self, path: str, what: str, *, fix: str = "remove it") -> None:
        """Note a problem."""
        self.problems.append(f"{path!r} {what}; {fix} or add it to `ignore`")


def _decoded(name: str) -> str:
    """A name or path as UTF-8, whatever the locale's encoding; other bytes become surrogates."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")

"""The scan of the local folder before anything changes.

It finds the files to deploy, and refuses entries that can't or must not be deployed, such as symlinks,
special files and private keys. One error lists them all, so that users can fix them together. Ignored entries
aren't examined.
"""
# os.path and glob find nothing for a name that is too long or a folder that isn't accessible. pathlib raises.
# ruff: noqa: PTH112, PTH113, PTH207

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import glob
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError
from zerokie_action.site.ignore import Patterns, compiled
from zerokie_action.site.local import LONGEST_PATH, LocalFile, is_addressable, is_private_key, read_start
from zerokie_action.site.rules import (
    FOR_OTHER_HOSTS,
    FRONT_PAGE,
    MANIFEST_FOLDER,
    PROJECT_FILES,
    PROTECTED,
    SECRETS,
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
"""The number of bytes at the start of a front page that show whether it is built."""
_ENTRIES = "safety-checks.md#checks-of-the-folder"
_CORRECT_IGNORE_FILE = ("Correct the ignore file", "inputs.md#how-to-write-values")
_MAKE_READABLE = ("Make the files readable, or add them to `ignore`", _ENTRIES)
_RENAME = ("Rename the files, or add them to `ignore`", _ENTRIES)
_REMOVE_SPECIAL_FILES = ("Remove the special files, or add them to `ignore`", _ENTRIES)
_SYMLINK = "safety-checks.md#symlink"
_COPY_TARGETS = ("Let the build copy files instead of symlinks, or add the symlinks to `ignore`", _SYMLINK)
_REMOVE_SYMLINKS = ("Remove the symlinks that leave the folder, or add them to `ignore`", _SYMLINK)
_REMOVE_KEYS = (
    "Remove the private keys, or add them to `ignore` as `/path/to/file` (`!/path/to/file` publishes one)",
    "safety-checks.md#private-key",
)
_FILL_FOLDER = (
    "Build the site before this step, correct `directory`, or check your ignore patterns",
    "safety-checks.md#empty-folder",
)


class Problem(NamedTuple):
    """A reason why the folder can't be deployed.

    Attributes:
        text: the reason, as a sentence without its full stop.
        fix: how to correct all problems of this kind, as a sentence without its full stop.
        page: the section about it in the documents.
    """

    text: str
    fix: str
    page: str


@dataclass
class Scan:
    """The result of a scan.

    Attributes:
        directory: the scanned folder, as the user wrote it.
        ignore_file: the ignore file; None if there is none.
        files: the files to deploy, sorted by path; never empty.
        ignored: the number of ignored entries; an ignored folder is one entry.
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
    """Return why a folder can't be deployed, as words after its name; empty if it can."""
    if os.path.isfile(directory):
        return "is a file. Set the folder that contains the site (unpack an archive first)"
    if not os.path.isdir(directory):
        fix = "Between checkout and this step, build it or download its artifact, or correct the path"
        if built := _built_directories(Path(directory).parent):
            return f"doesn't exist. {fix}, perhaps to {' or '.join(map(repr, built))}"
        return f"doesn't exist. {fix} (in a container, mount the folder and write its path there)"
    return problem_with_path(directory, tree=Path(directory, ".."))


def _built_directories(parent: Path) -> list[str]:
    """Return the folders in `parent` that have the usual name of a build's output."""
    places = [parent / name for name in output_directories(glob("*", root_dir=parent))]
    return [str(place) for place in places if os.path.isdir(place)]


def scan(directory: Path, ignore: Sequence[str], exclude: Iterable[Path]) -> Scan:
    """Return the files to deploy. This blocks the calling thread, perhaps for seconds.

    Args:
        directory: the folder to deploy.
        ignore: gitignore patterns, applied after the defaults and the ignore file.
        exclude: the run's own files, which are never deployed.

    Raises:
        ConfigurationError: if the folder can't be deployed. The error has the first twenty problems, the
            number of the others, and one fix for each kind.
    """
    root = resolve(directory)
    location, patterns, ignore_file_problems = read_ignore_file(directory)
    result = Scan(directory, location)
    rules = Patterns((*UNWANTED, *patterns, *PROTECTED, *ignore))
    excluded = {os.path.realpath(path) for path in (*exclude, *([location] if location else []))}
    walk = _Walk(result, root, rules, Patterns(ignore), excluded)
    walk.run()
    problems = [Problem(text, *_CORRECT_IGNORE_FILE) for text in ignore_file_problems]
    problems += sorted(walk.problems)
    if project := _problem_with_project(result, walk):
        problems.append(project)
    if not (problems or result.files):
        text = f"`directory`: {str(directory)!r} contains nothing to deploy ({result.ignored:,} ignored)"
        problems.append(Problem(text, *_FILL_FOLDER))
    if problems:
        texts, fixes, pages = (list(dict.fromkeys(column)) for column in zip(*problems, strict=True))
        if (more := len(texts) - _LISTED_PROBLEMS) > 0:
            texts[_LISTED_PROBLEMS:] = [f"and {more} more"]
        raise ConfigurationError(*texts, hint=f"{'. '.join(fixes)}: {' and '.join(map(page, pages))}")
    others = sorted(file.path for file in result.files if file.path.rpartition("/")[2] in FOR_OTHER_HOSTS)
    if others:
        result.warnings.append(
            f"Publishing files that configure other hosts: {human_paths(others)}. They have no effect here "
            "and may contain passwords"
        )
    result.files.sort(key=attrgetter("path"))
    result.secrets.sort()
    return result


def _problem_with_project(result: Scan, walk: "_Walk") -> Problem | None:
    """Return the problem if the folder is a project instead of a built site."""
    paths = {file.path for file in result.files}
    found = [name for name in sorted(PROJECT_FILES & paths) if not walk.input.includes(name)]
    why = found and why_not_built(walk.front_page)
    if not why:
        return None
    site = find_built_site(paths)
    fix = (
        f"Set `directory` to the built site, perhaps `directory: {result.directory / site}`."
        if site
        else "Build the site before this step, and set `directory` to the build's output."
    )
    patterns = ", ".join(f"`!/{name}`" for name in found)
    return Problem(
        f"`directory`: {str(result.directory)!r} is a project, not a built site, because it has "
        f"{', '.join(found)} and {why}",
        f"{fix} To publish the project itself, add {patterns} to the input `ignore`",
        "safety-checks.md#project",
    )


@dataclass
class _Walk:
    """One walk through the folder, which fills `result` and `problems`.

    Attributes:
        result: the scan that gets the files.
        root: the real path of the folder.
        patterns: all patterns of ignored entries.
        input: the patterns of the input `ignore`. Its `!` patterns publish keys and projects.
        excluded: the real paths of files that are never deployed.
        problems: the entries that can't be deployed.
        front_page: the start of the front page; None if there is none.
    """

    result: Scan
    root: Path
    patterns: Patterns
    input: Patterns
    excluded: set[str]
    problems: list[Problem] = field(default_factory=list)
    front_page: bytes | None = None

    def run(self) -> None:
        """Visit every entry that isn't in an ignored folder."""
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
                what = f"or something in it can't be read ({error.strerror})"
                self.refuse(prefix[:-1] or str(self.result.directory), what, _MAKE_READABLE)

    def _visit(self, entry: os.DirEntry[str], path: str) -> bool:
        """Add or refuse an entry, and return whether it is a folder to visit."""
        is_link, is_directory = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
        # A symlink may stand for a folder, so a pattern for folders ignores it too.
        may_be_directory = is_directory or is_link
        if self.patterns.match_entry(path, is_directory=may_be_directory) or entry.path in self.excluded:
            self.result.ignored += 1
            if compiled(SECRETS).match_entry(path, is_directory=may_be_directory):
                self.result.secrets.append(path)
        elif is_link:
            self._refuse_link(entry, path)
        elif not is_addressable(path):
            what = f"has a path that isn't UTF-8 or is longer than {LONGEST_PATH:,} bytes"
            self.refuse(path, what, _RENAME)
        elif not os.access(entry.path, os.R_OK | (os.X_OK if is_directory else 0), effective_ids=True):
            self.refuse(path, "can't be read (Permission denied)", _MAKE_READABLE)
        elif not is_directory:
            self._add_file(entry, path)
        elif path + "/" == MANIFEST_FOLDER:
            self.result.warnings.append(
                f"Skipping {path!r}, because this action keeps its manifest in the remote folder of that name"
            )
        else:
            return True
        return False

    def _refuse_link(self, entry: os.DirEntry[str], path: str) -> None:
        """Refuse a symlink, wherever it leads, because the folder's author chose the target."""
        target = os.path.realpath(entry.path)
        if Path(target).is_relative_to(self.root):
            self.refuse(path, f"is a symlink (to {target!r})", _COPY_TARGETS)
        else:
            self.refuse(path, f"is a symlink that leaves the folder (to {target!r})", _REMOVE_SYMLINKS)

    def _add_file(self, entry: os.DirEntry[str], path: str) -> None:
        status = entry.stat(follow_symlinks=False)
        file = LocalFile(path, str(self.root), status.st_size, status.st_mtime_ns)
        if not entry.is_file(follow_symlinks=False):
            self.refuse(path, "isn't a regular file", _REMOVE_SPECIAL_FILES)
        elif is_private_key(file) and not self.input.includes(path):
            self.refuse(path, "contains a private key, by its content or name", _REMOVE_KEYS)
        else:
            self.result.files.append(file)
            if path == FRONT_PAGE:
                self.front_page = read_start(file, _FRONT_PAGE_START)

    def refuse(self, path: str, what: str, fix: tuple[str, str]) -> None:
        """Add the problem with an entry."""
        self.problems.append(Problem(f"{path!r} {what}", *fix))


def _decoded(name: str) -> str:
    """Return a name decoded as UTF-8, with surrogates for other bytes. The locale doesn't matter."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")

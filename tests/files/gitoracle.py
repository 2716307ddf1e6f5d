"""What git itself says about ignore patterns, as the reference for ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}

# Everything that a glob is made of, whole and broken, and the names in `trees` to use it on.
_PIECES = (
    *("a", "b", "ab", "foo", "keep.d", ".d", "a b", "A"),
    *("*", "**", "***", "?", "/", "/", "**/", "/**", "/**/", "*.d"),
    *("!", "#", "-", " ", "\t", ".", "\\", "\\/", "\\*", "\\?", "\\[", "\\ ", "\\!", "\\#", "\\a"),
    *("[ab]", "[!b]", "[^a]", "[a-f]", "[f-a]", "[z-ab]", "[a-]", "[-a]", "[]a]", "[!]a]", "[a/]", "[!/]"),
    *("[\\]a]", "[\\a-c]", "[a-\\c]", "[a-c-e]", "[[:alpha:]]", "[![:punct:]]", "[[:alpha:]-z]"),
    *("[[:foo:]]", "[[:]", "[:a]", "[[:a]", "[", "[a", "[!"),
)
_NAMES = (
    *("a", "b", "ab", "foo", "foo.d", "keep.d", "A", "c"),
    *("a b", "-", "]", "[x]", "!a", "#a", "a*", "a\\b", "b\n"),
)

# Many versions of git read `foo**/bar` as `foo` followed by `**/bar`, against their own manual: a mistake
# in a shortcut for patterns that begin with plain text (git's list, October 2025).
_MISREAD_BY_GIT = re.compile(r"!?[^*?\[\\]*[^*?\[\\/]\*\*")

patterns = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(("", "", "", "!", "/")),
        st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map("".join),
        st.sampled_from(("", "", "/", " ", "\r")),
    ).filter(lambda line: not _MISREAD_BY_GIT.match(line)),
    max_size=5,
)
paths = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4).map("/".join)


def tree(candidates: Iterable[str]) -> list[str]:
    """Return the candidates that can be files at the same time: none is a folder of another."""
    folders = {path[:i] for path in candidates for i, char in enumerate(path) if char == "/"}
    return sorted(set(candidates) - folders)


trees = st.lists(paths, min_size=1, max_size=12).map(tree)


def write_tree(root: Path, files: Iterable[str]) -> None:
    for file in files:
        target = root / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file)


@dataclass(frozen=True)
class Git:
    """A repository whose work tree is wherever a test needs it."""

    program: str
    git_dir: Path

    @classmethod
    def create(cls, folder: Path) -> Git | None:
        """Make a repository; None where git is not installed."""
        program = shutil.which("git")
        if program is None:
            return None
        subprocess.run((program, "init", "-q", "--bare", folder), env=_GIT_ENVIRONMENT, check=True)
        return cls(program, folder)

    def ignored(self, root: Path, lines: Sequence[str], files: Sequence[str]) -> set[str]:
        """Which of the files in `root` git ignores when these lines are its ignore file."""
        excludes = self.git_dir / "excludes"
        excludes.write_bytes("".join(f"{line}\n" for line in lines).encode())
        repository = (
            f"--git-dir={self.git_dir}",
            f"--work-tree={root}",
            "-c",
            f"core.excludesFile={excludes}",
        )
        answer = subprocess.run(
            (self.program, *repository, "check-ignore", "-z", "--stdin", "--no-index"),
            input="".join(f"{file}\0" for file in files).encode(),
            env=_GIT_ENVIRONMENT,
            cwd=root,
            stdout=subprocess.PIPE,
            check=False,  # 1 says that nothing is ignored
        )
        assert answer.returncode in {0, 1}
        return set(answer.stdout.decode().split("\0")) - {""}

"""Git's own matching of ignore patterns, as a reference for the tests."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from hypothesis import strategies as st

_GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}

# Ordinary patterns, valid and invalid pieces of patterns, any characters, and names to match.
_ORDINARY = (
    *("a", "b", "ab", "foo", "keep.d", ".d"),
    *("*", "*", "**", "?", "*.d", "[ab]", "[a-f]", "f*", "*b", "a?"),
)
_PIECES = (
    *("a", "b", "ab", "foo", "keep.d", ".d", "a b", "A"),
    *("*", "**", "***", "?", "/", "/", "**/", "/**", "/**/", "*.d"),
    *("!", "#", "-", " ", "\t", ".", "\\", "\\/", "\\*", "\\?", "\\[", "\\ ", "\\!", "\\#", "\\a"),
    *("[ab]", "[!b]", "[^a]", "[a-f]", "[f-a]", "[z-ab]", "[a-]", "[-a]", "[]a]", "[!]a]", "[a/]", "[!/]"),
    *("[\\]a]", "[\\a-c]", "[a-\\c]", "[a-c-e]", "[[:alpha:]]", "[![:punct:]]", "[[:alpha:]-z]"),
    *("[[:foo:]]", "[[:]", "[:a]", "[[:a]", "[", "[a", "[!", "[a^]", "[a!]", "[.-0]", "[ -~]", "[--a]"),
    *("[&&a]", "[#-]", "[a,b]", ",", "]"),
)
_CHARACTERS = "ab*?[]!^-\\/ .#\t,&|~:d"
_NAMES = (
    *("a", "b", "ab", "foo", "foo.d", "keep.d", "A", "c"),
    *("a b", "b ", "-", "]", "[x]", "!a", "#a", "a*", "a\\b", "a\tb", "b\n", "x\ny", "\n", "a,b", "^"),
)

_ordinary = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "", "", "/", "!", "!")),
    st.lists(st.sampled_from(_ORDINARY), min_size=1, max_size=3).map("/".join),
    st.sampled_from(("", "", "/", "/**", "/*")),
)
_adversarial = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "", "", "!", "/")),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map("".join),
    st.sampled_from(("", "", "/", " ")),
)
_stars = st.lists(st.sampled_from(("*", "*a", "*b", "*.", "*?", "*[ab]", "a", "b", "/", "**/")), max_size=7)
patterns = st.lists(
    _ordinary | _ordinary | _stars.map("".join) | _adversarial | st.text(_CHARACTERS, max_size=8), max_size=5
)
_name = st.sampled_from(_NAMES) | st.text("ab.", min_size=1, max_size=8).filter(lambda name: name.strip("."))
paths = st.lists(_name, min_size=1, max_size=4).map("/".join)


def tree(candidates: Iterable[str]) -> list[str]:
    """Return the candidates that can exist as files together, because none is a folder of another."""
    folders = {path[:i] for path in candidates for i, char in enumerate(path) if char == "/"}
    return sorted(set(candidates) - folders)


trees = st.lists(paths, min_size=1, max_size=12).map(tree)


def write_tree(root: Path, files: Iterable[str]) -> None:
    for file in files:
        target = root / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file)


def make_repository(folder: Path) -> Path:
    """Make a bare repository, so that each test can choose the work tree."""
    subprocess.run(("git", "init", "-q", "--bare", folder), env=_GIT_ENVIRONMENT, check=True)
    return folder


def ignored(repository: Path, root: Path, *cases: tuple[Sequence[str], Sequence[str]]) -> list[set[str]]:
    """Return the files that Git ignores in each case of an ignore file and files. They needn't exist."""
    for number, (lines, _) in enumerate(cases):
        (root / str(number)).mkdir(parents=True)
        (root / str(number) / ".gitignore").write_bytes("".join(f"{line}\n" for line in lines).encode())
    asked = [f"{number}/{file}" for number, (_, files) in enumerate(cases) for file in files]
    where = (f"--git-dir={repository}", f"--work-tree={root}")
    answer = subprocess.run(
        ("git", *where, "check-ignore", "-z", "--stdin", "--no-index"),
        input="".join(f"{file}\0" for file in asked).encode(),
        env=_GIT_ENVIRONMENT,
        cwd=root,
        stdout=subprocess.PIPE,
        check=False,  # 1 means that nothing is ignored
    )
    assert answer.returncode in {0, 1}
    found = set(answer.stdout.decode().split("\0"))
    return [
        {file for file in files if f"{number}/{file}" in found} for number, (_, files) in enumerate(cases)
    ]

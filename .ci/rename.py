"""Commands that prepare the files of a fork or a release.

    python .ci/rename.py OWNER [GITLAB_GROUP]         set owner and group (default: OWNER) in all files
    python .ci/rename.py --released                   choose the documents' texts for the time after a release

This doesn't register names, move published files, or change the LICENSE and the pictures. The repository's
name `zerokie-action` and the names of inputs, variables and commands stay.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rename(owner: str, group: str) -> None:
    """Rewrite the files in git. The names of images must be in lower case."""
    old_owner = _current("examples/github/deploy.yml", r"^ +uses: (.+)/zerokie-action@")
    old_group = _current("examples/gitlab/component.yml", r"component: \$CI_SERVER_FQDN/(.+)/zerokie-action/")
    old_image = _current("examples/shell/deploy.sh", r"ghcr\.io/(.+)/zerokie-action:")
    replaced = {
        old_owner: owner,
        f"$CI_SERVER_FQDN/{old_group}": f"$CI_SERVER_FQDN/{group}",
        f"$CI_REGISTRY/{old_group.lower()}": f"$CI_REGISTRY/{group.lower()}",
        f"ghcr.io/{old_image}": f"ghcr.io/{owner.lower()}",
    }
    old_names = "|".join(re.escape(old) for old in sorted(replaced, key=len, reverse=True))
    named = re.compile(rf"(?<![\w.$-])(?:{old_names})(?=/zerokie-action\b)")
    _rewrite(lambda text: named.sub(lambda found: replaced[found[0]], text))


def _current(name: str, pattern: str) -> str:
    """Return the owner that this file names."""
    found: list[str] = re.findall(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return found[0]


_TEXTS = re.compile(r"<!-- before the release -->\n.*?<!-- after the release\n(.*?)-->\n", re.DOTALL)


def release() -> None:
    """Choose the second text, which is in a comment, in all documents with two texts."""
    _rewrite(lambda text: _TEXTS.sub(r"\1", text), "*.md")


def _rewrite(change: Callable[[str], str], *patterns: str) -> None:
    """Change the files in git."""
    command = ("git", "-C", str(ROOT), "ls-files", "-z", *patterns)
    listed = subprocess.run(command, check=True, capture_output=True)
    for path in (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name):
        before = path.read_bytes().decode("utf-8", "surrogateescape")  # This keeps the bytes of pictures.
        path.write_bytes(change(before).encode("utf-8", "surrogateescape"))


def main(arguments: list[str]) -> None:
    """Run a command."""
    match arguments:
        case ["--released"]:
            release()
        case [owner] | [owner, _] if re.fullmatch("[A-Za-z0-9-]+", owner):
            rename(owner, arguments[-1])
            print(__doc__.split("\n\n")[2].strip())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Give this repository its owner, for releases of their own, in every file that names one.

    python .ci/rename.py OWNER [GITLAB_GROUP]         the group is OWNER unless given

It can't register the names, move what is published, or change the LICENSE and the pictures. The repository is
still called `zerokie-action`; inputs, variables and commands keep their names, which are the platform's.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NAMED = {
    "examples/github/deploy.yml": r"^ +uses: ()(.+)/zerokie-action@",
    "examples/gitlab/component.yml": r"^ +- component: (\$CI_SERVER_FQDN/)(.+)/zerokie-action/",
    "examples/shell/deploy.sh": r"(ghcr\.io/)(.+)/zerokie-action:",
}
"""Where the present owner stands, on GitHub, GitLab and ghcr.io, with what stands before it everywhere."""


def rename(owner: str, group: str) -> None:
    """Rewrite the files that git knows. ghcr.io wants names in lower case."""
    replaced = {}
    for (name, pattern), new in zip(_NAMED.items(), (owner, group, owner.lower()), strict=True):
        lead, old = re.findall(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE)[0]
        replaced[lead + old] = lead + new
    old_names = "|".join(re.escape(old) for old in sorted(replaced, key=len, reverse=True))
    named = re.compile(rf"(?<![\w.$-])(?:{old_names})(?=/zerokie-action\b)")
    command = ("git", "-C", ROOT, "ls-files", "-z")
    listed = subprocess.run(command, check=True, capture_output=True)
    for path in (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name):
        before = path.read_bytes().decode("utf-8", "surrogateescape")  # pictures stay what they are
        after = named.sub(lambda found: replaced[found[0]], before)
        path.write_bytes(after.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or not re.fullmatch("[A-Za-z0-9-]+", sys.argv[1]):
        sys.exit(__doc__)
    rename(sys.argv[1], sys.argv[-1])
    print(__doc__.split("\n\n")[2].strip())

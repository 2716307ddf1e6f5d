"""Give this repository another owner, in every file that names it.

    python .ci/rename.py OWNER [GITLAB_GROUP]         the group is OWNER unless given

It can't register the names, move what is published, or change the LICENSE and the pictures. The repository is
still called `zerokie-action`; inputs, variables and commands keep their names, which are the platform's.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OF_OLD_OWNER = {
    "examples/github/deploy.yml": r"^ +uses: (.+)/zerokie-action@",
    "examples/gitlab/component.yml": r"^ +- component: \$CI_SERVER_FQDN/(.+)/zerokie-action/",
    "examples/shell/deploy.sh": r"ghcr\.io/(.+)/zerokie-action:",
}


def rename(owner: str, group: str) -> None:
    """Rewrite the files that git knows. ghcr.io wants names in lower case."""
    new = {"ghcr.io/": owner.lower(), "$CI_SERVER_FQDN/": group}
    texts = ((pattern, (ROOT / path).read_text("utf-8")) for path, pattern in _OF_OLD_OWNER.items())
    old = "|".join(re.escape(re.findall(pattern, text, re.MULTILINE)[0]) for pattern, text in texts)
    named = re.compile(rf"(ghcr\.io/|\$CI_SERVER_FQDN/|(?<![\w.-]))(?:{old})(?=/zerokie-action\b)")
    command = ("git", "-C", ROOT, "ls-files", "-z")
    listed = subprocess.run(command, check=True, capture_output=True)
    for path in (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name):
        before = path.read_bytes().decode("utf-8", "surrogateescape")  # pictures stay what they are
        after = named.sub(lambda found: found[1] + new.get(found[1], owner), before)
        path.write_bytes(after.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or not re.fullmatch("[A-Za-z0-9-]+", sys.argv[1]):
        sys.exit(__doc__)
    rename(sys.argv[1], sys.argv[-1])
    print(__doc__.split("\n\n")[2].strip())

"""Asks the package index which packages of requirements files have known vulnerabilities.

    python .ci/vulnerabilities.py requirements.txt...

Exits with 1 when there are any. What the index can't tell, because it is out of reach or does not know
the package, is a warning: a mirror without this service must not stop anybody's work. Only on GitHub, where
the index is in reach, a file about which nothing at all was found out is an error: else a broken audit
would be green for ever.
"""

import json
import os
import subprocess
import sys
from typing import Any

_COMMAND = ("pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


class NoAnswerError(Exception):
    """Nothing was found out about a file, and why."""


def audit(requirements: str) -> tuple[list[str], list[str]]:
    """What is vulnerable, a line for each, and the packages that the index does not know.

    Raises:
        NoAnswerError: the index could not be asked, or knows none of the packages.
    """
    done = subprocess.run(
        [*_COMMAND, "--requirement", requirements], capture_output=True, check=False, text=True
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise NoAnswerError(f"nothing could be asked: {last}") from None
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        raise NoAnswerError("the index knows none of the packages")
    return [
        _vulnerability(package, found) for package in packages for found in package.get("vulns", ())
    ], unknown


def _vulnerability(package: dict[str, Any], found: dict[str, Any]) -> str:
    fixed = ", ".join(found["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def main(files: list[str]) -> int:
    """Returns the exit code."""
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    failed = False
    for file in files:
        try:
            vulnerable, unknown = audit(file)
        except NoAnswerError as error:
            print(f"{'error' if on_github else 'warning'}: {file}: {error}")
            failed |= on_github
            continue
        if unknown:
            print(f"warning: {file}: the index knows nothing about {', '.join(unknown)}")
        for line in vulnerable:
            print(f"{file}: {line}")
        failed |= bool(vulnerable)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Audit of requirements files for known vulnerabilities.

    python .ci/vulnerabilities.py requirements.txt...

The exit code is 1 if the package index knows a vulnerability. If the index is unavailable or doesn't know a
package, the audit only warns, because some developers use a mirror without this service. On GitHub, a file
without any result is an error, because otherwise a broken audit would always succeed.
"""

import json
import os
import subprocess
import sys
from typing import Any

_COMMAND = ("pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


class NoAnswerError(Exception):
    """The reason why a file has no result."""


def audit(requirements: str) -> tuple[list[str], list[str]]:
    """Return a line for each vulnerability, and the packages that the index doesn't know.

    Raises:
        NoAnswerError: the index is unavailable, or doesn't know any of the packages.
    """
    done = subprocess.run(
        [*_COMMAND, "--requirement", requirements], capture_output=True, check=False, text=True
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise NoAnswerError(f"the package index is unavailable: {last}") from None
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        raise NoAnswerError("the package index doesn't know any of the packages")
    return [
        _vulnerability(package, found) for package in packages for found in package.get("vulns", ())
    ], unknown


def _vulnerability(package: dict[str, Any], found: dict[str, Any]) -> str:
    fixed = ", ".join(found["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def main(files: list[str]) -> int:
    """Audit the files, and return the exit code."""
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
            print(f"warning: {file}: the package index doesn't know {', '.join(unknown)}")
        for line in vulnerable:
            print(f"{file}: {line}")
        failed |= bool(vulnerable)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

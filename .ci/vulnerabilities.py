"""Asks the package index which packages of a requirements file have known vulnerabilities.

    python .ci/vulnerabilities.py requirements.txt

Exits with 1 when there are any. What the index can't tell, because it is out of reach or does not know
the package, is a warning: a mirror without this service must not stop anybody's work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_COMMAND = ("pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


def audit(requirements: str) -> tuple[list[str], list[str]]:
    """What is vulnerable, and what could not be found out; a line for each."""
    done = subprocess.run(
        [*_COMMAND, "--requirement", requirements], capture_output=True, check=False, text=True
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [], [f"nothing could be asked: {last}"]
    vulnerable = [
        _vulnerability(package, found) for package in packages for found in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    return vulnerable, [f"the index knows nothing about {', '.join(unknown)}"] if unknown else []


def _vulnerability(package: dict[str, Any], found: dict[str, Any]) -> str:
    fixed = ", ".join(found["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    vulnerable, warnings = audit(*arguments)
    for warning in warnings:
        print(f"warning: {warning}")
    for line in vulnerable:
        print(line)
    return 1 if vulnerable else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

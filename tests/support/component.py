"""The GitLab component as GitLab reads it: inputs replace text before the YAML is parsed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

COMPONENT = Path(__file__).resolve().parents[2] / "templates" / "deploy.yml"


@cache
def component_inputs() -> dict[str, Any]:
    """Return the inputs that the component declares."""
    header: dict[str, Any] = next(yaml.load_all(COMPONENT.read_text("utf-8"), yaml.CSafeLoader))
    inputs: dict[str, Any] = header["spec"]["inputs"]
    return inputs


def component(**given: object) -> dict[str, Any]:
    """Return the jobs for these inputs (names with `_`)."""
    declared = component_inputs()
    values = {"action-image": "zerokie-action"} | {
        name: row["default"] for name, row in declared.items() if "default" in row
    }
    values |= {name.replace("_", "-"): value for name, value in given.items()}
    assert values.keys() == declared.keys()
    for name, row in declared.items():
        # In older versions of GitLab, an empty text never matches.
        if "regex" in row and not (values[name] and re.search(_whole(row["regex"]), values[name])):
            raise InvalidInputError(name)

    return with_inputs(COMPONENT.read_text("utf-8"), values)


def with_inputs(text: str, values: Mapping[str, object]) -> dict[str, Any]:
    """Return the document below the header of a file, with the values of its inputs."""

    def fill(found: re.Match[str]) -> str:
        value = values[found[1]]
        # Rails writes these three as escapes.
        return value if isinstance(value, str) else re.sub("[<>&]", _escaped, json.dumps(value))

    filled = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", fill, text.rpartition("\n---\n")[2])
    document: dict[str, Any] = yaml.load(filled, yaml.CSafeLoader)  # libyaml, which GitLab uses
    return document


class InvalidInputError(Exception):
    """GitLab rejects the pipeline and names the input."""


def _whole(pattern: str) -> str:
    """Return an expression in which `$` matches only at the end of the text, as in GitLab."""
    return re.sub(r"\$$", r"\\Z", pattern)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return a job's variable with `$NAME` and `${NAME}` expanded. `$$` is a dollar sign."""
    return re.sub(
        r"\$(?:(\$)|(\w+)|\{(\w+)\})",
        lambda found: found[1] or variables.get(found[2] or found[3], ""),
        text,
    )


def passed_on(job: dict[str, Any], folder: Path, **env: str) -> dict[str, str]:
    """Return the environment that the job's script passes to `zerokie-deploy`; empty if it stops before."""
    seen = folder / "seen"
    program = folder / "zerokie-deploy"
    program.write_text(f"#!/bin/sh\nenv --null > {seen}\n", "utf-8")
    program.chmod(0o755)
    (folder / "python").unlink(missing_ok=True)
    (folder / "python").symlink_to(sys.executable)
    script = "\n".join(job["script"])
    variables = {name: expand(str(value), env) for name, value in job["variables"].items()}
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env={"PATH": f"{folder}:{os.environ['PATH']}", **env, **variables},
        check=False,
    )
    lines = seen.read_text("utf-8").split("\0") if seen.exists() else []
    return dict(line.split("=", 1) for line in lines if line)

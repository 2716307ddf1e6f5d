"""The examples as GitHub and GitLab read them for an event."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.component import component, with_inputs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|&&|\|\||[!=]=|!|[()]|\$?[\w.-]+(?:\(\))?""")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_WORDS |= {word: word for word in ("==", "!=", "(", ")")}


def evaluate(expression: str, values: Mapping[str, object]) -> object:
    """Evaluate an expression of GitHub or a rule of GitLab. Names without a value are null.

    As in Python, `a && b` and `a || b` return one of the operands. GitHub's names have dots, and GitLab's a
    `$`.
    """

    def translate(token: str) -> str:
        return _WORDS.get(token) or (token if token[0] in "'\"" else f"values.get({token.lstrip('$')!r})")

    assert not _TOKEN.sub("", expression).strip(), expression
    code = "".join(map(translate, _TOKEN.findall(expression)))
    return eval(code.strip(), {"values": values})  # noqa: S307 - of this repository's examples


# --- GitHub


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "github" / name).read_text("utf-8"))
    return found


def triggers(name: str) -> Any:
    """Return the value of `on`, which YAML reads as true."""
    return {str(key): value for key, value in workflow(name).items()}["True"]


def step(job: Mapping[str, Any], given: str = "YOUR_ORG/zerokie-action@v1") -> dict[str, Any]:
    """Return the step with this `id` or `uses`, by default the action's step."""
    (found,) = [step for step in job["steps"] if given in {step.get("id"), step.get("uses")}]
    return dict(found)


def fill(text: object, values: Mapping[str, object]) -> str:
    """Return a step's value as GitHub passes it."""

    def show(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)

    if not isinstance(text, str):
        return show(text)
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: show(evaluate(found[1], values)), text)


def inputs(job: Mapping[str, Any], values: Mapping[str, object]) -> dict[str, str]:
    """Return the inputs of the action's step, by the names of fields."""
    return {name.replace("-", "_"): fill(value, values) for name, value in step(job)["with"].items()}


# --- GitLab


def example(name: str, **given: object) -> dict[str, Any]:
    """Return an example for GitLab, with these values (names with `_`) or the defaults of its inputs."""
    text = (EXAMPLES / "gitlab" / name).read_text("utf-8")
    header = next(yaml.safe_load_all(text))
    declared = header["spec"]["inputs"] if "spec" in header else {}
    defaults = {name: row["default"] for name, row in declared.items()}
    return with_inputs(text, defaults | {name.replace("_", "-"): value for name, value in given.items()})


def pipeline(*names: str, **given: object) -> dict[str, dict[str, Any]]:
    """Return the jobs of examples that belong together, including the component's jobs, by their names.

    `given` has the inputs of a manual pipeline (names with `_`).
    """
    jobs: dict[str, dict[str, Any]] = {}
    for name in names:
        document = example(name, **given)
        for include in document.pop("include", []):
            assert re.findall(r"\$\w+", include["component"]) == ["$CI_SERVER_FQDN"], "it knows no other"
            given = {key.replace("-", "_"): value for key, value in include["inputs"].items()}
            for job, content in component(**given).items():
                assert job not in jobs, "GitLab runs the last one only"
                jobs[job] = content | ({"include": include["rules"]} if "rules" in include else {})
        document.pop("stages", None)
        for job, content in document.items():
            base = document.get(content.get("extends"), {})
            jobs[job] = (
                base | content | {"variables": base.get("variables", {}) | content.get("variables", {})}
            )
    return {name: job for name, job in jobs.items() if not name.startswith(".")}


def jobs_of(jobs: Mapping[str, Mapping[str, Any]], **variables: str) -> set[str]:
    """Return the names of the jobs in a pipeline with these variables."""

    def runs(rules: list[dict[str, str]]) -> bool:
        matching = [rule for rule in rules if evaluate(rule["if"], variables)]
        return bool(matching) and matching[0].get("when") != "never"

    return {
        name
        for name, job in jobs.items()
        if runs(job["rules"]) and ("include" not in job or runs(job["include"]))
    }


# --- scripts


def commands(folder: Path, **scripts: str) -> dict[str, str]:
    """Create an environment with shell scripts as these commands. `calls` records each call."""
    programs = folder / "programs"
    programs.mkdir()
    for name, script in scripts.items():
        program = programs / name.replace("_", "-")
        program.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> "{folder}/calls"\n{script}\n', "utf-8")
        program.chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin"}


def bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script like a runner, with only these variables in its environment."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        check=False,
        text=True,
    )

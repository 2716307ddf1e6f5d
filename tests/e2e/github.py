"""What GitHub's runner hands to a container step, and what it reads back."""

from pathlib import Path

from tests.ci.grammar import file_command
from tests.support.platform import Platform

_COMMANDS = "file_commands"


def step(platform: Platform, workspace: Path, **inputs: str) -> dict[str, str]:
    """The environment of a step: names of inputs keep their dash, and there are files for the answers."""
    folder = workspace / _COMMANDS
    folder.mkdir(exist_ok=True)
    for name in ("output", "state", "summary"):
        (folder / name).touch()
    given = {name.replace("_", "-"): value for name, value in platform.inputs("INPUT_", **inputs).items()}
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": f"/workspace/{_COMMANDS}/output",
        "GITHUB_STATE": f"/workspace/{_COMMANDS}/state",
        "GITHUB_STEP_SUMMARY": f"/workspace/{_COMMANDS}/summary",
        "GITHUB_WORKSPACE": "/workspace",
        **{name.replace("INPUT-", "INPUT_", 1): value for name, value in given.items()},
    }


def post(env: dict[str, str], workspace: Path) -> dict[str, str]:
    """The environment of the post step of the same step."""
    return env | {f"STATE_{name}": value for name, value in _answers(workspace, "state").items()}


def outputs(workspace: Path) -> dict[str, str]:
    """What later steps read."""
    return _answers(workspace, "output")


def _answers(workspace: Path, name: str) -> dict[str, str]:
    return file_command((workspace / _COMMANDS / name).read_text("utf-8"))

"""Generator for parts of the documents.

Inputs, outputs, exit codes, API variants and examples have one source, and `make docs` copies them into the
documents. In each of `DOCUMENTS`, it fills the text between the markers `begin NAME` and `end NAME`. In the
pages of `docs/`, it replaces the logs below a marker `log: NAME`. Tests fail if a part is out of date.
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sandbox.dialects import QUESTIONS  # noqa: E402
from zerokie_action.errors import exit_codes  # noqa: E402 - found by the line above
from zerokie_action.inputs.settings import DEFAULT_API_URL, INPUTS, Input, documented_inputs  # noqa: E402
from zerokie_action.report.outputs import OUTPUTS as NAMES  # noqa: E402

_SCHEMA = json.loads((ROOT / "docs" / "result.schema.json").read_text("utf-8"))
OUTPUTS: dict[str, str] = {
    name: _SCHEMA["properties"][name.replace("-", "_")]["description"] for name in NAMES if name != "result"
} | {"result": "The JSON result in one line, without the lists `uploaded` and `deleted`."}
"""The description of each output, from the schema of the JSON result."""

_NOT_OF_THE_COMPONENT = {
    "operation",  # Each job of the component sets its own.
    "preview-environment",  # GitLab has its own environments.
    "report-dir",  # The component's artifacts name its files.
    "state-file",  # The cleanup uses the same default on GitLab.
}
"""Inputs that the GitLab component lacks. It also lacks the secrets, because inputs are visible in the
pipeline's configuration."""

_OF_THE_STOP_JOB = {
    "api-url",
    "app",
    "comment",
    "dry-run",
    "lock-timeout",
    "log-level",
    "pull-request",
    "retry-timeout",
    "skip-without-key",
    "take-over",
    "timeout",
}
"""Inputs that affect the deletion of an app."""

_NAME = r'^[^"\\\n]+$'
"""A pattern for values that are valid in quotes. `templates/deploy.yml` uses it for its own inputs too."""


_FLAGS = {"true", "false"}


def _meaning(row: Input) -> str:
    """Return the description with the default. The file sets few, so that variables have an effect."""
    return f"{row.description} Default: `{row.default}`." if row.default else row.description


_ACTION_DEFAULTS = {"api-url": DEFAULT_API_URL, "github-token": "${{ github.token }}"}
"""The only defaults in `action.yml`. Only the workflow knows the job's token. Because GitHub always passes
`api-url`, a `ZEROKIE_API_URL` of an earlier step is a second value, and can't get the key."""


def _action_inputs() -> str:
    lines = []
    for row in documented_inputs():
        lines += [f"{row.name}:", f"  description: {json.dumps(_meaning(row))}"]
        lines += ["  required: true"] if row.required else []
        lines += [f"  default: {_ACTION_DEFAULTS[row.name]}"] if row.name in _ACTION_DEFAULTS else []
    return textwrap.indent("\n".join(lines) + "\n", "  ")


def _action_outputs() -> str:
    lines = [f"{name}:\n  description: {json.dumps(description)}\n" for name, description in OUTPUTS.items()]
    return textwrap.indent("".join(lines), "  ")


def _component_rows() -> list[Input]:
    return [row for row in documented_inputs() if not (row.is_secret or row.name in _NOT_OF_THE_COMPONENT)]


def _component_inputs() -> str:
    lines = []
    for row in _component_rows():
        # GitLab rejects an unquoted `true` for a text input.
        quotes = ' Write it in quotes, as "false".' if row.default in _FLAGS and not row.is_flag else ""
        lines += [f"{row.name}:", f"  description: {json.dumps(_meaning(row) + quotes)}"]
        if row.is_list:
            lines += ["  type: array", "  default: []"]
        elif row.is_flag:
            lines += ["  type: boolean", f"  default: {row.default}"]
        elif not row.required:
            lines += ['  default: ""']
        else:
            lines += [rf"  regex: {_NAME}"]
    return textwrap.indent("\n".join(lines) + "\n", "    ")


def _component_table() -> str:
    """Return a table of the component's own inputs, with the descriptions from its file."""
    text = (ROOT / "templates" / "deploy.yml").read_text("utf-8")
    own = text[text.index("# end inputs\n") : text.index("\n---\n")]
    found = re.findall(r"^    ([a-z-]+):\n      description: (.+)$", own, re.MULTILINE)
    return _table(("input", "meaning"), ((f"`{name}`", meaning.strip('"')) for name, meaning in found))


def _deploy_variables() -> str:
    return _variables(_component_rows())


def _stop_variables() -> str:
    return _variables(row for row in _component_rows() if row.name in _OF_THE_STOP_JOB)


def _variables(rows: Iterable[Input]) -> str:
    """Return the variables of a job in the component. A YAML block accepts a line with any quotes."""
    lines = []
    for row in rows:
        value = f"$[[ inputs.{row.name} ]]"
        block = "|" if row.is_list else "|2-"
        text = f'"{value}"' if row.required or row.is_flag else f"{block}\n  {value}"
        lines.append(f"{_variable(row)}: {text}\n")
    return textwrap.indent("".join(lines), "    ")


def _unset() -> str:
    """Return the variables of flags and lists with their values when nobody sets them."""
    flags = " ".join(f"{_variable(row)}={row.default}" for row in _component_rows() if row.is_flag)
    lists = " ".join(f"{_variable(row)}=[]" for row in _component_rows() if row.is_list)
    return textwrap.indent(f'flags="{flags}"\nlists="{lists}"\n', "      ")


def _variable(row: Input) -> str:
    return f"INPUT_{row.name.upper().replace('-', '_')}"


_GROUPS = {
    "operation": "Basics",
    "port": "Container apps",
    "ignore": "Static apps",
    "dry-run": "Basics",
    "domains": "Static apps",
    "wait": "Checks and time limits",
    "health-check": "Checks and time limits",
    "rollback": "Container apps",
    "lock-timeout": "Checks and time limits",
    "comment": "Pull requests",
    "report-dir": "Reports",
}
"""The first input of each part of a group, in the documented order."""


def _all_inputs() -> str:
    """Return a table for each group, below its heading."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    group = ""
    for row in documented_inputs():
        group = _GROUPS.get(row.name, group)
        cells = (_input(row), _type(row), _code(row.default), row.description)
        groups.setdefault(group, []).append(cells)
    head = ("Input", "Type", "Default", "Description")
    return "\n".join(f"## {group}\n\n{_table(head, rows)}" for group, rows in groups.items())


_COMMON = (
    *("api-key", "app", "directory", "image", "create"),
    *("delete-stale", "keep", "health-check", "rollback", "dry-run"),
)
"""The inputs in the README, in its order."""


def _common_inputs() -> str:
    inputs = {row.name: row for row in documented_inputs()}
    rows = ((f"`{name}`", _default(inputs[name]), inputs[name].description) for name in _COMMON)
    return _table(("Input", "Default", "Description"), rows)


def _default(row: Input) -> str:
    return "required" if row.required else _code(row.default)


def _input(row: Input) -> str:
    return f"`{row.name}`{', required' * row.required}"


_TYPES = {"bool": "boolean", "float": "duration", "int": "number", "Path": "path"}


def _type(row: Input) -> str:
    if row.is_list:
        return "list"
    annotation = repr(INPUTS[row.name.replace("-", "_")].annotation)
    kinds = dict.fromkeys(_TYPES[found] for found in re.findall(r"\w+", annotation) if found in _TYPES)
    return " or ".join(kinds) or "text"


def _output_table() -> str:
    return _table(("output", "meaning"), ((f"`{name}`", meaning) for name, meaning in OUTPUTS.items()))


def _exit_code_table() -> str:
    return _table(("code", "class", "when"), ((code, _code(name), when) for code, name, when in exit_codes()))


def _dialect_table() -> str:
    """Return a table of the API variants. The sandbox's `--help` also explains the answers."""
    rows = (
        (_code(name), question.text[: question.text.index("?") + 1], ", ".join(map(_code, question.answers)))
        for name, question in QUESTIONS.items()
    )
    return _table(("API variant", "question", "answers, the default first"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _example(path: str) -> str:
    """Return a file below `examples/` as a code block."""
    text = (ROOT / "examples" / path).read_text("utf-8")
    return f"```yaml\n{text}```\n"


DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "action.yml": {"inputs": _action_inputs, "outputs": _action_outputs},
    "templates/deploy.yml": {
        "inputs": _component_inputs,
        "deploy variables": _deploy_variables,
        "flags and lists": _unset,
        "stop variables": _stop_variables,
    },
    "docs/gitlab.md": {"inputs of the component": _component_table},
    "docs/inputs.md": {"inputs": _all_inputs},
    "docs/outputs.md": {"outputs": _output_table, "exit codes": _exit_code_table},
    "README.md": {
        "GitHub": lambda: _example("github/deploy.yml"),
        "GitLab": lambda: _example("gitlab/component.yml"),
        "inputs": _common_inputs,
    },
    "tests/README.md": {"dialects": _dialect_table},
}
"""The generated parts of each document, by the names in their markers."""


def updated(name: str, text: str) -> str:
    """Return the text of a document with current parts."""
    for part, render in DOCUMENTS[name].items():
        text = _filled(text, part, render())
    return text


def _filled(text: str, part: str, content: str) -> str:
    pattern = rf"(\bbegin {part}\b[^\n]*\n).*?([^\n]*\bend {part}\b)"
    filled, count = re.subn(pattern, lambda found: found[1] + content + found[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"found {count} parts {part!r} instead of one")
    return filled


_LOG = re.compile(r"(<!-- log: (.+) -->\n```text\n)((?:.*\n)*?)(```\n)")


def with_logs(text: str) -> str:
    """Return the text of a document with current logs. A log stays if only its times differ."""
    return _LOG.sub(_with_log, text)


def _with_log(found: re.Match[str]) -> str:
    import pytest  # noqa: PLC0415 - few documents have logs

    from tests.support.stories import tell, timeless  # noqa: PLC0415
    from tests.support.world import world  # noqa: PLC0415

    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        world(Path(folder), patch) as place,
    ):
        log = tell(found[2], place)
    return found[0] if timeless(log) == timeless(found[3]) else f"{found[1]}{log}{found[4]}"


def main(root: Path = ROOT) -> None:
    """Rewrite the documents of a checkout."""
    for name in DOCUMENTS:
        document = root / name
        document.write_text(updated(name, document.read_text("utf-8")), "utf-8")
    for document in sorted((root / "docs").glob("*.md")):
        document.write_text(with_logs(document.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()

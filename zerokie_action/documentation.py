"""What documents show and the code knows: inputs, outputs, exit codes, and examples that are files.

`python -m zerokie_action.documentation` rewrites, in `action.yml` and the README, what stands between a
marker `begin NAME` and the next `end NAME`; a test fails when that is not current.
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from zerokie_action import errors
from zerokie_action.inputs import input_name
from zerokie_action.report.outputs import OUTPUTS
from zerokie_action.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
_REQUIRED = {"api_key", "app"}
_UNITS = ((3600, "h"), (60, "m"), (1, "s"))


class Input(NamedTuple):
    """One row of the table of inputs; `default` is the text that stands for it, empty for none."""

    name: str
    default: str
    required: bool
    description: str


def inputs() -> Iterator[Input]:
    """Every input, in the documented order."""
    for field, info in Settings.model_fields.items():
        yield Input(input_name(field), _default(info), field in _REQUIRED, info.description or "")


def _default(info: FieldInfo) -> str:
    default = info.default
    if default in (None, PydanticUndefined, ()) or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return _duration(default) if isinstance(default, float) else str(default)


def _duration(seconds: float) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds / size:.0f}{unit}"


def exit_codes() -> Iterator[tuple[str, str, str]]:
    """Code, error class (empty for none) and meaning, from the tree in `zerokie_action.errors`."""
    yield "0", "", "done"
    yield "1", "", "unexpected: a defect; `log-level: debug` shows the traceback"
    for name, code, meaning in re.findall(r"── (\w+)\s+(128 \+ n|\d+)\s+(.+)", errors.__doc__ or ""):
        yield code, name, meaning


def _action_inputs() -> str:
    lines = []
    for row in inputs():
        lines += [f"{row.name}:", f"  description: {json.dumps(row.description)}"]
        lines += ["  required: true"] if row.required else []
        lines += [f"  default: {json.dumps(row.default)}"] if row.default else []
    return textwrap.indent("\n".join(lines) + "\n", "  ")


def _action_outputs() -> str:
    lines = [f"{name}:\n  description: {json.dumps(description)}\n" for name, description in OUTPUTS.items()]
    return textwrap.indent("".join(lines), "  ")


def _input_table() -> str:
    rows = (
        (f"`{row.name}`", "required" if row.required else _code(row.default), row.description)
        for row in inputs()
    )
    return _table(("input", "default", "meaning"), rows)


def _output_table() -> str:
    return _table(("output", "meaning"), ((f"`{name}`", meaning) for name, meaning in OUTPUTS.items()))


def _exit_code_table() -> str:
    return _table(("code", "class", "when"), ((code, _code(name), when) for code, name, when in exit_codes()))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _example(path: str, *, begin: str = "") -> str:
    """A file below `examples/` as a code block; from the line with `begin` on, if given."""
    text = (ROOT / "examples" / path).read_text("utf-8")
    start = text.rindex("\n", 0, text.index(begin)) + 1 if begin else 0
    language = {".yml": "yaml", ".sh": "sh"}[Path(path).suffix]
    return f"```{language}\n{textwrap.dedent(text[start:]).rstrip()}\n```\n"


DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "action.yml": {"inputs": _action_inputs, "outputs": _action_outputs},
    "README.md": {
        "inputs": _input_table,
        "outputs": _output_table,
        "exit codes": _exit_code_table,
        "GitHub": lambda: _example("github/deploy.yml", begin="steps:"),
        "GitLab": lambda: _example("gitlab/component.yml"),
        "docker": lambda: _example("shell/deploy.sh"),
    },
}
"""The generated parts of each document, by the name in their markers."""


def updated(name: str) -> str:
    """A document of this checkout with all its parts as they should be."""
    text = (ROOT / name).read_text("utf-8")
    for part, render in DOCUMENTS[name].items():
        text = _filled(text, part, render())
    return text


def _filled(text: str, part: str, content: str) -> str:
    pattern = rf"(\bbegin {part}\b[^\n]*\n).*?([^\n]*\bend {part}\b)"
    filled, count = re.subn(pattern, lambda found: found[1] + content + found[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"there are {count} parts {part!r}, not one")
    return filled


def main() -> None:
    """Rewrite the documents of this checkout."""
    for name in DOCUMENTS:
        (ROOT / name).write_text(updated(name), "utf-8")


if __name__ == "__main__":
    main()

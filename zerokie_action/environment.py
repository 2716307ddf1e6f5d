"""The inputs as texts, by the environment variable that has them.

The cleanup needs no more than these; `zerokie_action.settings` makes values of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("INPUT_", "PLUGIN_", "ZEROKIE_")


def input_name(field: str) -> str:
    """The input's name as users write it: `api-key` for the field `api_key`."""
    return field.replace("_", "-")


def spellings(field: str) -> tuple[str, ...]:
    """Environment variables that carry the input of this field name; the first one that is set counts.

    `api_key` is read from `INPUT_API-KEY` (GitHub keeps the dash), `INPUT_API_KEY`, `PLUGIN_API-KEY` (Drone),
    `PLUGIN_API_KEY` (Woodpecker) and `ZEROKIE_API_KEY`.
    """
    upper = field.upper()
    dashed = input_name(upper)
    names = (f"INPUT_{dashed}", f"INPUT_{upper}", f"PLUGIN_{dashed}", f"PLUGIN_{upper}", f"ZEROKIE_{upper}")
    return tuple(dict.fromkeys(names))


class Environment:
    """The inputs in an environment, as texts. Key files are read here, once.

    Attributes:
        env: the environment as it is, for example `os.environ`.
        variables: what is set in it, without white space around the values.
        problems: what is wrong with key files, one sentence each.
        key_file_contents: what is in the key files, to be shown nowhere.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.variables = {name: text for name, value in env.items() if (text := value.strip())}
        self.problems: list[str] = []
        self.key_file_contents: list[str] = []
        self._key_files: dict[str, str] = {}
        if self.variables.get("RUNNER_DEBUG") == "1":  # GitHub's "debug logging" outranks `log-level`
            self.variables[spellings("log_level")[0]] = "debug"
        for field in ("api_key", "registry_password"):
            self._read_key_file(field)

    def variable(self, field: str) -> str:
        """The variable that the input is read from; empty when it is not set."""
        return next((name for name in spellings(field) if name in self.variables), "")

    def text(self, field: str) -> str:
        """The input's text; empty when it is not set."""
        return self.variables.get(self.variable(field), "")

    def label(self, field: str) -> str:
        """The input for a message: its name, and in brackets the variable that was read."""
        variable = self._key_files.get(field) or self.variable(field)
        return f"`{input_name(field)}` ({variable})" if variable else f"`{input_name(field)}`"

    def _read_key_file(self, field: str) -> None:
        """Let the content of the file that `api-key-file` names be the text of `api-key`."""
        name = f"{field}_file"
        if not self.text(name):
            return
        try:
            content = Path(self.text(name)).read_text("utf-8-sig").strip()
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
            self.problems.append(
                # The path is not quoted: it may be the secret itself.
                f"{self.label(name)}: the file can't be read ({why}); "
                "give the path of a text file that holds the secret and nothing else"
            )
            return
        self.key_file_contents.append(content)
        if self.text(field):
            self.problems.append(f"{self.label(field)} and {self.label(name)} are both set; keep one of them")
        elif content:
            self._key_files[field] = self.variable(name)
            self.variables[spellings(field)[-1]] = content

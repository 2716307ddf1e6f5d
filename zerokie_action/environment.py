"""Inputs as the environment has them: which variables carry an input, and which of them counts.

This needs the standard library only, because the cleanup reads its inputs with it, and nearly always has
nothing to do. `zerokie_action.settings` makes values of the texts.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("INPUT_", "PLUGIN_", "ZEROKIE_")
_KEYS = ("api_key", "registry_password")
"""Secrets that can be in a file instead: `api-key` in the one that `api-key-file` names."""
_LARGEST_KEY_FILE = 64 * 1024


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
        variables: what is set in it, without white space around the values, and without what only an earlier
            job reported.
        problems: what is wrong with key files, one sentence each.
        key_file_contents: what is in the key files, to be shown nowhere.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.variables = {name: text for name, value in env.items() if (text := _trimmed(value))}
        self.problems: list[str] = []
        self.key_file_contents: list[str] = []
        self._origins: dict[str, str] = {}
        self._drop_reported()
        if self.variables.get("RUNNER_DEBUG") == "1":  # GitHub's "debug logging" outranks `log-level`
            first, *others = spellings("log_level")
            self.variables[first] = "debug"
            for variable in others:
                self.variables.pop(variable, None)
        for field in _KEYS:
            self._read_key_file(field)

    def variables_of(self, field: str) -> list[str]:
        """The variables that carry this input, the one that counts first."""
        return [variable for variable in spellings(field) if variable in self.variables]

    def text(self, field: str) -> str:
        """The input's text; empty when it is not set."""
        return next((self.variables[variable] for variable in self.variables_of(field)), "")

    def label(self, field: str) -> str:
        """The input for a message: its name, and in brackets the variable that was read."""
        variable = self._origins.get(field) or next(iter(self.variables_of(field)), "")
        return f"`{input_name(field)}` ({variable})" if variable else f"`{input_name(field)}`"

    def is_reported(self, field: str) -> bool:
        """Whether the input may be what an earlier job reported."""
        return "ZEROKIE_STATUS" in self.variables and self.variables_of(field)[:1] == [spellings(field)[-1]]

    def _drop_reported(self) -> None:
        """Forget what an earlier job did, which GitLab hands on as `ZEROKIE_…`, where it can't be meant."""
        if self.variables.get("ZEROKIE_DOMAINS", "").startswith("["):  # the output is JSON
            del self.variables["ZEROKIE_DOMAINS"]
        takes_no_image = self.text("directory") or self.text("operation") not in {"", "deploy"}
        if takes_no_image and self.is_reported("image"):
            del self.variables["ZEROKIE_IMAGE"]
        if "ZEROKIE_STATUS" in self.variables:
            for variable, field in (("ZEROKIE_APP", "app"), ("ZEROKIE_IMAGE", "image")):
                if variable in self.variables_of(field)[1:]:
                    del self.variables[variable]

    def _read_key_file(self, field: str) -> None:
        name = f"{field}_file"
        path = self.text(name)
        if not path:
            return
        if self.text(field):
            self.problems.append(f"{self.label(field)} and {self.label(name)} are both set; keep one of them")
        try:
            content = _content(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.problems.append(
                f"{self.label(name)}: {path!r} can't be read ({why}); "
                "name a text file that holds the secret and nothing else"
            )
            return
        self.key_file_contents.append(content)
        if content and not self.text(field):
            self._origins[field] = self.variables_of(name)[0]
            self.variables[spellings(field)[-1]] = content


def _trimmed(value: str) -> str:
    text = value.strip()
    cut_off = value.lstrip()[len(text) :]
    # The last pattern of `ignore` or `keep` may end in an escaped space.
    return f"{text} " if text.endswith("\\") and cut_off.startswith(" ") else text


def _content(path: str) -> str:
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST_KEY_FILE + 1)
    if len(content) > _LARGEST_KEY_FILE:
        raise ValueError("too large for a secret")
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig").strip()
    raise ValueError("not UTF-8 text")

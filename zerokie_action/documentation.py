"""The tables that documents show, made from the code: inputs for `--help`, `action.yml` and the README.

`python -m zerokie_action.documentation` rewrites what is generated; the tests check that it is current.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from zerokie_action.settings import Settings, input_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

REQUIRED = ("api_key", "app")
_DURATIONS = {300.0: "5m", 120.0: "2m", 600.0: "10m", 180.0: "3m", 1800.0: "30m"}


def input_rows() -> Iterator[tuple[str, str, str]]:
    """Name, default as text (empty for none) and description of every input, in the documented order."""
    for field, info in Settings.model_fields.items():
        yield input_name(field), _default(info), info.description or ""


def _default(info: FieldInfo) -> str:
    default = info.default
    if default in (None, PydanticUndefined, ()) or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return _DURATIONS[default] if isinstance(default, float) else str(default)

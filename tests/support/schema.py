"""`docs/result.schema.json`, which describes the JSON result."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "result.schema.json").read_text("utf-8")
)


def _closed(part: Any) -> Any:
    """The same schema without the freedom that later versions have: nothing but what it describes."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _closed(value) for name, value in part.items()}
    return inner | {"additionalProperties": False} if part.get("type") == "object" else inner


_EXACT = jsonschema.Draft202012Validator(_closed(SCHEMA))


def check_result(document: dict[str, Any]) -> None:
    """Fail unless the schema describes all that is in a JSON result, at any depth."""
    _EXACT.validate(document)

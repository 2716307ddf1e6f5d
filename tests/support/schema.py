"""Checks of the JSON result against `docs/result.schema.json`."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "result.schema.json").read_text("utf-8")
)


def _closed(part: Any) -> Any:
    """Return the schema without room for later versions, so that it rejects undescribed keys."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _closed(value) for name, value in part.items()}
    return inner | {"additionalProperties": False} if part.get("type") == "object" else inner


_EXACT = jsonschema.Draft202012Validator(_closed(SCHEMA))


def check_result(document: dict[str, Any]) -> None:
    """Fail if a JSON result has a key, at any depth, that the schema doesn't describe."""
    _EXACT.validate(document)

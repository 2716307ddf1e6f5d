"""What `/docs` shows of `/openapi.json`: each endpoint with an example of its bodies."""

from __future__ import annotations

import json
from typing import Any

_ANYTHING: dict[str, object] = {"integer": 1, "boolean": True, "string": "…"}


def endpoints(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations: method, path, description, bodies, and the answers that not all have."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    common = common_answers(document)
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "description": operation["description"],
            "body": operation.get("requestBody", {}).get("description", ""),
            "examples": _examples(operation.get("requestBody", {}), schemas),
            "answers": [
                {
                    "status": status,
                    "description": answer["description"],
                    "examples": _examples(answer, schemas),
                }
                for status, answer in operation["responses"].items()
                if status not in common
            ],
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def common_answers(document: dict[str, Any]) -> dict[str, str]:
    """Return what every operation may answer: description by status."""
    answers = [
        {status: answer["description"] for status, answer in operation["responses"].items()}
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    return {status: said for status, said in answers[0].items() if all(status in other for other in answers)}


def _examples(message: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Write an example of each form that the JSON body may have."""
    schema = message.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return []
    return [
        json.dumps(_example(form, schemas), indent=2, ensure_ascii=False)
        for form in schema.get("oneOf") or schema.get("anyOf") or [schema]
        if form.get("type") != "null"
    ]


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> object:
    """Make up a value: an example, the only one, the default, or anything of the type."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    found = schema.get("examples", [schema.get("const", schema.get("default"))])[0]
    if found is not None:
        return found
    if forms := schema.get("anyOf"):
        return _example(forms[0], schemas)
    if fields := schema.get("properties"):
        return {name: _example(field, schemas) for name, field in fields.items()}
    if items := schema.get("items"):
        return [_example(items, schemas)]
    return _ANYTHING[schema["type"]]

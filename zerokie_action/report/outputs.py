"""The JSON result of a run, and the outputs selected from it."""

import json
from collections.abc import Callable

from zerokie_action.inputs.formats import is_image
from zerokie_action.report.report import Report
from zerokie_action.text.escapes import LINE_LIMIT, is_web_url, output_line

SCHEMA_VERSION = 1
"""Version of the JSON result (`docs/result.schema.json`). Raise it for changes that may break readers."""
OUTPUTS = (
    "deploy-id",
    "url",
    "status",
    "changed",
    "created",
    "image",
    "previous-image",
    "exit-code",
    "error",
    "result",
)
"""The outputs in their documented order: keys of the document, and `result`, the document itself."""
_LONG = {"uploaded", "deleted"}
"""The keys that the output `result` lacks, because GitHub limits the size of all outputs of a job."""


def make_document(report: Report) -> dict[str, object]:
    """Return the JSON result as described by `docs/result.schema.json`. An unavailable value is `None`.

    Each text is one line, and issues no command if a step prints it. An invalid image reference and an
    invalid URL are unavailable.
    """
    commits, files = report.commits, report.files
    return {
        "schema_version": SCHEMA_VERSION,
        "operation": report.operation,
        "deploy_id": output_line(report.deploy_id or "") or None,
        "url": _checked(report.url, is_web_url),
        "app": output_line(report.app) or None,
        "kind": report.kind,
        "app_status": output_line(report.app_status or "") or None,
        "files": report.file_count,
        "status": report.status,
        "image": _checked(report.image, is_image),
        "previous_image": _checked(report.previous_image, is_image),
        "requested_image": _checked(report.requested_image, is_image),
        "commit": commits.commit or None,
        "previous_commit": commits.previous or None,
        "compare_url": _checked(commits.compare_url, is_web_url),
        "created": report.created if report.operation == "deploy" else None,
        "apps": report.apps if report.operation == "sweep" else None,
        "changed": report.changed,
        "files_uploaded": files and len(files.uploaded),
        "files_deleted": files and len(files.deleted),
        "files_unchanged": files and files.unchanged,
        "bytes_uploaded": files and files.bytes_uploaded,
        "cache_purged": report.cache_purged,
        "domains": report.domains,
        "duration_seconds": round(report.duration_seconds, 3),
        "exit_code": report.exit_code,
        "error": output_line(report.error),
        "hint": output_line(report.hint),
        "previous_run_url": _checked(commits.previous_url, is_web_url),
        "files_pending": report.pending,
        "pending_until": report.pending_until or None,
        "warnings": [output_line(warning) for warning in report.warnings],
        "notes": [output_line(note) for note in report.notes],
        "uploaded": files
        and [{"path": file.path, "bytes": file.size, "sign": file.sign} for file in files.uploaded],
        "deleted": files and [*files.deleted],
    }


def outputs(report: Report) -> dict[str, str]:
    """Return the available outputs as text, in the documented order.

    Booleans are `true` or `false`, numbers are plain decimals, and `result` is compact ASCII JSON.
    """
    document = make_document(report)
    result = {key: value for key, value in document.items() if key not in _LONG}
    return select({**document, "result": result}, OUTPUTS)


def select(document: dict[str, object], names: tuple[str, ...]) -> dict[str, str]:
    """Return the available values of a document as text, by name. A name has `-` where its key has `_`."""
    values = {name: document[name.replace("-", "_")] for name in names}
    return {
        name: value if isinstance(value, str) else harmless_json(json.dumps(value, separators=(",", ":")))
        for name, value in values.items()
        if value is not None
    }


def harmless_json(text: str) -> str:
    """Return ASCII JSON that a step may print. GitHub's runner obeys `##[command]` anywhere in a line."""
    return text.replace("##", r"#\u0023")


def _checked(text: str | None, is_valid: Callable[[str], bool]) -> str | None:
    return text if text and len(text) <= LINE_LIMIT and is_valid(text) else None

"""The outputs of a run, typed and as text."""

import json
from collections.abc import Callable

from zerokie_action.inputs.formats import is_image
from zerokie_action.report.report import Report
from zerokie_action.text.escapes import LINE_LIMIT, is_web_url, output_line


def output_values(report: Report) -> dict[str, object]:
    """Return all outputs, typed, in the documented order. An unavailable value is `None`.

    Each text is one line, and issues no command if a step prints it. An invalid image reference and an
    invalid URL are unavailable.
    """
    files = report.files
    return {
        "deploy-id": output_line(report.deploy_id or "") or None,
        "url": _checked(report.url, is_web_url),
        "app": output_line(report.app) or None,
        "kind": report.kind,
        "status": report.status,
        "image": _checked(report.image, is_image),
        "previous-image": _checked(report.previous_image, is_image),
        "requested-image": _checked(report.requested_image, is_image),
        "commit": report.commits.commit or None,
        "previous-commit": report.commits.previous or None,
        "compare-url": _checked(report.commits.compare_url, is_web_url),
        "created": report.created if report.operation == "deploy" else None,
        "apps": report.apps if report.operation == "sweep" else None,
        "changed": report.changed,
        "files-uploaded": files and len(files.uploaded),
        "files-deleted": files and len(files.deleted),
        "files-unchanged": files and files.unchanged,
        "bytes-uploaded": files and files.bytes_uploaded,
        "cache-purged": report.cache_purged,
        "domains": report.domains,
        "duration-seconds": round(report.duration_seconds, 3),
        "exit-code": report.exit_code,
        "error": output_line(report.error),
    }


def outputs(report: Report) -> dict[str, str]:
    """Return the available outputs as text, in the documented order.

    Booleans are `true` or `false`, numbers are plain decimals, and lists are compact ASCII JSON.
    """
    return {
        name: value if isinstance(value, str) else harmless_json(json.dumps(value, separators=(",", ":")))
        for name, value in output_values(report).items()
        if value is not None
    }


def harmless_json(text: str) -> str:
    """Return ASCII JSON that a step may print. GitHub's runner obeys `##[command]` anywhere in a line."""
    return text.replace("##", r"#\u0023")


def _checked(text: str | None, is_valid: Callable[[str], bool]) -> str | None:
    return text if text and len(text) <= LINE_LIMIT and is_valid(text) else None

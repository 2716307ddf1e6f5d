"""Writes the reports to files: dotenv, GitLab's annotations, summary and JSON."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from zerokie_action.ci import CI
from zerokie_action.report.outputs import OUTPUTS, harmless_json, make_document, outputs, select
from zerokie_action.report.report import Report
from zerokie_action.report.summary import render_summary
from zerokie_action.text.escapes import dotenv_value, is_web_url

DOTENV = (
    *(name for name in OUTPUTS if name not in {"error", "result"}),
    "app",
    "files-uploaded",
    "files-deleted",
    "files-unchanged",
)
"""The names in the dotenv file."""
_DOTENV_LIMIT = 5_000
"""Bytes. GitLab rejects a dotenv file of 5 KB or more."""
_STANDARD_STREAMS = {"/dev/stdout", "/dev/stderr"}


def empty_reports(files: Mapping[str, Path]) -> dict[str, str]:
    """Empty the report files, so that an old report can't be mistaken for a new one.

    Args:
        files: the paths, by the field names of the settings.

    Returns:
        A sentence for each file that can't be written, by field name.
    """
    problems = {}
    for field in REPORTS:
        if path := files.get(field):
            try:
                write_report(path, "")
            except OSError as error:
                problem = f"Can't write {str(path)!r}: {error.strerror}"
                problems[field] = f"{problem}. Choose a file in an existing folder, not a symlink."
    return problems


def write_reports(report: Report, ci: CI, files: Mapping[str, Path]) -> None:
    """Write the report files, then the outputs and the summary for the CI system.

    Each file that can't be written is a warning.

    Args:
        report: the report.
        ci: the CI system, which gets warnings, outputs and summary.
        files: the paths, by the field names of the settings.
    """
    for field, render in REPORTS.items():
        if path := files.get(field):
            try:
                write_report(path, rendered(render, report, ci))
            except OSError as error:
                ci.log.warning(f"`{field.replace('_', '-')}`: Can't write {str(path)!r}: {error.strerror}")
    ci.write_outputs(outputs(report))
    ci.write_summary(rendered(render_summary, report, ci))


def rendered(render: Callable[[Report], str], report: Report, ci: CI) -> str:
    """Return the document. After a bug, warn and return an empty text, because the deploy itself is done."""
    try:
        return render(report)
    except Exception as error:  # noqa: BLE001 - no bug in a report may fail a deploy
        ci.log.warning(f"Can't create a report ({render.__name__}: {error!r}). Please report this bug")
        return ""


def render_dotenv(report: Report) -> str:
    """Return lines `ZEROKIE_RESULT_NAME=value`, within GitLab's limits: 20 variables in less than 5 KB.

    The output `error` is omitted, because escaped prose is hard to read. A value that exceeds the limit is
    omitted as well.
    """
    text = ""
    for name, value in select(make_document(report), DOTENV).items():
        line = f"ZEROKIE_RESULT_{name.upper().replace('-', '_')}={dotenv_value(value)}\n"
        if len(text) + len(line) < _DOTENV_LIMIT:
            text += line
    return text


def render_annotations(report: Report) -> str:
    """Return GitLab's `artifacts:reports:annotations` JSON with all links that are http(s) URLs."""
    others = (line for line in report.commits.lines() if line.url != report.commits.commit_url)
    pages = ((report.app, report.url or ""), *((line.text + line.commits, line.url) for line in others))
    links = [{"external_link": {"label": label, "url": url}} for label, url in pages if is_web_url(url)]
    return json.dumps({"Zerokie": links}) + "\n"


def render_json(report: Report) -> str:
    """Return the JSON result in ASCII, indented."""
    return harmless_json(json.dumps(make_document(report), indent=2)) + "\n"


def write_report(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, in an existing folder.

    `/dev/stdout` and `/dev/stderr` are appended to. Any other symlink is rejected, because someone else may
    have put it there.

    Raises:
        OSError: when the file can't be written.
    """
    is_stream = str(path) in _STANDARD_STREAMS
    flags = os.O_APPEND if is_stream else os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    # With O_NONBLOCK, opening a pipe without a reader fails immediately. Otherwise it would wait forever.
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, 0o644)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode(errors="backslashreplace"))


REPORTS: dict[str, Callable[[Report], str]] = {
    "dotenv_file": render_dotenv,
    "annotations_file": render_annotations,
    "summary_file": render_summary,
    "output_file": render_json,
}
"""The renderer for each input that names a report file, in the order of writing."""

"""The reports in `report-dir`: dotenv, JSON, GitLab's annotations and the summary."""
# os.path.exists returns False for a name that is too long or a folder that isn't accessible. pathlib raises.
# ruff: noqa: PTH110

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

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


def report_paths(folder: Path | None) -> list[Path]:
    """Return the paths of the reports in a folder; empty without a folder."""
    return [folder / name for name in REPORTS] if folder else []


def empty_reports(folder: Path | None, state_file: Path | None) -> tuple[list[Path], list[str]]:
    """Create the folder and empty its reports, so that an old report can't be mistaken for a new one.

    Args:
        folder: the folder; None if the run writes no reports.
        state_file: a file that can't be a report, because it may contain a saved lock.

    Returns:
        The paths to write at the end, and a sentence for each problem.
    """
    paths, problems = [], []
    for path in report_paths(folder):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _open(path) as file:
                if state_file and os.path.exists(state_file) and path.samefile(state_file):
                    problems.append(
                        f"{str(path)!r} and `state-file` are the same file. Set another `state-file`"
                    )
                    continue
                file.truncate()
            paths.append(path)
        except OSError as error:
            place = str(error.filename or path)
            problems.append(f"Can't write {place!r}: {error.strerror}. Remove it, or choose another folder")
    return paths, [*dict.fromkeys(problems)]


def write_reports(report: Report, ci: CI, paths: Iterable[Path]) -> None:
    """Write the reports, then the outputs and the summary for the CI system.

    Each report that can't be written is a warning.
    """
    for path in paths:
        try:
            with _open(path) as file:
                file.truncate()
                file.write(rendered(REPORTS[path.name], report, ci).encode(errors="backslashreplace"))
        except OSError as error:
            ci.log.warning(f"`report-dir`: Can't write {str(path)!r}: {error.strerror}")
    ci.write_outputs(outputs(report))
    ci.write_summary(rendered(render_summary, report, ci))


def _open(path: Path) -> BinaryIO:
    """Open a report to write bytes. A symlink is rejected, because someone else may have put it there.

    Raises:
        OSError: when the file can't be written.
    """
    # With O_NONBLOCK, opening a pipe without a reader fails immediately. Otherwise it would wait forever.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags, 0o644), "wb")


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


REPORTS: dict[str, Callable[[Report], str]] = {
    "result.env": render_dotenv,
    "result.json": render_json,
    "annotations.json": render_annotations,
    "summary.md": render_summary,
}
"""The renderer of each report in `report-dir`, by the report's name."""

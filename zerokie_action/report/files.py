"""Writes the reports to files: dotenv, GitLab's annotations, summary and JSON."""
# os.path returns False for a name that is too long or a folder that can't be entered; pathlib raises.
# ruff: noqa: PTH112, PTH114, PTH120

import json
import os
import os.path
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from zerokie_action.ci import CI
from zerokie_action.errors import ConfigurationError
from zerokie_action.escapes import dotenv_json, dotenv_value, is_web_url, output_line
from zerokie_action.report.result import Result, harmless_json, output_values, outputs
from zerokie_action.report.summary import render_summary

SCHEMA_VERSION = 1
"""The version of the JSON result (`docs/result.schema.json`), raised for changes that may break readers."""
_DOTENV_LIMIT = 5_000
"""Bytes. GitLab refuses a whole dotenv file of 5 KB or more."""
_HINT = "Choose a path that can be written. Only this report is missing."


def write_reports(result: Result, ci: CI, files: Mapping[str, Path]) -> None:
    """Write the report files, then the outputs and the summary for the CI system.

    If the run succeeded but a file can't be written, the result's exit code becomes 2, and the others are
    written again: all reports have the same exit code.

    Args:
        result: the result; its secrets are removed already.
        ci: gets errors, outputs and summary.
        files: the paths, by the field names of the settings.
    """
    problems = _write_files(result, ci, files)
    for problem in problems:
        ci.log.error(problem, _HINT)
    if problems and not result.exit_code:
        result.exit_code = ConfigurationError.exit_code
        result.problems, result.hint = [*map(ci.log.redact, problems)], _HINT
        _write_files(result, ci, files)
    ci.write_outputs(outputs(result))
    ci.write_summary(rendered(render_summary, result, ci))


def _write_files(result: Result, ci: CI, files: Mapping[str, Path]) -> list[str]:
    """Write the report files. Returns a sentence for each file that can't be written."""
    problems = []
    for field, render in REPORTS.items():
        if path := files.get(field):
            try:
                write_report(path, rendered(render, result, ci))
            except OSError as error:
                name, why = field.replace("_", "-"), error.strerror or error
                problems.append(f"`{name}`: {str(path)!r} can't be written ({why})")
    return problems


def rendered(render: Callable[[Result], str], result: Result, ci: CI) -> str:
    """The document; empty after a bug, with a warning: the deploy itself is done."""
    try:
        return render(result)
    except Exception as error:  # noqa: BLE001 - whatever it is, no report may fail a deploy
        ci.log.warning(f"A report is missing ({render.__name__}: {error!r}): this is a bug, please report it")
        return ""


def render_dotenv(result: Result) -> str:
    """The outputs as lines `ZEROKIE_RESULT_NAME=value`, within GitLab's limits.

    GitLab accepts at most 20 variables, less than 5 KB, and no blank line. `error` is left out, because
    escaping would garble its prose. A value that exceeds the limit, such as dozens of `domains`, is left out
    as well.
    """
    text = ""
    for name, value in outputs(result).items():
        safe = dotenv_json(value) if name in {"apps", "domains"} else dotenv_value(value)
        line = f"ZEROKIE_RESULT_{name.upper().replace('-', '_')}={safe}\n"
        if name != "error" and len(text) + len(line) < _DOTENV_LIMIT:
            text += line
    return text


def render_annotations(result: Result) -> str:
    """GitLab's `artifacts:reports:annotations` JSON with the app's URL, if that is an http(s) URL."""
    link = {"label": result.app, "url": result.url}
    links = [{"external_link": link}] if is_web_url(result.url or "") else []
    return json.dumps({"Zerokie": links}) + "\n"


def render_json(result: Result) -> str:
    """The JSON result as `docs/result.schema.json` describes it, in ASCII, indented."""
    changes = result.changes
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "operation": result.operation,
        **{name.replace("-", "_"): value for name, value in output_values(result).items()},
        "hint": output_line(result.hint),
        "files_waiting": changes and changes.waiting,
        "waiting_until": (changes and changes.waiting_until) or None,
        "warnings": [output_line(warning) for warning in result.warnings],
        "notes": [output_line(note) for note in result.notes],
        "uploaded": changes
        and [{"path": file.path, "bytes": file.size, "sign": file.sign} for file in changes.uploaded],
        "deleted": changes and [*changes.deleted],
    }
    return harmless_json(json.dumps(document, indent=2)) + "\n"


def write_report(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, in a folder that exists.

    A stream such as `/dev/stdout` is appended to. Any other symbolic link is refused, because somebody else
    may have put the link there.

    Raises:
        OSError: when the file can't be written.
    """
    flags = os.O_APPEND if is_stream(path) else os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    # O_NONBLOCK: opening a pipe without a reader fails instead of waiting for ever.
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, 0o644)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode(errors="backslashreplace"))


REPORTS: dict[str, Callable[[Result], str]] = {
    "dotenv_file": render_dotenv,
    "annotations_file": render_annotations,
    "summary_file": render_summary,
    "output_file": render_json,
}
"""The report of each input that names a file, in the order in which the files are written."""


_STREAM = re.compile(r"//?(dev/(null|std(out|err)|fd/[0-9]+)|proc/.+/fd/[0-9]+)")


def check_report_file(path: str) -> str:
    """Check that a report can be written to the path."""
    parent = os.path.dirname(path) or "."
    if not os.path.isdir(parent):
        raise ValueError(f"the folder {parent!r} does not exist; create it first or choose another path")
    if os.path.isdir(path) or (os.path.islink(path) and not is_stream(path)):
        raise ValueError(f"{path!r} is a folder or a symbolic link; give the path of a file")
    if not os.access(path if os.path.lexists(path) else parent, os.W_OK, effective_ids=True):
        raise ValueError(f"{path!r} can't be written (Permission denied); choose another path")
    return path


def is_stream(path: str | Path) -> bool:
    """Whether `path` names an open file of a process or `/dev/null`; reports are appended to such a file."""
    # The name decides: if /dev/stdout leads to a regular file, that file must not be truncated.
    return _STREAM.fullmatch(os.path.normpath(path)) is not None

"""Writes the reports to files: dotenv, GitLab's annotations, summary and JSON."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.formats import is_stream
from zerokie_action.report.result import harmless_json, output_values, outputs, rounded
from zerokie_action.report.summary import render_summary
from zerokie_action.text import dotenv_json, dotenv_value, is_web_url, one_line, output_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zerokie_action.ci import CI
    from zerokie_action.report.result import Result

SCHEMA_VERSION = 1
"""The version of the JSON result (`docs/result.schema.json`), raised for changes that may break readers."""
_DOTENV_LIMIT = 5_000
"""Bytes. GitLab refuses a whole dotenv file of 5 KB or more."""
_LABEL_LIMIT = 100
_CHOOSE_ANOTHER = "Choose a path that can be written."
_ONLY_THE_REPORT = f"Everything else is done: only this report is missing. {_CHOOSE_ANOTHER}"
_MODE = 0o644
REPORTS = ("dotenv_file", "annotations_file", "summary_file", "output_file")
"""The inputs that name report files, in the order in which the reports are written."""


def remove_old_reports(paths: Iterable[str], env: Mapping[str, str]) -> None:
    """Remove files and links at the paths of the reports, which a killed run would leave as its own.

    A checkout may have such files, and GitLab gives the variables of the dotenv file to later jobs. Links are
    not followed. A file that can't be removed is emptied. Streams and files of GitHub's runner stay.
    """
    of_github = {path for name, path in env.items() if name.startswith("GITHUB_")}
    for path in map(Path, {*paths} - of_github - {""}):
        with suppress(OSError):
            mode = path.lstat().st_mode
            if is_stream(path) or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                continue
            try:
                path.unlink()
            except OSError:
                os.close(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW))


def write_reports(result: Result, ci: CI, files: Mapping[str, Path]) -> None:
    """Write the report files, then the outputs and the summary for the CI system.

    If the run succeeded but a file can't be written, the result's exit code becomes 2.

    Args:
        result: the result; its secrets are removed already.
        ci: gets errors, outputs and summary.
        files: the paths, by the field names of the settings.
    """
    renderers: tuple[Callable[[], str], ...] = (
        lambda: render_dotenv(outputs(result)),
        lambda: render_annotations(result),
        lambda: render_summary(result, ci),
        lambda: render_json(result),  # last: an unwritable file changes the exit code
    )
    for field, render in zip(REPORTS, renderers, strict=True):
        name = field.replace("_", "-")
        if field not in files or not (text := rendered(f"report for `{name}`", render, ci)):
            continue
        try:
            write_report_file(files[field], text)
        except OSError as error:
            problem = f"`{name}`: {str(files[field])!r} can't be written ({error.strerror or error})"
            ci.error(problem, _CHOOSE_ANOTHER if result.exit_code else _ONLY_THE_REPORT)
            if not result.exit_code:
                result.exit_code = ConfigurationError.exit_code
                result.error, result.hint = ci.redact(problem), _ONLY_THE_REPORT
    # After the files, so that outputs and summary have the error of a file that can't be written.
    ci.write_outputs(outputs(result))
    if text := rendered("summary", lambda: render_summary(result, ci), ci):
        ci.write_summary(text)


def rendered(what: str, render: Callable[[], str], ci: CI) -> str:
    """Return the document; after a bug, warn and return an empty text: the deploy itself is done."""
    try:
        return render()
    except Exception as error:  # noqa: BLE001 - whatever it is, no report may fail a deploy
        ci.warning(f"The {what} can't be made ({error!r}): this is a bug, please report it")
        return ""


def render_dotenv(outputs: Mapping[str, str]) -> str:
    """Return outputs as lines `ZEROKIE_RESULT_NAME=value`, within GitLab's limits.

    GitLab accepts at most 20 variables, less than 5 KB, and no blank line. `error` is left out, because
    escaping would garble its prose. A value that exceeds the limit, such as dozens of `domains`, is left out
    as well.
    """
    text = ""
    for name, value in outputs.items():
        safe = dotenv_json(value) if name == "domains" else dotenv_value(value)
        line = f"ZEROKIE_RESULT_{name.upper().replace('-', '_')}={safe}\n"
        if name != "error" and len(text) + len(line) < _DOTENV_LIMIT:
            text += line
    return text


def render_annotations(result: Result) -> str:
    """Return GitLab's `artifacts:reports:annotations` JSON with the app's URL, if that is an http(s) URL."""
    links = []
    if result.url and is_web_url(result.url):
        label = one_line(result.app, _LABEL_LIMIT) or "App"
        links.append({"external_link": {"label": label, "url": result.url}})
    return json.dumps({"Zerokie": links}) + "\n"


def render_json(result: Result) -> str:
    """Return the JSON result as `docs/result.schema.json` describes it, in ASCII, indented."""
    effect = result.effect
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "operation": result.operation,
        **{name.replace("-", "_"): value for name, value in output_values(result).items()},
        "hint": output_line(result.hint),
        "nothing_changed": result.nothing_changed,
        "lock_wait_seconds": rounded(result.lock_wait_seconds),
        "retries_used": result.retries_used,
        "warnings": [output_line(warning) for warning in result.warnings],
        "notes": [output_line(note) for note in result.notes],
        "phases": [{"name": name, "seconds": rounded(seconds)} for name, seconds in result.phases],
        "uploaded": effect
        and [{"path": file.path, "bytes": file.size, "sign": file.sign} for file in effect.uploaded],
        "deleted": effect and [*effect.deleted],
    }
    return harmless_json(json.dumps(document, indent=2)) + "\n"


def write_report_file(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, in a folder that exists.

    A stream such as `/dev/stdout` is appended to. Any other symbolic link is refused, because somebody else
    may have put the link there.

    Raises:
        OSError: when the file can't be written.
    """
    flags = os.O_APPEND if is_stream(path) else os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    # O_NONBLOCK: opening a pipe without a reader fails instead of waiting for ever.
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, _MODE)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode(errors="backslashreplace"))

"""The end of a run, reported everywhere: log, outputs, summary, comment, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.report.files import render_annotations, render_dotenv, render_json, write_report_file
from zerokie_action.report.result import OUTCOMES, outputs, redact_result
from zerokie_action.report.summary import Origin, render_comment, render_summary
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zerokie_action.ci import CI
    from zerokie_action.report.result import Result


class Reporter:
    """Reports through `ci` and to `files` (by the field names of the settings), without what `ci` masks."""

    def __init__(self, ci: CI, files: Mapping[str, Path]) -> None:
        self._ci = ci
        self._files = files
        self._origin = Origin(ci.commit, ci.commit_url, ci.run_url)

    def comment(self, result: Result) -> str:
        """The comment on the pull or merge request, as Markdown."""
        return self._ci.redact(render_comment(redact_result(result, self._ci.redact), self._origin))

    def write(self, result: Result) -> int:
        """Report, and return the exit code: the result's, or 2 when a success can't be reported."""
        self._log_end(result)
        result = redact_result(result, self._ci.redact)
        documents: dict[str, Callable[[Result], str]] = {
            "dotenv_file": self._dotenv,
            "annotations_file": render_annotations,
            "summary_file": lambda result: render_summary(result, self._origin),
            "output_file": render_json,  # the last one: it says what the process exits with
        }
        for field, render in documents.items():
            if field in self._files:
                try:
                    write_report_file(self._files[field], render(result))
                except OSError as error:
                    name, path = field.replace("_", "-"), str(self._files[field])
                    problem = f"`{name}`: {path!r} can't be written ({error.strerror or error})"
                    self._ci.error(problem)
                    if not result.exit_code:
                        result.exit_code = ConfigurationError.exit_code
                        result.error = self._ci.redact(problem)
        # After the files: what could not be written is an error like any other.
        self._ci.write_outputs(outputs(result))
        self._ci.write_summary(render_summary(result, self._origin))
        return result.exit_code

    def _dotenv(self, result: Result) -> str:
        text, left_out = render_dotenv(outputs(result))
        if left_out:
            names = ", ".join(f"`{name}`" for name in left_out)
            self._ci.warning(
                f"`dotenv-file`: {names} left out, as GitLab rejects files of 5 KB or more; "
                "`output-file` has everything"
            )
        return text

    def _log_end(self, result: Result) -> None:
        line = OUTCOMES[result.outcome].line.format(
            url=result.url or result.app,
            time=human_seconds(result.duration_seconds),
            flaw=result.flaw,
            Operation=result.operation.capitalize(),
        )
        if not result.error:
            self._ci.info(line)
            return
        *others, last = result.problems if len(result.problems) > 1 else [result.error]
        for problem in others:
            self._ci.error(problem, title=line)
        self._ci.error(last, *filter(None, [result.hint]), title=line)

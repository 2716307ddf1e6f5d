"""The end of a run, told everywhere: log, outputs, summary, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.report.annotations import render_annotations
from zerokie_action.report.comment import render_comment
from zerokie_action.report.dotenv import render_dotenv
from zerokie_action.report.files import write_report_file
from zerokie_action.report.result import Result, outputs, redacted, render_json
from zerokie_action.report.summary import Origin, render_summary
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from zerokie_action.ci import CI
    from zerokie_action.settings import ReportSettings

_LAST_LINES = {
    "deployed": "Deployed in {time}: {url}",
    "restarted": "Restarted in {time}: {url}",
    "destroyed": "Done after {time}",
    "planned": "Dry run: nothing was changed",
    "skipped": "Skipped",
}
_LIVE = "{url} is live after {time}"
"""In place of the first two, where that was looked at."""


class Reports:
    """Where one run reports to."""

    def __init__(self, ci: CI, settings: ReportSettings) -> None:
        """Report through `ci` and to the files; what `ci` masks is not in them."""
        self._ci = ci
        self._settings = settings
        self._origin = Origin(ci.commit, ci.commit_url, ci.run_url)

    def debug(self, lines: Iterable[str]) -> None:
        """Details that only the debug log shows, such as a traceback."""
        self._ci.debug(*(line for chunk in lines for line in chunk.splitlines()))

    def comment(self, result: Result) -> str:
        """The comment on the pull or merge request, as Markdown."""
        clean = redacted(result, self._ci.redact)
        return self._ci.redact(render_comment(clean, self._origin))

    def write(self, result: Result, *, problems: Sequence[str]) -> int:
        """Report, and return the exit code: the result's, or 2 when a success can't be reported.

        Args:
            result: what the run did.
            problems: all that is wrong with the inputs, one sentence each.
        """
        self._say(result, problems)
        clean = redacted(result, self._ci.redact)

        def summary() -> str:
            return render_summary(clean, self._origin)

        where = self._settings
        documents: tuple[tuple[str, Path | None, Callable[[], str]], ...] = (
            ("dotenv-file", where.dotenv_file, lambda: self._dotenv(outputs(clean))),
            ("annotations-file", where.annotations_file, lambda: render_annotations(clean)),
            ("summary-file", where.summary_file, summary),
            # The last one: it says what the process exits with.
            ("output-file", where.output_file, lambda: render_json(clean)),
        )
        for name, path, render in documents:
            if path is not None:
                try:
                    write_report_file(path, render())
                except OSError as error:
                    problem = f"`{name}`: {str(path)!r} can't be written ({error.strerror or error})"
                    self._ci.error(problem)
                    if not clean.exit_code:
                        clean.exit_code = ConfigurationError.exit_code
                        clean.error = self._ci.redact(problem)
        # After the files: what could not be written is an error like any other.
        self._ci.write_outputs(outputs(clean))
        self._ci.write_summary(summary)
        return clean.exit_code

    def _dotenv(self, texts: Mapping[str, str]) -> str:
        text, left_out = render_dotenv(texts)
        if left_out:
            names = ", ".join(f"`{name}`" for name in left_out)
            self._ci.warning(
                f"`dotenv-file`: {names} left out, as GitLab takes no file of 5 KB or more; "
                "`output-file` has everything"
            )
        return text

    def _say(self, result: Result, problems: Sequence[str]) -> None:
        if result.error:
            title = (
                f"Deployed, but {result.flaw}" if result.flaw else f"{result.operation.capitalize()} failed"
            )
            if result.status == "cancelled":
                title = "Cancelled"
            for problem in problems[:-1]:
                self._ci.error(problem, title=title)
            message = problems[-1] if problems[1:] else result.error
            self._ci.error(message, *([result.hint] if result.hint else []), title=title)
            return
        line = _LIVE if result.looked else _LAST_LINES[result.status]
        time = human_seconds(result.duration_seconds)
        self._ci.info(line.format(url=result.url or result.app, time=time))

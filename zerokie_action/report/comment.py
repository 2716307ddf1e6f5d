"""The comment on a pull or merge request: the summary's essentials, behind a marker to find it by."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from zerokie_action.report.summary import essentials
from zerokie_action.text import cut_markdown

if TYPE_CHECKING:
    from zerokie_action.report.result import Result

_LIMIT = 60_000
"""GitHub takes 65,536 characters."""


def comment_marker(app: str) -> str:
    """The hidden line that the app's comment begins with; another app has another one."""
    return f"<!-- zerokie-action: app {quote(app, safe='')} -->"


def render_comment(result: Result, *, commit: str = "", commit_url: str = "", run_url: str = "") -> str:
    """Return the comment as Markdown, its marker first. The arguments are those of `render_summary`."""
    sections = essentials(result, commit=commit, commit_url=commit_url, run_url=run_url)
    text = "\n\n".join((comment_marker(result.app), *(section for section in sections if section)))
    return cut_markdown(text + "\n", _LIMIT)

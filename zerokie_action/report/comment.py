"""The comment on a pull or merge request: the summary's essentials; of a dry run the names as well."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from zerokie_action.report.summary import all_files, essentials
from zerokie_action.text import cut_markdown

if TYPE_CHECKING:
    from zerokie_action.report.result import Result
    from zerokie_action.report.summary import Origin

_LIMIT = 60_000
"""GitHub takes 65,536 characters, the marker that the comment is found by among them."""


def render_comment(result: Result, origin: Origin) -> str:
    """Return the comment as Markdown. The arguments are those of `render_summary`."""
    names = all_files(result.planned) if result.status == "planned" else ()
    sections = chain(essentials(result, origin), names)
    return cut_markdown("\n\n".join(section for section in sections if section) + "\n", _LIMIT)

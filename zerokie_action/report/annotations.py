"""GitLab's annotations report: a link on the job's page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zerokie_action.text import is_web_url, one_line

if TYPE_CHECKING:
    from zerokie_action.report.result import Result

_LABEL_LIMIT = 100


def render_annotations(result: Result) -> str:
    """Return GitLab's `artifacts:reports:annotations` JSON with the app's URL, if that is an http(s) URL."""
    links = []
    if result.url and is_web_url(result.url):
        label = one_line(result.app, _LABEL_LIMIT) or "App"
        links.append({"external_link": {"label": label, "url": result.url}})
    return json.dumps({"Zerokie": links}) + "\n"

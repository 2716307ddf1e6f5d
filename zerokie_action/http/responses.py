"""What a response says of itself, whoever made it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from zerokie_action.http.client import MEGABYTE

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGE_HEAD = 1000


def error_text(body: bytes, clean: Callable[[str], str] = str) -> str:
    """The platform's own words: `{"error": "…"}`, or what else an answer says of itself.

    HTML pages, as proxies send them, give their title. White space is folded; never raises, whatever the
    bytes. Of a very long body, only the first megabyte is looked at.

    Args:
        clean: takes the secrets out. Whoever cuts the text has to give it: half a secret looks like none.
    """
    head = body[:MEGABYTE]
    page = head.decode("utf-8", "replace")
    text = _from_json(head) or (_title(page) if is_web_page(head) else page)
    return " ".join(clean(text).split())


def is_web_page(body: bytes) -> bool:
    """Whether a body is HTML, as proxies and login pages send it and the platform's API never does."""
    head = body[:_PAGE_HEAD].decode("utf-8", "replace").lower()
    return "<html" in head or "<!doctype html" in head


def _from_json(body: bytes) -> str:
    try:
        return _words(json.loads(body))
    except (ValueError, RecursionError):
        return ""


def _words(found: object) -> str:
    """The innermost text under one of the usual names; objects may be nested."""
    words: object = ""
    while isinstance(found, dict):
        inner = next((found[key] for key in ("error", "message", "detail") if found.get(key)), None)
        if inner is None:
            break
        words = found = inner
    return str(words)


def _title(page: str) -> str:
    _, *after = re.split("</?title>", page, maxsplit=2, flags=re.IGNORECASE)
    title = after[0].strip() if after else ""
    return f"an HTML page: {title}" if title else "an HTML page"

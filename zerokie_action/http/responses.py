"""What a response says of itself, whoever made it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from zerokie_action.http.client import MEGABYTE
from zerokie_action.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGE_HEAD = 1000


def quoted(body: bytes, limit: int, clean: Callable[[str], str] = str) -> str:
    """The platform's own words, `{"error": "…"}`, or what else a response says of itself, in quotation marks.

    HTML pages, as proxies send them, are told as such, with their title. Empty when nothing is said. White
    space is folded; never raises, whatever the bytes. Of a very long body, only the first megabyte counts.

    Args:
        body: the response's.
        limit: characters of it that are quoted, at most.
        clean: takes the secrets out, before the text is cut: half a secret looks like none.
    """
    head = body[:MEGABYTE]
    text = head.decode("utf-8", "replace")
    words = _from_json(head)
    is_page = not words and is_web_page(head)
    words = words or (_title(text) if is_page else text)
    words = shorten(" ".join(clean(words).split()), limit)
    quote = f'"{words}"' if words else ""
    return ", ".join(part for part in ("an HTML page" if is_page else "", quote) if part)


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
    return after[0] if after else ""

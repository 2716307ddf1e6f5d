"""Renders the summary and the comment as Markdown.

A document begins with the status and the link to the app; then come one sentence and the changes. Details are
folded.

Foreign text goes through `zerokie_action.text`. The type `Markdown` marks text that is safe already.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, NewType

from zerokie_action.report.result import NOTHING_CHANGED, OUTCOMES
from zerokie_action.text import (
    cut_markdown,
    human_bytes,
    human_files,
    human_seconds,
    markdown_code,
    markdown_link,
    markdown_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zerokie_action.ci import CI
    from zerokie_action.report.result import Changes, Result

Markdown = NewType("Markdown", str)

_SUMMARY_LIMIT = 1_000_000
"""Bytes. GitHub allows 1 MiB for all summaries of a step."""
_COMMENT_LIMIT = 60_000
"""Bytes. GitHub allows 65,536 characters, including the comment's hidden marker."""
_MOST_ROWS = 10
_MOST_BULLETS = 1_000
"""The most changes in a visible table, and in a folded list."""

_SIGNS = {"+": "new", "~": "changed", "-": "deleted"}

_INPUT = re.compile(r"&#96;([a-z][a-z-]*(?:: [a-z0-9]+)?)&#96;")
"""An input's name, perhaps with a value (`create: true`), in backticks that `markdown_text` has escaped."""


def render_summary(result: Result, ci: CI) -> str:
    """Return the summary as GitHub-flavoured Markdown; `ci` has the links to commit and log."""
    return _document(
        _SUMMARY_LIMIT, _outcome(result, ci), _changes(result), _domains(result), _details(result)
    )


def render_comment(result: Result, ci: CI) -> str:
    """Return the comment as Markdown. It names the changed files only after a dry run."""
    changes = _changes(result) if result.status == "planned" else ()
    return _document(_COMMENT_LIMIT, _outcome(result, ci), changes, _domains(result), _details(result))


def _document(limit: int, *parts: Iterable[Markdown]) -> str:
    return cut_markdown("\n\n".join(filter(None, chain(*parts))) + "\n", limit)


def _outcome(result: Result, ci: CI) -> Iterator[Markdown]:
    """Yield headline, errors, links, sentence, warnings and notes; parts may be empty."""
    app = markdown_code(result.app) or "Zerokie"
    headline = OUTCOMES[result.outcome].headline
    yield Markdown("## " + headline.format(app=app, what=result.what))
    if len(result.problems) > 1:
        yield Markdown("**Errors:**")
        yield _bullets(map(_prose, result.problems))
    elif result.error:
        yield Markdown(f"**Error:** {_prose(result.error)}")
    if result.nothing_changed:
        yield Markdown(NOTHING_CHANGED)
    if result.hint:
        yield Markdown(f"**What to do:** {_prose(result.hint)}")
    yield _links(result, ci)
    yield _sentence(result)
    yield _bullets(f"⚠️ {_prose(warning)}" for warning in result.warnings)
    yield _bullets(map(_prose, result.notes))


def _links(result: Result, ci: CI) -> Markdown:
    url = result.url or ""
    app = markdown_link(url, url.partition("://")[2].rstrip("/"))
    commit = markdown_link(ci.commit_url, ci.commit[:12])
    log = markdown_link(ci.run_url, "Log") if ci.run_url else ""
    return Markdown(" · ".join(filter(None, (app and f"**{app}**", commit and f"Commit&nbsp;{commit}", log))))


def _sentence(result: Result) -> Markdown:
    """A sentence about the actions and their duration."""
    *most, last = [*_actions(result)] or [""]
    what = " and ".join(filter(None, [", ".join(most), last]))
    if result.status == "planned":
        return Markdown(f"A deploy would {what}." if what else "")
    seconds = result.duration_seconds
    taken = _unbroken(human_seconds(seconds))
    if result.lock_wait_seconds >= 1:
        taken += f", {_unbroken(human_seconds(result.lock_wait_seconds))} of it waiting for the deploy lock"
    if not what or result.outcome in {"failed", "cancelled"}:
        return Markdown(f"Ended after {taken}{what and f': {what}'}." if what or seconds >= 1 else "")
    return Markdown(f"{what[:1].upper()}{what[1:]} in {taken}.")


def _actions(result: Result) -> Iterator[str]:
    """Yield a phrase for each action."""
    effect = result.effect
    if effect is None:
        yield from _app_actions(result)
        return
    planned = result.status == "planned"
    upload, delete, leave = ("upload", "delete", "leave") if planned else ("uploaded", "deleted", "left")
    if result.created:
        yield "created the app"
    if effect.uploaded:
        size = _unbroken(human_bytes(effect.bytes_uploaded))
        yield f"{upload} {human_files(len(effect.uploaded))} ({size})"
    if effect.deleted:
        yield f"{delete} {human_files(len(effect.deleted), 'stale file')}"
    if effect.unchanged:
        verb = leave if effect.uploaded or effect.deleted or planned else "found"
        yield f"{verb} {human_files(effect.unchanged)} unchanged"


def _app_actions(result: Result) -> Iterator[str]:
    image, previous = markdown_code(result.image or ""), markdown_code(result.previous_image or "")
    match result.status:
        case "deployed" if previous and previous != image:
            yield f"replaced {previous} with {image}"
        case "deployed":
            yield f"created the app with {image}" if result.created else f"deployed {image}"
        case "rolled-back":
            yield f"went back to {previous}"
        case "restarted":
            yield "restarted the app"
        case "destroyed" if result.kind:
            yield "deleted the app"


def _changes(result: Result) -> Iterator[Markdown]:
    """Yield the changes: deletions first, then uploads by path, as in the log."""
    effect = result.effect
    if effect is None or not (count := len(effect.uploaded) + len(effect.deleted)):
        return
    title = "What would change" if result.status == "planned" else "What changed"
    if count <= _MOST_ROWS:
        yield Markdown(f"### {title}")
        rows = ((f"`{sign}` {_SIGNS[sign]}", path, size) for sign, path, size in _changed_files(effect))
        yield _table("| Change | File | Size |\n| :--- | :--- | ---: |", rows)
    else:
        lines = [
            f"`{sign}` {path}{size and f' ({size})'}"
            for sign, path, size in islice(_changed_files(effect), _MOST_BULLETS)
        ]
        if count > _MOST_BULLETS:
            lines.append(f"and {count - _MOST_BULLETS:,} more, which the JSON result (`output-file`) names")
        yield from _folded(f"{title} ({count:,})", _bullets(lines))


def _changed_files(effect: Changes) -> Iterator[tuple[str, str, str]]:
    """Yield sign, path and size of each change."""
    for path, size in sorted(effect.deleted.items()):
        yield "-", markdown_code(path), _unbroken(human_bytes(size)) if size >= 0 else ""
    for file in sorted(effect.uploaded):
        yield file.sign, markdown_code(file.path), _unbroken(human_bytes(file.size))


def _domains(result: Result) -> Iterator[Markdown]:
    if not result.domains:
        return
    yield Markdown("### Domains")
    rows = []
    for domain in result.domains:
        name, target, tls = (str(domain.get(key) or "") for key in ("domain", "cname_target", "tls_status"))
        outcome = markdown_text(str(domain.get("error") or domain.get("status") or ""))
        rows.append((markdown_code(name), markdown_code(target) or outcome, markdown_text(tls)))
    yield _table("| Domain | CNAME record to set | TLS |\n| :--- | :--- | :--- |", rows)


def _details(result: Result) -> Iterator[Markdown]:
    facts = {
        "Deploy ID": markdown_code(result.deploy_id or ""),
        "Image": markdown_code(result.image or ""),
        "Previous image": markdown_code(result.previous_image or ""),
        "CDN cache": "purged" if result.cache_purged else "",
        "Retries": f"{result.retries_used:,}" if result.retries_used else "",
        "Phases": ", ".join(f"{markdown_text(name)} {human_seconds(taken)}" for name, taken in result.phases),
    }
    if details := [f"**{name}:** {value}" for name, value in facts.items() if value]:
        yield from _folded("Details", _bullets(details))


def _folded(title: str, content: Markdown) -> Iterator[Markdown]:
    yield Markdown(f"<details><summary>{title}</summary>")
    yield content
    yield Markdown("</details>")


def _prose(text: str) -> str:
    """Return a message of this program as Markdown; the names of inputs in backticks become code."""
    # `<code>`, not code spans: a stray backtick in the sentence would shift all code spans after it.
    return _INPUT.sub(r"<code>\1</code>", markdown_text(text))


def _bullets(items: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {item}" for item in items))


def _unbroken(number: str) -> str:
    """Keep a number and its unit on one line."""
    return number.replace(" ", "&nbsp;")


def _table(head: str, rows: Iterable[Sequence[str]]) -> Markdown:
    """Return a table; the cells are safe already."""
    return Markdown("\n".join([head, *(f"| {' | '.join(cells)} |" for cells in rows)]))

"""The summary and the comment: what a run did, for people, as Markdown documents.

First the status, with the link to what is deployed; then one sentence; then what changed. The rest is folded.
The timeline is shown only where something took long: an outage or a retry that the log tells of, or a phase
of 30 seconds or more, the wait for the lock among them.

Everything that comes from elsewhere goes through `zerokie_action.text` first; a function here that is given
`Markdown` gets text that is safe already. The longest part, the list of all files, comes last, so that a
summary that is too long loses nothing else. Each file is named once.
"""

from __future__ import annotations

import re
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, NamedTuple, NewType

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
    from collections.abc import Container, Iterable, Iterator, Sequence

    from zerokie_action.report.result import Changes, Result

Markdown = NewType("Markdown", str)

_SHOWN = 10
_SHOWN_DELETIONS = 20
_LISTED = 10_000
_EVENTS = 20
_LONG = 30.0
_BAR = 12
_COMMENT_LIMIT = 60_000
"""GitHub takes 65,536 characters, the marker that the comment is found by among them."""

_HEADLINES = {
    "live": "✅ {app} is live",
    "deployed": "✅ {app} is deployed",
    "deployed, running": "✅ {app} is deployed and runs",
    "restarted": "✅ {app} is restarted",
    "restarted, running": "✅ {app} is restarted and runs",
    "destroyed": "✅ {app} is deleted",
    "planned": "🔍 Dry run for {app}: nothing was changed",
    "skipped": "⏭️ {app}: skipped",
    "rolled-back": "⚠️ {app} runs its previous image again",
    "failed": "❌ {app}: {operation} failed",
    "cancelled": "🚫 {app}: {operation} cancelled",
}
_SIGNS = {"+": "new", "~": "changed", "-": "deleted"}
_DONE = ("uploaded", "deleted", "left")
_PLANNED = ("upload", "delete", "leave")

_INPUT = re.compile(r"&#96;([a-z][a-z-]*(?:: [a-z0-9]+)?)&#96;")
"""An input in backticks, and its value: `create: true`."""


class Origin(NamedTuple):
    """Where a deploy comes from; what is not known is empty.

    Attributes:
        commit: the hash of the commit that was deployed.
        commit_url: its page.
        run_url: the page of this run.
    """

    commit: str = ""
    commit_url: str = ""
    run_url: str = ""


def render_summary(result: Result, origin: Origin, *, limit: int = 1_000_000) -> str:
    """Return the summary as GitHub-flavoured Markdown, in at most `limit` bytes of UTF-8.

    Args:
        result: what the run did; secrets are redacted already.
        origin: what the summary links to.
        limit: in bytes. A longer summary is cut after a line, with a note.
    """
    return _document(
        limit,
        _outcome(result, origin),
        _shown_changes(result),
        _domains(result),
        _timeline(result),
        _details(result),
        _folded_changes(result),
    )


def render_comment(result: Result, origin: Origin) -> str:
    """Return the comment as Markdown: the outcome; of a dry run the names as well."""
    shown, folded = (
        (_shown_changes(result), _folded_changes(result)) if result.status == "planned" else ((), ())
    )
    return _document(
        _COMMENT_LIMIT, _outcome(result, origin), shown, _domains(result), _details(result), folded
    )


def _document(limit: int, *parts: Iterable[Markdown]) -> str:
    return cut_markdown("\n\n".join(filter(None, chain(*parts))) + "\n", limit)


def _outcome(result: Result, origin: Origin) -> Iterator[Markdown]:
    """Yield what everybody wants to know; some of it may be empty."""
    yield _headline(result)
    if len(result.problems) > 1:
        yield Markdown("**Errors:**")
        yield _bullets(map(_prose, result.problems))
    elif result.error:
        yield Markdown(f"**Error:** {_prose(result.error)}")
    if result.hint:
        yield Markdown(f"**What to do:** {_prose(result.hint)}")
    yield _links(result, origin)
    yield _sentence(result)
    yield _bullets(f"⚠️ {_prose(warning)}" for warning in result.warnings)
    yield _bullets(_prose(note) for note in result.notes)


def _headline(result: Result) -> Markdown:
    app = markdown_code(result.app) or "Zerokie"
    headline = _HEADLINES[result.outcome]
    if result.status == "failed" and result.flaw:
        headline = f"⚠️ {{app}} is deployed, but {result.flaw}"
    if result.status == "planned" and result.planned is not None:
        to_upload, to_delete = len(result.planned.uploaded), len(result.planned.deleted)
        headline = f"🔍 Dry run for {{app}}: {to_upload:,} to upload, {to_delete:,} to delete"
    return Markdown("## " + headline.format(app=app, operation=result.operation))


def _links(result: Result, origin: Origin) -> Markdown:
    url = result.url or ""
    app = markdown_link(url, url.partition("://")[2].rstrip("/"))
    commit = markdown_link(origin.commit_url, origin.commit[:12])
    log = markdown_link(origin.run_url, "Log") if origin.run_url else ""
    return Markdown(" · ".join(filter(None, (app and f"**{app}**", commit and f"Commit&nbsp;{commit}", log))))


def _sentence(result: Result) -> Markdown:
    """What was done, or would be, and how long it took."""
    *most, last = [*_actions(result)] or [""]
    what = f"{', '.join(most)} and {last}" if most else last
    if result.status in {"planned", "skipped"}:
        return Markdown(f"A deploy would {what}." if what else "")
    seconds = result.duration_seconds
    taken = _unbroken(human_seconds(seconds))
    if result.lock_wait_seconds >= 1:
        taken += f", {_unbroken(human_seconds(result.lock_wait_seconds))} of it waiting for the deploy lock"
    if not what or (result.status in {"failed", "cancelled"} and not result.flaw):
        return Markdown(f"Ended after {taken}{what and f': {what}'}." if what or seconds >= 1 else "")
    return Markdown(f"{what[:1].upper()}{what[1:]} in {taken}.")


def _actions(result: Result) -> Iterator[str]:
    """What was done, or would be, a phrase each."""
    effect = result.effect
    if effect is None:
        yield from _app_actions(result)
        return
    planned = result.status == "planned"
    upload, delete, leave = _PLANNED if planned else _DONE
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
        case "destroyed":
            yield "deleted the app"


def _shown_changes(result: Result) -> Iterator[Markdown]:
    """Yield what changed, if it is not much; of a dry run that changes more, what it would delete."""
    effect, planned = result.effect, result.status == "planned"
    if effect is None or not (total := _count(effect)):
        return
    if total <= _SHOWN:
        yield Markdown(f"### {_title(result)}")
        rows = ((f"`{sign}` {_SIGNS[sign]}", path, size) for sign, path, size in _changes(effect))
        yield _table(("Change", "File", "Size"), rows, right=(2,))
    elif planned and effect.deleted:
        yield Markdown(f"### What would be deleted ({len(effect.deleted):,})")
        yield _list(islice(_changes(effect), min(len(effect.deleted), _SHOWN_DELETIONS)))


def _folded_changes(result: Result) -> Iterator[Markdown]:
    """Yield the folded list of the changes that `_shown_changes` does not show."""
    effect = result.effect
    if effect is None or (total := _count(effect)) <= _SHOWN:
        return
    shown = min(len(effect.deleted), _SHOWN_DELETIONS) if result.status == "planned" else 0
    if left := total - shown:
        title = "What else would change" if shown else _title(result)
        more = f"… and {left - _LISTED:,} more; the JSON result (`output-file`) has them all."
        yield from _folded(
            f"{title} ({left:,})",
            _list(islice(_changes(effect), shown, shown + _LISTED)),
            Markdown(more if left > _LISTED else ""),
        )


def _title(result: Result) -> str:
    return "What would change" if result.status == "planned" else "What changed"


def _count(effect: Changes) -> int:
    return len(effect.uploaded) + len(effect.deleted)


def _changes(effect: Changes) -> Iterator[tuple[str, str, str]]:
    """Yield sign, path and size of each change, in the order of the log: deletions, then uploads by path."""
    for path in sorted(effect.deleted):
        yield "-", markdown_code(path), ""
    for file in sorted(effect.uploaded):
        yield file.sign, markdown_code(file.path), _unbroken(human_bytes(file.size))


def _list(changes: Iterable[tuple[str, str, str]]) -> Markdown:
    return _bullets(f"`{sign}` {path}{size and f' ({size})'}" for sign, path, size in changes)


def _domains(result: Result) -> Iterator[Markdown]:
    if not result.domains:
        return
    yield Markdown("### Domains")
    rows = []
    for domain in result.domains:
        name, target, tls = (str(domain.get(key) or "") for key in ("domain", "cname_target", "tls_status"))
        outcome = markdown_text(str(domain.get("error") or domain.get("status") or ""))
        rows.append((markdown_code(name), markdown_code(target) or outcome, markdown_text(tls)))
    yield _table(("Domain", "CNAME record to set", "TLS"), rows)


def _timeline(result: Result) -> Iterator[Markdown]:
    """Show each phase as a bar, one after the other, over the time that they took together; then outages."""
    phases = result.phases
    total = sum(seconds for _, seconds in phases)
    if not total or not (result.events or max(seconds for _, seconds in phases) >= _LONG):
        return
    yield Markdown("### Timeline")
    ends = list(accumulate(seconds for _, seconds in phases))
    rows = []
    for (name, seconds), end in zip(phases, ends, strict=True):
        start = min(round((end - seconds) / total * _BAR), _BAR - 1)
        length = max(round(end / total * _BAR) - start, 1)
        bar = "─" * start + "█" * length + "─" * (_BAR - start - length)
        rows.append((markdown_text(name), _unbroken(human_seconds(seconds)), f"`{bar}`"))
    yield _table(("Phase", "Duration", "When"), rows, right=(1,))
    yield _bullets(_prose(event) for event in result.events[:_EVENTS])
    if more := result.events[_EVENTS:]:
        yield Markdown(f"… and {len(more):,} more in the log.")


def _details(result: Result) -> Iterator[Markdown]:
    waited = human_seconds(result.lock_wait_seconds) if result.lock_wait_seconds else ""
    facts = {
        "Kind": result.kind or "",
        "Deploy ID": markdown_code(result.deploy_id or ""),
        "Image": markdown_code(result.image or ""),
        "Previous image": markdown_code(result.previous_image or ""),
        "CDN cache": "purged" if result.cache_purged else "",
        "Waited for the lock": waited,
        "Requests": f"{result.retries_used:,} repeated" if result.retries_used else "",
        "Duration": human_seconds(result.duration_seconds),
    }
    yield from _folded("Details", _bullets(f"**{name}:** {value}" for name, value in facts.items() if value))


def _folded(title: str, *parts: Markdown) -> Iterator[Markdown]:
    yield Markdown(f"<details><summary>{title}</summary>")
    yield from parts
    yield Markdown("</details>")


def _prose(text: str) -> str:
    """Return our own words, which name inputs in backticks."""
    # Not a code span: a backtick more, and all code spans after it begin and end elsewhere.
    return _INPUT.sub(r"<code>\1</code>", markdown_text(text))


def _bullets(items: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {item}" for item in items))


def _unbroken(number: str) -> str:
    """Return a number and its unit for one line, however narrow the page."""
    return number.replace(" ", "&nbsp;")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Container[int] = ()) -> Markdown:
    """Return a table of cells that are safe already; the columns `right` are aligned to the right."""
    rule = ["---:" if column in right else ":---" for column in range(len(head))]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)))

"""The summary: what a run did, for people, as a Markdown document.

Everything in it that comes from elsewhere goes through `zerokie_action.text` first; a function here that is
given `Markdown` gets text that is safe already. The longest part, the list of all files, comes last,
so that a summary that is too long loses nothing else.
"""

from __future__ import annotations

from itertools import accumulate, chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, NewType

from zerokie_action.text import (
    cut_markdown,
    human_bytes,
    human_seconds,
    markdown_code,
    markdown_link,
    markdown_text,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from zerokie_action.report.result import Changes, Result

Markdown = NewType("Markdown", str)

_BIGGEST = 10
_LISTED = 10_000
_EVENTS = 20
_BAR = 24
_COMMENT_LIMIT = 60_000
"""GitHub takes 65,536 characters, the marker that the comment is found by among them."""

_WORDS_DONE = ("What changed", "Uploaded", "Deleted")
_WORDS_PLANNED = ("What would change", "To upload", "To delete")

_HEADLINES = {
    "deployed": "✅ {app} is deployed",
    "restarted": "✅ {app} is restarted",
    "destroyed": "✅ {app} is deleted",
    "planned": "🔍 Dry run for {app}: nothing was changed",
    "skipped": "⏭️ {app}: skipped",
    "rolled-back": "⚠️ {app} runs its previous image again",
    "failed": "❌ {app}: {operation} failed",
    "cancelled": "🚫 {app}: {operation} cancelled",
}


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
    sections = chain(_essentials(result, origin), _timeline(result), _all_files(result.effect))
    return cut_markdown("\n\n".join(section for section in sections if section) + "\n", limit)


def render_comment(result: Result, origin: Origin) -> str:
    """Return the comment as Markdown. The arguments are those of `render_summary`."""
    names = _all_files(result.planned) if result.status == "planned" else ()
    sections = chain(_essentials(result, origin), names)
    return cut_markdown("\n\n".join(section for section in sections if section) + "\n", _COMMENT_LIMIT)


def _essentials(result: Result, origin: Origin) -> Iterator[Markdown]:
    """Yield what everybody wants to know, section by section; some may be empty."""
    links = [
        ("Commit", markdown_link(origin.commit_url, origin.commit[:12])),
        ("Run", markdown_link(origin.run_url, "log") if origin.run_url else ""),
    ]
    yield _headline(result)
    yield from _problems(result)
    yield _table(("", ""), _facts(result, links))
    yield from _changes(result)
    yield from _domains(result)


def _headline(result: Result) -> Markdown:
    app = markdown_code(result.app) or "Zerokie"
    headline = _HEADLINES.get(result.status, "{app}: {status}")
    if result.status == "failed" and result.flaw:
        headline = f"⚠️ {{app}} is deployed, but {result.flaw}"
    if result.status == "planned" and result.planned is not None:
        to_upload, to_delete = len(result.planned.uploaded), len(result.planned.deleted)
        headline = f"🔍 Dry run for {{app}}: {to_upload:,} to upload, {to_delete:,} to delete"
    return Markdown(
        "## " + headline.format(app=app, operation=result.operation, status=markdown_text(result.status))
    )


def _problems(result: Result) -> Iterator[Markdown]:
    if result.error:
        yield Markdown(f"**Error:** {markdown_text(result.error)}")
    if result.hint:
        yield Markdown(f"**What to do:** {markdown_text(result.hint)}")
    yield _bullets(f"⚠️ {markdown_text(warning)}" for warning in result.warnings)
    yield _bullets(markdown_text(note) for note in result.notes)


def _facts(result: Result, links: Iterable[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    kind = f" ({result.kind})" if result.kind else ""
    created = ", created by this run" if result.created else ""
    retries = f"{result.retries_used:,} repeated" if result.retries_used else ""
    waited = human_seconds(result.lock_wait_seconds) if result.lock_wait_seconds else ""
    facts = [
        ("App", f"{markdown_code(result.app)}{kind}{created}" if result.app else ""),
        ("URL", markdown_link(result.url or "")),
        ("Deploy ID", markdown_code(result.deploy_id or "")),
        ("Image", markdown_code(result.image or "")),
        ("Previous image", markdown_code(result.previous_image or "")),
        *links,
        ("CDN cache", "purged" if result.cache_purged else ""),
        ("Waited for the lock", waited),
        ("Requests", retries),
        ("Duration", human_seconds(result.duration_seconds)),
    ]
    return ((f"**{name}**", value) for name, value in facts if value)


def _changes(result: Result) -> Iterator[Markdown]:
    effect = result.effect
    if effect is None:
        return
    title, uploaded, deleted = _WORDS_PLANNED if result.status == "planned" else _WORDS_DONE
    yield Markdown(f"### {title}")
    yield _table(
        ("", "Files", "Size"),
        [
            (uploaded, f"{len(effect.uploaded):,}", human_bytes(effect.bytes_uploaded)),
            (deleted, f"{len(effect.deleted):,}", ""),
            ("Unchanged", f"{effect.unchanged:,}", ""),
        ],
        right=(1, 2),
    )
    if len(effect.uploaded) > _BIGGEST:
        biggest = sorted(effect.uploaded, key=itemgetter(1), reverse=True)[:_BIGGEST]
        rows = ((markdown_code(file.path), human_bytes(file.size)) for file in biggest)
        yield _table(("Biggest files", "Size"), rows, right=(1,))


def _domains(result: Result) -> Iterator[Markdown]:
    if not result.domains:
        return
    yield Markdown("### Domains")
    rows = []
    for domain in result.domains:
        name, target, tls = (str(domain.get(key) or "") for key in ("domain", "cname_target", "tls_status"))
        record = f"{markdown_code(name)} CNAME {markdown_code(target)}" if target else ""
        outcome = markdown_text(str(domain.get("error") or domain.get("status") or ""))
        rows.append((markdown_code(name), record or outcome, markdown_text(tls)))
    yield _table(("Domain", "DNS record to set", "TLS"), rows)


def _timeline(result: Result) -> Iterator[Markdown]:
    """Show each phase as a bar, one after the other, over the time that they took together; then outages."""
    phases = result.phases
    total = sum(seconds for _, seconds in phases)
    if not total:
        return
    yield Markdown("### Timeline")
    ends = list(accumulate(seconds for _, seconds in phases))
    rows = []
    for (name, seconds), end in zip(phases, ends, strict=True):
        start = min(round((end - seconds) / total * _BAR), _BAR - 1)
        length = max(round(end / total * _BAR) - start, 1)
        bar = "░" * start + "█" * length + "░" * (_BAR - start - length)
        rows.append((markdown_text(name), human_seconds(seconds), f"`{bar}`"))
    yield _table(("Phase", "Duration", ""), rows, right=(1,))
    yield _bullets(markdown_text(event) for event in result.events[:_EVENTS])
    if more := result.events[_EVENTS:]:
        yield Markdown(f"… and {len(more):,} more in the log.")


def _all_files(effect: Changes | None) -> Iterator[Markdown]:
    """Yield the folded list of what was uploaded and deleted, or would be."""
    if effect is None or not (effect.uploaded or effect.deleted):
        return
    total = len(effect.uploaded) + len(effect.deleted)
    uploads = (
        f"`{sign}` {markdown_code(path)} ({human_bytes(size)})" for path, size, sign in effect.uploaded
    )
    deletions = (f"`-` {markdown_code(path)}" for path in effect.deleted)
    yield Markdown(f"<details><summary>Changed files ({total:,})</summary>")
    yield _bullets(islice(chain(uploads, deletions), _LISTED))
    if total > _LISTED:
        yield Markdown(f"… and {total - _LISTED:,} more; the JSON result (`output-file`) has them all.")
    yield Markdown("</details>")


def _bullets(items: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {item}" for item in items))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Container[int] = ()) -> Markdown:
    """Return a table of cells that are safe already; the columns `right` are aligned to the right."""
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)))

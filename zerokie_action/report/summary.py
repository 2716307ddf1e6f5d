"""Renders the summary and the comment as Markdown.

A document begins with the status and the link to the app; then comes one line of counts. The changes are
last, because a document that is too long is cut at its end.

Foreign text goes through `zerokie_action.text.escapes`.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from zerokie_action.report.report import NOTHING_CHANGED, OUTCOMES, Changes, Result
from zerokie_action.text.escapes import cut_markdown, is_web_url, markdown_code, markdown_link, markdown_text
from zerokie_action.text.numbers import human_bytes, human_files, human_seconds

_LIMIT = 60_000
"""Bytes. GitHub allows 65,536 characters in a comment, including the comment's hidden marker."""
_MOST_OPEN = 10
"""The most changes in a list that is open at first."""


def render_summary(result: Result) -> str:
    """The summary as GitHub-flavoured Markdown."""
    return _document(_outcome(result), _domains(result), _changes(result))


def render_comment(result: Result) -> str:
    """The comment as Markdown. It names the changed files only after a dry run."""
    changes = _changes(result) if result.status == "planned" else ()
    return _document(_outcome(result), _domains(result), changes)


def _document(*parts: Iterable[str]) -> str:
    return cut_markdown("\n\n".join(filter(None, chain(*parts))) + "\n", _LIMIT)


def _outcome(result: Result) -> Iterator[str]:
    """Headline, errors, links, counts, warnings and notes; parts may be empty."""
    headline, _ = OUTCOMES[result.outcome]
    app = markdown_code(result.app) or ("Previews" if result.operation == "sweep" else "Zerokie")
    yield "## " + headline.format(app=app, what=result.what, status=result.status)
    for problem in result.problems:
        yield f"**Error:** {markdown_text(problem)}"
    if result.nothing_changed:
        yield NOTHING_CHANGED
    if result.hint:
        yield f"**What to do:** {markdown_text(result.hint)}"
    url = result.url or ""
    link = markdown_link(url, url.partition("://")[2].rstrip("/"))  # empty for a URL of white space alone
    links = {label: url for label, url in result.links.items() if label == "Log" or not result.commits.commit}
    yield _joined(link and f"**{link}**", *(markdown_link(url, label) for label, url in links.items()))
    yield _joined(*_commits(result))
    yield _joined(*_facts(result))
    yield _bullets(f"⚠️ {markdown_text(warning)}" for warning in result.warnings)
    yield _bullets(map(markdown_text, result.notes))


def _commits(result: Result) -> Iterator[str]:
    """Yield the lines about the commits. The SHAs are text where there is no page to link to."""
    for line in result.commits.lines():
        is_link = is_web_url(line.url)
        yield line.text + (markdown_link(line.url, line.commits) if is_link else markdown_code(line.commits))


def _facts(result: Result) -> Iterator[str]:
    """Yield the image, the counts, the duration, the deploy ID and the purge of the cache."""
    image, previous = markdown_code(result.image or ""), markdown_code(result.previous_image or "")
    is_replaced = image and previous and image != previous
    yield f"{image} in place of {previous}" if is_replaced else image
    if changes := result.changes:
        upload, delete = ("to upload", "to delete") if result.dry_run else ("uploaded", "deleted")
        size = human_bytes(changes.bytes_uploaded)
        yield (
            f"{human_files(len(changes.uploaded))} {upload} ({size}), {len(changes.deleted):,} {delete}, "
            f"{changes.unchanged:,} unchanged"
        )
    waited = human_seconds(result.lock_wait_seconds)
    of_it = f", {waited} of it waiting for the deploy lock" if result.lock_wait_seconds >= 1 else ""
    yield human_seconds(result.duration_seconds) + of_it
    yield f"deploy {markdown_code(result.deploy_id)}" if result.deploy_id else ""
    yield "CDN cache purged" if result.cache_purged else ""


def _changes(result: Result) -> Iterator[str]:
    """The changes: deletions first, then uploads by path, as in the log."""
    changes = result.changes
    if changes is None or not (lines := [*_changed_files(changes)]):
        return
    title = "What would change" if result.dry_run else "What changed"
    is_open = " open" if len(lines) <= _MOST_OPEN else ""
    yield f"<details{is_open}><summary>{title} ({len(lines):,})</summary>"
    yield _bullets(lines)
    yield "</details>"


def _changed_files(changes: Changes) -> Iterator[str]:
    """Sign, path and size of each change."""
    for path, size in sorted(changes.deleted.items()):
        yield f"`-` {markdown_code(path)}" + (f" ({human_bytes(size)})" if size >= 0 else "")
    for file in sorted(changes.uploaded):
        yield f"`{file.sign}` {markdown_code(file.path)} ({human_bytes(file.size)})"


def _domains(result: Result) -> Iterator[str]:
    if not result.domains:
        return
    rows = ["| Domain | CNAME record to set | TLS |", "| :--- | :--- | :--- |"]
    for domain in result.domains:
        name, target, tls = (str(domain.get(key) or "") for key in ("domain", "cname_target", "tls_status"))
        outcome = markdown_text(str(domain.get("error") or domain.get("status") or ""))
        rows.append(f"| {markdown_code(name)} | {markdown_code(target) or outcome} | {markdown_text(tls)} |")
    yield "### Domains"
    yield "\n".join(rows)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _joined(*parts: str | None) -> str:
    return " · ".join(filter(None, parts))

"""Renders the summary and the comment as Markdown.

A document starts with the status, the link to the app, and one line of counts. The list of changes is last,
because a document that is too long is cut at its end.

Foreign text passes through `zerokie_action.text.escapes`.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from urllib.parse import quote

from zerokie_action.report.changes import Files
from zerokie_action.report.report import HEADLINES, NOTHING_CHANGED, Report
from zerokie_action.text.escapes import cut_markdown, is_web_url, markdown_code, markdown_link, markdown_text
from zerokie_action.text.numbers import human_bytes, human_files, human_seconds

_LIMIT = 60_000
"""Bytes. GitHub allows 65,536 characters in a comment, including its hidden first line."""
_MOST_OPEN = 10
"""Number of changes up to which the list is open at first."""
_MOST_PAGES = 10
"""Number of pages in the comment of a deploy."""
_PAGES = (".html", ".htm", ".xhtml")


def render_summary(report: Report) -> str:
    """Return the summary as GitHub Flavored Markdown."""
    return _document(_outcome(report), _domains(report), _changes(report))


def render_comment(report: Report) -> str:
    """Return the comment as Markdown.

    The comment of a dry run lists the changed files. The comment of a deploy links the changed pages.
    """
    changes = _changes(report) if report.status == "planned" else ()
    return _document(_outcome(report), _changed_pages(report), _domains(report), changes)


def _document(*parts: Iterable[str]) -> str:
    return cut_markdown("\n\n".join(filter(None, chain(*parts))) + "\n", _LIMIT)


def _outcome(report: Report) -> Iterator[str]:
    """Yield headline, errors, links, counts, warnings and notes. Parts may be empty."""
    headline, _ = HEADLINES[report.outcome]
    app = markdown_code(report.app) or ("Previews" if report.operation == "sweep" else "Zerokie")
    yield "## " + headline.format(
        app=app, activity=report.activity, status=report.status, apps=human_files(len(report.apps), "app")
    )
    for problem in report.problems:
        yield f"**Error:** {markdown_text(problem)}"
    if report.nothing_changed:
        yield NOTHING_CHANGED
    if report.hint:
        yield f"**What to do:** {markdown_text(report.hint)}"
    url = report.url or ""
    link = markdown_link(url, url.partition("://")[2].rstrip("/"))
    # Unless the run deployed its commit, the URL shows another one. A folder has a line about its commits.
    has_commit = report.status == "deployed" and not report.commits.commit
    links = {label: url for label, url in report.links.items() if label == "Log" or has_commit}
    yield _joined(link and f"**{link}**", *(markdown_link(url, label) for label, url in links.items()))
    yield _joined(*_commits(report))
    yield _joined(*_facts(report))
    yield _bullets(f"⚠️ {markdown_text(warning)}" for warning in report.warnings)
    yield _bullets(map(markdown_text, report.notes))


def _commits(report: Report) -> Iterator[str]:
    """Yield the lines about the commits. SHAs without a page to link to are text."""
    for line in report.commits.lines():
        is_link = is_web_url(line.url)
        yield line.text + (markdown_link(line.url, line.commits) if is_link else markdown_code(line.commits))


def _facts(report: Report) -> Iterator[str]:
    """Yield the image, the counts, the duration, the deploy ID and the purge of the cache."""
    image, previous = markdown_code(report.image or ""), markdown_code(report.previous_image or "")
    is_replaced = image and previous and image != previous
    yield f"{image} (was {previous})" if is_replaced else image
    yield _counts(report.files, is_dry=report.dry_run) if report.files else ""
    waited = human_seconds(report.lock_wait_seconds)
    of_it = f", {waited} of it waiting for the deploy lock" if report.lock_wait_seconds >= 1 else ""
    yield human_seconds(report.duration_seconds) + of_it
    yield f"deploy {markdown_code(report.deploy_id)}" if report.deploy_id else ""
    yield "CDN cache purged" if report.cache_purged else ""


def _counts(files: Files, *, is_dry: bool) -> str:
    """Return the numbers of files, without zeros: `2 files uploaded (8.0 MB), 1 deleted`."""
    upload, delete = ("to upload", "to delete") if is_dry else ("uploaded", "deleted")
    counts = [
        (len(files.uploaded), f"{upload} ({human_bytes(files.bytes_uploaded)})"),
        (len(files.deleted), delete),
        (files.unchanged, "unchanged"),
    ]
    shown = [(count, text) for count, text in counts if count]
    first = [f"{human_files(count)} {text}" for count, text in shown[:1]]
    return ", ".join(first + [f"{count:,} {text}" for count, text in shown[1:]])


def _changes(report: Report) -> Iterator[str]:
    """Yield the list of changes: deletions first, then uploads by path, as in the log."""
    if report.files is None or not (lines := [*_changed_files(report.files)]):
        return
    title = "What would change" if report.dry_run else "What changed"
    is_open = " open" if len(lines) <= _MOST_OPEN else ""
    yield f"<details{is_open}><summary>{title} ({len(lines):,})</summary>"
    yield _bullets(lines)
    yield "</details>"


def _changed_files(files: Files) -> Iterator[str]:
    """Yield sign, path and size of each change."""
    for path, size in sorted(files.deleted.items()):
        yield f"`-` {markdown_code(path)}" + (f" ({human_bytes(size)})" if size >= 0 else "")
    for file in sorted(files.uploaded):
        yield f"`{file.sign}` {markdown_code(file.path)} ({human_bytes(file.size)})"


def _changed_pages(report: Report) -> Iterator[str]:
    """Yield links to the pages that a deploy added or changed, unless the whole site is new."""
    files, url = report.files, (report.url or "").rstrip("/")
    if report.status != "deployed" or files is None or not is_web_url(url):
        return
    if not files.unchanged and all(file.sign == "+" for file in files.uploaded):
        return
    pages = sorted(map(_page_path, (one.path for one in files.uploaded if one.path.lower().endswith(_PAGES))))
    if pages:
        more = [f"and {len(pages) - _MOST_PAGES:,} more"] if len(pages) > _MOST_PAGES else []
        links = (markdown_link(url + quote(page, errors="replace"), page) for page in pages[:_MOST_PAGES])
        yield "Added or changed pages:"
        yield _bullets([*links, *more])


def _page_path(path: str) -> str:
    """Return the path in the URL of a page, such as `/pricing/` for `pricing/index.html`."""
    folder, slash, name = f"/{path}".rpartition("/")
    return folder + slash + ("" if name == "index.html" else name)


def _domains(report: Report) -> Iterator[str]:
    if not report.domains:
        return
    rows = ["| Domain | CNAME record to set | TLS |", "| :--- | :--- | :--- |"]
    for domain in report.domains:
        name, target, tls = (str(domain.get(key) or "") for key in ("domain", "cname_target", "tls_status"))
        outcome = markdown_text(str(domain.get("error") or domain.get("status") or ""))
        rows.append(f"| {markdown_code(name)} | {markdown_code(target) or outcome} | {markdown_text(tls)} |")
    yield "### Domains"
    yield "\n".join(rows)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _joined(*parts: str | None) -> str:
    return " · ".join(filter(None, parts))

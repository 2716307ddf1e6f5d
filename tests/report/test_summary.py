"""The exact Markdown of the summary."""

from dataclasses import replace
from typing import Any

import pytest

from tests.report import results
from tests.report.results import make_report
from zerokie_action.report.changes import Files, UploadedFile
from zerokie_action.report.report import Report
from zerokie_action.report.summary import render_comment, render_summary


def test_the_summary_of_a_static_deploy():
    """Status, link and counts come first, the list of changes last."""
    links = {"Commit 0123456": "https://a.b/c/0123", "Log": "https://a.b/r/1"}
    assert render_summary(replace(results.static(), links=links)) == (
        """\
## ✅ `my-site` is deployed

**[my-site.platform-dev.zerokie.com](<https://my-site.platform-dev.zerokie.com>)** \
· [Commit 0123456](<https://a.b/c/0123>) · [Log](<https://a.b/r/1>)

2 files uploaded (8.0 MB), 1 deleted, 199 unchanged · 2.3s, 12s of it waiting for the deploy lock \
· deploy `d-20260307-170000` · CDN cache purged

- ⚠️ Input `port` changes nothing

- The manifest was not readable

### Domains

| Domain | CNAME record to set | TLS |
| :--- | :--- | :--- |
| `www.example.com` | `my-site.zerokie.com` | pending |

<details open><summary>What changed (3)</summary>

- `-` `old/a\\x7cb.html` (3.4 kB)
- `+` `assets/a b.png` (8.0 MB)
- `~` `index.html` (1.2 kB)

</details>
"""
    )


def test_the_summary_of_a_failed_image():
    """The error and the hint come first."""
    assert render_summary(results.image()) == (
        """\
## ⚠️ `my-api` runs its previous image again

**Error:** my-api did not start: status is 'crashed'

**What to do:** Read its log.

**[my-api.platform-dev.zerokie.com](<https://my-api.platform-dev.zerokie.com>)**

`ghcr.io/o/my-api:v1` · 1m 01s · deploy `550e8400-e29b-41d4-a716-446655440000`
"""
    )


@pytest.mark.parametrize(
    "values",
    [
        {"status": "rolled-back"},
        {"status": "superseded"},
        {"status": "failed"},
        {"status": "planned", "dry_run": True},
        {"operation": "restart", "status": "restarted"},
        {"operation": "status", "status": "shown"},
    ],
    ids=lambda values: str(values["status"]),
)
def test_a_commit_that_the_run_did_not_deploy_is_not_next_to_the_url(values: dict[str, Any]) -> None:
    """The URL then shows another version. The page of the log has the run's commit."""
    links = {"Commit 0123456": "https://a.b/c/0123", "Log": "https://a.b/r/1"}
    report = replace(results.image(), links=links, **values)
    assert "platform-dev.zerokie.com>)** · [Log](<https://a.b/r/1>)\n" in render_comment(report)
    assert "0123456" not in render_comment(report)
    report = replace(results.image(), links=links, status="deployed")
    assert ">)** · [Commit 0123456](<https://a.b/c/0123>) · [Log]" in render_comment(report)


def test_a_comment_is_the_summary_without_the_changed_files():
    """Without a URL, it can't link the changed pages."""
    report = replace(results.static(), url=None)
    assert render_comment(report) == render_summary(report).partition("\n\n<details")[0] + "\n"


PREVIEW = "https://site-pr-7.platform-dev.zerokie.com"


def deployed(*paths: str, **values: Any) -> Report:
    """Return the report of a later deploy that uploaded these files."""
    files = Files(uploaded=[UploadedFile(path, 1, "~") for path in paths], unchanged=5)
    return make_report(
        "deploy", "site-pr-7", **{"status": "deployed", "url": PREVIEW, "files": files, **values}
    )


def test_the_comment_of_a_deploy_links_the_changed_pages():
    """Only pages are listed. A folder's page has the folder's address."""
    paths = (
        "a.css",
        "pricing/index.html",
        "blog/new post.HTML",
        "index.html",
        "data.json",
        "x/my-index.html",
    )
    assert render_comment(deployed(*paths)).endswith(
        f"""

Added or changed pages:

- [/](<{PREVIEW}/>)
- [/blog/new post.HTML](<{PREVIEW}/blog/new%20post.HTML>)
- [/pricing/](<{PREVIEW}/pricing/>)
- [/x/my-index.html](<{PREVIEW}/x/my-index.html>)
"""
    )
    assert "pages" not in render_summary(deployed(*paths))


@pytest.mark.parametrize(
    ("count", "end"), [(10, "/19.html>)\n"), (1_022, "/1009.html>)\n- and 1,012 more\n")]
)
def test_the_comment_links_ten_pages(count: int, end: str) -> None:
    first = 10 ** (len(f"{count}") - 1)
    text = render_comment(deployed(*(f"{first + number}.html" for number in range(count))))
    assert text.count("\n- [") == 10
    assert text.endswith(end)


@pytest.mark.parametrize(
    "values",
    [
        {"files": Files(uploaded=[UploadedFile("a.html", 1), UploadedFile("b.html", 1)])},
        {"status": "planned", "dry_run": True},
        {"status": "failed"},
        {"url": None},
        {"url": "https://***.x/"},
        {"files": Files(deleted={"a.html": 1}, unchanged=5)},
        {"files": None},
    ],
    ids=[
        *("a new site", "a dry run", "a failure", "no URL", "a redacted URL"),
        *("deletions", "an image"),
    ],
)
def test_a_comment_without_pages_to_look_at(values: dict[str, Any]) -> None:
    assert "pages" not in render_comment(deployed("a.html", **values))


ONE = Files(uploaded=[UploadedFile("a", 1)])


@pytest.mark.parametrize(
    ("result", "facts"),
    [
        (
            make_report("deploy", image="a:2", previous_image="a:1", duration_seconds=3),
            "`a:2` (was `a:1`) · 3s",
        ),
        (make_report("deploy", files=ONE), "1 file uploaded (1 B) · 0s"),
        (make_report("deploy", dry_run=True, files=ONE), "1 file to upload (1 B) · 0s"),
        (
            make_report("deploy", files=Files(deleted={"a": 1}, unchanged=1_200)),
            "1 file deleted, 1,200 unchanged · 0s",
        ),
        (make_report("deploy", files=Files(unchanged=2)), "2 files unchanged · 0s"),
        (make_report("deploy", files=Files()), "0s"),
    ],
)
def test_the_summary_has_images_counts_and_duration(result: Report, facts: str) -> None:
    """A dry run shows the planned counts. Zeros are left out."""
    assert render_summary(result).split("\n\n")[1].rstrip("\n") == facts


@pytest.mark.parametrize(("operation", "name"), [("deploy", "Zerokie"), ("sweep", "Previews")])
def test_a_report_without_an_app_has_a_headline(operation: str, name: str) -> None:
    """Examples are wrong inputs, and a preview cleanup with many apps."""
    assert render_summary(make_report(operation)).startswith(f"## ❌ {name}: ")


def many(count: int, deleted: int = 0, *, status: str = "deployed") -> Report:
    files = [UploadedFile(f"{number:05}.bin", 0) for number in range(count)]
    changed = Files(uploaded=files, deleted={f"{number}.css": number - 1 for number in range(deleted)})
    return make_report("deploy", status=status, dry_run=status == "planned", files=changed)


def test_many_files_are_folded():
    """More than ten changes are folded. Deletions come first. A long list is cut at its end."""
    assert "<details open><summary>What changed (10)</summary>" in render_summary(many(8, 2))
    assert (
        "<details><summary>What changed (11)</summary>\n\n- `-` `0.css`\n- `-` `1.css` (0 B)\n"
        "- `+` `00000.bin` (0 B)\n- `+` `00001.bin` (0 B)\n"
    ) in render_summary(many(9, 2))
    assert "<summary>What would change (11)</summary>" in render_summary(many(11, status="planned"))
    summary = render_summary(many(12_345))
    assert "12,345 files uploaded (0 B) · " in summary
    assert "<summary>What changed (12,345)</summary>" in summary
    assert summary.count("\n- `+`") > 1_000
    assert len(summary) < 60_001
    assert summary.endswith("The JSON result (`report-dir`) has everything._\n")

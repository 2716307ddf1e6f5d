"""The summary: exact Markdown, and nothing in it that comes from elsewhere means anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.ci.grammar import HOSTILE, whatever_happens, workflow_commands
from tests.report import results
from zerokie_action.report.result import Changes, Result, Uploaded
from zerokie_action.report.summary import Origin, render_summary

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def test_static_deploy():
    """Everything about a static deploy, the list of all files folded at the end."""
    summary = render_summary(
        results.static(),
        Origin("0123456789abcdef", "https://a.b/c/0123", "https://a.b/r/1"),
    )
    assert summary == (
        """\
## ✅ `my-site` is deployed

- ⚠️ Input &#96;port&#96; changes nothing

- The manifest was not readable

|  |  |
| --- | --- |
| **App** | `my-site` (static), created by this run |
| **URL** | [https://my-site.platform-dev.zerokie.com](<https://my-site.platform-dev.zerokie.com>) |
| **Deploy ID** | `d-20260307-170000` |
| **Commit** | [0123456789ab](<https://a.b/c/0123>) |
| **Run** | [log](<https://a.b/r/1>) |
| **CDN cache** | purged |
| **Waited for the lock** | 12 s |
| **Requests** | 3 repeated |
| **Duration** | 2.3 s |

### What changed

|  | Files | Size |
| --- | ---: | ---: |
| Uploaded | 2 | 8.0 MB |
| Deleted | 1 |  |
| Unchanged | 199 |  |

### Domains

| Domain | DNS record to set | TLS |
| --- | --- | --- |
| `www.example.com` | `www.example.com` CNAME `my-site.zerokie.com` | pending |

### Timeline

| Phase | Duration |  |
| --- | ---: | --- |
| Scan | 0.5 s | `██████░░░░░░░░░░░░░░░░░░` |
| Upload | 1.5 s | `░░░░░░██████████████████` |
| Finalize | 0 s | `░░░░░░░░░░░░░░░░░░░░░░░█` |

<details><summary>Changed files (3)</summary>

- `~` `index.html` (1.2 kB)
- `+` `assets/a b.png` (8.0 MB)
- `-` <code>old/a&#124;b.html</code>

</details>
"""
    )


def test_container_that_failed():
    """A failure says first what happened and what to do."""
    assert render_summary(results.image(), Origin()) == (
        """\
## ⚠️ `my-api` runs its previous image again

**Error:** my-api did not start: status is 'crashed'

**What to do:** Read its log.

|  |  |
| --- | --- |
| **App** | `my-api` (container) |
| **URL** | [https://my-api.platform-dev.zerokie.com](<https://my-api.platform-dev.zerokie.com>) |
| **Deploy ID** | `550e8400-e29b-41d4-a716-446655440000` |
| **Image** | `ghcr.io/o/my-api:v1` |
| **Previous image** | `ghcr.io/o/my-api:v1` |
| **Duration** | 1 m 01 s |
"""
    )


def test_dry_run():
    """A dry run says what would change, in its headline too."""
    summary = render_summary(results.planned(), Origin())
    assert summary.startswith("## 🔍 Dry run for `my-site`: 1 to upload, 0 to delete\n")
    assert "### What would change\n" in summary
    assert "| To upload | 1 | 10 B |\n| To delete | 0 |  |\n| Unchanged | 3 |  |\n" in summary


def test_dry_run_without_files():
    """What is not a static deploy has no files to count."""
    summary = render_summary(Result("destroy", app="my-site", status="planned"), Origin())
    assert summary.startswith("## 🔍 Dry run for `my-site`: nothing was changed\n")


def test_nothing_is_known():
    """Wrong inputs give a summary, too."""
    assert render_summary(Result("restart", error="Input app is missing", hint="Set it."), Origin()) == (
        "## ❌ Zerokie: restart failed\n\n**Error:** Input app is missing\n\n**What to do:** Set it.\n\n"
        "|  |  |\n| --- | --- |\n| **Duration** | 0 s |\n"
    )


def test_biggest_files():
    """Of many files the ten biggest are shown in a table of their own."""
    files = [Uploaded(f"{size}.bin", size * 1_000) for size in range(1, 13)]
    summary = render_summary(Result("deploy", status="deployed", changes=Changes(files)), Origin())
    start = summary.index("| Biggest files | Size |\n| --- | ---: |\n")
    rows = summary[start:].splitlines()[2:13]
    assert rows[0] == "| `12.bin` | 12.0 kB |"
    assert rows[9] == "| `3.bin` | 3.0 kB |"
    assert rows[10] == ""


def test_many_files():
    """The list ends after ten thousand files; the table has the true counts."""
    files = [Uploaded(f"{number}", 1) for number in range(12_345)]
    summary = render_summary(Result("deploy", status="deployed", changes=Changes(files)), Origin())
    assert "| Uploaded | 12,345 | 12.3 kB |" in summary
    assert "<details><summary>Changed files (12,345)</summary>" in summary
    assert summary.count("\n- `+`") == 10_000
    assert summary.endswith(
        "\n\n… and 2,345 more; the JSON result (`output-file`) has them all.\n\n</details>\n"
    )


def test_limit():
    """A long summary is cut in its list of files, stays valid, and says so."""
    files = [Uploaded(f"é{number}" * 20, 1) for number in range(1_000)]
    summary = render_summary(
        Result("deploy", status="deployed", changes=Changes(files)), Origin(), limit=10_000
    )
    assert 9_000 < len(summary.encode()) <= 10_000
    assert summary.endswith(" (1 B)\n\n</details>\n\n_The rest is cut: it is too long for this place._\n")


@whatever_happens
@given(results.hostile(), HOSTILE, HOSTILE, HOSTILE)
def test_hostile_results(result, commit, commit_url, run_url):
    """Whatever is in a result: no HTML, heading, image or link but our own."""
    summary = render_summary(result, Origin(commit, commit_url, run_url))
    tokens = MARKDOWN.parse(summary)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = [token.type for token in tokens]
    assert kinds.count("heading_open") <= 4
    assert {token.content for token in inline if token.type == "html_inline"} <= {"<code>", "</code>"}
    html = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert len(html) in (0, 2)
    assert all(
        block.startswith("<details><summary>Changed files ") or block == "</details>" for block in html
    )
    assert not {"image", "s_open", "em_open", "softbreak", "hardbreak"} & {token.type for token in inline}
    assert not {"fence", "code_block", "blockquote_open", "hr", "ordered_list_open"} & set(kinds)
    links = [token.attrGet("href") for token in inline if token.type == "link_open"]
    assert all(str(link).startswith(("http://", "https://")) for link in links)
    assert workflow_commands(summary) == []
    assert summary.replace("\n", "").isprintable()


@whatever_happens
@given(results.hostile(), st.integers(0, 5_000))
def test_hostile_results_in_little_space(result, limit):
    """The limit holds in bytes, whatever is in a result."""
    assert len(render_summary(result, Origin(), limit=limit).encode()) <= limit


def cells(summary: str) -> list[tuple[int, int]]:
    """For each table: how many columns its head has, and how many cells its body."""
    tables = []
    for token in MARKDOWN.parse(summary):
        if token.type == "table_open":
            tables.append([0, 0])
        elif token.type in ("th_open", "td_open"):
            tables[-1][token.type == "td_open"] += 1
    return [(columns, body) for columns, body in tables]


@whatever_happens
@given(HOSTILE, HOSTILE)
def test_hostile_names_keep_the_tables(name, target):
    """A file name or a domain cannot add a cell or a row."""
    result = Result(
        "deploy",
        app=name,
        status="deployed",
        image=target,
        changes=Changes([Uploaded(name, 1)] * 11),
        domains=[{"domain": name, "cname_target": target, "tls_status": target}],
        phases=[("Scan", 1.0)],
    )
    sizes = cells(render_summary(result, Origin()))
    assert sizes[1:] == [(3, 9), (2, 20), (3, 3), (3, 3)]
    assert sizes[0] == (2, 2 * (1 + bool(name) + bool(target)))


def test_source_of_a_table_has_no_stray_pipes():
    """Renderers disagree about a backslash before a pipe, so there is none."""
    result = Result("deploy", app="a\\|b", status="deployed")
    assert "| **App** | <code>a&#92;&#124;b</code> |\n" in render_summary(result, Origin())

"""The summary: exact Markdown, and nothing in it that comes from elsewhere means anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.ci.grammar import HOSTILE, whatever_happens, workflow_commands
from tests.report import results
from zerokie_action.report.result import Changes, Result, Uploaded
from zerokie_action.report.summary import Origin, render_summary

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def test_static_deploy():
    """The status and its link, one sentence, what changed; then what somebody may look for."""
    summary = render_summary(
        results.static(),
        Origin("0123456789abcdef", "https://a.b/c/0123", "https://a.b/r/1"),
    )
    assert summary == (
        """\
## ✅ `my-site` is deployed

**[my-site.platform-dev.zerokie.com](<https://my-site.platform-dev.zerokie.com>)** \
· Commit&nbsp;[0123456789ab](<https://a.b/c/0123>) · [Log](<https://a.b/r/1>)

Created the app, uploaded 2 files (8.0&nbsp;MB), deleted 1 stale file and left 199 files unchanged \
in 2.3&nbsp;s, 12&nbsp;s of it waiting for the deploy lock.

- ⚠️ Input <code>port</code> changes nothing

- The manifest was not readable

### What changed

| Change | File | Size |
| :--- | :--- | ---: |
| `-` deleted | <code>old/a&#124;b.html</code> |  |
| `+` new | `assets/a b.png` | 8.0&nbsp;MB |
| `~` changed | `index.html` | 1.2&nbsp;kB |

### Domains

| Domain | CNAME record to set | TLS |
| :--- | :--- | :--- |
| `www.example.com` | `my-site.zerokie.com` | pending |

<details><summary>Details</summary>

- **Kind:** static
- **Deploy ID:** `d-20260307-170000`
- **CDN cache:** purged
- **Waited for the lock:** 12 s
- **Requests:** 3 repeated
- **Duration:** 2.3 s

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

**[my-api.platform-dev.zerokie.com](<https://my-api.platform-dev.zerokie.com>)**

Went back to `ghcr.io/o/my-api:v1` in 1&nbsp;m&nbsp;01&nbsp;s.

<details><summary>Details</summary>

- **Kind:** container
- **Deploy ID:** `550e8400-e29b-41d4-a716-446655440000`
- **Image:** `ghcr.io/o/my-api:v1`
- **Previous image:** `ghcr.io/o/my-api:v1`
- **Duration:** 1 m 01 s

</details>
"""
    )


def paragraph(number: int, result: Result) -> str:
    """One of those at the beginning; the headline is the first."""
    return render_summary(result, Origin()).split("\n\n")[number]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (
            Result("deploy", status="deployed", image="a:2", previous_image="a:1", duration_seconds=3),
            "Replaced `a:1` with `a:2` in 3&nbsp;s.",
        ),
        (
            Result("deploy", status="deployed", image="a:2", created=True),
            "Created the app with `a:2` in 0&nbsp;s.",
        ),
        (
            Result("deploy", status="deployed", image="a:2", previous_image="a:2"),
            "Deployed `a:2` in 0&nbsp;s.",
        ),
        (
            Result("deploy", status="deployed", changes=Changes(unchanged=203)),
            "Found 203 files unchanged in 0&nbsp;s.",
        ),
        (Result("restart", status="restarted", image="a:1"), "Restarted the app in 0&nbsp;s."),
        (Result("destroy", status="destroyed", image="a:1"), "Deleted the app in 0&nbsp;s."),
        (Result("deploy", status="deployed", changes=Changes(), duration_seconds=2), "Ended after 2&nbsp;s."),
        (
            Result("deploy", flaw="a domain was refused", changes=Changes([Uploaded("a", 1)])),
            "Uploaded 1 file (1&nbsp;B) in 0&nbsp;s.",
        ),
        (Result("deploy", image="a:2", duration_seconds=300), "Ended after 5&nbsp;m&nbsp;00&nbsp;s."),
        (
            Result("deploy", status="cancelled", changes=Changes([Uploaded("a", 1)], to_upload=2)),
            "Ended after 0&nbsp;s: uploaded 1 file (1&nbsp;B).",
        ),
        (
            Result("deploy", status="planned", planned=Changes(unchanged=2)),
            "A deploy would leave 2 files unchanged.",
        ),
    ],
)
def test_the_sentence(result, sentence):
    """What was done, and how long it took."""
    assert paragraph(1, result) == sentence


def test_nothing_to_say_in_a_sentence():
    """What was skipped, or failed at once, has done nothing."""
    for result in (Result("deploy", status="skipped"), Result("deploy"), Result("destroy", status="planned")):
        assert paragraph(1, result).startswith("<details>")


def test_live():
    """Said of what the health check has seen; the platform knows only what runs."""
    assert paragraph(0, Result("deploy", app="a", status="deployed", seen_live=True)) == "## ✅ `a` is live"
    assert paragraph(0, Result("deploy", app="a", seen_live=True)) == "## ❌ `a`: deploy failed"
    running = Result("restart", app="a", status="restarted", seen_running=True)
    assert paragraph(0, running) == "## ✅ `a` is restarted and runs"


def test_many_problems():
    """Wrong inputs are a list."""
    result = Result("deploy", error="a is wrong; b is missing", problems=["a is wrong", "b is missing"])
    assert "**Errors:**\n\n- a is wrong\n- b is missing\n" in render_summary(result, Origin())


def test_dry_run():
    """A dry run says what would change, in its headline too."""
    summary = render_summary(results.planned(), Origin())
    assert summary.startswith(
        "## 🔍 Dry run for `my-site`: 1 to upload, 0 to delete\n\n"
        "A deploy would upload 1 file (10&nbsp;B) and leave 3 files unchanged.\n\n"
        "### What would change\n\n| Change | File | Size |\n| :--- | :--- | ---: |\n"
        "| `+` new | `index.html` | 10&nbsp;B |\n"
    )


def test_dry_run_without_files():
    """What is not a static deploy has no files to count."""
    summary = render_summary(Result("destroy", app="my-site", status="planned"), Origin())
    assert summary.startswith("## 🔍 Dry run for `my-site`: nothing was changed\n")


def test_nothing_is_known():
    """Wrong inputs give a summary, too."""
    assert render_summary(Result("restart", error="Input app is missing", hint="Set it."), Origin()) == (
        "## ❌ Zerokie: restart failed\n\n**Error:** Input app is missing\n\n**What to do:** Set it.\n\n"
        "<details><summary>Details</summary>\n\n- **Duration:** 0 s\n\n</details>\n"
    )


PHASES = [("Scan", 0.5), ("Upload", 1.5), ("Finalize", 0.001)]


def test_timeline():
    """Each phase as a bar; then what went wrong on the way."""
    result = Result("deploy", status="deployed", phases=PHASES, events=["Uploads: 503"])
    assert """

### Timeline

| Phase | Duration | When |
| :--- | ---: | :--- |
| Scan | 0.5&nbsp;s | `███─────────` |
| Upload | 1.5&nbsp;s | `───█████████` |
| Finalize | 0&nbsp;s | `───────────█` |

- Uploads: 503

""" in render_summary(result, Origin())


def test_timeline_only_where_something_took_long():
    """Nobody asks what took the seconds of a deploy without trouble."""
    assert "Timeline" not in render_summary(Result("deploy", phases=PHASES), Origin())
    slow = [*PHASES, ("Wait for the lock", 30.0)]
    assert "Timeline" in render_summary(Result("deploy", phases=slow), Origin())


def many(count: int, size: int = 1) -> Result:
    files = [Uploaded(f"{number}.bin", number * size) for number in range(1, count + 1)]
    return Result("deploy", status="deployed", changes=Changes(files))


def test_many_files_are_folded():
    """Ten changes are shown; more are in a folded list: each once, what is deleted first, sorted by path."""
    assert "<summary>What" not in render_summary(many(10), Origin())
    files = [Uploaded(f"{number}.bin", number * 1_000) for number in range(1, 13)]
    result = Result("deploy", status="deployed", changes=Changes(files, ["b", "a"]))
    summary = render_summary(result, Origin())
    assert "### What changed" not in summary
    assert summary.endswith(
        "<details><summary>What changed (14)</summary>\n\n- `-` `a`\n- `-` `b`\n"
        "- `+` `1.bin` (1.0&nbsp;kB)\n- `+` `10.bin` (10.0&nbsp;kB)\n- `+` `11.bin` (11.0&nbsp;kB)\n"
        "- `+` `12.bin` (12.0&nbsp;kB)\n"
        + "".join(f"- `+` `{number}.bin` ({number}.0&nbsp;kB)\n" for number in range(2, 10))
        + "\n</details>\n"
    )


def test_deletions_of_a_dry_run_are_in_sight():
    """The first twenty; the rest, and all that would be uploaded, is folded."""
    planned = Changes([Uploaded("index.html", 1)], [f"{number:02}.css" for number in range(33)])
    summary = render_summary(Result("deploy", status="planned", planned=planned), Origin())
    heading, folded = summary.index("### What would be deleted (33)"), summary.index("<details>")
    assert heading < folded
    assert summary[heading:folded].count("\n- `-` ") == 20
    assert summary.endswith(
        "<details><summary>What else would change (14)</summary>\n\n"
        + "".join(f"- `-` `{number}.css`\n" for number in range(20, 33))
        + "- `+` `index.html` (1&nbsp;B)\n\n</details>\n"
    )


def test_a_dry_run_that_deletes_much():
    """Nothing is folded where all is in sight; without deletions all is folded."""
    deletions = Changes([], [f"{number}.css" for number in range(20)])
    summary = render_summary(Result("deploy", status="planned", planned=deletions), Origin())
    assert "would change" not in summary
    uploads = Result("deploy", status="planned", planned=many(11).changes)
    assert "<details><summary>What would change (11)</summary>" in render_summary(uploads, Origin())


def test_thousands_of_files():
    """The list ends after ten thousand files; the sentence has the true counts."""
    summary = render_summary(many(12_345, 0), Origin())
    assert "Uploaded 12,345 files (0&nbsp;B) in" in summary
    assert "<details><summary>What changed (12,345)</summary>" in summary
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
    assert summary.endswith(
        " (1&nbsp;B)\n\n</details>\n\n_The rest is cut: it is too long for this place._\n"
    )


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
    assert html == ["<details><summary>Details</summary>", "</details>"]
    assert not {"image", "s_open", "em_open", "softbreak", "hardbreak"} & {token.type for token in inline}
    assert not {"fence", "code_block", "blockquote_open", "hr", "ordered_list_open"} & set(kinds)
    links = [token.attrGet("href") for token in inline if token.type == "link_open"]
    assert all(str(link).startswith(("http://", "https://")) for link in links)
    assert workflow_commands(summary) == []
    assert summary.replace("\n", "").isprintable()


@whatever_happens
@given(results.hostile(), st.integers(100, 5_000))
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
        changes=Changes([Uploaded(name, 1)], [name]),
        domains=[{"domain": name, "cname_target": target, "tls_status": target}],
        phases=[(name, 30.0)],
    )
    assert cells(render_summary(result, Origin())) == [(3, 6), (3, 3), (3, 3)]
    result.changes = Changes([Uploaded(name, 1)] * 11)
    assert cells(render_summary(result, Origin())) == [(3, 3), (3, 3)]


def test_source_of_a_table_has_no_stray_pipes():
    """Renderers disagree about a backslash before a pipe, so there is none."""
    result = Result("deploy", status="deployed", changes=Changes([Uploaded("a\\|b", 1)]))
    assert "| <code>a&#92;&#124;b</code> |" in render_summary(result, Origin())


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        (
            "Set `create: true`, or correct `app`.",
            "Set <code>create: true</code>, or correct <code>app</code>.",
        ),
        ("'example.org': try 'www.example.org'", "&#39;example.org': try '`www.example.org`'"),
        ("https://h/?a='b'&c", "`https://h/?a='b'&c`"),
        ("it can't be 'my site'; don't", "it can't be 'my site'; don't"),
        ("`a``b`", "<code>a</code><code>b</code>"),
        ("``a`", "&#96;<code>a</code>"),
        ("`<b>`", "&#96;&#60;b&#62;&#96;"),
        ("`@all` `a b`", "<code>&#96;&#64;all&#96;</code> &#96;a b&#96;"),
    ],
)
def test_inputs_are_code(text, markdown):
    """The words that messages have in backticks; whatever else is in backticks stays text."""
    assert paragraph(1, Result("deploy", error=text)) == f"**Error:** {markdown}"


BACKTICKS = [
    "&#96;a&#96;@u",
    "`a``b`",
    "@u",
    "@[x](http://e)",
    "@![x](http://e)",
    "`a`",
    "&#96;a&#96;&#96;b&#96;@u",
    "'@u'",
    "'`a`'",
    "'&#96;a&#96;'@u",
    "'a",
    "b'",
    "'<code>a</code>'",
]


@whatever_happens
@given(st.lists(st.sampled_from(BACKTICKS), max_size=6).map(" ".join))
def test_what_looks_like_an_input_changes_no_code(text):
    """Text that is quoted may hold our own escapes: no link, no image, and no name outside of code."""
    depth = 0
    for token in MARKDOWN.parse(render_summary(Result("deploy", error=text), Origin())):
        for child in token.children or ():
            assert child.type not in {"image", "link_open"}
            if child.type == "html_inline":
                depth += {"<code>": 1, "</code>": -1}[child.content]
            elif child.type == "text" and not depth:
                assert "@u" not in child.content
    assert depth == 0

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

- **Deploy ID:** `d-20260307-170000`
- **CDN cache:** purged
- **Retries:** 3 requests
- **Phases:** Scan 0.5 s, Upload 1.5 s, Finalize 0 s

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

- **Deploy ID:** `550e8400-e29b-41d4-a716-446655440000`
- **Image:** `ghcr.io/o/my-api:v1`
- **Previous image:** `ghcr.io/o/my-api:v1`

</details>
"""
    )


def paragraph(number: int, result: Result) -> str:
    """One of those at the beginning; the headline is the first."""
    return render_summary(result, Origin()).rstrip("\n").split("\n\n")[number]


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
            Result("deploy", status="deployed", changes=Changes(unchanged=203)),
            "Found 203 files unchanged in 0&nbsp;s.",
        ),
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
            Result("deploy", status="planned", planned=Changes([Uploaded("a", 1)], [], 2)),
            "A deploy would upload 1 file (1&nbsp;B) and leave 2 files unchanged.",
        ),
    ],
)
def test_the_sentence(result, sentence):
    """What was done, or would be, and how long it took."""
    assert paragraph(1, result) == sentence


def test_nothing_to_say_in_a_sentence():
    """What was skipped, or failed at once, has done nothing."""
    for status in ("skipped", "failed", "planned"):
        assert render_summary(Result("deploy", status=status), Origin()).count("\n") == 1


def test_live():
    """Said of what the health check has seen; the platform knows only what runs."""
    assert paragraph(0, Result("deploy", app="a", status="deployed", seen_live=True)) == "## ✅ `a` is live"
    assert paragraph(0, Result("deploy", app="a", seen_live=True)) == "## ❌ `a`: deploy failed"
    running = Result("restart", app="a", status="restarted", seen_running=True)
    assert paragraph(0, running) == "## ✅ `a` is restarted and runs"
    assert paragraph(0, Result("deploy", app="a", flaw="a domain was refused", seen_live=True)) == (
        "## ⚠️ `a` is deployed, but a domain was refused"
    )


def test_wrong_inputs():
    """All that is wrong is a list; not even the app need be known."""
    result = Result(
        "restart", error="a is wrong; b is missing", problems=["a is wrong", "b is missing"], hint="Set it."
    )
    assert render_summary(result, Origin()) == (
        "## ❌ Zerokie: restart failed\n\n**Errors:**\n\n- a is wrong\n- b is missing\n\n"
        "**What to do:** Set it.\n"
    )


def many(count: int, deleted: int = 0, *, status: str = "deployed") -> Result:
    files = [Uploaded(f"{number:05}.bin", 0) for number in range(count)]
    changes = Changes(files, [f"{number}.css" for number in range(deleted)])
    return Result("deploy", status=status, changes=changes, planned=changes)


def test_many_files_are_folded():
    """Ten changes are shown; more are in a folded list: what is deleted first, sorted by path."""
    assert "<summary>" not in render_summary(many(8, 2), Origin())
    assert (
        "<details><summary>What changed (11)</summary>\n\n- `-` `0.css`\n- `-` `1.css`\n"
        "- `+` `00000.bin` (0&nbsp;B)\n- `+` `00001.bin` (0&nbsp;B)\n"
    ) in render_summary(many(9, 2), Origin())
    assert "<summary>What would change (11)</summary>" in render_summary(many(11, status="planned"), Origin())


def test_thousands_of_files():
    """The list ends after a thousand; the sentence has the true counts."""
    summary = render_summary(many(12_345), Origin())
    assert "Uploaded 12,345 files (0&nbsp;B) in" in summary
    assert "<details><summary>What changed (12,345)</summary>" in summary
    assert summary.count("\n- `+`") == 1_000
    assert "\n- and 11,345 more, which the JSON result (`output-file`) names\n\n</details>\n" in summary


def test_limit():
    """A long summary is cut in its list of files, stays valid, and says so."""
    files = [Uploaded(f"é{number}" * 20, 1) for number in range(1_000)]
    summary = render_summary(
        Result("deploy", status="deployed", changes=Changes(files)), Origin(), limit=10_000
    )
    assert 9_000 < len(summary.encode()) <= 10_000
    assert summary.endswith(" (1&nbsp;B)\n\n</details>\n\n_The rest was cut off: it was too long._\n")


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
    assert html in ([], ["<details><summary>Details</summary>", "</details>"])
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
    )
    assert cells(render_summary(result, Origin())) == [(3, 6), (3, 3)]


def test_inputs_are_code():
    """The words that messages have in backticks; whatever else is in backticks stays text."""
    text = "Set `create: true` in `app`, `<b>` or `@all`: 'example.org' can't"
    assert paragraph(1, Result("deploy", error=text)) == (
        "**Error:** Set <code>create: true</code> in <code>app</code>, &#96;&#60;b&#62;&#96; or "
        "<code>&#96;&#64;all&#96;</code>: 'example.org' can't"
    )


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

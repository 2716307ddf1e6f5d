"""The summary: exact Markdown, and nothing in it that comes from elsewhere means anything."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from tests.ci.grammar import HOSTILE, whatever_happens
from tests.report import results
from zerokie_action.ci import CI
from zerokie_action.report.result import Changes, Result, Uploaded
from zerokie_action.report.summary import render_summary

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def summary_of(result: Result, commit: str = "", commit_url: str = "", run_url: str = "") -> str:
    """The summary of a run that the CI knows so much of."""
    ci = CI({}, io.StringIO())
    ci.commit, ci.commit_url, ci.run_url = commit, commit_url, run_url
    return render_summary(result, ci)


def test_static_deploy():
    """The status and its link, one sentence, what changed; then what somebody may look for."""
    summary = summary_of(results.static(), "0123456789abcdef", "https://a.b/c/0123", "https://a.b/r/1")
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
| `-` deleted | <code>old/a&#124;b.html</code> | 3.4&nbsp;kB |
| `+` new | `assets/a b.png` | 8.0&nbsp;MB |
| `~` changed | `index.html` | 1.2&nbsp;kB |

### Domains

| Domain | CNAME record to set | TLS |
| :--- | :--- | :--- |
| `www.example.com` | `my-site.zerokie.com` | pending |

<details><summary>Details</summary>

- **Deploy ID:** `d-20260307-170000`
- **CDN cache:** purged
- **Retries:** 3
- **Phases:** Scan 0.5 s, Upload 1.5 s, Finalize 0 s

</details>
"""
    )


def test_container_that_failed():
    """A failure says first what happened and what to do."""
    assert summary_of(results.image()) == (
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
    return summary_of(result).rstrip("\n").split("\n\n")[number]


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
        (Result("deploy", image="a:2", duration_seconds=300), "Ended after 5&nbsp;m&nbsp;00&nbsp;s."),
        (
            Result("deploy", status="cancelled", changes=Changes([Uploaded("a", 1)], to_upload=2)),
            "Ended after 0&nbsp;s: uploaded 1 file (1&nbsp;B).",
        ),
        (
            Result("deploy", status="planned", planned=Changes([Uploaded("a", 1)], {}, 2)),
            "A deploy would upload 1 file (1&nbsp;B) and leave 2 files unchanged.",
        ),
    ],
)
def test_the_sentence(result, sentence):
    """What was done, or would be, and how long it took."""
    assert paragraph(1, result) == sentence


def many(count: int, deleted: int = 0, *, status: str = "deployed") -> Result:
    files = [Uploaded(f"{number:05}.bin", 0) for number in range(count)]
    changes = Changes(files, {f"{number}.css": -1 for number in range(deleted)})
    return Result("deploy", status=status, changes=changes, planned=changes)


def test_many_files_are_folded():
    """Ten changes are shown; more are in a folded list of a thousand at most: what is deleted first."""
    assert "<summary>" not in summary_of(many(8, 2))
    assert (
        "<details><summary>What changed (11)</summary>\n\n- `-` `0.css`\n- `-` `1.css`\n"
        "- `+` `00000.bin` (0&nbsp;B)\n- `+` `00001.bin` (0&nbsp;B)\n"
    ) in summary_of(many(9, 2))
    assert "<summary>What would change (11)</summary>" in summary_of(many(11, status="planned"))
    summary = summary_of(many(12_345))
    assert "Uploaded 12,345 files (0&nbsp;B) in" in summary
    assert summary.count("\n- `+`") == 1_000
    assert "\n- and 11,345 more, which the JSON result (`output-file`) names\n\n</details>\n" in summary


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
        changes=Changes([Uploaded(name, 1)], {name: 1}),
        domains=[{"domain": name, "cname_target": target, "tls_status": target}],
    )
    assert cells(summary_of(result)) == [(3, 6), (3, 3)]

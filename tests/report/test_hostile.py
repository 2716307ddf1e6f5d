"""Reports of hostile text keep their format and their meaning."""

import json
import re
from urllib.parse import unquote

from hypothesis import given, settings
from markdown_it import MarkdownIt

from tests.ci.grammar import HOSTILE, workflow_commands
from tests.report import results
from tests.support.schema import check_result
from zerokie_action.report.changes import Files, UploadedFile
from zerokie_action.report.files import render_dotenv, render_json
from zerokie_action.report.outputs import outputs
from zerokie_action.report.report import Report
from zerokie_action.report.summary import render_comment, render_summary
from zerokie_action.text.escapes import is_web_url

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
CONTRACT = "deploy-id url status changed created image previous-image exit-code error result".split()  # noqa: SIM905
COUNTS = ["app", "files-uploaded", "files-deleted", "files-unchanged"]


@settings(max_examples=25)
@given(results.hostile())
def test_no_text_breaks_a_report(result):
    """All checks share one report, because generating it takes most of the time."""
    check_outputs(result)
    check_json(render_json(result))
    check_dotenv(result)
    check_summary(render_summary(result))


@given(HOSTILE)
def test_no_file_name_breaks_the_list_of_pages(name: str) -> None:
    """Each page is one link to the app."""
    files = Files(uploaded=[UploadedFile(f"{name}.html", 1, "~")])
    report = results.make_report("deploy", "site", status="deployed", url="https://a.b", files=files)
    text = render_comment(report)
    check_summary(text)
    pages = MARKDOWN.parse(text.partition("Added or changed pages:")[2])
    parts = [child for token in pages for child in token.children or ()]
    assert [token.type for token in parts] == ["link_open", "text", "link_close"]
    assert str(parts[0].attrGet("href")).startswith("https://a.b/")


def check_outputs(result: Report) -> None:
    """Names and order follow the contract. Each value is one line that issues no command when printed."""
    found = outputs(result)
    assert list(found) == [name for name in CONTRACT if name in found]
    for value in found.values():
        assert value.isprintable()
        assert workflow_commands(value) == []
    assert is_web_url(found.get("url", "https://a.b"))
    assert all(
        re.fullmatch(r"[A-Za-z0-9:/@._+\[\]-]+", found.get(name, "a")) for name in ("image", "previous-image")
    )


def check_json(text: str) -> None:
    """The JSON is valid, and issues no command if a step prints it."""
    document = json.loads(text)
    check_result(document)
    lines = [document[name] or "" for name in ("deploy_id", "url", "app", "image", "error", "hint")]
    lines += document["warnings"] + document["notes"]
    assert workflow_commands("\n".join(lines)) == []
    assert text.isascii()
    assert workflow_commands(text) == []


def check_dotenv(result: Report) -> None:
    """The file follows GitLab's grammar and limits. The outputs and some counts can be decoded from it."""
    document = json.loads(outputs(result)["result"])
    more = {name: str(document[name.replace("-", "_")]) for name in COUNTS}
    known = outputs(result) | more
    text = render_dotenv(result)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert all(re.fullmatch(r"ZEROKIE_RESULT_[A-Z_]+=[!-#%-_a-~]+", line) for line in lines)  # no $ and no `
    assert len(lines) <= 20
    assert len(text) < 5_000
    pairs = (line.removeprefix("ZEROKIE_RESULT_").split("=", 1) for line in lines)
    written = {name.lower().replace("_", "-"): value for name, value in pairs}
    assert [*written] == [name for name in known if name in written]
    assert "status" in written
    assert {"error", "result"}.isdisjoint(written)
    assert all(re.fullmatch(r"[A-Za-z0-9._:/@%+,=-]+", value) for value in written.values())
    assert {name: unquote(value) for name, value in written.items()} == {
        name: unquote(known[name]) for name in written
    }


def check_summary(summary: str) -> None:
    """The summary contains only the action's own HTML, headings, images and links."""
    tokens = MARKDOWN.parse(summary)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = [token.type for token in tokens]
    assert kinds.count("heading_open") <= 4
    html = [token.content.strip() for token in tokens if token.type == "html_block"]
    own = r"<details open><summary>What .*</summary>|</details>"
    assert [text for text in html if not re.fullmatch(own, text)] == []
    assert len(html) <= 2
    assert not {"html_inline", "image", "s_open", "em_open", "softbreak", "hardbreak"} & {
        token.type for token in inline
    }
    assert kinds.count("td_open") in {0, 3}, "a domain adds no cell or row"
    assert not {"fence", "code_block", "blockquote_open", "hr", "ordered_list_open"} & set(kinds)
    links = [token.attrGet("href") for token in inline if token.type == "link_open"]
    assert all(str(link).startswith(("http://", "https://")) for link in links)
    assert workflow_commands(summary) == []
    assert summary.replace("\n", "").isprintable()

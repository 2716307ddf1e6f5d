"""Escapes: foreign text stays harmless in every output."""

import re
from contextvars import copy_context

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.ci.grammar import HOSTILE
from zerokie_action.docs import use_address
from zerokie_action.text.escapes import (
    cut_markdown,
    dotenv_value,
    log_line,
    markdown_code,
    markdown_link,
    markdown_text,
    one_line,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Scanned 214 files, 8.1 MB; 12 ignored", "Scanned 214 files, 8.1 MB; 12 ignored"),
        ("::error::x", r"\::error::x"),
        (" \t\u3000::error::x", r" \t\u3000::error::x"),
        ("\ufe0f::error::x", "\\\ufe0f::error::x"),
        (":\ufe0f:error::x", "\\:\ufe0f:error::x"),
        ("see ##[error]x", r"see #\#[error]x"),
        ("#\ufe0f#[error]x", "#\\\ufe0f#[error]x"),
        ("a\rb\nc\x85d\u2028e", r"a\rb\nc\x85d\u2028e"),
        ("\x1b[31mred\x07\x9b", r"\x1b[31mred\x07\x9b"),
        ("latin-1 name \udce9", r"latin-1 name \udce9"),
        ("a" * 2_001, "a" * 1_999 + "…"),
    ],
)
def test_a_log_line_is_never_a_command(text, line):
    """Commands and confusing characters become visible, and other text stays unchanged."""
    assert log_line(text) == line


def test_a_shell_that_sources_a_dotenv_file_reads_its_values_unchanged():
    assert dotenv_value("~/a b$(c)'d'") == "%7E/a%20b%24%28c%29%27d%27"


def test_line_breaks_become_spaces():
    """Other control characters become visible escapes."""
    assert one_line("  it\r\n  failed:\n\n\tno\x1b[1m  ") == r"it failed: no\x1b[1m"


@settings(max_examples=50)
@given(HOSTILE)
@example("- a")
@example("1. a")
@example("---")
@example("    a")
@example("[a]: b")
@example("`a``b` `c")
@example("`/close` `@a` a`#1`b #`#`")
def test_markdown_text_has_no_markup(text):
    """At the start of a document, foreign text is one readable paragraph without markup."""
    tokens = MARKDOWN.parse(markdown_text(text, 100_000))
    visible = one_line(text, 100_000)
    if not visible:
        assert tokens == []
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "code_inline"}
    shown = "".join(child.content for child in children)
    assert unescaped(shown).replace("`", "") == unescaped(visible).replace("`", "")
    for part in (child.content for child in children if child.type == "text"):
        assert not re.search(r"@\w|#\w|!\w|\bGH-\d|www\.|://", part), "nothing to link after rendering either"


def unescaped(text: str) -> str:
    """Return the text without the escapes of inline code."""
    return re.sub(r"\\x(60|7c|23|20)", lambda escape: chr(int(escape[1], 16)), text)


@settings(max_examples=50)
@given(HOSTILE)
def test_markdown_code_stays_code(text):
    """Foreign text stays readable and can't end the code."""
    code = markdown_code(text, 100_000)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if not text:
        assert code == ""
        return
    (_, inner, _) = MARKDOWN.parseInline(f"a {code} b")[0].children or []
    assert inner.type == "code_inline"
    assert unescaped(inner.content) == unescaped(shown)
    assert not re.search(r"##|\|", code)


def test_markdown_reads_well():
    """Usual names stay readable in the source. Text that GitHub or GitLab would link becomes code."""
    assert markdown_code("assets/style.css") == "`assets/style.css`"
    assert markdown_code("##[a`b|c") == r"`#\x23[a\x60b\x7cc`"
    assert markdown_text("a_b, #1, GH-2 and !3.") == "a&#95;b, `#1`, `GH-2` and `!3`."
    assert markdown_text("Uploading '@all/a.css' (https://a.b)") == "Uploading '`@all/a.css`' (`https://a.b`)"
    assert markdown_text("Set `max-deletes: 5` (`app`), or add 'a`b'.") == (
        "Set `max-deletes: 5` (`app`), or add 'a&#96;b'."
    )
    assert markdown_text("$`a`$ ` b `") == "&#36;&#96;a&#96;&#36; &#96; b &#96;"
    assert markdown_text("@a|b") == r"`@a\x7cb`"
    assert markdown_code(" a ") == r"`\x20a\x20`"
    assert markdown_text("word " * 400) == ("word " * 200)[:-1] + "…"


def test_only_a_page_of_our_documentation_becomes_a_link_in_a_text():
    """A hint may end with such a page. A path out of the documentation stays code."""
    docs = "https://a.b/acme/zerokie-action/blob/v1.2/docs"

    def shown(text: str) -> str:
        use_address(docs)
        return markdown_text(text)

    for text, markdown in (
        (f"Read {docs}/keys.md#rotate.", f"Read [keys.md&#35;rotate](<{docs}/keys.md#rotate>)."),
        (f"{docs}/keys.md", f"[keys.md](<{docs}/keys.md>)"),
        (f"See {docs}/../../x.md", f"See `{docs}/../../x.md`"),
    ):
        assert copy_context().run(shown, text) == markdown
        assert "](" not in markdown_text(text)
    assert markdown_text("Read docs/keys.md#rotate.") == "Read `docs/keys.md#rotate`."


def test_only_a_web_address_becomes_a_link():
    """For any other text, only the label appears."""
    assert markdown_link("https://my_site.dev/?a=1&b", "my_site.dev") == (
        "[my&#95;site.dev](<https://my_site.dev/?a=1&amp;b>)"
    )
    assert markdown_link("https://a.b", "lo|g") == "[lo&#124;g](<https://a.b>)"
    assert markdown_link("javascript:alert(1)", "log") == "log"
    assert markdown_link("https://a.b/>) <b>", "<b>") == "&#60;b&#62;"


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from(["<details>\n- é\n\n</details>\n", "\n", "- é\n", "- `<details>`\n"])),
    st.integers(100, 200),
)
def test_cut_markdown_never_exceeds_its_limit(lines, limit):
    """The limit in bytes includes the note and the closing lines. Every list is closed."""
    document = "# é\n" + "".join(lines)
    cut = cut_markdown(document, limit)
    assert len(cut.encode()) <= limit
    assert cut.count("\n<details>") <= cut.count("\n</details>")
    assert cut == document or cut.endswith(
        "_The rest was cut off. The JSON result (`report-dir`) has everything._\n"
    )

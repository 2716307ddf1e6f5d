r"""Escapes that make foreign text safe for each kind of output.

Foreign text comes from file names, file contents, the platform's responses and users' inputs. Code that
prints or writes foreign text calls the function for the output, once, right before writing:

    output                            function
    log line                          `log_line`
    text in Markdown                  `markdown_text`
    name or path in Markdown          `markdown_code`
    link in Markdown                  `markdown_link`
    value in a dotenv file            `dotenv_value`
    output, message in JSON           `output_line`

All functions replace unprintable characters with backslash escapes (`\x1b`, `\u202e`, `\udc80`): control
characters, line and paragraph separators, bidirectional and zero-width marks, exotic spaces, lone surrogates.
Callers remove secrets first (`redaction`), because it may not recognize a secret in shortened or escaped
text.
"""

import re
from urllib.parse import quote

from zerokie_action.docs import page

LINE_LIMIT = 2_000
"""The longest log line, in characters. Longer lines end in an ellipsis."""


def shorten(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters. A shortened text ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(text: str, limit: int) -> str:
    """Return `text` with unprintable characters escaped, in at most `limit` characters."""
    text = text[: limit + 1]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shorten(text, limit)


# GitHub's runner compares text by culture-sensitive rules, which ignore variation selectors and similar
# marks. So it also finds `::` and `##` with such marks before or inside them.
_COMMAND = re.compile(r"^(?=[^!-~]*:[^ -~]*:)|(?<=#)(?=[^ -~]*#)")


def log_line(text: str) -> str:
    r"""Return `text` as one log line that no CI system runs as a command.

    A runner splits stdout and stderr into lines at LF, CR LF *and a lone CR*. It runs `::command::` at the
    start of a line, after any Unicode white space, and the legacy `##[command]` (Azure's `##vso[`, TeamCity's
    `##teamcity[`) *anywhere* in a line. GitLab and terminals obey escape sequences. So this function escapes
    unprintable characters, and adds a backslash before a leading `::` and in `##`: `\::error::`,
    `#\#[error]`.
    """
    return _COMMAND.sub(r"\\", _visible(text, LINE_LIMIT))


def output_line(text: str) -> str:
    """Return `text` as an output, which is one line that a later step may print."""
    return log_line(one_line(text))


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return `text` on one line, with one space for each line break or run of white space."""
    return _visible(" ".join(text.split()), limit)


_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$#@{}!^]")

_REFERENCE = re.compile(r"[@#!~%$&^][\w\"']|//|www\.|\bGH-\d", re.IGNORECASE)

_BREAKS_CODE = re.compile(r"[`|]|(?<=#)#|^ | $")

_CODE = re.compile(r"(?<![`$\w])`((?! )[^`]+(?<! ))`(?![`$\w])")
"""Code in a text, such as `dry-run`. With a `$` on both sides, GitHub and GitLab would show a formula."""

_AROUND_WORDS = "()[]\"'.,;:"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def _inert(text: str) -> str:
    """Return `text` with character references for markup, which Markdown never parses."""
    return _MARKUP.sub(_entity, text)


def _inert_word(word: str) -> str:
    """Return a word without markup, as code if GitHub or GitLab could turn it into a link.

    Only the pages of this project's documentation are links.
    """
    if not _REFERENCE.search(word):
        return _inert(word)
    before, core, after = word.partition(word.strip(_AROUND_WORDS))
    name = core.removeprefix(page(""))
    is_page = is_web_url(core) and re.fullmatch(r"[a-z-]+\.md(#[a-z0-9-]+)?", name)
    shown = markdown_link(core, name) if is_page else markdown_code(core, len(core))
    return f"{_inert(before)}{shown}{_inert(after)}"


def markdown_text(text: str, limit: int = 1_000) -> str:
    """Return `text` as plain text for a paragraph or table cell of a Markdown document.

    Code in backticks stays code. Markdown doesn't parse it, so it is safe even if someone else wrote it.

    This escapes CommonMark's inline and block markup, and GFM's tables, strikethrough and bare links. In the
    *rendered* text, GitHub and GitLab also find mentions (`@name`), references (`#1`, `!1`, `GH-1`,
    `%milestone`) and URLs, even behind character references. A word with one of these becomes code, but a
    page of this project's documentation becomes a link. In the source, GitLab runs quick actions (`/close` at
    the start of a line).
    """
    parts = _CODE.split(one_line(text, limit))
    # Every second part is code.
    parts[::2] = (" ".join(map(_inert_word, part.split(" "))) for part in parts[::2])
    parts[1::2] = (markdown_code(part, limit) for part in parts[1::2])
    # The first character could start a block or a quick action.
    return re.sub(r"^(?!&#|`|\[)[\W\d]", _entity, "".join(parts))


def markdown_code(text: str, limit: int = 200) -> str:
    r"""Return `text` as inline code, which also works in a table cell.

    A backtick would end the code, a `|` would end the cell, and Markdown strips spaces at both ends. If a
    step prints the document, a runner would obey `##`. All of these become escapes such as `\x7c`.
    """
    text = _BREAKS_CODE.sub(lambda match: f"\\x{ord(match[0]):02x}", _visible(text, limit))
    return f"`{text}`" if text else ""


_WEB_URL = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#!$&+,;=%-]*)?"
)


def is_web_url(url: str) -> bool:
    """Return whether `url` is an http(s) URL with plain URL characters and without user info."""
    return _WEB_URL.fullmatch(url) is not None


def markdown_link(url: str, label: str) -> str:
    """Return a link with the text `label`, or only the text if `url` isn't a web URL."""
    if not is_web_url(url):
        return markdown_text(label)
    return f"[{_inert(one_line(label))}](<{url.replace('&', '&amp;')}>)"


def cut_markdown(markdown: str, limit: int) -> str:
    """Return a document in at most `limit` bytes of UTF-8. A long one ends after a line, with a note.

    The document must not nest `<details>`. The limit must leave room for the note.
    """
    if len(markdown.encode()) <= limit:
        return markdown
    # If no list is open, browsers ignore the closing tag.
    end = "\n\n</details>\n\n_The rest was cut off. The JSON result (`report-dir`) has everything._\n"
    kept = markdown.encode()[: limit - len(end)].decode(errors="ignore")
    return kept.rpartition("\n")[0] + end


def dotenv_value(text: str) -> str:
    """Return `text` as a value of a dotenv file, with special characters percent-encoded as in a URL.

    GitLab reads `KEY=value` to the end of the line, keeps quotes and expands `$`. Users may also `source` the
    file in a shell, so the value never contains a character that is special to a shell.
    """
    return quote(text, safe=":/@%+,=", errors="backslashreplace").replace("~", "%7E")

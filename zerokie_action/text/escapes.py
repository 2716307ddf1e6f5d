r"""Makes foreign text safe for each kind of output.

Foreign text comes from file names, file contents, the platform's answers and users' inputs. Code that prints
or writes foreign text passes it through the function for the output, once, right before writing:

    output                            function
    a line of the log                 `log_line`
    Markdown: running text            `markdown_text`
    Markdown: a name, a path          `markdown_code`
    Markdown: a link                  `markdown_link`
    a value in a dotenv file          `dotenv_value`, `dotenv_json`
    an output, a message in JSON      `output_line`

All functions replace unprintable characters with backslash escapes (`\x1b`, `\u202e`, `\udc80`): control
characters, line and paragraph separators, bidirectional and zero-width marks, exotic spaces, lone surrogates.
Secrets are removed before (`redaction`): a secret in shortened or escaped text may not be recognised.
"""

import re
from urllib.parse import quote

LINE_LIMIT = 2_000
"""The longest line of a log, in characters. Longer lines end in an ellipsis."""


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` characters; a shortened text ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(text: str, limit: int) -> str:
    """`text` with unprintable characters escaped, in at most `limit` characters."""
    text = text[: limit + 1]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shorten(text, limit)


# The runner compares text with culture-sensitive rules, which ignore variation selectors and similar marks.
# So it finds `::` and `##` even with such characters before or between their characters.
_COMMAND = re.compile(r"^(?=[^!-~]*:[^ -~]*:)|(?<=#)(?=[^ -~]*#)")


def log_line(text: str) -> str:
    r"""`text` as one log line that no CI system reads as a command.

    A runner splits stdout and stderr into lines at LF, CR LF *and a lone CR*. It obeys `::command::` at the
    start of a line, after any Unicode white space, and the legacy `##[command]` (Azure's `##vso[`, TeamCity's
    `##teamcity[`) *anywhere* in a line. GitLab and terminals obey escape sequences. So unprintable characters
    are escaped, and a backslash goes before a leading `::` and into `##`: `\::error::`, `#\#[error]`.
    """
    return _COMMAND.sub(r"\\", _visible(text, LINE_LIMIT))


def output_line(text: str) -> str:
    """`text` as an output: one line, which a later step may print."""
    return log_line(one_line(text))


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """`text` on one line: line breaks and runs of white space become one space."""
    return _visible(" ".join(text.split()), limit)


_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$#@{}!^]")

_REFERENCE = re.compile(r"[@#!~%$&^][\w\"']|//|www\.|\bGH-\d", re.IGNORECASE)

_BREAKS_CODE = re.compile(r"[`|]|(?<=#)#|^ | $")

_AROUND_WORDS = "()[]\"'.,;:"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def _inert(text: str) -> str:
    """Replace markup with character references, which Markdown never parses."""
    return _MARKUP.sub(_entity, text)


def _inert_word(word: str) -> str:
    """Replace markup in a word. A word that a forge could turn into a link becomes code."""
    if not _REFERENCE.search(word):
        return _inert(word)
    before, core, after = word.partition(word.strip(_AROUND_WORDS))
    return f"{_inert(before)}{markdown_code(core, len(core))}{_inert(after)}"


def markdown_text(text: str, limit: int = 1_000) -> str:
    """`text` as plain text for a paragraph or table cell of a Markdown document.

    CommonMark's inline and block markup, and GFM's tables, strikethrough and bare links are neutralised. In
    the *rendered* text, GitHub and GitLab also find mentions (`@name`), references (`#1`, `!1`, `GH-1`,
    `%milestone`) and URLs, even if these are written as character references. A word with one of these
    becomes code. In the source, GitLab obeys quick actions (`/close` at the start of a line).
    """
    safe = " ".join(map(_inert_word, one_line(text, limit).split(" ")))
    # The first character could begin a block or a quick action.
    return re.sub(r"^(?!&#|`)[\W\d]", _entity, safe)


def markdown_code(text: str, limit: int = 200) -> str:
    r"""`text` as inline code, also for a table cell.

    A backtick would end the code, and a `|` the cell. Spaces at both ends would be stripped. A runner would
    obey `##` if a step prints the document. So these are escaped like unprintable characters: `\x7c`.
    """
    text = _BREAKS_CODE.sub(lambda match: f"\\x{ord(match[0]):02x}", _visible(text, limit))
    return f"`{text}`" if text else ""


_WEB_URL = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#!$&+,;=%-]*)?"
)


def is_web_url(url: str) -> bool:
    """Whether `url` is an http(s) URL without user info and with plain URL characters only."""
    return _WEB_URL.fullmatch(url) is not None


def markdown_link(url: str, label: str) -> str:
    """A link with the text `label`; only the text if `url` is no web URL."""
    if not is_web_url(url):
        return markdown_text(label)
    return f"[{_inert(one_line(label))}](<{url.replace('&', '&amp;')}>)"


def cut_markdown(markdown: str, limit: int) -> str:
    """A document in at most `limit` bytes of UTF-8. A long one is cut after a line, with a note.

    The document's `<details>` don't nest. The limit must leave room for the note.
    """
    if len(markdown.encode()) <= limit:
        return markdown
    # Where no list is open, browsers ignore the closing tag.
    end = "\n\n</details>\n\n_The rest was cut off. The JSON result (`output-file`) has everything._\n"
    kept = markdown.encode()[: limit - len(end)].decode(errors="ignore")
    return kept.rpartition("\n")[0] + end


def dotenv_value(text: str) -> str:
    """`text` as a value of a dotenv file, with special characters percent-encoded, as in a URL.

    GitLab reads `KEY=value` to the end of the line, takes quotes literally and expands `$`. Users may also
    `source` the file in a shell, so the value has no character that is special to a shell.
    """
    return quote(text, safe=":/@%+,=", errors="backslashreplace").replace("~", "%7E")


def dotenv_json(text: str) -> str:
    r"""Compact ASCII JSON as a value of a dotenv file: still JSON, with `\u0020` for a space.

    Characters other than JSON's punctuation, letters and digits can only be inside strings.
    """
    return re.sub(r'[^A-Za-z0-9\[\]{}",:\\._/+-]', lambda match: f"\\u{ord(match[0]):04x}", text)

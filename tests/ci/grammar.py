"""CI systems' grammars for logs and files, to read the action's output, and hostile text."""

import re
import unicodedata
from dataclasses import dataclass

from hypothesis import strategies as st

HAZARDS = r"""
` `` ``` | \ \| * ** _ ~~ < > & &amp; &#124; [a](b) ![a](b) <b> <img/src=x> <details> </details> </code>
<!-- --> <https://a.b> https://a.b www.a.b @all a@b.c #1 !1 GH-1 %1 $1 ${A} $(a) # - + 1. = --- === : :--- {}
/close :: ::error:: ::add-mask:: ::stop-commands::x ##[ ##[error] ##[add-mask] ##vso[a] ] %0A %25 << = A=1
A<<B é 日本
""".split()  # noqa: SIM905 it reads better
_INVISIBLE = (
    "\r \n \r\n \t \v \f \0 \x07 \x1b \x1b[31m \x1b[0K \x7f \x85 \x9b \xa0 "
    "\u200b \u2028 \u2029 \u202e \u3000 \ufe0f \ufeff"
)

HOSTILE = st.lists(
    st.sampled_from([*HAZARDS, *_INVISIBLE.split(" "), " ", "\udc80"]) | st.characters(), max_size=12
).map("".join)
"""Text that a file name, a server or a user could contain: markup for every report, and any character."""


@dataclass(frozen=True)
class Command:
    """A workflow command: `::name properties::data`."""

    name: str
    properties: str
    data: str


def workflow_commands(log: str) -> list[Command]:
    """Return the commands that a GitHub runner finds in a log (ActionCommand.cs of actions/runner).

    Lines end at LF, CR LF and CR. The runner compares text by a culture's rules, so it ignores characters
    without weight (marks, format characters). This function accepts any name, not only registered ones.
    """
    commands = []
    for line in re.split(r"\r\n|\n|\r", log):
        weighty = "".join(c for c in line if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
        if match := re.fullmatch(r"::(.*?)::(.*)", weighty.lstrip(), re.DOTALL):
            name, _, properties = match[1].partition(" ")
            commands.append(Command(name, properties, _unescape(match[2])))
        elif match := re.search(r"##\[(.*?)\](.*)", weighty, re.DOTALL):
            commands.append(Command(match[1], "legacy", match[2]))
    return commands


def _unescape(data: str) -> str:
    for escaped, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        data = data.replace(escaped, char)
    return data


def file_command(text: str) -> dict[str, str]:
    """Return the pairs of a `GITHUB_OUTPUT` or `GITHUB_STATE` file (FileCommandManager.cs)."""
    pairs = {}
    lines = text.split("\n")
    assert lines.pop() == "", "the last line must end"
    while lines:
        line = lines.pop(0)
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            key, _, value = line.partition("=")
        elif heredoc >= 0:
            key, _, delimiter = line.partition("<<")
            end = lines.index(delimiter)
            value = "\n".join(lines[:end])
            del lines[: end + 1]
        else:
            assert line == "", f"invalid format {line!r}"
            continue
        assert key
        pairs[key] = value
    return pairs


def gitlab_sections(log: str) -> list[tuple[str, str]]:
    """Return the section markers that GitLab finds in a log: kind and name."""
    return re.findall(r"section_(start|end):\d+:([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\r\x1b\[0K", log)

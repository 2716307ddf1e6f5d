"""The pages in `docs/` show what exists and what happens: code blocks, logs, exit codes, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.support.schema import SCHEMA
from tests.support.stories import STORIES, tell, timeless
from tests.support.world import World

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = [
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("contributing/*.md")),
    *sorted(ROOT.glob("*.md")),
    ROOT / "tests" / "README.md",
]
SOURCES = [
    path
    for folder in ("examples", "templates")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix in {".yml", ".sh", ".py", ""}
]


@dataclass(frozen=True)
class Block:
    """A code block, and what the comment right above it says it is: empty, `illustration`, or `log: NAME`."""

    page: str
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """Every code block of a page."""
    mark = ""
    for token in MarkdownIt().parse(path.read_text("utf-8")):
        if token.type == "fence":
            yield Block(path.name, (token.map or [0])[0] + 1, token.info, token.content, mark)
        comment = re.fullmatch(r"<!-- (illustration|log: .+) -->\n?", token.content)
        mark = comment[1] if token.type == "html_block" and comment else ""


BLOCKS = [block for path in DOCUMENTS for block in blocks(path)]
CODE = [block for block in BLOCKS if not block.mark and block.language in {"yaml", "sh"}]
LOGS = [block for block in BLOCKS if block.mark.startswith("log: ")]


def test_blocks_are_found() -> None:
    """The tests below look at something."""
    assert len(BLOCKS) > 20
    assert {block.mark.removeprefix("log: ") for block in LOGS} == set(STORIES)


# --- code


def flat(text: str) -> str:
    """Lines without what stands before and after them: an excerpt may be indented otherwise."""
    return "\n" + "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


@pytest.mark.parametrize("block", CODE, ids=str)
def test_code_is_from_a_file(block: Block) -> None:
    """Code that is not marked as an illustration is from a file that is tested, or commands of `make`."""
    is_make = block.language == "sh" and re.fullmatch(r"(make\b.*\n)+", block.text)
    assert is_make or any(flat(block.text) in flat(path.read_text("utf-8")) for path in SOURCES)


@pytest.mark.parametrize("block", LOGS, ids=str)
def test_logs_are_what_a_run_prints(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, but for the times; `tests/support/stories.py` has the runs."""
    monkeypatch.chdir(tmp_path)
    assert timeless(block.text) == timeless(tell(block.mark.removeprefix("log: "), world))


# --- facts


def headings(page: Path) -> set[str]:
    """What follows `#` in links to the page's headings."""
    return set(map(anchor, re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)))


def test_addresses_in_messages_lead_somewhere() -> None:
    """Each address of a page that the package names has the page, and its heading."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "zerokie_action").rglob("*.py"))
    assert code.count("/zerokie-action/blob/") == 1, "`DOCS`"
    addresses = re.findall(r"\{DOCS\}/([\w/.-]+)#([\w-]+)", code)
    assert addresses
    assert [found for found in addresses if found[1] not in headings(ROOT / "docs" / found[0])] == []


def test_pages_that_files_name_exist() -> None:
    """Examples, the component and the issue forms name pages that exist."""
    files = [*SOURCES, *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))]
    named = {name for path in files for name in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))}
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
LINK = r'(?:\]\(|\bsrc(?:set)?=")(?!https?://|#)([^)#"]+)'
PATH = r"`((?:bench|docs|examples|sandbox|templates|tests|zerokie_action|\.ci)/[\w./-]*)`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_page_names_exists(path: Path) -> None:
    """Files that links and pictures lead to, headings, paths in the repository, and `make something`."""
    text = path.read_text("utf-8")
    targets = [path.parent / found for found in re.findall(LINK, text)]
    targets += [ROOT / found for found in re.findall(PATH, text)]
    assert [target for target in targets if not target.exists()] == []
    for page, fragment in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
        target = path.parent / page if page else path
        assert fragment in headings(target), (page, fragment)
    commands = re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.MULTILINE)
    assert [name for name in commands if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


def test_every_status_is_explained() -> None:
    """With its exit codes and its meaning."""
    text = (DOCS / "outputs.md").read_text("utf-8")
    table = text[text.index("| `status` | exit code |") : text.index("## Exit codes")]
    rows = [line.split("|")[1] for line in table.splitlines()[1:] if line.startswith("|")]
    explained = [status for cell in rows for status in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(explained) == sorted(SCHEMA["properties"]["status"]["enum"])

"""Code blocks, logs, exit codes and links in the documentation."""

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
    """A code block with its marker: empty, `illustration`, or `log: NAME`."""

    page: str
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """Return every code block of a page."""
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
    """The tests below would pass without blocks."""
    assert len(BLOCKS) > 20
    assert {block.mark.removeprefix("log: ") for block in LOGS} == set(STORIES)


# --- code


def flat(text: str) -> str:
    """Return lines without their common context, because an excerpt may have another indentation."""
    return "\n" + "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


@pytest.mark.parametrize("block", CODE, ids=str)
def test_code_blocks_are_from_tested_files(block: Block) -> None:
    """A block without the marker `illustration` is from a tested file, or consists of `make` commands."""
    is_make = block.language == "sh" and re.fullmatch(r"(make\b.*\n)+", block.text)
    assert is_make or any(flat(block.text) in flat(path.read_text("utf-8")) for path in SOURCES)


@pytest.mark.parametrize("block", LOGS, ids=str)
def test_logs_match_real_runs(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only times may differ. The runs are in `tests/support/stories.py`."""
    monkeypatch.chdir(tmp_path)
    assert timeless(block.text) == timeless(tell(block.mark.removeprefix("log: "), world))


# --- facts


def headings(page: Path) -> set[str]:
    """Return the anchors of the page's headings."""
    return set(map(anchor, re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)))


def test_links_in_messages_lead_to_headings() -> None:
    """Each link in the package leads to an existing page and heading."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "zerokie_action").rglob("*.py"))
    assert code.count("/zerokie-action/blob/") == 1, "`DOCS`"
    addresses = re.findall(r"[\"']([\w/.-]+\.md)#([\w-]+)[\"']", code)
    assert len(addresses) > 10
    assert [found for found in addresses if found[1] not in headings(ROOT / "docs" / found[0])] == []


def test_links_in_other_files_lead_to_pages() -> None:
    """Examples, the component and the issue forms link to existing pages."""
    files = [*SOURCES, *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))]
    named = {name for path in files for name in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))}
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes for a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
LINK = r'(?:\]\(|\bsrc(?:set)?=")(?!https?://|#)([^)#"]+)'
PATH = r"`((?:bench|docs|examples|sandbox|templates|tests|zerokie_action|\.ci)/[\w./-]*)`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_everything_in_a_page_exists(path: Path) -> None:
    """Links, pictures, anchors, paths in the repository and `make` targets exist."""
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
    """The page lists each status with its exit codes and its meaning."""
    text = (DOCS / "outputs.md").read_text("utf-8")
    table = text[text.index("| `status` | exit code |") : text.index("## Exit codes")]
    rows = [line.split("|")[1] for line in table.splitlines()[1:] if line.startswith("|")]
    explained = [status for cell in rows for status in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(explained) == sorted(SCHEMA["properties"]["status"]["enum"])

"""The pages in `docs/` show what exists and what happens: code blocks, logs, exit codes, links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.support.scripts import documents
from tests.support.stories import STORIES, tell, timeless
from zerokie_action.errors import exit_codes
from zerokie_action.sandbox import cli
from zerokie_action.sandbox.faults import Fault, Kind
from zerokie_action.settings import INPUTS as FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.world import World

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [*PAGES, *sorted(ROOT.glob("*.md")), ROOT / "tests" / "README.md"]
SOURCES = [
    path
    for folder in ("examples", "templates")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix in {".yml", ".sh", ".py", ""}
]
INPUTS = {name.replace("_", "-") for name in FIELDS}


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
ILLUSTRATIONS = [block for block in BLOCKS if block.mark == "illustration"]
LOGS = [block for block in BLOCKS if block.mark.startswith("log: ")]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def pages(document: list[Path]) -> Any:
    return pytest.mark.parametrize("path", document, ids=lambda path: path.name)


def each(found: list[Block]) -> Any:
    return pytest.mark.parametrize("block", found, ids=str)


def test_blocks_are_found() -> None:
    """The tests below look at something."""
    assert len(BLOCKS) > 20
    assert {block.mark.removeprefix("log: ") for block in LOGS} == set(STORIES)


# --- code


def flat(text: str) -> str:
    """Lines without what stands before and after them: an excerpt may be indented otherwise."""
    return "\n" + "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


@each([block for block in BLOCKS if not block.mark and block.language in {"yaml", "sh"}])
def test_code_is_from_a_file(block: Block) -> None:
    """Code that is not marked as an illustration is from a file that is tested, or commands of `make`."""
    is_make = block.language == "sh" and re.fullmatch(r"(make\b.*\n)+", block.text)
    assert is_make or any(flat(block.text) in flat(path.read_text("utf-8")) for path in SOURCES)


def test_every_other_block_says_what_it_is() -> None:
    """A block in another language is marked, so that somebody has thought about what keeps it true."""
    checked = {"yaml", "sh"}
    assert [str(block) for block in BLOCKS if not block.mark and block.language not in checked] == []


@each([block for block in ILLUSTRATIONS if block.language == "yaml"])
def test_illustrations_set_inputs_that_exist(block: Block) -> None:
    """What stands below `with:` and `settings:` are inputs of the action."""
    document = yaml.safe_load(block.text)
    given = {**document.get("with", {}), **document.get("settings", {})}
    assert given
    assert given.keys() <= INPUTS


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@each(SHELL)
def test_commands_exist(block: Block) -> None:
    """Targets of `make`, options of the sandbox, scripts of this repository, names of inputs."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if re.fullmatch("[a-z0-9-]+", word)} <= targets()
        words = words[words.index(".venv/bin/python") :] if ".venv/bin/python" in words else words
        if words[1:3] == ["-m", "zerokie_action.sandbox"]:
            cli._parser().parse_args(words[3:])
        elif words[:1] == [".venv/bin/python"] and words[1] != "-m":
            assert (ROOT / words[1]).is_file()
        names = re.findall(r"\bZEROKIE_([A-Z_]+)\b", line)
        assert {name.lower().replace("_", "-") for name in names} <= INPUTS


@pages(DOCUMENTS)
def test_inline_commands_exist(path: Path) -> None:
    """`make something` in running text is something that can be made."""
    assert set(re.findall(r"`make ([a-z0-9-]+)", path.read_text("utf-8"))) <= targets()


@each(LOGS)
def test_logs_are_what_a_run_prints(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, but for the times; `tests/support/stories.py` has the runs."""
    monkeypatch.chdir(tmp_path)
    assert timeless(block.text) == timeless(tell(block.mark.removeprefix("log: "), world))


# --- facts


def test_every_exit_code_has_its_chapter() -> None:
    """Under the name of its class."""
    chapters = re.findall(r"^## (\d.*)$", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    unnamed = {"0": "done", "1": "unexpected"}
    assert chapters == [f"{code}: {name or unnamed[code]}" for code, name, _ in exit_codes()]


def test_the_index_is_complete() -> None:
    """Every page is listed once, and nothing that does not exist."""
    text = (DOCS / "README.md").read_text("utf-8")
    assert sorted(set(re.findall(r"\]\(([\w.-]+)\)", text))) == sorted(
        path.name for path in DOCS.iterdir() if path.is_file() and path.name != "README.md"
    )


@pages(DOCUMENTS)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link leads to a file of the repository, and so does every picture."""
    targets = re.findall(r'(?:\]\(|\bsrc(?:set)?=")(?!https?://|#)([^)#"]+)', path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pages(DOCUMENTS)
def test_links_into_pages_lead_to_a_heading(path: Path) -> None:
    """The part after `#` is a heading of that page."""
    for page, fragment in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text("utf-8")):
        target = path.parent / page if page else path
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        assert fragment in map(anchor, headings), (page, fragment)


NAMES = re.compile(r"`([a-z]+(?:-[a-z]+)+)(?:: [^`]*)?`")
OTHER_NAMES = {
    "zerokie-deploy", "zerokie-cleanup", "gitlab-ci-local", "rolled-back", "pull-requests",
    "fork-previews", "include-hidden-files", "package-ecosystem", "my-site", *Kind,
    *documents.OUTPUTS,
    *next(yaml.safe_load_all((ROOT / "templates" / "deploy.yml").read_text("utf-8")))["spec"]["inputs"],
}  # fmt: skip


@pages([path for path in PAGES if path.name != "existing.md"])  # it has names of other tools
def test_names_of_inputs_and_outputs_exist(path: Path) -> None:
    """A name with a dash, set as code, is an input, an output, or one of few others."""
    named = set(NAMES.findall(path.read_text("utf-8")))
    assert named - INPUTS - OTHER_NAMES == set()


def test_every_fault_of_the_sandbox_is_described() -> None:
    """By its name, with all its fields."""
    named = set(re.findall(r"`([a-z-]+)`", (DOCS / "sandbox.md").read_text("utf-8")))
    assert {*Kind, *(field.name for field in fields(Fault))} <= named | {"kind"}


@pages(DOCUMENTS)
def test_paths_exist(path: Path) -> None:
    """A path in the repository, set as code, is there."""
    named = re.findall(
        r"`((?:bench|docs|examples|templates|tests|zerokie_action|\.ci)/[\w./-]*)`", path.read_text("utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []

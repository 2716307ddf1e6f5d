"""The pages in `docs/` show what exists and what happens: code blocks, logs, pictures, exit codes, links."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.support.stories import STORIES, tell
from zerokie_action import documentation
from zerokie_action.api import client, lock
from zerokie_action.api.transport import MEGABYTE
from zerokie_action.operations import probe
from zerokie_action.report.outputs import OUTPUTS
from zerokie_action.sandbox import cli
from zerokie_action.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.world import World

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [*PAGES, *sorted(ROOT.glob("*.md"))]
SOURCES = [
    path
    for folder in ("examples", "templates")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix in {".yml", ".sh", ".py", ""}
]
INPUTS = {name.replace("_", "-") for name in Settings.model_fields}


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
    assert {block.mark.removeprefix("log: ") for block in LOGS} == set(STORIES) - {"first deploy"}


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
    checked = {"yaml", "sh", "mermaid"}
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


@pages([ROOT / "README.md", DOCS / "sandbox.md"])
def test_python_is_that_of_the_checkout(path: Path) -> None:
    """Who has followed the README so far has the packages in `.venv`, and nowhere else."""
    assert re.findall(r"(?<!bin/)\bpython (?:-m|entrypoint).*", path.read_text("utf-8")) == []


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


def timeless(log: str) -> str:
    """A log without durations and the deploy IDs that are made of the time."""
    return re.sub(r"\b(\d+ m )?\d+(\.\d+)? s\b|(?<= d-)\d{8}-\d{6}\b", "…", log)


# --- pictures


FLOW = next(block.text for block in BLOCKS if block.text.startswith("flowchart"))
STATES = next(block.text for block in BLOCKS if block.text.startswith("stateDiagram"))


def types_of(thing: Any) -> str:
    """All types that a function takes and gives, or that a class has, as text; a class has itself."""
    own = [thing.__name__] if inspect.isclass(thing) else []
    return " ".join([*own, *map(str, inspect.get_annotations(thing).values())])


def surroundings(thing: Any) -> str:
    """`types_of`, and those of the classes named there: what the thing can pass on."""
    module = inspect.getmodule(thing)
    words = re.findall(r"\w+", types_of(thing))
    local = vars(module) | imported_for_types(module)
    classes = [local[word] for word in words if inspect.isclass(local.get(word))]
    return " ".join(map(types_of, [thing, *classes]))


def imported_for_types(module: Any) -> dict[str, Any]:
    """What a module imports only for the type checker, by name."""
    tree = ast.parse(inspect.getsource(module))
    return {
        alias.name: pkgutil.resolve_name(f"{node.module}:{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zerokie_action.")
        for alias in node.names
        if not hasattr(module, alias.name)
    }


def flow_nodes() -> dict[str, Any]:
    """The boxes of the picture, as the functions and classes that they name."""
    names = dict(re.findall(r'(\w+)\["([\w.]+)"\]', FLOW))
    return {node: pkgutil.resolve_name(f"zerokie_action.{name}") for node, name in names.items()}


def test_data_flows_as_drawn() -> None:
    """Each box exists; the type on an arrow is one that its source has and its target takes."""
    nodes = flow_nodes()
    arrows = re.findall(r'(\w+)(?:\["[\w.]+"\])? -->\|(\w+)\| (\w+)', FLOW)
    assert len(arrows) == FLOW.count("-->") > 10
    for source, type_, target in arrows:
        assert re.search(rf"\b{type_}\b", surroundings(nodes[source])), (source, type_)
        assert re.search(rf"\b{type_}\b", types_of(nodes[target])), (type_, target)


NOT_IN_A_STATIC_DEPLOY = {"create_container", "list_apps", "delete_app", "deploy"}
IN_PARALLEL = {"put_file": "writers.upload(", "delete_file": "writers.delete("}
"""What operations call for these methods of the client."""


def endpoints() -> dict[str, str]:
    """The endpoint of each method of the client that a static deploy may call, from its docstring."""
    documented = {
        name: re.search(r'\("([A-Z]+) ([^"{]+)', method.__doc__ or "")
        for name, method in inspect.getmembers(client.Client, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_IN_A_STATIC_DEPLOY
    }
    return {
        name: f"{found[1]} {found[2].replace('…', '/v1/apps/:name')}"
        for name, found in documented.items()
        if found
    }


def drawn_requests() -> list[tuple[str, str]]:
    """The box and the endpoint of each dotted arrow."""
    arrows = re.findall(r"(\w+) -\.->\|(.+?)\| (\w+)", FLOW)
    assert len(arrows) == FLOW.count("-.->")
    return [(source if target == "platform" else target, endpoint) for source, endpoint, target in arrows]


def test_every_request_of_a_static_deploy_is_drawn() -> None:
    """The labels of dotted arrows are the endpoints of the client, and all of them."""
    assert {endpoint for _, endpoint in drawn_requests()} == set(endpoints().values())


def test_requests_are_drawn_where_they_are_sent() -> None:
    """The box at a dotted arrow is of a module that calls the client's method, or has that done."""
    methods = {endpoint: name for name, endpoint in endpoints().items() if name != "get_app"}
    for node, endpoint in drawn_requests():
        method = methods[endpoint]
        source = inspect.getsource(inspect.getmodule(flow_nodes()[node]) or client)
        assert f"client.{method}(" in source or IN_PARALLEL.get(method, "client.") in source, (node, endpoint)


def test_layers_are_those_of_the_contract() -> None:
    """The table has the layers that imports are checked against, in their order."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rows = re.findall(r"^\| (`.+?) \|", (DOCS / "architecture.md").read_text("utf-8"), re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [
        set(layer.split(" | ")) for layer in contract[0]["layers"]
    ]


PROOFS = {
    ("[*]", "asking"): ("first deploy", "Scanned 3 files"),
    ("asking", "held"): ("first deploy", "Deploy lock acquired\n"),
    ("asking", "waiting"): ("waiting", "Another deploy of 'my-site' is in progress"),
    ("waiting", "asking"): ("waiting", "Deploy lock acquired after"),
    ("waiting", "[*]"): ("held", "holds the deploy lock"),
    ("held", "held"): ("lost", "does not hold it"),
    ("held", "released"): ("first deploy", "Finalized"),
    ("held", "lost"): ("lost", "The deploy lock was lost"),
    ("held", "abandoned"): ("abandoned", "Finalizing the deploy failed"),
    ("held", "killed"): ("killed", "was killed and left its lock"),
    ("killed", "released"): ("killed", "it is released now"),
    ("abandoned", "[*]"): ("abandoned", "The lock expires by itself"),
}
"""For each arrow of the lock's states a run, and the words in its log by which the arrow is seen."""

NOTHING_TO_SEE = {("released", "[*]"), ("lost", "[*]"), ("killed", "abandoned")}


def state_arrows() -> set[tuple[str, str]]:
    return set(re.findall(r"^  (\S+) --> (\S+?)(?::|$)", STATES, re.MULTILINE))


def test_every_arrow_between_states_is_known() -> None:
    """A new arrow needs a run that takes it."""
    assert state_arrows() == PROOFS.keys() | NOTHING_TO_SEE


@pytest.mark.parametrize(("story", "words"), PROOFS.values(), ids=map(" to ".join, PROOFS))
def test_arrows_between_states_are_taken(
    story: str, words: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes there."""
    monkeypatch.chdir(tmp_path)
    assert words in tell(story, world)


def test_states_are_those_of_the_code() -> None:
    """The drawing in the lock's own module has the same states; before it begins, it is idle."""
    drawing = (lock.__doc__ or "").partition("    idle")[2]
    states = {state for arrow in state_arrows() for state in arrow} - {"[*]", "killed"}
    assert {word for word in states if re.search(rf"\b{word}\b", drawing)} == states


# --- texts


@cache
def code() -> dict[str, ast.Module]:
    """The action's modules by name, without the sandbox."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for path in sorted((ROOT / "zerokie_action").rglob("*.py"))
        if "sandbox" not in path.parts
    }


@cache
def messages() -> set[str]:
    """Every text in the code that is no docstring; what is filled in is `…`."""
    found = set()
    for module in code().values():
        docstrings = {
            node.value
            for node in ast.walk(module)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                found.add(node.value)
    return found


def quoted_messages() -> list[str]:
    """What the page on exit codes quotes: the first column of its tables, and what is in italics."""
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+?) \|", page, re.MULTILINE)
    cursive = re.findall(r"(?<!\*)\*([^*\n]*…[^*\n]*)\*(?!\*)", page)
    return [text for text in rows if text not in {"message", "reason", "---"}] + cursive


@pytest.mark.parametrize("quoted", quoted_messages())
def test_quoted_messages_are_those_of_the_code(quoted: str) -> None:
    """Word for word but for what is filled in: `…`, numbers, a status.

    The name of an input before a colon and "was refused" after what was tried are put there by the code.
    """
    text = re.sub(r"^`[a-z-]+`: | \([\d, ]+\)$", "", quoted)
    text, was_refused, _ = text.partition(" was refused")
    parts = [part.strip() for part in re.split(r"…|\d+|'[a-z]+'", text) if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.IGNORECASE | re.DOTALL)
    assert any(map(pattern.search, messages()))
    assert not was_refused or any("… was refused (…" in text for text in messages())


def test_the_page_quotes_messages() -> None:
    """The test above looks at something."""
    assert len(quoted_messages()) > 25


def test_only_main_takes_what_the_process_has() -> None:
    """Environment and arguments are for `main`, streams for `ci` as well, as `architecture.md` says."""
    environment = ("os.environ", "os.environb", "os.getenv", "os.getenvb", "sys.argv")
    assert takers(*environment) == {"main"}
    streams = takers("print", "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
    assert {name.partition(".")[0] for name in streams} <= {"main", "ci"}
    bare = {name.partition(".")[2] for name in (*environment, "sys.stdout", "sys.stderr")}
    assert importers(*bare) == set()


def takers(*names: str) -> set[str]:
    """The modules that use any of these, as they are written: `print`, `os.environ`."""
    return {
        module.removeprefix("zerokie_action.")
        for module, tree in code().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names
    }


def importers(*names: str) -> set[str]:
    """The modules that import any of these from `os` or `sys`, where `takers` would not see them."""
    return {
        module.removeprefix("zerokie_action.")
        for module, tree in code().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "sys"}
        if {alias.name for alias in node.names} & {*names}
    }


def test_who_sees_an_answer_that_did_not_come() -> None:
    """Outside of `api`, only those whom `architecture.md` names handle `NoAnswer`."""
    page = (DOCS / "architecture.md").read_text("utf-8")
    sentence = re.search(r"Those who ask public pages.*?NoAnswer", page, re.DOTALL)
    handlers = {
        name.removeprefix("zerokie_action.")
        for name, module in code().items()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and "NoAnswer" in {alias.name for alias in node.names}
    }
    named = set(re.findall(r"`(operations\.\w+)`", sentence[0] if sentence else ""))
    assert {name for name in handlers if not name.startswith("api.")} == named


def test_how_large_an_answer_to_a_health_check_may_be() -> None:
    """The limit is said where health checks are explained, and in the error that it leads to."""
    limit = probe._LARGEST_ANSWER
    texts = {page.name: page.read_text("utf-8") for page in PAGES}
    assert f"more than {limit // MEGABYTE} MB counts as none" in texts["health-checks.md"]
    assert f"larger than {limit} bytes" in texts["troubleshooting.md"]


def test_every_exit_code_has_its_chapter() -> None:
    """In the order of the table, with the name of its class."""
    chapters = re.findall(r"^## (.+)$", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    unnamed = {"0": "done", "1": "unexpected"}
    assert chapters == [f"{code}: {name or unnamed[code]}" for code, name, _ in documentation.exit_codes()]


def test_the_index_is_complete() -> None:
    """Every page is listed once, and nothing that does not exist."""
    text = (DOCS / "README.md").read_text("utf-8")
    assert sorted(set(re.findall(r"\]\(([\w.-]+)\)", text))) == sorted(
        path.name for path in DOCS.iterdir() if path.name != "README.md"
    )


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
    *OUTPUTS,
    *next(yaml.safe_load_all((ROOT / "templates" / "deploy.yml").read_text("utf-8")))["spec"]["inputs"],
}  # fmt: skip


@pages(PAGES)
def test_names_of_inputs_and_outputs_exist(path: Path) -> None:
    """A name with a dash, set as code, is an input, an output, or one of few others."""
    named = set(NAMES.findall(path.read_text("utf-8")))
    assert named - INPUTS - OTHER_NAMES == set()


@pages(PAGES)
def test_paths_exist(path: Path) -> None:
    """A path in the repository, set as code, is there."""
    named = re.findall(
        r"`((?:tests|docs|examples|templates|zerokie_action|\.ci)/[\w./-]+)`", path.read_text("utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []

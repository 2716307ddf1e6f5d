"""Inputs that contradict each other, have no effect in a run, or are none."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

import html
from pathlib import Path

import pytest

from tests.support.containers import deploy, running_web
from tests.support.settings import MINIMAL, VALUES, load, make_what_inputs_name, problems, variables
from tests.support.world import World
from zerokie_action.settings import Environment
from zerokie_action.validation import unknown_names

CREATION = {"port": 80, "cpu": 256, "memory": 512, "env": "A=1"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password_file": "file"}
FOLDER = {
    "ignore": "*.map",
    "ignore_file": "file",
    "keep": "/uploads/",
    "delete_stale": False,
    "max_deletes": 0,
    "incremental": False,
}
CONTAINER = {**CREATION, **REGISTRY, "rollback": True}
IMAGE = {"app": "web", "image": "nginx:2"}
RESTART = {"app": "web", "operation": "restart"}
DESTROY = {"app": "web", "operation": "destroy"}
LOGIN = {"registry_username": "ci", "registry_password": "pass-word"}


@pytest.fixture
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_what_inputs_name(tmp_path)


# --- inputs without an effect


@pytest.mark.parametrize(
    ("run", "used", "unused", "what"),
    [
        pytest.param({}, {**FOLDER, "take_over": True}, CONTAINER, "`directory`", id="folder"),
        pytest.param(
            IMAGE,
            {**CONTAINER, "create": True},
            {**FOLDER, "take_over": True},
            "`image`",
            id="image",
        ),
        pytest.param(
            RESTART,
            {**REGISTRY},
            {**CREATION, **FOLDER, "take_over": True, "rollback": True},
            "`operation: restart`",
            id="restart",
        ),
        pytest.param(
            DESTROY,
            {"take_over": True},
            {**CONTAINER, **FOLDER},
            "`operation: destroy`",
            id="destroy",
        ),
    ],
)
def test_one_warning_names_all_inputs_without_effect(
    world: World,
    tmp_path: Path,
    run: dict[str, object],
    used: dict[str, object],
    unused: dict[str, object],
    what: str,
) -> None:
    """Each is named with the variable that was read; those that the run uses are not."""
    (tmp_path / "file").write_text("s3cr3t")
    running_web(world)
    common = {
        "lock_timeout": "1m",
        "timeout": "10m",
        "retry_timeout": "3s",
        "concurrency": 8,
        "dry_run": True,
    }
    outcome = world.run(**common, **run, **used, **unused)
    assert outcome.exit_code == 0, outcome.log
    (warning,) = (text for text in outcome.outputs["warnings"] if f"no effect with {what}; leave out" in text)
    assert f"Warning: {warning}\n" in outcome.log
    assert "no effect with" in html.unescape(outcome.summary)
    named = {name for name in used | unused | common if f"(ZEROKIE_{name.upper()})" in warning}
    assert named == unused.keys()


@pytest.mark.parametrize("run", [{}, IMAGE, RESTART, DESTROY], ids=["folder", "image", "restart", "destroy"])
def test_empty_inputs_and_defaults_are_not_named(world: World, run: dict[str, object]) -> None:
    """A reusable workflow hands on all inputs: empty ones, and defaults, which change nothing anywhere."""
    running_web(world)
    empty = dict.fromkeys((*CONTAINER, *FOLDER, "create", "domains"), "  ")
    nothing = {"env": "# none\n", "keep": "# none\n", "ignore": "\n", "wait": True, "rollback": "no"}
    defaults = {"wait_timeout": "5m", "delete_stale": "yes", "take_over": False, "create": "false"}
    outcome = world.run(dry_run=True, **(empty | nothing | defaults | run))
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["warnings"] == []


def test_no_login_for_a_public_image_is_fine(world: World) -> None:
    """A public image needs no login, so nothing is said about one."""
    running_web(world)
    outcome = world.run(app="web", image="ghcr.io/o/web:2", dry_run=True)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (0, [])


@pytest.mark.parametrize(
    ("image", "server", "host"),
    [
        ("ghcr.io/o/web:2", None, "ghcr.io"),
        ("GHCR.io/o/web:2", None, "ghcr.io"),
        ("localhost:5000/web", None, "localhost:5000"),
        ("ghcr.io/o/web:2", "proxy.example.com", ""),
        ("o/web:2", None, ""),
        ("docker.io/o/web:2", None, ""),
    ],
)
def test_a_login_without_its_registry_is_exit_2(
    world: World, image: str, server: str | None, host: str
) -> None:
    """It would go to Docker Hub: the error names the line to add. A written one may be a proxy's."""
    running_web(world)
    outcome = deploy(world, image, dry_run=True, registry_server=server, **LOGIN)
    assert (outcome.exit_code, outcome.outputs["warnings"]) == (2 if host else 0, []), outcome.log
    assert bool(host) is (outcome.requests == [])
    if host:
        assert outcome.outputs["error"].endswith(f"is on {host!r}: add `registry-server: {host}`")
        assert "pass-word" not in outcome.log


# --- contradictions


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"image": "nginx"}, "`image` (ZEROKIE_IMAGE) and `directory` (ZEROKIE_DIRECTORY) are both set: deploy one of them here, and the other in a step of its own"),
        ({"operation": "restart", "image": "nginx"}, "`image` (ZEROKIE_IMAGE), `directory` (ZEROKIE_DIRECTORY): only `operation: deploy` uses it; remove it"),
        ({"keep": '["/up/", "/down/"]'}, "`keep` (ZEROKIE_KEEP): line 1: the pattern '[\"/up/\", \"/down/\"]' is written as a list; write one pattern a line"),
        ({"concurrency": "9" * 5000}, f"`concurrency` (ZEROKIE_CONCURRENCY): '{'9' * 5000}' is wrong. Unable to parse input string as an integer, exceeded maximum size"),
        # key files
        ({"api_key_file": "key.txt"}, "`api-key` (ZEROKIE_API_KEY) and `api-key-file` (ZEROKIE_API_KEY_FILE) are both set; keep one of them"),
        ({"api_key": "", "api_key_file": "no.txt"}, "`api-key-file` (ZEROKIE_API_KEY_FILE): the file can't be read (No such file or directory); give the path of a text file that holds the secret and nothing else"),
        ({"api_key": "", "api_key_file": "bytes.txt"}, "`api-key-file` (ZEROKIE_API_KEY_FILE): the file can't be read (not UTF-8 text); give the path of a text file that holds the secret and nothing else"),
        ({"api_key": "", "api_key_file": "empty.txt"}, "`api-key-file` (ZEROKIE_API_KEY_FILE): the file can't be read (it is empty); give the path of a text file that holds the secret and nothing else"),
        ({"api_key": "key.txt"}, "`api-key` (ZEROKIE_API_KEY): the value is the path of a file; set `api-key-file` to it, and not `api-key`"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("_folders")
def test_inputs_that_contradict_each_other_are_told(inputs: dict[str, str], problem: str) -> None:
    """Also inputs that are right by themselves and wrong together; what a key file holds is not quoted."""
    Path("empty.txt").write_text("\n", "utf-8")
    Path("bytes.txt").write_bytes(b"hunter2\xff")
    assert problems(MINIMAL | variables(**inputs)) == (problem,)


@pytest.mark.parametrize(
    ("paths", "advice"),
    [
        ("public/ src/", ": did you mean 'public'?"),
        ("build/ out/", ": did you mean 'build' or 'out'?"),
        ("build/ public/ package.json", ": did you mean 'build'?"),
        (
            "public/ package.json",
            " (in a container: mount the folder, and write the path as the container sees it)",
        ),
    ],
)
def test_a_missing_folder_names_what_is_there_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, advice: str
) -> None:
    """First of all it has to be built. Then the names that build tools use.

    Beside a `package.json`, `public` has a project's own assets.
    """
    for path in paths.split():
        (tmp_path / "checkout" / path).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    (problem,) = problems(MINIMAL | {"ZEROKIE_DIRECTORY": "publik" if "src" in paths else "dist"})
    fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
    assert problem.endswith(f"does not exist; {fix}{advice}")


# --- names


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("ZEROKIE_DRYRUN", "dry-run"),
        ("ZEROKIE_DRY-RUN", "dry-run"),
        ("INPUT_DELETESTALE", "delete-stale"),
        ("ZEROKIE_MAX_DELETE", "max-deletes"),
        ("PLUGIN_HEALTHCHECK", "health-check"),
    ],
)
@pytest.mark.usefixtures("_folders")
def test_a_misspelt_input_is_exit_2(variable: str, name: str) -> None:
    """A typo must not cost files: nothing is done, unless the input itself is set, or the variable is blank."""
    prefix, _, _ = variable.upper().partition("_")
    right = f"{prefix}_{name.upper().replace('-', '_')}"
    assert problems(MINIMAL | {variable: "1"}) == (
        f"{variable} is not an input; did you mean `{name}` ({right})?",
    )
    assert unknown_names(Environment({variable: "1"})) == []
    load(MINIMAL | {variable: " "})
    load(
        MINIMAL
        | {variable: "1", f"ZEROKIE_{name.upper().replace('-', '_')}": VALUES[name.replace("-", "_")][0]}
    )


@pytest.mark.usefixtures("_folders")
def test_other_unknown_names_share_a_warning() -> None:
    """What has one of the prefixes and is no input; what an earlier job has reported is ours."""
    env = MINIMAL | {
        "ZEROKIE_KEY": "k",
        "INPUT_NAME": "x",
        "PLUGIN_VERBOSE": "1",
        "ZEROKIE_EMPTY": " ",
        "ZEROKIE_RESULT_APP": "api",
        "ZEROKIE_RESULT_DRY_RUN": "1",
        "MY_ZEROKIE_DRYRUN": "1",
        "DRYRUN": "1",
        "ZEROKIE": "x",
    }
    assert unknown_names(Environment(env)) == [
        "These are not inputs: INPUT_NAME, PLUGIN_VERBOSE, ZEROKIE_KEY; `--help` lists all inputs"
    ]
    load(env)

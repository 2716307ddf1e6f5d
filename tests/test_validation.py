"""Inputs that contradict each other, have no effect in a run, or are none."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

import html
from pathlib import Path

import pytest

from tests.support.settings import MINIMAL, VALUES, load, make_what_inputs_name, problems, variables
from tests.support.world import World
from zerokie_action.settings import Environment, input_name
from zerokie_action.validation import input_warnings, unknown_names

CREATION = ("port", "cpu", "memory", "env", "rollback")
REGISTRY = ("registry_server", "registry_username", "registry_password_file")
FOLDER = ("ignore", "ignore_file", "keep", "delete_stale", "max_deletes", "incremental")
DEFAULTS = {"env": "# none\n", "keep": "# none\n", "ignore": "\n", "delete_stale": "yes", "rollback": "no"}
LOGIN = {"registry_username": "ci", "registry_password": "pass-word"}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_what_inputs_name(tmp_path)


# --- inputs without an effect


@pytest.mark.parametrize(
    ("task", "what", "unused"),
    [
        ({"directory": "dist"}, "directory", [*CREATION, *REGISTRY]),
        ({"image": "nginx:2"}, "image", [*FOLDER, "take_over"]),
        (
            {"operation": "restart"},
            "operation: restart",
            [*CREATION, *FOLDER, "take_over", "preview_environment"],
        ),
        ({"operation": "destroy"}, "operation: destroy", [*CREATION, *REGISTRY, *FOLDER]),
    ],
)
def test_one_warning_names_all_inputs_without_effect(
    task: dict[str, str], what: str, unused: list[str]
) -> None:
    """Each with the variable that was read. A reusable workflow hands on empty ones, and defaults, too."""
    fields = (*CREATION, *REGISTRY, *FOLDER, "take_over", "preview_environment")
    ours = variables(api_key="key", app="web", **task)
    env = ours | variables(**{field: VALUES[field][0] for field in fields})
    (warning,) = input_warnings(load(env), Environment(env))
    named, _, why = warning.partition(": ")
    assert why == f"no effect with `{what}`; leave out"
    assert {field for field in fields if f"(ZEROKIE_{field.upper()})" in named} == {*unused}

    env = ours | variables(**dict.fromkeys(fields, "  ") | DEFAULTS)
    assert [*input_warnings(load(env), Environment(env))] == []


def test_the_warning_is_in_log_summary_and_result(world: World) -> None:
    outcome = world.run(port=80)
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`port` (ZEROKIE_PORT): no effect with `directory`; leave out"
    assert outcome.outputs["notes"] == []
    assert f"Warning: {warning}\n" in outcome.log
    assert "no effect with" in html.unescape(outcome.summary)


@pytest.mark.parametrize(
    ("image", "more", "host"),
    [
        ("ghcr.io/o/web:2", LOGIN, "ghcr.io"),
        ("GHCR.io/o/web:2", LOGIN, "ghcr.io"),
        ("localhost:5000/web", LOGIN, "localhost:5000"),
        ("ghcr.io/o/web:2", {**LOGIN, "registry_server": "proxy.example.com"}, ""),
        ("o/web:2", LOGIN, ""),
        ("docker.io/o/web:2", LOGIN, ""),
        ("ghcr.io/o/web:2", {}, ""),
    ],
)
def test_a_login_without_its_registry_is_exit_2(image: str, more: dict[str, str], host: str) -> None:
    """It would go to Docker Hub: the error names the line to add. A written one may be a proxy's."""
    env = variables(api_key="key", app="web", image=image, **more)
    if host:
        (problem,) = problems(env)
        assert problem.endswith(f"is on {host!r}: add `registry-server: {host}`")
        assert "pass-word" not in problem
    else:
        assert load(env).image == image


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
def test_inputs_that_contradict_each_other_are_told(inputs: dict[str, str], problem: str) -> None:
    """Also inputs that are right by themselves and wrong together; what a key file holds is not quoted."""
    Path("empty.txt").write_text("\n", "utf-8")
    Path("bytes.txt").write_bytes(b"hunter2\xff")
    assert problems(MINIMAL | variables(**inputs)) == (problem,)


@pytest.mark.parametrize(
    ("paths", "written", "advice"),
    [
        ("public/ src/", "publik", ": did you mean 'public'?"),
        ("build/ out/", "dist", ": did you mean 'build' or 'out'?"),
        ("build/ public/ package.json", "dist", ": did you mean 'build'?"),
        (
            "public/ package.json",
            "dist",
            " (in a container: mount the folder, and write the path as the cont",
        ),
    ],
)
def test_a_missing_folder_names_what_is_there_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, written: str, advice: str
) -> None:
    """First of all it has to be built. Then the names that build tools use.

    Beside a `package.json`, `public` has a project's own assets.
    """
    for path in paths.split():
        (tmp_path / "checkout" / path).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    (problem,) = problems(MINIMAL | {"ZEROKIE_DIRECTORY": written})
    fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
    assert f"does not exist; {fix}{advice}" in problem


@pytest.mark.parametrize("text", ["my-site", "my-site-*", "my-*-pr-*", "*-pr-*", "a/b-pr-*", "my site-pr-*"])
def test_only_patterns_of_previews_are_swept(text: str) -> None:
    """One that is wrong stops the sweep of all: `my-site-*` would take production along."""
    (problem,) = problems(variables(api_key="key", operation="sweep", app=f"docs-mr-*\n{text}"))
    assert problem.startswith(
        f"`app` (ZEROKIE_APP): {text!r} is not a pattern of previews for `operation: swee"
    )


# --- names


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("ZEROKIE_DRYRUN", "dry_run"),
        ("ZEROKIE_DRY-RUN", "dry_run"),
        ("INPUT_DELETESTALE", "delete_stale"),
        ("PLUGIN_MAX_DELETE", "max_deletes"),
    ],
)
def test_a_misspelt_input_gets_did_you_mean(variable: str, field: str) -> None:
    """A typo must not cost files: nothing is done, unless the input itself is set, or the variable is blank."""
    right = f"{variable.partition('_')[0]}_{field.upper()}"
    assert problems(MINIMAL | {variable: "1"}) == (
        f"{variable} is not an input; did you mean `{input_name(field)}` ({right})?",
    )
    assert unknown_names(Environment({variable: "1"})) == []
    load(MINIMAL | {variable: " "})
    load(MINIMAL | {variable: "1"} | variables(**{field: VALUES[field][0]}))


def test_other_unknown_names_share_a_warning() -> None:
    """What has one of the prefixes and is no input; what an earlier job has reported is ours."""
    others = ("ZEROKIE_RESULT_APP", "ZEROKIE_RESULT_DRY_RUN", "MY_ZEROKIE_DRYRUN", "DRYRUN", "ZEROKIE")
    env = MINIMAL | dict.fromkeys(("ZEROKIE_KEY", "INPUT_NAME", "PLUGIN_VERBOSE", *others), "1")
    env |= {"ZEROKIE_EMPTY": " "}
    assert unknown_names(Environment(env)) == [
        "These are not inputs: INPUT_NAME, PLUGIN_VERBOSE, ZEROKIE_KEY; `--help` lists all inputs"
    ]
    load(env)

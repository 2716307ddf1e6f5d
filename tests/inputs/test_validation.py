"""Inputs that contradict each other, have no effect, or are unknown."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

import html
from pathlib import Path

import pytest

from tests.support.settings import MINIMAL, VALUES, load, make_folders_of_inputs, problems, variables
from tests.support.world import World
from zerokie_action.inputs.load import Environment
from zerokie_action.inputs.settings import input_name
from zerokie_action.inputs.validation import GUESSES, input_warnings, unknown_names

CREDENTIALS = {"registry_username": "ci", "registry_password": "pass-word"}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_folders_of_inputs(tmp_path)


# --- inputs without an effect


OTHERS = [field for field in VALUES if field not in {"operation", "image", "directory", "app"}]


@pytest.mark.parametrize(
    ("task", "what", "unused"),
    [
        ({"directory": "dist"}, "directory", ["rollback"]),
        ({"image": "nginx:2"}, "image", ["keep"]),
        ({"operation": "restart"}, "operation: restart", ["rollback"]),
        ({"operation": "destroy"}, "operation: destroy", ["rollback", "keep"]),
        ({"operation": "sweep", "app": "web-pr-*"}, "operation: sweep", ["rollback", "keep"]),
    ],
)
def test_only_rollback_and_keep_warn_if_they_have_no_effect(
    task: dict[str, str], what: str, unused: list[str]
) -> None:
    """The warning names the variable. Other inputs, and inputs without a value, cause no warning."""
    ours = variables(api_key="key", app="web") | variables(**task)
    fields = [field for field in OTHERS if not (what == "image" and field in {"domains", "remove_domains"})]
    env = variables(**{field: VALUES[field][0] for field in fields}) | ours
    assert [*input_warnings(load(env), Environment(env))] == [
        f"`{field}` (ZEROKIE_{field.upper()}) has no effect with `{what}`" for field in unused
    ]
    env = ours | variables(rollback="no", keep="# none\n")
    assert [*input_warnings(load(env), Environment(env))] == []


def test_the_warning_is_in_log_summary_and_result(world: World) -> None:
    outcome = world.run(rollback=True, port=80)
    (warning,) = outcome.outputs["warnings"]
    assert warning == "`rollback` (ZEROKIE_ROLLBACK) has no effect with `directory`"
    assert outcome.outputs["notes"] == []
    assert f"Warning: {warning}\n" in outcome.log
    assert "has no effect with" in html.unescape(outcome.summary)


@pytest.mark.parametrize(
    ("image", "more", "host"),
    [
        ("ghcr.io/o/web:2", CREDENTIALS, "ghcr.io"),
        ("GHCR.io/o/web:2", CREDENTIALS, "ghcr.io"),
        ("localhost:5000/web", CREDENTIALS, "localhost:5000"),
        ("ghcr.io/o/web:2", {**CREDENTIALS, "registry_server": "proxy.example.com"}, ""),
        ("o/web:2", CREDENTIALS, ""),
        ("docker.io/o/web:2", CREDENTIALS, ""),
        ("ghcr.io/o/web:2", {}, ""),
    ],
)
def test_credentials_without_their_registry_are_exit_2(image: str, more: dict[str, str], host: str) -> None:
    """Docker Hub would get the credentials. The error has the line to add. A given server may be a proxy."""
    env = variables(api_key="key", app="web", image=image, **more)
    if host:
        (problem,) = problems(env)
        assert f"`image` (ZEROKIE_IMAGE) is on {host!r}, but the credentials in " in problem
        assert problem.endswith(f" are for Docker Hub. Add `registry-server: {host}`")
        assert "pass-word" not in problem
    else:
        assert load(env).image == image


# --- contradictions


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"image": "nginx"}, "`image` (ZEROKIE_IMAGE) and `directory` (ZEROKIE_DIRECTORY) are both set. Deploy one of them here and the other in a separate step"),
        ({"operation": "restart", "image": "nginx"}, "Remove `image` (ZEROKIE_IMAGE), `directory` (ZEROKIE_DIRECTORY), because only `operation: deploy` deploys something"),
        ({"keep": '["/up/", "/down/"]'}, "`keep` (ZEROKIE_KEEP): line 1: the pattern '[\"/up/\", \"/down/\"]' is written as a list. Write one pattern per line"),
        ({"max_deletes": "9" * 5000}, f"`max-deletes` (ZEROKIE_MAX_DELETES): '{'9' * 5000}' isn't valid. Write a whole number"),
        ({"domains": "a.example.com\nwww.example.com", "remove_domains": "WWW.example.com."}, "`domains` (ZEROKIE_DOMAINS) and `remove-domains` (ZEROKIE_REMOVE_DOMAINS) both contain www.example.com. Remove it from one"),
        # paths of secrets
        ({"api_key": "key.txt"}, "`api-key` (ZEROKIE_API_KEY): the value is a path. Pass the file's content (on GitLab, set `file: false`)"),
        ({"registry_username": "me", "registry_password": f"{Path(__file__)}"}, "`registry-password` (ZEROKIE_REGISTRY_PASSWORD): the value is a path. Pass the file's content (on GitLab, set `file: false`)"),
    ],
)  # fmt: skip
def test_contradicting_inputs_are_reported(inputs: dict[str, str], problem: str) -> None:
    """Some inputs are valid alone and invalid together."""
    Path("key.txt").write_text("hunter2")
    assert problems(MINIMAL | variables(**inputs)) == (problem,)


@pytest.mark.parametrize("text", ["my-site", "my-site-*", "my-*-pr-*", "*-pr-*", "a/b-pr-*", "my site-pr-*"])
def test_sweep_accepts_only_patterns_of_previews(text: str) -> None:
    """One wrong pattern stops the run, because `my-site-*` would also delete production."""
    (problem,) = problems(variables(api_key="key", operation="sweep", app=f"docs-mr-*\n{text}"))
    assert problem.startswith(
        f"`app` (ZEROKIE_APP): {text!r} isn't a pattern of previews for `operation: swee"
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
def test_a_misspelled_input_is_exit_2_with_a_suggestion(variable: str, field: str) -> None:
    """A typo must not delete files. It is harmless if the input itself is set or the variable is blank."""
    right = f"{variable.partition('_')[0]}_{field.upper()}"
    assert problems(MINIMAL | {variable: "1"}) == (
        f"{variable} isn't an input. Did you mean `{input_name(field)}` ({right})?",
    )
    assert unknown_names(Environment({variable: "1"})) == []
    load(MINIMAL | {variable: " "})
    load(MINIMAL | {variable: "1"} | variables(**{field: VALUES[field][0]}))


def spelled(name: str) -> tuple[str, str, str]:
    """Return variables for a name. The spelling doesn't matter."""
    upper = name.upper().replace("-", "_")
    return f"ZEROKIE_{upper}", f"INPUT_{name.upper()}", f"PLUGIN_{upper.replace('_', '')}"


@pytest.mark.parametrize(("name", "field"), GUESSES.items())
def test_names_from_other_tools_are_exit_2_if_the_input_is_unset(name: str, field: str) -> None:
    """If it is set, the variable may be another program's, so it is part of the warning."""
    env = {variable: text for variable, text in MINIMAL.items() if variable != f"ZEROKIE_{field.upper()}"}
    for variable in spelled(name):
        found = problems(env | {variable: "hunter2"})
        assert f"`{name}` ({variable}) is called `{input_name(field)}` here" in found
        assert "hunter2" not in "".join(found)
        complete = MINIMAL | variables(**{field: VALUES[field][0]}) | {variable: "hunter2"}
        load(complete)
        (warning,) = unknown_names(Environment(complete))
        assert warning.startswith(f"Ignoring unknown inputs: {variable}. ")


@pytest.mark.parametrize(
    "inputs", [{"image": "nginx:1"}, *({"operation": name} for name in ("restart", "destroy"))]
)
@pytest.mark.parametrize("name", [name for name, field in GUESSES.items() if field == "directory"])
def test_only_a_deploy_of_a_folder_needs_the_directory(name: str, inputs: dict[str, str]) -> None:
    """A variable such as `INPUT_SOURCE` may be another program's."""
    env = MINIMAL | variables(directory="", **inputs) | {f"INPUT_{name.upper()}": "x"}
    load(env)
    assert unknown_names(Environment(env))


def test_a_name_without_an_input_is_a_warning() -> None:
    env = MINIMAL | {"INPUT_SERVER-DIR": "/"}
    load(env)
    assert unknown_names(Environment(env))


def test_other_unknown_names_share_a_warning() -> None:
    """The warning lists unknown variables with a prefix, without the results of an earlier job."""
    others = ("ZEROKIE_RESULT_APP", "ZEROKIE_RESULT_DRY_RUN", "MY_ZEROKIE_DRYRUN", "DRYRUN", "ZEROKIE")
    env = MINIMAL | dict.fromkeys(("ZEROKIE_KEY", "INPUT_NAME", "PLUGIN_VERBOSE", *others), "1")
    env |= {"ZEROKIE_EMPTY": " ", "ZEROKIE_RESULT_TOKEN": "1"}
    assert unknown_names(Environment(env)) == [
        "Ignoring unknown inputs: INPUT_NAME, PLUGIN_VERBOSE, ZEROKIE_KEY. `--help` lists all inputs"
    ]
    load(env)

"""The table of inputs: spellings, defaults, and the list of all problems."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.ci.grammar import HOSTILE
from tests.support.settings import (
    COMPANY,
    MINIMAL,
    VALUES,
    load,
    make_folders_of_inputs,
    problems,
    variables,
)
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs.load import Environment, secrets
from zerokie_action.inputs.load import load as read
from zerokie_action.inputs.settings import INPUTS, spellings

IMAGE = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "api", "ZEROKIE_IMAGE": "nginx:1"}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_folders_of_inputs(tmp_path)


# --- every input


def test_every_input_has_an_example_here() -> None:
    """The tests below cover every new input."""
    assert list(VALUES) == list(INPUTS)


@pytest.mark.parametrize("field", VALUES)
def test_every_input_is_read(field: str) -> None:
    """The variable's text becomes the input's value."""
    env = MINIMAL | variables(**COMPANY.get(field, {})) | variables(**{field: VALUES[field][0]})
    assert getattr(load(env), field) == VALUES[field][1]


def test_every_input_has_five_spellings() -> None:
    """GitHub and Drone keep the dash. Drone and Woodpecker share a prefix."""
    assert spellings("api_key") == (
        *("INPUT_API-KEY", "INPUT_API_KEY", "PLUGIN_API-KEY", "PLUGIN_API_KEY", "ZEROKIE_API_KEY"),
    )


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(spellings("lock_timeout")), st.sampled_from(["", " ", "1", " 2\n"])))
def test_variables_of_one_input_must_have_the_same_value(env: dict[str, str]) -> None:
    """A blank value means not set, and whitespace around a value is removed."""
    given = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_OPERATION": "restart"}
    texts = {name: text for name in spellings("lock_timeout") if (text := env.get(name, "").strip())}
    if len({*texts.values()}) > 1:
        (problem,) = problems(given | env)
        assert f"`lock-timeout` has different values in {' and '.join(texts)}. " in problem
    else:
        assert load(given | env).lock_timeout == float(next(iter(texts.values()), 600))


@pytest.mark.parametrize("field", INPUTS)
def test_two_values_of_an_input_are_exit_2(field: str) -> None:
    """The error names both variables and no value, because the value may be a secret."""
    upper = field.upper()
    env = MINIMAL | {f"INPUT_{upper}": "hunter2", f"ZEROKIE_{upper}": "hunter3"}
    (problem,) = [text for text in problems(env) if "different values" in text]
    assert problem == (
        f"`{field.replace('_', '-')}` has different values in INPUT_{upper} and ZEROKIE_{upper}. "
        "Remove all but the right one"
    )


@pytest.mark.parametrize("name", ["INPUT_GITHUB-TOKEN", "INPUT_GITHUB_TOKEN"])
def test_on_github_the_variable_replaces_the_jobs_token(name: str) -> None:
    """There, `action.yml` passes the job's token. Elsewhere, two tokens are an error."""
    env = MINIMAL | {name: "ghs_job", "ZEROKIE_GITHUB_TOKEN": "ghp_mine"}
    assert load(env | {"GITHUB_ACTIONS": "true"}).github_token == SecretStr("ghp_mine")
    assert load(MINIMAL | {name: "ghs_job", "GITHUB_ACTIONS": "true"}).github_token == SecretStr("ghs_job")
    assert [*secrets(Environment(env | {"GITHUB_ACTIONS": "true"}))] == ["key", "ghs_job", "ghp_mine"]
    (problem,) = problems(env)
    assert "different values" in problem


@pytest.mark.parametrize("text", ["delete", "remove", "Delete"])
def test_an_unknown_operation_is_the_only_error(text: str) -> None:
    """The other inputs depend on it."""
    env = {"INPUT_OPERATION": text, "ZEROKIE_MEMORY": "much", "ZEROKIE_DRYRUN": "1"}
    assert problems(env) == (
        f"`operation` (INPUT_OPERATION): {text!r} isn't an operation. Did you mean `destroy`?",
    )
    (problem,) = problems(env | {"INPUT_OPERATION": "deployed"})
    assert problem.startswith("`operation` (INPUT_OPERATION): 'deployed' isn't valid. Write 'deploy', ")
    (problem,) = problems(env | {"INPUT_OPERATION": "destroy", "ZEROKIE_OPERATION": "sweep"})
    assert problem.startswith("`operation` has different values in INPUT_OPERATION and ZEROKIE_OPERATION.")


def test_the_defaults_match_the_documents() -> None:
    """These are the settings of a run with only the required inputs."""
    found = load(MINIMAL).model_dump(exclude={"api_key", "app", "directory"})
    assert {name: value for name, value in found.items() if value not in (None, (), {}, SecretStr(""))} == {
        "operation": "deploy",
        "api_url": "https://api.platform-dev.zerokie.com",
        "skip_without_key": False,
        "create": False,
        "delete_stale": True,
        "take_over": False,
        "incremental": True,
        "dry_run": False,
        "wait": 300.0,
        "rollback": False,
        "lock_timeout": 600.0,
        "timeout": 1800.0,
        "retry_timeout": 120.0,
        "comment": False,
        "log_level": "info",
    }


# --- problems


def test_every_wrong_item_of_a_list_is_reported() -> None:
    """A list of problems has all wrong items, not only the first one of each input."""
    found = problems(MINIMAL | variables(keep="[b\nok/\n!", ignore="a,b", domains="a..b\nok.a.b\nb c"))
    assert [problem.partition(":")[0] for problem in found] == [
        "`ignore` (ZEROKIE_IGNORE)",
        *["`keep` (ZEROKIE_KEEP)"] * 2,
        *["`domains` (ZEROKIE_DOMAINS)"] * 2,
    ]


@pytest.mark.parametrize("text", ["?", "-1", "0", "0.5", "512MB", "9" * 5_000])
@pytest.mark.parametrize("field", INPUTS)
def test_no_message_is_the_librarys(field: str, text: str) -> None:
    """pydantic writes for programmers: "Input should be a valid integer"."""
    _, found = read(Environment(MINIMAL | variables(**{field: text})))
    assert not re.search("should|nable to", str(found))


SECRETS = ("api_key", "registry_password", "github_token", "gitlab_token", "env")


@settings(max_examples=25)
@given(
    st.sampled_from(["", "Bearer ", "a=b c\n", "=", "$", "é", "[", "https://u:"]),
    st.dictionaries(
        st.sampled_from(sorted(set(VALUES) - set(SECRETS))), HOSTILE.map(lambda text: text.replace("\0", ""))
    ),
)
def test_any_environment_gives_settings_or_problems(before: str, others: dict[str, str]) -> None:
    """No text causes another error, and no message or chained exception contains a secret."""
    env = variables(**others, **dict.fromkeys(SECRETS, f"{before}hunter2"))
    seen: list[BaseException] = []
    try:
        load(env)
    except ConfigurationError as error:
        seen.append(error)
    while seen and (following := seen[-1].__cause__ or seen[-1].__context__):
        seen.append(following)
    assert "hunter2" not in "".join(map(repr, seen)) + "".join(map(str, seen))


# --- lists that are joined with commas


def test_a_comma_never_separates_items() -> None:
    """Drone and Woodpecker join YAML lists with commas, and an unescaped comma is exit 2."""
    lists = {
        "IGNORE": "*.map,drafts/",
        "KEEP": "uploads/,[x,y]",
        "DOMAINS": "a.example.com,b.example.com",
        "REMOVE_DOMAINS": "c.example.com,d.example.com",
    }
    for prefix in ("INPUT", "PLUGIN", "ZEROKIE"):
        env = {f"{prefix}_{name}": text for name, text in lists.items()}
        found = problems(MINIMAL | env)
        assert [problem.partition(":")[0].partition("(")[2].rstrip(")") for problem in found] == [*env]
    read = load(MINIMAL | {"PLUGIN_IGNORE": "a\\,b\n[c,d]\n", "PLUGIN_HEALTH_CHECK": "/a,b"})
    assert (read.ignore, read.health_check) == (("a\\,b", "[c,d]"), "/a,b")


@pytest.mark.parametrize("text", ["A=1,B=2", "A=hunter2, b.c-1=3", "C=1\nA=1,B=2"])
def test_variables_joined_with_commas_are_exit_2(text: str) -> None:
    """Nobody could see or correct the mistake later. With other prefixes, a value may contain the comma."""
    assert problems(IMAGE | {"PLUGIN_ENV": text}) == (
        "`env` (PLUGIN_ENV) has a comma before `NAME=`. Write one per line",
    )
    assert load(IMAGE | {"ZEROKIE_ENV": text}).env
    assert load(IMAGE | {"PLUGIN_ENV": "# A=1,B=2\nA=1,2\nB=a, b"}).env == {"A": "1,2", "B": "a, b"}

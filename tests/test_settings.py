"""All inputs together: spellings, defaults, what contradicts what, and every problem at once."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.ci.grammar import HOSTILE
from tests.support.settings import load, suspicions
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs import spellings
from zerokie_action.log import log_level, secrets
from zerokie_action.settings import (
    Destinations,
    InputSource,
    Settings,
    operation,
)
from zerokie_action.validation import skips

if TYPE_CHECKING:
    from collections.abc import Mapping

MINIMAL = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_DIRECTORY": "dist"}
IMAGE = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "api", "ZEROKIE_IMAGE": "nginx:1"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password": "pass"}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders that the inputs here name."""
    monkeypatch.chdir(tmp_path)
    for name in ("dist", "public"):
        (tmp_path / name).mkdir()


# Every input: a text for it, and the value that it becomes.
VALUES: dict[str, tuple[str, Any]] = {
    "operation": ("restart", "restart"),
    "api_key": ("other", SecretStr("other")),
    "api_url": ("https://api.example.com/", "https://api.example.com"),
    "app": ("my-app", "my-app"),
    "skip_without_key": ("yes", True),
    "image": ("nginx:2", "nginx:2"),
    "directory": ("public", Path("public")),
    "create": ("on", True),
    "port": ("80", 80),
    "cpu": ("256", 256),
    "memory": ("512", 512),
    "env": ("A=1\nB=2", {"A": "1", "B": "2"}),
    "registry_server": ("ghcr.io", "ghcr.io"),
    "registry_username": ("me", "me"),
    "registry_password": ("two words", SecretStr("two words")),
    "ignore": ("*.map\ndrafts/", ("*.map", "drafts/")),
    "ignore_file": (".deployignore", ".deployignore"),
    "keep": ("uploads/", ("uploads/",)),
    "delete_stale": ("no", False),
    "incremental": ("off", False),
    "concurrency": ("8", 8),
    "dry_run": ("TRUE", True),
    "domains": ("www.example.com", ("www.example.com",)),
    "remove_domains": ("old.example.com", ("old.example.com",)),
    "wait": ("0", False),
    "wait_timeout": ("1m30s", 90.0),
    "health_check": ("/healthz", "/healthz"),
    "health_check_timeout": ("5m", 300.0),
    "rollback": ("1", True),
    "lock_timeout": ("0", 0.0),
    "lock_heartbeat": ("60", 60.0),
    "timeout": ("1h", 3600.0),
    "retries": ("0", 0),
    "comment": ("true", True),
    "github_token": ("ghs_x", SecretStr("ghs_x")),
    "gitlab_token": ("glpat-x", SecretStr("glpat-x")),
    "output_file": ("result.json", Path("result.json")),
    "dotenv_file": ("deploy.env", Path("deploy.env")),
    "annotations_file": ("annotations.json", Path("annotations.json")),
    "summary_file": ("summary.md", Path("summary.md")),
    "state_file": ("state.json", Path("state.json")),
    "log_level": ("debug", "debug"),
}
# What else an input needs to make sense; "" takes a default away.
COMPANY: dict[str, dict[str, str]] = {
    "operation": {"directory": ""},
    "image": {"directory": ""},
    "registry_server": REGISTRY,
    "registry_username": REGISTRY,
    "registry_password": REGISTRY,
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(env: Mapping[str, str]) -> tuple[str, ...]:
    """Everything that is wrong with an environment."""
    with pytest.raises(ConfigurationError) as caught:
        load(env)
    assert caught.value.exit_code == 2
    assert caught.value.hint == "Nothing was sent to the platform. Correct the inputs and run again."
    return caught.value.problems


# --- every input


def test_every_input_has_an_example_here() -> None:
    """A new input can't be forgotten below."""
    assert list(VALUES) == list(Settings.model_fields)


@pytest.mark.parametrize("variable", [name for field in VALUES for name in spellings(field)])
def test_every_input_in_every_spelling(variable: str) -> None:
    """The text in any of its variables becomes the input's value."""
    field = next(field for field in VALUES if variable in spellings(field))
    company = {spellings(name)[-1]: text for name, text in COMPANY.get(field, {}).items()}
    own = dict.fromkeys(spellings(field), "") | {variable: VALUES[field][0]}
    assert getattr(load(MINIMAL | company | own), field) == VALUES[field][1]


def test_the_defaults_are_the_contracts() -> None:
    """What a run does that sets nothing but what is required."""
    settings = load(MINIMAL).model_dump(exclude={"api_key", "app", "directory"})
    assert {name: value for name, value in settings.items() if value not in (None, ())} == {
        "operation": "deploy",
        "api_url": "https://api.platform-dev.zerokie.com",
        "skip_without_key": False,
        "create": False,
        "ignore_file": ".zerokieignore",
        "delete_stale": True,
        "incremental": True,
        "concurrency": 64,
        "dry_run": False,
        "wait": True,
        "wait_timeout": 300.0,
        "health_check_timeout": 120.0,
        "rollback": False,
        "lock_timeout": 600.0,
        "lock_heartbeat": 180.0,
        "timeout": 1800.0,
        "retries": 5,
        "comment": False,
        "log_level": "info",
    }


def test_settings_are_frozen() -> None:
    """Nothing changes an input once it is read."""
    settings = load(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        settings.app = "other"  # type: ignore[misc]


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is handed over counts."""
    monkeypatch.setenv("APP", "wrong")
    monkeypatch.setenv("ZEROKIE_APP", "wrong")
    monkeypatch.setenv("CREATE", "true")
    settings = load({"INPUT_APP": "site", "INPUT_API-KEY": "key", "INPUT_DIRECTORY": "dist"})
    assert (settings.app, settings.create) == ("site", False)


def test_secrets_do_not_show() -> None:
    """Whoever prints the settings prints no secret."""
    env = MINIMAL | {
        f"ZEROKIE_{name.upper()}": "hunter2" for name in (*REGISTRY, "github_token", "gitlab_token")
    }
    shown = repr(
        load(
            env
            | {"ZEROKIE_REGISTRY_SERVER": "s", "ZEROKIE_REGISTRY_USERNAME": "u", "ZEROKIE_API_KEY": "hunter2"}
        )
    )
    assert "hunter2" not in shown
    assert "site" in shown


# --- what is wrong


def test_nothing_set() -> None:
    """A first call without any input says what it needs."""
    assert problems({}) == (
        "`app` is required: set it to the app's name",
        (
            "`api-key` is required: pass the platform's API key as a secret "
            "(or set skip-without-key: true for runs that have none)"
        ),
        "one of `image` and `directory` is required: what should be deployed?",
    )


def test_all_problems_at_once() -> None:
    """One run shows everything, in the order of the inputs, by their names."""
    wrong = {
        "operation": "Deploy",
        "api_key": "hunter2 hunter2",
        "api_url": "http://api.example.com",
        "app": "a b",
        "skip_without_key": "maybe",
        "image": "nginx:",
        "create": "ja",
        "port": "65536",
        "cpu": "0",
        "memory": "1.5",
        "env": "hunter2",
        "concurrency": "257",
        "domains": "https://a.example.com",
        "wait_timeout": "soon",
        "health_check": "healthz",
        "lock_heartbeat": "1h",
        "timeout": "0",
        "retries": "-1",
        "github_token": "a hunter2",
        "registry_password": "hunter2",
        "output_file": "missing/result.json",
        "log_level": "verbose",
    }
    found = problems({f"ZEROKIE_{name.upper()}": text for name, text in wrong.items()})
    assert found == (
        "`operation` must be one of 'deploy', 'restart' or 'destroy'",
        "`api-key`: the value holds white space or characters that no token has; pass the token and nothing else",
        "`api-url`: 'http://api.example.com' would send the API key unencrypted; use https (http is for loopback hosts)",
        "`app`: 'a b' can't be an app's name: no white space, slashes or control characters",
        "`skip-without-key`: 'maybe' is neither true nor false; write true or false",
        "`image`: 'nginx:' ends in ':'; is the variable for what should follow empty?",
        "`create`: 'ja' is neither true nor false; write true or false",
        "`port`: '65536' is not a whole number from 1 to 65535",
        "`cpu`: '0' is not a whole number of at least 1",
        "`memory`: '1.5' is not a whole number of at least 1",
        "`env`: item 1 is not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -",
        "`concurrency`: '257' is not a whole number from 1 to 256",
        "`domains`: 'https://a.example.com' is not a domain; write one name per line, such as www.example.com",
        "`wait-timeout`: 'soon' is not a duration; write for example 90, 90s, 5m or 1h30m",
        "`health-check`: the value is neither a path that starts with / nor a URL; write for example /healthz",
        "`lock-heartbeat`: '1h' is out of range; write a duration from 1s to 15m",
        "`timeout`: '0' is out of range; write a duration of at least 1s",
        "`retries`: '-1' is not a whole number from 0 to 100",
        "`github-token`: the value holds white space or characters that no token has; pass the token and nothing else",
        "`log-level` must be one of 'debug', 'info', 'warning' or 'error'",
        "`registry-server`, `registry-username` missing: give all three registry inputs or none",
        "`output-file`: the folder 'missing' does not exist; create it first or choose another path",
    )


HALF = "missing: give all three registry inputs or none"


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        (
            MINIMAL | {"ZEROKIE_IMAGE": "nginx"},
            "`image` and `directory` are both set: deploy one of them, the other in a step of its own",
        ),
        (
            MINIMAL | {"ZEROKIE_DIRECTORY": ""},
            "one of `image` and `directory` is required: what should be deployed?",
        ),
        (
            MINIMAL | {"ZEROKIE_OPERATION": "destroy"},
            "`directory`: only `operation: deploy` takes that; leave it out",
        ),
        (
            MINIMAL | {"ZEROKIE_OPERATION": "restart", "ZEROKIE_IMAGE": "nginx"},
            "`image`, `directory`: only `operation: deploy` takes that; leave it out",
        ),
        (
            IMAGE | {"ZEROKIE_DOMAINS": "a.example.com", "ZEROKIE_REMOVE_DOMAINS": "b.example.com"},
            "`domains`, `remove-domains`: the platform has custom domains for static apps only",
        ),
        (
            MINIMAL | {"ZEROKIE_DOMAINS": "a.b.c\nD.e.f.", "ZEROKIE_REMOVE_DOMAINS": "d.E.f"},
            "`domains` and `remove-domains` both name 'd.e.f'; leave it out of one",
        ),
        (IMAGE | {"ZEROKIE_REGISTRY_USERNAME": "me"}, f"`registry-server`, `registry-password` {HALF}"),
        (
            IMAGE | {"ZEROKIE_REGISTRY_USERNAME": "me", "ZEROKIE_REGISTRY_SERVER": "ghcr.io"},
            f"`registry-password` {HALF}",
        ),
    ],
)
def test_contradictions(env: dict[str, str], problem: str) -> None:
    """Inputs that are right by themselves and wrong together."""
    assert problems(env) == (problem,)


def test_restart_and_destroy_need_nothing_but_the_app() -> None:
    """No image and no folder: a teardown works without a checkout."""
    for wanted in ("restart", "destroy"):
        env = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_OPERATION": wanted}
        assert load(env).operation == wanted


SECRETS = ("api_key", "registry_password", "github_token", "gitlab_token", "env")


@given(
    st.sampled_from(["", "Bearer ", "a=b c\n", "=", "$", "é", "[", "https://u:"]),
    st.dictionaries(
        st.sampled_from(sorted(set(VALUES) - set(SECRETS))), HOSTILE.map(lambda text: text.replace("\0", ""))
    ),
)
def test_any_environment_gives_settings_or_sentences(before: str, others: dict[str, str]) -> None:
    """Whatever the inputs are: no other error, and no secret in any sentence."""
    env = {f"ZEROKIE_{name.upper()}": text for name, text in others.items()}
    env |= {f"ZEROKIE_{name.upper()}": f"{before}hunter2" for name in SECRETS}
    found: tuple[str, ...] = ()
    try:
        load(env)
    except ConfigurationError as error:
        found = error.problems or ("",)
    assert all(problem.startswith(("`", "one of `")) for problem in found)
    assert "hunter2" not in "".join(found)


def test_the_chain_of_errors_has_no_secret() -> None:
    """Not even the traceback of the debug log may show one."""
    with pytest.raises(ConfigurationError) as caught:
        load(MINIMAL | {"ZEROKIE_API_KEY": "hunter2 hunter2", "ZEROKIE_ENV": "hunter2"})
    seen: list[BaseException] = [caught.value]
    while following := seen[-1].__cause__ or seen[-1].__context__:
        seen.append(following)
    assert "hunter2" not in "".join(map(repr, seen)) + "".join(map(str, seen))


# --- places


def test_report_files_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder, or a file in a folder that does not exist."""
    found = problems(
        MINIMAL
        | {
            "ZEROKIE_OUTPUT_FILE": str(tmp_path),
            "ZEROKIE_DOTENV_FILE": "no/deploy.env",
            "ZEROKIE_STATE_FILE": "/no/state.json",
            "ZEROKIE_SUMMARY_FILE": "x" * 5000 + "/summary.md",
        }
    )
    assert found == (
        f"`output-file`: {str(tmp_path)!r} is a folder; give the path of a file",
        "`dotenv-file`: the folder 'no' does not exist; create it first or choose another path",
        f"`summary-file`: the folder '{'x' * 5000}' does not exist; create it first or choose another path",
        "`state-file`: the folder '/no' does not exist; create it first or choose another path",
    )


def test_a_name_that_no_file_can_have() -> None:
    """Half of a surrogate pair, which a program may put into an environment that it hands over."""
    names = {f"ZEROKIE_{name}_FILE": "\ud800" for name in ("OUTPUT", "DOTENV")} | {
        "ZEROKIE_DIRECTORY": "\ud800"
    }
    assert problems(MINIMAL | names) == (
        "`output-file`: '\\ud800' can't be the path of a file; choose another path",
        "`dotenv-file`: '\\ud800' can't be the path of a file; choose another path",
        "`directory`: '\\ud800' does not exist; is it built before this step, and is the path right?",
    )


def test_report_files_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of somebody else's. Root may write everywhere, so the question is answered for it."""
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    path = str(tmp_path / "result.json")
    assert problems(IMAGE | {"ZEROKIE_OUTPUT_FILE": path}) == (
        f"`output-file`: {path!r} can't be written (Permission denied); choose another path",
    )


def test_files_of_their_own(tmp_path: Path) -> None:
    """One report must not overwrite another; streams take any number."""
    env = {"ZEROKIE_OUTPUT_FILE": "a.json", "ZEROKIE_STATE_FILE": str(tmp_path / "a.json")}
    assert problems(MINIMAL | env) == ("`output-file` and `state-file` are the same file; give each its own",)
    load(MINIMAL | {"ZEROKIE_OUTPUT_FILE": "/dev/stdout", "ZEROKIE_SUMMARY_FILE": "/dev/stdout"})


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace"}
WORKSPACE_HINT = (
    "; the action's container has the workspace at '/github/workspace': give the path relative to it"
)


def test_the_runners_paths_do_not_exist_in_the_container() -> None:
    """`${{ github.workspace }}/dist` is a path of the host: say so, and what to write."""
    folder = "/home/runner/work/repo/repo/dist"
    env = MINIMAL | {"ZEROKIE_DIRECTORY": folder, "ZEROKIE_OUTPUT_FILE": f"{folder}/result.json"}
    assert problems(env | GITHUB) == (
        f"`output-file`: the folder {folder!r} does not exist; create it first or choose another path{WORKSPACE_HINT}",
        f"`directory`: {folder!r} does not exist{WORKSPACE_HINT}",
    )


def test_a_folder_that_is_not_there_is_told_with_the_rest(tmp_path: Path) -> None:
    """At once, before the first request; a path in the workspace is no path of the runner's host."""
    (tmp_path / "file").touch()
    for folder, problem in {
        "out": "does not exist; is it built before this step, and is the path right?",
        "/github/workspace/out": "does not exist; is it built before this step, and is the path right?",
        "file": "is not a folder; name the folder that holds the files",
    }.items():
        env = MINIMAL | GITHUB | {"ZEROKIE_DIRECTORY": folder, "ZEROKIE_RETRIES": "x"}
        assert problems(env) == (
            "`retries`: 'x' is not a whole number from 0 to 100",
            f"`directory`: {folder!r} {problem}",
        )


def test_patterns_are_judged_with_all_other_inputs() -> None:
    """Where they have a use: in a folder's deploy."""
    patterns = {"ZEROKIE_IGNORE": "*.map\n\n# no\n!", "ZEROKIE_KEEP": "[b", "ZEROKIE_RETRIES": "x"}
    retries = "`retries`: 'x' is not a whole number from 0 to 100"
    unclosed = r"can never match: its '[' has no ']' in the same segment; write `\[` for the character"
    assert problems(MINIMAL | patterns) == (
        retries,
        "`ignore` line 4: the pattern '!' can never match: it names nothing; remove it",
        f"`keep` line 1: the pattern '[b' {unclosed}",
    )
    assert problems(IMAGE | patterns) == (retries,)


def test_destinations(tmp_path: Path) -> None:
    """Known before the inputs are judged; those that can't be written to are told apart."""
    good = str(tmp_path / "result.json")
    destinations = Destinations.of({"output_file": good, "dotenv_file": "no/deploy.env", "app": "site"})
    assert destinations == Destinations(output_file=Path(good), dotenv_file=Path("no/deploy.env"))
    assert destinations.usable() == Destinations(output_file=Path(good))
    assert tuple(Destinations.of({})) == (None, None, None, None)


def test_own_files() -> None:
    """All files that the run itself writes."""
    names = ("output_file", "dotenv_file", "annotations_file", "summary_file", "state_file")
    settings = load(MINIMAL | {f"ZEROKIE_{name.upper()}": name for name in names})
    assert settings.own_files == tuple(map(Path, names))
    assert load(MINIMAL).own_files == ()


# --- without a key, log level, secrets


@pytest.mark.parametrize(
    ("texts", "skipped"),
    [
        ({"skip_without_key": "true"}, True),
        ({"skip_without_key": "YES", "registry_server": "ghcr.io"}, True),
        ({"skip_without_key": "true", "api_key": "key"}, False),
        ({"skip_without_key": "false"}, False),
        ({"skip_without_key": "maybe"}, False),
        ({}, False),
    ],
)
def test_runs_without_a_key_are_skipped(texts: dict[str, str], skipped: bool) -> None:  # noqa: FBT001
    """Only if they may be, and only without a key."""
    assert skips(texts) is skipped


def test_a_key_is_not_required_when_its_absence_is_fine() -> None:
    """Then the settings have an empty one."""
    env = MINIMAL | {"ZEROKIE_API_KEY": "", "ZEROKIE_SKIP_WITHOUT_KEY": "true"}
    assert load(env).api_key.get_secret_value() == ""


def test_log_level() -> None:
    """Known even when it is wrong; `RUNNER_DEBUG` outranks it."""
    assert log_level({"log_level": "error"}) == "error"
    assert log_level({"log_level": "loud"}) == "info"
    assert log_level({}) == "info"
    assert load(MINIMAL | {"ZEROKIE_LOG_LEVEL": "error", "RUNNER_DEBUG": "1"}).log_level == "debug"
    assert log_level(InputSource({"RUNNER_DEBUG": "1"})()) == "debug"


def test_operation() -> None:
    """Known even when it is wrong, for the report of that."""
    assert operation({"operation": "destroy"}) == "destroy"
    assert operation({"operation": "Destroy"}) == "deploy"
    assert operation({}) == "deploy"


def test_secrets_to_mask() -> None:
    """Those that are printed nowhere, if they are set."""
    hidden = [name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation)]
    assert len(hidden) >= 4
    assert secrets({name: name for name in Settings.model_fields}) == hidden
    assert secrets({"app": "site"}) == []


# --- suspicions


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (
            "ZEROKIE_CONCURENCY",
            "ZEROKIE_CONCURENCY is not an input; `concurrency` is read from ZEROKIE_CONCURRENCY",
        ),
        (
            "PLUGIN_HEALTHCHECK",
            "PLUGIN_HEALTHCHECK is not an input; `health-check` is read from ZEROKIE_HEALTH_CHECK",
        ),
        (
            "INPUT_DELETE-STALES",
            "INPUT_DELETE-STALES is not an input; `delete-stale` is read from ZEROKIE_DELETE_STALE",
        ),
        ("ZEROKIE_DRY-RUN", "ZEROKIE_DRY-RUN is not an input; `dry-run` is read from ZEROKIE_DRY_RUN"),
        ("zerokie_port", "zerokie_port is not an input; `port` is read from ZEROKIE_PORT"),
    ],
)
def test_misspelt_inputs(variable: str, sentence: str) -> None:
    """A variable that is nearly an input's gets a sentence that names the right one."""
    assert suspicions(MINIMAL | {variable: "1"}) == [sentence]


@pytest.mark.parametrize(
    "variable",
    [
        "ZEROKIE_APP_STAGING",
        "ZEROKIE_API_KEYS",
        "ZEROKIE_HOME",
        "ZEROKIE_",
        "ZEROKIE",
        "INPUT_NAME",
        "INPUT_TOKEN",
        "PLUGIN_SSH_KEY",
        "CONCURENCY",
        "MY_ZEROKIE_CONCURENCY",
        "STATE_session",
    ],
)
def test_other_variables_are_nobodys_business(variable: str) -> None:
    """Other names, other tools' names, and names near an input that is set anyway."""
    assert suspicions(MINIMAL | {variable: "1"}) == []


def test_empty_variables_are_not_suspicious() -> None:
    """Not set is not misspelt."""
    assert suspicions(MINIMAL | {"ZEROKIE_CONCURENCY": ""}) == []


REPORT = {
    "ZEROKIE_DEPLOY_ID": "d-1",
    "ZEROKIE_URL": "https://a.example.com",
    "ZEROKIE_KIND": "container",
    "ZEROKIE_STATUS": "deployed",
    "ZEROKIE_PREVIOUS_IMAGE": "nginx:0",
    "ZEROKIE_CREATED": "true",
    "ZEROKIE_FILES_UPLOADED": "1",
    "ZEROKIE_RETRIES_USED": "0",
    "ZEROKIE_DOMAINS": "[]",
    "ZEROKIE_APP": "api",
    "ZEROKIE_IMAGE": "nginx:1",
    "GITLAB_CI": "true",
}
"""What a later job of a GitLab pipeline finds in its environment."""


def test_an_earlier_report_may_have_replaced_inputs() -> None:
    """The job can't see what it would have been, so it is told what to do."""
    env = {"ZEROKIE_API_KEY": "key"} | REPORT
    (sentence,) = suspicions(env)
    assert sentence == (
        "an earlier job's dotenv report is in this environment, and replaces ZEROKIE_APP and ZEROKIE_IMAGE of "
        "this job; if it is about something else, set INPUT_APP and INPUT_IMAGE, or keep the report away with "
        "`dependencies: []`"
    )
    assert suspicions(env | {"INPUT_APP": "other", "INPUT_IMAGE": "nginx:2"}) == []
    assert suspicions(env | {"GITLAB_CI": ""}) == []
    assert suspicions(IMAGE | {"GITLAB_CI": "true"}) == []


def test_a_reported_image_is_ignored_where_no_image_belongs() -> None:
    """A later job that deploys a folder, restarts or destroys is not disturbed by the report."""
    env = {"ZEROKIE_API_KEY": "key"} | REPORT
    assert load(env | {"ZEROKIE_DIRECTORY": "dist"}).image is None
    assert load(env | {"ZEROKIE_OPERATION": "destroy"}).image is None
    assert load(env).image == "nginx:1"
    assert len(problems(env | {"ZEROKIE_DIRECTORY": "dist", "INPUT_IMAGE": "nginx:2"})) == 1

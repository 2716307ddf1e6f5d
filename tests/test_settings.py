"""All inputs together: spellings, defaults, what contradicts what, and every problem at once."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.ci.grammar import HOSTILE
from tests.support.settings import load, load_reports, name_warnings
from zerokie_action.environment import Environment, input_name, spellings
from zerokie_action.errors import ConfigurationError
from zerokie_action.settings import INPUTS, ReportSettings, operation, secrets
from zerokie_action.validation import skips

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

MINIMAL = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_DIRECTORY": "dist"}
IMAGE = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "api", "ZEROKIE_IMAGE": "nginx:1"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password": "pass"}
SECRET_FILE = "hunter2"  # noqa: S105


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders that the inputs here name."""
    monkeypatch.chdir(tmp_path)
    for name in ("dist", "public"):
        (tmp_path / name).mkdir()
    for name in ("key.txt", "pass.txt"):
        (tmp_path / name).write_text(SECRET_FILE, "utf-8")
    for name in (".deployignore", ".otherignore"):
        (tmp_path / name).touch()


# Every input: a text for it, and the value that it becomes.
VALUES: dict[str, tuple[str, Any]] = {
    "operation": ("restart", "restart"),
    "api_key": ("other", SecretStr("other")),
    "api_key_file": ("key.txt", Path("key.txt")),
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
    "registry_password_file": ("pass.txt", Path("pass.txt")),
    "ignore": ("*.map\ndrafts/", ("*.map", "drafts/")),
    "ignore_file": (".deployignore", Path(".deployignore")),
    "keep": ("uploads/", ("uploads/",)),
    "delete_stale": ("no", False),
    "take_over": ("1", True),
    "max_deletes": ("0", 0),
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
    "pull_request": ("12", 12),
    "github_token": ("ghs_x", SecretStr("ghs_x")),
    "gitlab_token": ("glpat-x", SecretStr("glpat-x")),
    "output_file": ("result.json", Path("result.json")),
    "dotenv_file": ("deploy.env", Path("deploy.env")),
    "annotations_file": ("annotations.json", Path("annotations.json")),
    "summary_file": ("summary.md", Path("summary.md")),
    "state_file": ("state.json", Path("state.json")),
    "log_level": ("debug", "debug"),
}
# A second text for each, and the value that it becomes.
OTHERS: dict[str, tuple[str, Any]] = {
    "operation": ("destroy", "destroy"),
    "api_key": ("second", SecretStr("second")),
    "api_key_file": ("pass.txt", Path("pass.txt")),
    "api_url": ("http://localhost:8080", "http://localhost:8080"),
    "app": ("other-app", "other-app"),
    "skip_without_key": ("no", False),
    "image": ("nginx:3", "nginx:3"),
    "directory": ("dist", Path("dist")),
    "create": ("off", False),
    "port": ("8080", 8080),
    "cpu": ("512", 512),
    "memory": ("1024", 1024),
    "env": ("A=2", {"A": "2"}),
    "registry_server": ("r.example.com", "r.example.com"),
    "registry_username": ("you", "you"),
    "registry_password": ("words", SecretStr("words")),
    "registry_password_file": ("key.txt", Path("key.txt")),
    "ignore": ("*.md", ("*.md",)),
    "ignore_file": (".otherignore", Path(".otherignore")),
    "keep": ("media/", ("media/",)),
    "delete_stale": ("true", True),
    "take_over": ("false", False),
    "max_deletes": ("7", 7),
    "incremental": ("on", True),
    "concurrency": ("9", 9),
    "dry_run": ("false", False),
    "domains": ("b.example.com", ("b.example.com",)),
    "remove_domains": ("gone.example.com", ("gone.example.com",)),
    "wait": ("1", True),
    "wait_timeout": ("2m", 120.0),
    "health_check": ("/", "/"),
    "health_check_timeout": ("6m", 360.0),
    "rollback": ("0", False),
    "lock_timeout": ("1", 1.0),
    "lock_heartbeat": ("61", 61.0),
    "timeout": ("2h", 7200.0),
    "retries": ("1", 1),
    "comment": ("false", False),
    "pull_request": ("13", 13),
    "github_token": ("ghs_y", SecretStr("ghs_y")),
    "gitlab_token": ("glpat-y", SecretStr("glpat-y")),
    "output_file": ("result2.json", Path("result2.json")),
    "dotenv_file": ("deploy2.env", Path("deploy2.env")),
    "annotations_file": ("annotations2.json", Path("annotations2.json")),
    "summary_file": ("summary2.md", Path("summary2.md")),
    "state_file": ("state2.json", Path("state2.json")),
    "log_level": ("error", "error"),
}
# What else an input needs to make sense; "" takes a default away.
COMPANY: dict[str, dict[str, str]] = {
    "operation": {"directory": ""},
    "image": {"directory": ""},
    "registry_server": REGISTRY,
    "registry_username": REGISTRY,
    "registry_password": REGISTRY,
    "api_key_file": {"api_key": ""},
    "registry_password_file": REGISTRY | {"registry_password": ""},
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
    assert list(VALUES) == list(OTHERS) == list(INPUTS)


@pytest.mark.parametrize("variable", [name for field in VALUES for name in spellings(field)])
def test_every_input_in_every_spelling(variable: str) -> None:
    """The text in any of its variables becomes the input's value."""
    field = next(field for field in VALUES if variable in spellings(field))
    company = {spellings(name)[-1]: text for name, text in COMPANY.get(field, {}).items()}
    own = dict.fromkeys(spellings(field), "") | {variable: VALUES[field][0]}
    read = load_reports if field in ReportSettings.model_fields else load
    assert getattr(read(MINIMAL | company | own), field) == VALUES[field][1]


def test_the_defaults_are_the_contracts() -> None:
    """What a run does that sets nothing but what is required."""
    settings = load(MINIMAL).model_dump(exclude={"api_key", "app", "directory"})
    settings |= load_reports(MINIMAL).model_dump()
    assert {name: value for name, value in settings.items() if value not in (None, (), SecretStr(""))} == {
        "operation": "deploy",
        "api_url": "https://api.platform-dev.zerokie.com",
        "skip_without_key": False,
        "create": False,
        "ignore_file": Path(".zerokieignore"),
        "delete_stale": True,
        "take_over": False,
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
            "`api-key` is required: pass the platform's API key as a secret, in ZEROKIE_API_KEY "
            "(or set `skip-without-key: true` for runs that have none)"
        ),
        "one of `image` and `directory` is required: what should be deployed?",
    )


@pytest.mark.parametrize(
    ("env", "advice"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"}, "store the platform's API key as a secret of that name"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}, ": pull requests from forks and by Dependabot get no secrets: set `skip-without-key: true`; for others write `api-key: ${{ secrets.ZEROKIE_API_KEY }}`, and store the platform's API key as a secret of that name"),
        ({"GITLAB_CI": "true", "CI_COMMIT_REF_PROTECTED": "true"}, "ZEROKIE_API_KEY (or set `skip-without-key: true` for pipelines that have none)"),
        ({"GITLAB_CI": "true", "CI_COMMIT_REF_PROTECTED": "false"}, "; one that is protected does not reach this branch, which is not (or set `skip-without-key: true` for pipelines that have none)"),
    ],
)  # fmt: skip
def test_a_missing_key_is_explained_where_it_is_missing(env: dict[str, str], advice: str) -> None:
    """Each CI keeps secrets somewhere else, and has its own reasons to pass none."""
    (problem,) = problems({**MINIMAL, **env, "ZEROKIE_API_KEY": ""})
    assert problem.startswith("`api-key` is required: ")
    assert problem.endswith(advice)


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
        "`operation` (ZEROKIE_OPERATION): 'Deploy' should be 'deploy', 'restart' or 'destroy'",
        "`api-key` (ZEROKIE_API_KEY): the value holds white space or characters that no token has; pass the token and nothing else",
        "`api-url` (ZEROKIE_API_URL): 'http://api.example.com' would send the API key unencrypted; use https (http is for loopback hosts)",
        "`app` (ZEROKIE_APP): 'a b' can't be an app's name: no white space, slashes or control characters",
        "`skip-without-key` (ZEROKIE_SKIP_WITHOUT_KEY): 'maybe' is neither true nor false; write true or false",
        "`image` (ZEROKIE_IMAGE): 'nginx:' ends in ':'; is the variable for what should follow empty?",
        "`create` (ZEROKIE_CREATE): 'ja' is neither true nor false; write true or false",
        "`port` (ZEROKIE_PORT): '65536' should be less than or equal to 65535",
        "`cpu` (ZEROKIE_CPU): '0' should be greater than or equal to 1",
        "`memory` (ZEROKIE_MEMORY): '1.5' should be a valid integer, unable to parse string as an integer",
        "`env` (ZEROKIE_ENV): item 1 is not KEY=VALUE; write one per line, with a key of letters, digits, _ . and -",
        "`concurrency` (ZEROKIE_CONCURRENCY): '257' should be less than or equal to 256",
        "`domains` (ZEROKIE_DOMAINS): 'https://a.example.com' is not a domain; write one name per line, such as www.example.com",
        "`wait-timeout` (ZEROKIE_WAIT_TIMEOUT): 'soon' is not a duration; write for example 90, 90s, 5m or 1h30m",
        "`health-check` (ZEROKIE_HEALTH_CHECK): the value is neither a path that starts with / nor a URL; write for example /healthz",
        "`lock-heartbeat` (ZEROKIE_LOCK_HEARTBEAT): '1h' should be less than or equal to 900 s",
        "`timeout` (ZEROKIE_TIMEOUT): '0' should be greater than or equal to 1 s",
        "`retries` (ZEROKIE_RETRIES): '-1' should be greater than or equal to 0",
        "`github-token` (ZEROKIE_GITHUB_TOKEN): the value holds white space or characters that no token has; pass the token and nothing else",
        "`output-file` (ZEROKIE_OUTPUT_FILE): the folder 'missing' does not exist; create it first or choose another path",
        "`log-level` (ZEROKIE_LOG_LEVEL): 'verbose' should be 'debug', 'info', 'warning' or 'error'",
        "`registry-server`, `registry-username` missing: give all three registry inputs or none",
    )


@given(st.sampled_from(["true", "yes", "on", "1", "false", "no", "off", "0"]), st.randoms())
def test_booleans_in_any_case(word: str, random: Random) -> None:
    """Eight words, in any mixture of cases."""
    mixed = "".join(random.choice((char.upper(), char)) for char in word)
    env = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_OPERATION": "restart"}
    assert load(env | {"ZEROKIE_CREATE": mixed}).create is (word in {"true", "yes", "on", "1"})


@pytest.mark.parametrize("word", ["maybe", "2", "truth", "yep", "null", "1.0", "-1", "${{ x }}", "tru e"])
def test_no_boolean_is_guessed(word: str) -> None:
    """Any other word is refused rather than taken for false."""
    assert problems(MINIMAL | {"ZEROKIE_WAIT": word}) == (
        f"`wait` (ZEROKIE_WAIT): {word!r} is neither true nor false; write true or false",
    )


@given(st.integers(-300, 600))
def test_whole_numbers(number: int) -> None:
    """A number is read if it is in the range, both ends included."""
    env = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_OPERATION": "restart"}
    env["ZEROKIE_CONCURRENCY"] = str(number)
    if 1 <= number <= 256:
        assert load(env).concurrency == number
    else:
        bound = "greater than or equal to 1" if number < 1 else "less than or equal to 256"
        expected = f"`concurrency` (ZEROKIE_CONCURRENCY): '{number}' should be {bound}"
        assert problems(env) == (expected,)


@pytest.mark.parametrize("text", ["1.5", "1e2", "0x10", "\uff16", "ten", "1 2", "5%", "inf"])
def test_no_whole_numbers(text: str) -> None:
    """What is none is not rounded, and nothing is left out of it."""
    why = "should be a valid integer, unable to parse string as an integer"
    expected = f"`memory` (ZEROKIE_MEMORY): {text!r} {why}"
    assert problems(IMAGE | {"ZEROKIE_MEMORY": text}) == (expected,)


def test_durations_in_a_range() -> None:
    """Both ends belong to the range, and the sentence names the one that was passed."""
    for text, seconds in (("1", 1), ("15m", 900)):
        assert load(MINIMAL | {"ZEROKIE_LOCK_HEARTBEAT": text}).lock_heartbeat == seconds
    wrong = {"ZEROKIE_LOCK_HEARTBEAT": "901", "ZEROKIE_TIMEOUT": "0.9"}
    assert problems(MINIMAL | wrong) == (
        "`lock-heartbeat` (ZEROKIE_LOCK_HEARTBEAT): '901' should be less than or equal to 900 s",
        "`timeout` (ZEROKIE_TIMEOUT): '0.9' should be greater than or equal to 1 s",
    )


HALF = "missing: give all three registry inputs or none"


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        (
            MINIMAL | {"ZEROKIE_IMAGE": "nginx"},
            "`image` (ZEROKIE_IMAGE) and `directory` (ZEROKIE_DIRECTORY) are both set: deploy one of them, the other in a step of its own",
        ),
        (
            MINIMAL | {"ZEROKIE_DIRECTORY": ""},
            "one of `image` and `directory` is required: what should be deployed?",
        ),
        (
            MINIMAL | {"ZEROKIE_OPERATION": "destroy"},
            "`directory` (ZEROKIE_DIRECTORY): only `operation: deploy` takes that; leave it out",
        ),
        (
            MINIMAL | {"ZEROKIE_OPERATION": "restart", "ZEROKIE_IMAGE": "nginx"},
            "`image` (ZEROKIE_IMAGE), `directory` (ZEROKIE_DIRECTORY): only `operation: deploy` takes that; leave it out",
        ),
        (
            IMAGE | {"ZEROKIE_DOMAINS": "a.example.com", "ZEROKIE_REMOVE_DOMAINS": "b.example.com"},
            "`domains` (ZEROKIE_DOMAINS), `remove-domains` (ZEROKIE_REMOVE_DOMAINS): the platform has custom domains for static apps only",
        ),
        (
            MINIMAL | {"ZEROKIE_DOMAINS": "a.b.c\nD.e.f.", "ZEROKIE_REMOVE_DOMAINS": "d.E.f"},
            "`domains` (ZEROKIE_DOMAINS) and `remove-domains` (ZEROKIE_REMOVE_DOMAINS) both name 'd.e.f'; leave it out of one",
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
        f"`output-file` (ZEROKIE_OUTPUT_FILE): {str(tmp_path)!r} is a folder; give the path of a file",
        "`dotenv-file` (ZEROKIE_DOTENV_FILE): the folder 'no' does not exist; create it first or choose another path",
        f"`summary-file` (ZEROKIE_SUMMARY_FILE): the folder '{'x' * 5000}' does not exist; create it first or choose another path",
        "`state-file` (ZEROKIE_STATE_FILE): the folder '/no' does not exist; create it first or choose another path",
    )


def test_a_name_that_no_file_can_have() -> None:
    """Half of a surrogate pair, which a program may put into an environment that it hands over."""
    names = {f"ZEROKIE_{name}_FILE": "\ud800" for name in ("OUTPUT", "DOTENV")} | {
        "ZEROKIE_DIRECTORY": "\ud800"
    }
    why = "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"
    assert problems(MINIMAL | names) == (
        f"`output-file` (ZEROKIE_OUTPUT_FILE): {why}",
        f"`dotenv-file` (ZEROKIE_DOTENV_FILE): {why}",
        "`directory` (ZEROKIE_DIRECTORY): '\\ud800' does not exist; did you mean 'dist' or 'public'?",
    )


def test_report_files_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of somebody else's. Root may write everywhere, so the question is answered for it."""
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    path = str(tmp_path / "result.json")
    assert problems(IMAGE | {"ZEROKIE_OUTPUT_FILE": path}) == (
        f"`output-file` (ZEROKIE_OUTPUT_FILE): {path!r} can't be written (Permission denied); choose another path",
    )


def test_files_of_their_own(tmp_path: Path) -> None:
    """One report must not overwrite another; streams take any number."""
    env = {"ZEROKIE_OUTPUT_FILE": "a.json", "ZEROKIE_STATE_FILE": str(tmp_path / "a.json")}
    assert problems(MINIMAL | env) == (
        "`output-file` (ZEROKIE_OUTPUT_FILE) and `state-file` (ZEROKIE_STATE_FILE) are the same file; give each its own",
    )
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
        f"`output-file` (ZEROKIE_OUTPUT_FILE): the folder {folder!r} does not exist; create it first or choose another path{WORKSPACE_HINT}",
        f"`directory` (ZEROKIE_DIRECTORY): {folder!r} does not exist{WORKSPACE_HINT}",
    )


def test_a_folder_that_is_not_there_is_told_with_the_rest(tmp_path: Path) -> None:
    """At once, before the first request; a path in the workspace is no path of the runner's host."""
    (tmp_path / "file").touch()
    for folder, problem in {
        "out": "does not exist; did you mean 'dist' or 'public'?",
        "/github/workspace/out": "does not exist; build it before this step, in the same job, or correct the path",
        "file": "is not a directory; name the one that holds the files",
    }.items():
        env = MINIMAL | GITHUB | {"ZEROKIE_DIRECTORY": folder, "ZEROKIE_RETRIES": "x"}
        assert problems(env) == (
            "`retries` (ZEROKIE_RETRIES): 'x' should be a valid integer, unable to parse string as an integer",
            f"`directory` (ZEROKIE_DIRECTORY): {folder!r} {problem}",
        )


@pytest.mark.parametrize(
    ("folders", "given", "advice"),
    [
        (["public", "src"], "dist", "did you mean 'public'?"),
        (["web/build", "web/src"], "web/dist", "did you mean 'web/build'?"),
        (["disk", "public"], "dist", "did you mean 'disk'?"),
        (["build", "out"], "dist", "did you mean 'build' or 'out'?"),
        ([], "dist", "the working directory is empty: check out the repository, and build, before this step"),
        (["web"], "web/dist", "'web' is empty: check out the repository, and build, before this step"),
        (["src"], "web/dist", "build it before this step, in the same job, or correct the path"),
    ],
)
def test_a_missing_folder_and_what_is_there_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: list[str], given: str, advice: str
) -> None:
    """Names that are close, then those that build tools use."""
    checkout = tmp_path / "checkout"
    for folder in ("", *folders):
        (checkout / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(checkout)
    assert problems(MINIMAL | {"ZEROKIE_DIRECTORY": given}) == (
        f"`directory` (ZEROKIE_DIRECTORY): {given!r} does not exist; {advice}",
    )


def test_a_container_that_was_given_no_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual slip with `docker run`."""
    monkeypatch.chdir("/")
    (problem,) = problems(MINIMAL | {"ZEROKIE_DIRECTORY": "no-such-directory"})
    assert problem.endswith(
        "; the working directory is '/': mount yours, and name it with `docker run --workdir`"
    )


def test_patterns_are_judged_with_all_other_inputs() -> None:
    """Where they have a use: in a folder's deploy."""
    patterns = {"ZEROKIE_IGNORE": "*.map\n\n# no\n!", "ZEROKIE_KEEP": "[b", "ZEROKIE_RETRIES": "x"}
    retries = (
        "`retries` (ZEROKIE_RETRIES): 'x' should be a valid integer, unable to parse string as an integer"
    )
    unclosed = r"can never match: its '[' has no ']' in the same segment; write `\[` for the character"
    assert problems(MINIMAL | patterns) == (
        retries,
        "`ignore` (ZEROKIE_IGNORE) line 4: the pattern '!' can never match: it names nothing; remove it",
        f"`keep` (ZEROKIE_KEEP) line 1: the pattern '[b' {unclosed}",
    )
    assert problems(IMAGE | patterns) == (retries,)


def test_reports_are_known_when_inputs_are_wrong(tmp_path: Path) -> None:
    """Before the inputs are judged; those that can't be used are left out."""
    good = str(tmp_path / "result.json")
    wrong = {"ZEROKIE_DOTENV_FILE": "no/deploy.env", "ZEROKIE_LOG_LEVEL": "loud", "ZEROKIE_RETRIES": "x"}
    reports = load_reports(wrong | {"ZEROKIE_OUTPUT_FILE": good})
    assert reports.files == {"output_file": Path(good)}
    assert reports.log_level == "info"


def test_own_files(tmp_path: Path) -> None:
    """All files that the run itself writes, and those that hold its keys."""
    names = ("output_file", "dotenv_file", "annotations_file", "summary_file", "state_file")
    reports = load_reports({f"ZEROKIE_{name.upper()}": name for name in names})
    assert reports.files == {name: Path(name) for name in names}
    assert load_reports(MINIMAL).files == {}
    env = MINIMAL | {"ZEROKIE_API_KEY": "", "ZEROKIE_API_KEY_FILE": str(tmp_path / "key.txt")}
    assert load(env).key_files == (tmp_path / "key.txt",)
    assert load(MINIMAL).key_files == ()


# --- what belongs together


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        (
            {"api_key_file": "key.txt"},
            "`api-key` (ZEROKIE_API_KEY) and `api-key-file` (ZEROKIE_API_KEY_FILE) are both set; keep one of them",
        ),
        (
            {"api_key": "", "api_key_file": "no.txt"},
            (
                "`api-key-file` (ZEROKIE_API_KEY_FILE): 'no.txt' can't be read (No such file or directory); "
                "name a text file that holds the secret and nothing else"
            ),
        ),
        (
            {"api_key": "", "api_key_file": "dist"},
            (
                "`api-key-file` (ZEROKIE_API_KEY_FILE): 'dist' can't be read (Is a directory); "
                "name a text file that holds the secret and nothing else"
            ),
        ),
        (
            {"api_key": "", "api_key_file": "empty.txt"},
            (
                "`api-key-file` (ZEROKIE_API_KEY_FILE) is empty, and `api-key` is required: pass the platform's API key "
                "as a secret, in ZEROKIE_API_KEY (or set `skip-without-key: true` for runs that have none)"
            ),
        ),
        (
            {"api_key": "", "api_key_file": "two.txt"},
            (
                "`api-key` (ZEROKIE_API_KEY_FILE): the value holds white space or characters that no token has; "
                "pass the token and nothing else"
            ),
        ),
        (
            {"api_key": "key.txt"},
            "`api-key` (ZEROKIE_API_KEY): the value is the path of a file; set `api-key-file` to it, and not `api-key`",
        ),
        (
            {"max_deletes": "few"},
            "`max-deletes` (ZEROKIE_MAX_DELETES): 'few' should be a valid integer, unable to parse string as an integer",
        ),
        (
            {"max_deletes": "-1"},
            "`max-deletes` (ZEROKIE_MAX_DELETES): '-1' should be greater than or equal to 0",
        ),
        (
            {"pull_request": "#12"},
            "`pull-request` (ZEROKIE_PULL_REQUEST): '#12' should be a valid integer, unable to parse string as an integer",
        ),
        (
            {"directory": "", "image": "nginx", "max_deletes": "3"},
            "`max-deletes` (ZEROKIE_MAX_DELETES): the deploy of an image deletes no files; leave it out",
        ),
    ],
)
def test_inputs_about_keys_and_limits(inputs: dict[str, str], problem: str) -> None:
    """What is wrong with each, and what to do."""
    Path("empty.txt").write_text("\n", "utf-8")
    Path("two.txt").write_text("hunter2 hunter2", "utf-8")
    assert problems(MINIMAL | {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}) == (
        problem,
    )


def test_a_password_from_a_file_is_one_of_the_credentials() -> None:
    """All three registry inputs are there."""
    env = {"ZEROKIE_REGISTRY_SERVER": "ghcr.io", "ZEROKIE_REGISTRY_USERNAME": "me"}
    settings = load(IMAGE | env | {"ZEROKIE_REGISTRY_PASSWORD_FILE": "pass.txt"})
    assert settings.registry_password == SecretStr(SECRET_FILE)


@pytest.mark.parametrize(
    ("inputs", "warnings"),
    [
        (
            {"pull_request": "12"},
            ["`pull-request` (ZEROKIE_PULL_REQUEST) has no effect without `comment: true`"],
        ),
        ({"pull_request": "12", "comment": "true"}, []),
        (
            {"max_deletes": "0", "delete_stale": "false"},
            [
                "`max-deletes` (ZEROKIE_MAX_DELETES) has no effect: `delete-stale` (ZEROKIE_DELETE_STALE) is false"
            ],
        ),
        ({"max_deletes": "0"}, []),
        (
            {"rollback": "true"},
            ["`rollback` (ZEROKIE_ROLLBACK) has no effect: for container apps only; this app is static"],
        ),
        ({"rollback": "false"}, []),
    ],
)
def test_useless_inputs(inputs: dict[str, str], warnings: list[str]) -> None:
    """They are right, and do nothing."""
    env = {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}
    assert list(load(MINIMAL | env).useless_inputs(Environment(env))) == warnings


def test_inputs_that_an_image_has_no_use_for() -> None:
    """All are named; one that says what is so in any case is not."""
    env = {
        "ZEROKIE_IGNORE": "*.map",
        "ZEROKIE_KEEP": "old/",
        "ZEROKIE_DELETE_STALE": "false",
        "ZEROKIE_TAKE_OVER": "true",
        "ZEROKIE_INCREMENTAL": "true",
    }
    (warning,) = load(IMAGE | env).useless_inputs(Environment(env))
    for name in ("ignore", "keep", "delete-stale", "take-over"):
        assert f"`{name}`" in warning
    assert "incremental" not in warning


# --- lists that are joined with commas


def test_joined_lists_of_woodpecker_and_drone() -> None:
    """Each input that is a list; values of `env` may have commas, and so may patterns, behind a backslash."""
    settings = load(
        MINIMAL
        | {
            "PLUGIN_IGNORE": "*.map,a\\,b",
            "PLUGIN_KEEP": "x,[y,z]",
            "PLUGIN_DOMAINS": "a.example.com,b.example.com",
            "PLUGIN_REMOVE-DOMAINS": "c.example.com,d.example.com",
            "PLUGIN_ENV": "A=1,2,B=3",
        }
    )
    assert settings.ignore == ("*.map", "a\\,b")
    assert settings.keep == ("x", "[y,z]")
    assert settings.domains == ("a.example.com", "b.example.com")
    assert settings.remove_domains == ("c.example.com", "d.example.com")
    assert settings.env == {"A": "1,2", "B": "3"}


@pytest.mark.parametrize("variable", ["INPUT_KEEP", "ZEROKIE_KEEP"])
def test_a_comma_in_a_pattern(variable: str) -> None:
    """Nobody joins lists there: a pattern with a comma is two that stand in one line."""
    assert problems(MINIMAL | {variable: "a/,b/"}) == (
        f"`keep` ({variable}): 'a/,b/' has a comma; write one pattern a line, and \\, for a comma itself",
    )


def test_names_are_not_split() -> None:
    """Only lists are."""
    assert load(MINIMAL | {"PLUGIN_HEALTH_CHECK": "/a,b"}).health_check == "/a,b"


# --- without a key, log level, secrets


@pytest.mark.parametrize(
    ("inputs", "skipped"),
    [
        ({"skip_without_key": "true"}, True),
        ({"skip_without_key": "YES", "registry_server": "ghcr.io"}, True),
        ({"skip_without_key": "true", "api_key": "key"}, False),
        ({"skip_without_key": "false"}, False),
        ({"skip_without_key": "maybe"}, False),
        ({}, False),
        ({"skip_without_key": "true", "api_key_file": "empty.txt"}, True),
        ({"skip_without_key": "true", "api_key_file": "key.txt"}, False),
        ({"skip_without_key": "true", "api_key_file": "missing.txt"}, False),
    ],
)
def test_runs_without_a_key_are_skipped(inputs: dict[str, str], skipped: bool) -> None:  # noqa: FBT001
    """Only if they may be, and only without a key; a file that is not there is a mistake."""
    Path("empty.txt").touch()
    env = {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}
    assert skips(Environment(env)) is skipped


def test_a_key_is_not_required_when_its_absence_is_fine() -> None:
    """Then the settings have an empty one."""
    env = MINIMAL | {"ZEROKIE_API_KEY": "", "ZEROKIE_SKIP_WITHOUT_KEY": "true"}
    assert load(env).api_key.get_secret_value() == ""


def test_log_level() -> None:
    """`RUNNER_DEBUG` outranks it."""
    assert load_reports({"ZEROKIE_LOG_LEVEL": "error"}).log_level == "error"
    assert load_reports({}).log_level == "info"
    assert load_reports({"ZEROKIE_LOG_LEVEL": "error", "RUNNER_DEBUG": "1"}).log_level == "debug"


def test_operation() -> None:
    """Known even when it is wrong, for the report of that."""
    assert operation(Environment({"ZEROKIE_OPERATION": "destroy"})) == "destroy"
    assert operation(Environment({"ZEROKIE_OPERATION": "Destroy"})) == "deploy"
    assert operation(Environment({})) == "deploy"


def test_secrets_to_mask() -> None:
    """Those that are printed nowhere, in all their spellings, and what is in key files."""
    env = {f"ZEROKIE_{field.upper()}": field for field in INPUTS} | {
        "PLUGIN_API_KEY": "other",
        "ZEROKIE_API_KEY_FILE": "",
        "ZEROKIE_REGISTRY_PASSWORD": "",
        "ZEROKIE_REGISTRY_PASSWORD_FILE": "pass.txt",
    }
    assert secrets(Environment(env)) == ["other", "api_key", SECRET_FILE, "github_token", "gitlab_token"]
    assert secrets(Environment({"ZEROKIE_APP": "site"})) == []


# --- two spellings


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ({"INPUT_CREATE": "true"}, {"ZEROKIE_CREATE": "1"}, False),
        ({"INPUT_CREATE": "true"}, {"ZEROKIE_CREATE": "false"}, True),
        ({"INPUT_TIMEOUT": "90"}, {"PLUGIN_TIMEOUT": "1m30s"}, False),
        ({"INPUT_KEEP": "a/\nb/"}, {"PLUGIN_KEEP": "a/,b/"}, False),
        ({"INPUT_KEEP": "# two\na/\n\nb/"}, {"ZEROKIE_KEEP": "a/\nb/"}, False),
        ({"INPUT_KEEP": "a/"}, {"PLUGIN_KEEP": "b/"}, True),
        ({"INPUT_IGNORE_FILE": "./a"}, {"PLUGIN_IGNORE_FILE": "a"}, False),
        ({"INPUT_API_KEY": "hunter2"}, {"ZEROKIE_API_KEY": "key"}, True),
        ({"INPUT_API_KEY": "key"}, {"ZEROKIE_API_KEY": " key "}, False),
        ({"INPUT_OUTPUT_FILE": "a.json"}, {"ZEROKIE_OUTPUT_FILE": "b.json"}, True),
        ({"INPUT_PORT": "80"}, {"ZEROKIE_PORT": "x"}, True),
    ],
)
def test_spellings_that_disagree(one: dict[str, str], other: dict[str, str], differ: bool) -> None:  # noqa: FBT001
    """They are compared as values; a line names both variables, and no value."""
    (first,), (second,) = one, other
    name = first.removeprefix("INPUT_").lower().replace("_", "-")
    expected = [f"`{name}`: {first} and {second} disagree; the first one counts"] if differ else []
    assert name_warnings(one | other) == expected


def test_dry_run_must_be_clear() -> None:
    """Half of a dry run is a deploy."""
    env = MINIMAL | {"INPUT_DRY-RUN": "false", "ZEROKIE_DRY_RUN": "true"}
    assert problems(env) == ("`dry-run`: INPUT_DRY-RUN and ZEROKIE_DRY_RUN disagree; keep one of them",)
    assert name_warnings(env) == []
    assert load(MINIMAL | {"INPUT_DRY-RUN": "yes", "ZEROKIE_DRY_RUN": "true"}).dry_run


# What each system puts into the environment of a step that sets no input.
PLATFORMS: dict[str, dict[str, str]] = {
    # The runner passes every input of action.yml, empty where it is not set.
    "GitHub": {
        "GITHUB_ACTIONS": "true",
        "CI": "true",
        **{f"INPUT_{input_name(field).upper()}": "" for field in INPUTS},
    },
    # So does the component with those that it has.
    "GitLab": {"GITLAB_CI": "true", "CI": "true"}
    | dict.fromkeys(("INPUT_APP", "INPUT_DIRECTORY", "INPUT_IMAGE", "INPUT_HEALTH_CHECK"), ""),
    "Woodpecker": {"CI": "woodpecker", "CI_SYSTEM_NAME": "woodpecker"},
    "Drone": {"CI": "true", "DRONE": "true", "DRONE_STEP_NAME": "deploy"},
    "plain": {},
}
# One at a time: without these a run has nothing to do, or they need company, or may not disagree at all.
ALONE = ("api_key", "app", "directory", "dry_run", *COMPANY)
TOGETHER = tuple(field for field in INPUTS if field not in ALONE)
EMPTY: dict[str, tuple[str, Any]] = dict.fromkeys(INPUTS, ("", None))
STATES = [*itertools.product((None, EMPTY, VALUES), repeat=2), (VALUES, OTHERS)]


def every_pair(field: str) -> list[tuple[str, str] | None]:
    """Two variables each, in their order; None where a name of one word has the same one in two places."""
    upper = field.upper()
    dashed = input_name(upper)
    places = (f"INPUT_{dashed}", f"INPUT_{upper}", f"PLUGIN_{dashed}", f"PLUGIN_{upper}", f"ZEROKIE_{upper}")
    return [pair if len({*pair}) > 1 else None for pair in itertools.combinations(places, 2)]


def outcome(env: Mapping[str, str], fields: Iterable[str]) -> object:
    """What becomes of these inputs: their values, or what is wrong."""
    try:
        values = load_reports(env).model_dump() | load(env).model_dump()
    except ConfigurationError as error:
        return error.problems
    return {field: values[field] for field in fields}


@pytest.mark.parametrize("fields", [*((field,) for field in ALONE), TOGETHER], ids=lambda fields: fields[0])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_pair_of_spellings(platform: str, fields: tuple[str, ...]) -> None:
    """Set, empty and unset: the first that is set counts, and a line says so where the second disagrees."""
    company = COMPANY.get(fields[0], {})
    usual = PLATFORMS[platform] | MINIMAL | {spellings(name)[-1]: text for name, text in company.items()}
    for pairs in zip(*map(every_pair, fields), strict=True):
        tried = {field: pair for field, pair in zip(fields, pairs, strict=True) if pair}
        own = {variable for field in tried for variable in spellings(field)}
        others = {variable: text for variable, text in usual.items() if variable not in own}
        without = outcome(others, tried)
        for state in STATES:
            env = others | {
                variable: texts[field][0]
                for field, pair in tried.items()
                for variable, texts in zip(pair, state, strict=True)
                if texts is not None
            }
            counts = next((texts for texts in state if texts is not None and texts is not EMPTY), None)
            expected = {field: counts[field][1] for field in tried} if tried and counts else without
            disagree = [
                f"`{input_name(field)}`: {first} and {second} disagree"
                for field, (first, second) in tried.items()
                if state == (VALUES, OTHERS)
            ]
            if disagree and "dry_run" in tried:
                assert problems(env) == (f"{disagree[0]}; keep one of them",)
                continue
            assert outcome(env, tried) == expected
            assert name_warnings(env) == [f"{sentence}; the first one counts" for sentence in disagree]


# --- names


def test_unknown_names_share_a_warning() -> None:
    """What is neither input nor output may be a slip; where it is close to an input, that one is named."""
    env = MINIMAL | {
        "ZEROKIE_CONCURENCY": "1",
        "PLUGIN_HEALTHCHECK": "/",
        "INPUT_NAME": "x",
        "zerokie_port": "80",
        "ZEROKIE_DEPLOY_ID": "d-1",
        "ZEROKIE_PREVIOUS_IMAGE": "nginx",
        "ZEROKIE_EMPTY": " ",
        "MY_ZEROKIE_CONCURENCY": "1",
        "STATE_session": "s",
        "ZEROKIE": "x",
    }
    assert name_warnings(env) == [
        (
            "no input is read from INPUT_NAME, PLUGIN_HEALTHCHECK (did you mean PLUGIN_HEALTH_CHECK?), "
            "ZEROKIE_CONCURENCY (did you mean ZEROKIE_CONCURRENCY?), zerokie_port (did you mean ZEROKIE_PORT?); "
            "`--help` lists all inputs"
        )
    ]
    load(env)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("ZEROKIE_DRYRUN", "dry-run"),
        ("ZEROKIE_DRY-RUN", "dry-run"),
        ("zerokie_dry_run", "dry-run"),
        ("INPUT_DRY-RUNS", "dry-run"),
        ("INPUT_DRI_RUN", "dry-run"),
        ("ZEROKIE_DYR_RUN", "dry-run"),
        ("PLUGIN_KEPP", "keep"),
        ("ZEROKIE_KEP", "keep"),
        ("ZEROKIE_IGNORED", "ignore"),
        ("INPUT_DELETESTALE", "delete-stale"),
        ("ZEROKIE_MAX_DELETE", "max-deletes"),
        ("ZEROKIE_MAXDELETES", "max-deletes"),
        ("ZEROKIE_MAX_DELETSE", "max-deletes"),
        ("INPUT_DELETE-STAEL", "delete-stale"),
    ],
)
def test_names_that_must_be_clear(variable: str, name: str) -> None:
    """Who misses one of these loses files: nothing is done, unless the input itself is set, or nothing is."""
    prefix, _, _ = variable.upper().partition("_")
    right = f"{prefix}_{name.upper().replace('-', '_')}"
    assert problems(MINIMAL | {variable: "1"}) == (
        f"{variable} is not an input, but nearly `{name}`; set {right}, or remove it",
    )
    assert name_warnings({variable: "1"}) == []
    load(MINIMAL | {variable: " "})
    load(MINIMAL | {variable: "1", right: "1"})


@pytest.mark.parametrize(
    "variable",
    [
        "ZEROKIE_KEY",
        "ZEROKIE_RUN",
        "ZEROKIE_OUTPUT_FILE",
        "ZEROKIE_KEEPING",
        "ZEROKIE_DYR_RUNS",
        "ZEROKIE_PEEK",
        "ZEROKIE_DELETE",
        "INPUT_DEEPER",
        "DRYRUN",
    ],
)
def test_names_that_are_clear(variable: str) -> None:
    """More than one edit is another word."""
    load(MINIMAL | {variable: "1"})


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
    (sentence,) = name_warnings(env)
    assert sentence == (
        "an earlier job's dotenv report is in this environment, and replaces ZEROKIE_APP and ZEROKIE_IMAGE of "
        "this job; if it is about something else, set INPUT_APP and INPUT_IMAGE, or keep the report away with "
        "`dependencies: []`"
    )
    assert name_warnings(env | {"INPUT_APP": "other", "INPUT_IMAGE": "nginx:2"}) == []
    assert name_warnings(env | {"GITLAB_CI": ""}) == []
    assert name_warnings(IMAGE | {"GITLAB_CI": "true"}) == []


def test_a_reported_image_is_ignored_where_no_image_belongs() -> None:
    """A later job that deploys a folder, restarts or destroys is not disturbed by the report."""
    env = {"ZEROKIE_API_KEY": "key"} | REPORT
    assert load(env | {"ZEROKIE_DIRECTORY": "dist"}).image is None
    assert load(env | {"ZEROKIE_OPERATION": "destroy"}).image is None
    assert load(env).image == "nginx:1"
    assert len(problems(env | {"ZEROKIE_DIRECTORY": "dist", "INPUT_IMAGE": "nginx:2"})) == 1

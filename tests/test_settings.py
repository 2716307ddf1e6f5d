"""All inputs together: spellings, defaults, what contradicts what, and every problem at once."""
# ruff: noqa: E501  sentences that are expected word for word are not wrapped

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.ci.grammar import HOSTILE
from tests.support.settings import load
from zerokie_action import settings as inputs
from zerokie_action.errors import ConfigurationError
from zerokie_action.settings import INPUTS, Environment, spellings
from zerokie_action.validation import unknown_names

MINIMAL = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_DIRECTORY": "dist"}
IMAGE = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "api", "ZEROKIE_IMAGE": "nginx:1"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password": "pass"}
SECRET_FILE = "hunter2"  # noqa: S105


def make_what_inputs_name(folder: Path) -> None:
    """The folders and files of the inputs here."""
    for name in ("dist", "public"):
        (folder / name).mkdir()
    for name in ("key.txt", "pass.txt"):
        (folder / name).write_text(SECRET_FILE, "utf-8")
    (folder / ".deployignore").touch()


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_what_inputs_name(tmp_path)


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
    "delete_stale": ("7d", 604_800),
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
    "health_check_text": ("3f2a9c1", "3f2a9c1"),
    "health_check_timeout": ("5m", 300.0),
    "rollback": ("1", True),
    "lock_timeout": ("0", 0.0),
    "lock_heartbeat": ("60", 60.0),
    "timeout": ("1h", 3600.0),
    "retry_timeout": ("0", 0.0),
    "comment": ("true", True),
    "preview_environment": ("previews", "previews"),
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
# What else an input needs to make sense; "" takes a default away.
COMPANY: dict[str, dict[str, str]] = {
    "operation": {"directory": ""},
    "image": {"directory": ""},
    "registry_server": REGISTRY,
    "registry_username": REGISTRY,
    "registry_password": REGISTRY,
    "health_check_text": {"health_check": "/"},
    "api_key_file": {"api_key": ""},
    "registry_password_file": REGISTRY | {"registry_password": ""},
}


def variables(**inputs: str) -> dict[str, str]:
    """The inputs, in the spelling that anybody may use."""
    return {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}


def problems(env: Mapping[str, str]) -> tuple[str, ...]:
    """Everything that is wrong with an environment."""
    with pytest.raises(ConfigurationError) as caught:
        load(env)
    assert caught.value.exit_code == 2
    assert caught.value.hint == "Correct the inputs and run again."
    return caught.value.args


# --- every input


def test_every_input_has_an_example_here() -> None:
    """A new input can't be forgotten below."""
    assert list(VALUES) == list(INPUTS)


@pytest.mark.parametrize("field", VALUES)
def test_every_input_is_read_in_every_spelling(field: str) -> None:
    """The text in any of its variables becomes the input's value."""
    for variable in spellings(field):
        own = dict.fromkeys(spellings(field), "") | {variable: VALUES[field][0]}
        env = MINIMAL | variables(**COMPANY.get(field, {})) | own
        assert getattr(load(env), field) == VALUES[field][1]


@given(
    st.dictionaries(st.sampled_from(spellings("lock_timeout")), st.sampled_from(["", " ", "\n", "1", " 2\n"]))
)
def test_the_first_spelling_that_is_not_empty_counts(env: dict[str, str]) -> None:
    """Empty, or nothing but white space, counts as not set; white space around a value is cut off."""
    given = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_OPERATION": "restart"}
    texts = [env.get(name, "").strip() for name in spellings("lock_timeout")]
    assert load(given | env).lock_timeout == float(next(filter(None, texts), 600))


def test_the_defaults_are_those_of_the_contract() -> None:
    """What a run does that sets nothing but what is required."""
    settings = load(MINIMAL).model_dump(exclude={"api_key", "app", "directory"})
    assert {
        name: value for name, value in settings.items() if value not in (None, (), {}, SecretStr(""))
    } == {
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
        "retry_timeout": 120.0,
        "comment": False,
        "log_level": "info",
    }


# --- what is wrong


def test_every_wrong_item_of_a_list_is_told() -> None:
    """Not only an input's first one; a deploy that ignores one more file may delete it."""
    found = problems(MINIMAL | variables(keep="[b\nok/\n!", ignore="a,b", domains="a..b\nok.a.b\nb c"))
    assert [problem.partition(":")[0] for problem in found] == [
        "`ignore` (ZEROKIE_IGNORE)",
        *["`keep` (ZEROKIE_KEEP)"] * 2,
        *["`domains` (ZEROKIE_DOMAINS)"] * 2,
    ]


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"image": "nginx"}, "`image` (ZEROKIE_IMAGE) and `directory` (ZEROKIE_DIRECTORY) are both set: deploy one of them here, and the other in a step of its own"),
        ({"operation": "restart", "image": "nginx"}, "`image` (ZEROKIE_IMAGE), `directory` (ZEROKIE_DIRECTORY): only `operation: deploy` uses it; remove it"),
        ({"keep": '["/up/", "/down/"]'}, "`keep` (ZEROKIE_KEEP): line 1: the pattern '[\"/up/\", \"/down/\"]' is written as a list; write one pattern a line"),
        ({"concurrency": "9" * 5000}, f"`concurrency` (ZEROKIE_CONCURRENCY): '{'9' * 5000}': Unable to parse input string as an integer, exceeded maximum size"),
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


def test_a_missing_key_and_an_unreadable_password_are_both_told() -> None:
    """Both are told."""
    registry = {"registry_username": "me", "registry_password_file": "no.txt"}
    told = problems(MINIMAL | variables(api_key="", **registry))
    names = ("`registry-password-file`", "`api-key`", "`registry-username`")
    assert [problem.split()[0] for problem in told] == [*names]


SECRETS = ("api_key", "registry_password", "github_token", "gitlab_token", "env")


@given(
    st.sampled_from(["", "Bearer ", "a=b c\n", "=", "$", "é", "[", "https://u:"]),
    st.dictionaries(
        st.sampled_from(sorted(set(VALUES) - set(SECRETS))), HOSTILE.map(lambda text: text.replace("\0", ""))
    ),
)
def test_any_environment_gives_settings_or_sentences(before: str, others: dict[str, str]) -> None:
    """Whatever the inputs are: no other error, and no secret in any sentence, or in the traceback's chain."""
    env = variables(**others, **dict.fromkeys(SECRETS, f"{before}hunter2"))
    seen: list[BaseException] = []
    try:
        load(env)
    except ConfigurationError as error:
        seen.append(error)
    while seen and (following := seen[-1].__cause__ or seen[-1].__context__):
        seen.append(following)
    assert "hunter2" not in "".join(map(repr, seen)) + "".join(map(str, seen))


# --- places


def test_a_report_file_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, a file in a folder that does not exist, a folder of somebody else's; all else is reported to."""
    good = str(tmp_path / "result.json")
    env = MINIMAL | variables(output_file=good, dotenv_file=str(tmp_path), summary_file="x" * 5000 + "/s.md")
    assert problems(env) == (
        f"`dotenv-file` (ZEROKIE_DOTENV_FILE): {str(tmp_path)!r} is a folder or a symbolic link; give the path of a file",
        f"`summary-file` (ZEROKIE_SUMMARY_FILE): the folder '{'x' * 5000}' does not exist; create it first or choose another path",
    )
    settings, _ = inputs.load(Environment(env | {"ZEROKIE_LOG_LEVEL": "loud"}))
    assert (settings.own_files, settings.log_level) == ({"output_file": Path(good)}, "info")

    # A name that is too long is told when it is written; standard output may be named twice.
    for name in ("x" * 300, "/dev/stdout"):
        assert load(IMAGE | {"ZEROKIE_OUTPUT_FILE": name, "ZEROKIE_STATE_FILE": "/dev/stdout"}).output_file
    link = tmp_path / "link"
    link.symlink_to(good)
    (problem,) = problems(IMAGE | {"ZEROKIE_OUTPUT_FILE": str(link)})
    assert problem.endswith("is a folder or a symbolic link; give the path of a file")

    # Root may write everywhere, so the question is answered for it.
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    (problem,) = problems(IMAGE | {"ZEROKIE_OUTPUT_FILE": good})
    assert problem.endswith(f"{good!r} can't be written (Permission denied); choose another path")


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
    """First of all it has to be built. Names that are close, then those that build tools use.

    Beside a `package.json`, `public` has a project's own assets.
    """
    for path in paths.split():
        (tmp_path / "checkout" / path).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    (problem,) = problems(MINIMAL | {"ZEROKIE_DIRECTORY": "publik" if "src" in paths else "dist"})
    fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
    assert problem.endswith(f"does not exist; {fix}{advice}")


# --- lists that are joined with commas


def test_woodpeckers_and_drones_lists_are_split_at_commas() -> None:
    """Each input that is a list; values of `env` may have commas, and so may patterns, behind a backslash."""
    settings = load(
        MINIMAL
        | {
            "PLUGIN_IGNORE": "*.map,a\\,b",
            "PLUGIN_KEEP": "x,[y,z]",
            "PLUGIN_DOMAINS": "a.example.com,b.example.com",
            "PLUGIN_REMOVE-DOMAINS": "c.example.com,d.example.com",
            "PLUGIN_ENV": "# not, C=1\nA=1,2,B=3",
            "PLUGIN_HEALTH_CHECK": "/a,b",
        }
    )
    assert settings.ignore == ("*.map", "a\\,b")
    assert settings.keep == ("x", "[y,z]")
    assert settings.domains == ("a.example.com", "b.example.com")
    assert settings.remove_domains == ("c.example.com", "d.example.com")
    assert settings.env == {"A": "1,2", "B": "3"}
    assert settings.health_check == "/a,b"


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

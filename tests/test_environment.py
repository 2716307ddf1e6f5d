"""Which variables carry an input, which of them counts, and what key files hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerokie_action.environment import Environment, spellings

if TYPE_CHECKING:
    from pathlib import Path


def test_spellings_in_order_of_precedence() -> None:
    """GitHub keeps the dash; the more deliberate spelling comes first."""
    assert spellings("api_key") == (
        "INPUT_API-KEY",
        "INPUT_API_KEY",
        "PLUGIN_API-KEY",
        "PLUGIN_API_KEY",
        "ZEROKIE_API_KEY",
    )
    assert spellings("app") == ("INPUT_APP", "PLUGIN_APP", "ZEROKIE_APP")


@given(st.dictionaries(st.sampled_from(spellings("api_key")), st.sampled_from(["", " ", "\n", "a", " b\n"])))
def test_the_first_spelling_that_is_not_empty_wins(env: dict[str, str]) -> None:
    """Empty, or nothing but white space, counts as not set; white space around a value is cut off."""
    set_ones = [(name, env[name].strip()) for name in spellings("api_key") if env.get(name, "").strip()]
    environment = Environment(env)
    assert environment.text("api_key") == (set_ones[0][1] if set_ones else "")
    assert environment.variables_of("api_key") == [name for name, _ in set_ones]


def test_reported_domains_are_not_the_input() -> None:
    """The JSON list that an earlier job reported is passed over; a list of names is not."""
    assert Environment({"ZEROKIE_DOMAINS": '[{"domain":"a.example.com"}]'}).text("domains") == ""
    assert Environment({"ZEROKIE_DOMAINS": "[]"}).text("domains") == ""
    assert Environment({"ZEROKIE_DOMAINS": "a.example.com"}).text("domains") == "a.example.com"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\\ ", "a\\ "), ("a\\ \n", "a\\ "), ("a\\  ", "a\\ "), ("\ta \n", "a"), ("a\\", "a\\")],
)
def test_an_escaped_space_at_the_end_is_kept(value: str, text: str) -> None:
    r"""`\ ` at the end of a gitignore pattern is a name's last character."""
    assert Environment({"ZEROKIE_IGNORE": value}).text("ignore") == text


def test_labels() -> None:
    """The documented name, and the variable that was read."""
    environment = Environment({"PLUGIN_DRY-RUN": "x", "ZEROKIE_DRY_RUN": "y"})
    assert environment.label("dry_run") == "`dry-run` (PLUGIN_DRY-RUN)"
    assert environment.label("log_level") == "`log-level`"


def test_debug_logging_outranks_the_input() -> None:
    """GitHub's `RUNNER_DEBUG` is somebody who wants to see more, once."""
    env = dict.fromkeys(spellings("log_level"), "error")
    assert Environment(env | {"RUNNER_DEBUG": "1"}).text("log_level") == "debug"
    assert Environment(env | {"RUNNER_DEBUG": "0"}).text("log_level") == "error"


# --- key files

FILES = pytest.mark.parametrize("field", ["api_key", "registry_password"])


@FILES
@pytest.mark.parametrize("content", ["hunter2", "  hunter2\n", "\ufeffhunter2\r\n\n"])
def test_a_key_from_a_file(tmp_path: Path, field: str, content: str) -> None:
    """What is in it, without the white space that editors leave; messages name the file's variable."""
    file = tmp_path / "key"
    file.write_text(content, "utf-8")
    variable = f"ZEROKIE_{field.upper()}_FILE"
    environment = Environment({variable: str(file)})
    assert environment.text(field) == "hunter2"
    assert environment.label(field) == f"`{field.replace('_', '-')}` ({variable})"
    assert (environment.problems, environment.key_file_contents) == ([], ["hunter2"])


@FILES
def test_an_empty_key_file_is_no_key(tmp_path: Path, field: str) -> None:
    """A pull request from a fork may have the file, and no secret in it."""
    file = tmp_path / "key"
    file.write_text(" \n", "utf-8")
    environment = Environment({f"ZEROKIE_{field.upper()}_FILE": str(file)})
    assert (environment.text(field), environment.problems) == ("", [])


@FILES
def test_a_key_and_a_key_file(tmp_path: Path, field: str) -> None:
    """Nobody can say which one is meant; neither may be shown."""
    file = tmp_path / "key"
    file.write_text("hunter2", "utf-8")
    upper, name = field.upper(), field.replace("_", "-")
    environment = Environment({f"ZEROKIE_{upper}_FILE": str(file), f"INPUT_{upper}": "other"})
    assert environment.problems == [
        f"`{name}` (INPUT_{upper}) and `{name}-file` (ZEROKIE_{upper}_FILE) are both set; keep one of them"
    ]
    assert environment.key_file_contents == ["hunter2"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"x" * 70_000, "too large for a secret"),
    ],
    ids=["missing", "bytes", "large"],
)
def test_key_files_that_are_none(tmp_path: Path, content: bytes | None, why: str) -> None:
    """What is in it is not quoted."""
    file = tmp_path / "key"
    if content:
        file.write_bytes(content)
    environment = Environment({"INPUT_API-KEY-FILE": str(file)})
    assert environment.problems == [
        (
            f"`api-key-file` (INPUT_API-KEY-FILE): {str(file)!r} can't be read ({why}); "
            "name a text file that holds the secret and nothing else"
        )
    ]
    assert environment.text("api_key") == ""


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    """Nor is a name that no file can have."""
    for path, why in ((str(tmp_path), os.strerror(21)), ("\ud800", "codec can't encode")):
        (problem,) = Environment({"ZEROKIE_API_KEY_FILE": path}).problems
        assert f"can't be read ({why}" in problem or why in problem

"""An example of each input, and the settings that a run reads from its environment."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs import load as inputs
from zerokie_action.inputs.settings import Settings
from zerokie_action.inputs.validation import (
    conflicting_values,
    require_clear_operation,
    require_valid,
    wrong_names,
)

MINIMAL = {"ZEROKIE_API_KEY": "key", "ZEROKIE_APP": "site", "ZEROKIE_DIRECTORY": "dist"}
REGISTRY = {"registry_server": "ghcr.io", "registry_username": "me", "registry_password": "pass"}

# Each input's text, and its value after parsing.
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
    "keep": ("uploads/", ("uploads/",)),
    "delete_stale": ("7d", 604_800),
    "take_over": ("1", True),
    "max_deletes": ("0", 0),
    "incremental": ("off", False),
    "dry_run": ("TRUE", True),
    "domains": ("www.example.com", ("www.example.com",)),
    "remove_domains": ("old.example.com", ("old.example.com",)),
    "wait": ("1m30s", 90.0),
    "health_check": ("/healthz", "/healthz"),
    "health_check_text": ("3f2a9c1", "3f2a9c1"),
    "rollback": ("1", True),
    "lock_timeout": ("0", 0.0),
    "timeout": ("1h", 3600.0),
    "retry_timeout": ("0", 0.0),
    "comment": ("true", True),
    "preview_environment": ("previews", "previews"),
    "pull_request": ("12", 12),
    "github_token": ("ghs_x", SecretStr("ghs_x")),
    "gitlab_token": ("glpat-x", SecretStr("glpat-x")),
    "report_dir": ("reports", Path("reports")),
    "commit": ("A" * 40, "a" * 40),
    "state_file": ("state.json", Path("state.json")),
    "log_level": ("debug", "debug"),
}
# Other inputs that an input needs. "" removes a default.
COMPANY: dict[str, dict[str, str]] = {
    "operation": {"directory": ""},
    "image": {"directory": ""},
    "registry_server": REGISTRY,
    "registry_username": REGISTRY,
    "registry_password": REGISTRY,
    "health_check_text": {"health_check": "/"},
}


def load(env: Mapping[str, str]) -> Settings:
    """Return the settings of a run with this environment.

    Raises:
        ConfigurationError: when the inputs are wrong or unclear.
    """
    environment = inputs.Environment(env)
    found, problems = inputs.load(environment)
    require_clear_operation(environment, problems.get("operation", ()))
    all_problems = (*conflicting_values(environment), *chain.from_iterable(problems.values()))
    require_valid(found, environment, [*all_problems, *wrong_names(environment)])
    return found


def make_folders_of_inputs(folder: Path) -> None:
    """Create the folders that the inputs name."""
    for name in ("dist", "public"):
        (folder / name).mkdir()


def variables(**inputs: str) -> dict[str, str]:
    """Return the variables of the inputs in any of their spellings."""
    return {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}


def problems(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return all problems with an environment."""
    with pytest.raises(ConfigurationError) as caught:
        load(env)
    assert caught.value.exit_code == 2
    link = page("troubleshooting.md#exit-code-2-inputs-and-checks")
    assert caught.value.hint == f"Correct the inputs and run again: {link}"
    return caught.value.args

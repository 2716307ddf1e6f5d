"""The log of a command: at the level that was asked for, and without the secrets of its inputs.

`texts` are the inputs that are set, by field name, as they came. All of this is known when they are wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from zerokie_action.ci import detect
from zerokie_action.ci.base import Level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from zerokie_action.ci import CI

SECRETS = ("api_key", "registry_password", "github_token", "gitlab_token")


def open_log(texts: Mapping[str, str], env: Mapping[str, str], stream: TextIO) -> CI:
    """The log of the CI system whose environment `env` is; it masks the inputs' secrets first of all."""
    ci = detect(env, stream, log_level(texts))
    for secret in secrets(texts):
        ci.mask(secret)
    return ci


def log_level(texts: Mapping[str, str]) -> Level:
    """The level that was asked for, or the default."""
    level = texts.get("log_level")
    return level if level in get_args(Level) else "info"  # type: ignore[return-value]  # it is one


def secrets(texts: Mapping[str, str]) -> list[str]:
    """What must never be seen. The values of `env` are not here: they are never printed at all."""
    return [texts[name] for name in SECRETS if name in texts]

"""Settings as a run makes them of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action import settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def load(env: Mapping[str, str]) -> settings.Settings:
    """All inputs of an environment."""
    return settings.load(settings.InputSource(env)(), env)


def suspicions(env: Mapping[str, str]) -> list[str]:
    """What is suspicious about an environment."""
    return settings.suspicions(settings.InputSource(env)(), env)

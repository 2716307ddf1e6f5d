"""Settings as a run makes them of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action import settings
from zerokie_action.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping


def load(env: Mapping[str, str]) -> settings.Settings:
    """What the run that has this environment has to do."""
    environment = Environment(env)
    return settings.load(environment, *settings.load_reports(environment))


def load_reports(env: Mapping[str, str]) -> settings.ReportSettings:
    """What the run that has this environment tells, and where."""
    reports, _ = settings.load_reports(Environment(env))
    return reports


def name_warnings(env: Mapping[str, str]) -> list[str]:
    """What is suspicious about an environment."""
    return settings.name_warnings(Environment(env))

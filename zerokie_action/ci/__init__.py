"""Where the run takes place: its log, groups, masks, annotations, outputs, state."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from zerokie_action.ci.generic import CI, Level
from zerokie_action.ci.github import GitHub
from zerokie_action.ci.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CI", "Level", "detect"]

PROVIDERS: tuple[type[CI], ...] = (GitHub, GitLab, CI)
"""In the order in which they are asked. The last one takes everything."""


def detect(env: Mapping[str, str], stream: TextIO, level: Level = "info") -> CI:
    """Return the adapter for the system whose environment `env` is."""
    provider = next(provider for provider in PROVIDERS if provider.detects(env))
    return provider(env, stream, level)

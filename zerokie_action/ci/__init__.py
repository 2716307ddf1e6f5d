"""Where the run takes place: its log, groups, masks, annotations, outputs, state."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from zerokie_action.ci.generic import CI, Level, PullRequest
from zerokie_action.ci.github import GitHub
from zerokie_action.ci.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CI", "Level", "PullRequest", "detect"]


def detect(env: Mapping[str, str], stream: TextIO, level: Level = "info") -> CI:
    """Return the adapter for the system whose environment `env` is; any other one is plain."""
    if env.get("GITHUB_ACTIONS") == "true":
        return GitHub(env, stream, level)
    if env.get("GITLAB_CI"):
        return GitLab(env, stream, level)
    return CI(env, stream, level)

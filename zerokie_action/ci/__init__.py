"""Adapters for CI systems: log, groups, masks, annotations, outputs and state; and comments on requests."""

from collections.abc import Mapping
from typing import TextIO

from zerokie_action.ci.commits import Commits, Source
from zerokie_action.ci.generic import CI, PullRequest
from zerokie_action.ci.github import GitHub, GitHubLog, saved_state
from zerokie_action.ci.gitlab import GitLab, GitLabLog
from zerokie_action.ci.log import Level, Log
from zerokie_action.ci.terminal import Terminal

__all__ = ["CI", "Commits", "Level", "Log", "PullRequest", "Source", "detect", "saved_state"]


def detect(env: Mapping[str, str], stream: TextIO | Terminal, level: Level = "info") -> CI:
    """Return the adapter for the CI system that set `env`; for an unknown system, the plain adapter.

    GitHub's "debug logging" overrides `level`.
    """
    level = "debug" if env.get("RUNNER_DEBUG") == "1" else level
    if env.get("GITHUB_ACTIONS") == "true":
        return GitHub(env, GitHubLog(stream, level))
    if env.get("GITLAB_CI"):
        return GitLab(env, GitLabLog(stream, level))
    log = Log(stream, level)
    # Some CI systems run jobs on a terminal that they record.
    is_live = not env.get("CI") and env.get("TERM") != "dumb"
    if isinstance(stream, Terminal) and is_live and log.shows("info"):
        log.bar = stream
    return CI(env, log)

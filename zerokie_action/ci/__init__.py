"""Adapters for CI systems: log, groups, masks, annotations, outputs and state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from zerokie_action.ci.generic import CI, PullRequest
from zerokie_action.ci.github import GitHub, GitHubLog
from zerokie_action.ci.gitlab import GitLab, GitLabLog
from zerokie_action.ci.log import Level, Log
from zerokie_action.ci.repository import repository_of_checkout

__all__ = ["CI", "Level", "Log", "PullRequest", "detect"]


def detect(env: Mapping[str, str], stream: TextIO, level: Level = "info") -> CI:
    """Return the adapter for the CI system that set `env`; the plain adapter for an unknown system.

    If the variables don't name a repository, the checkout around the working directory does.
    """
    ci: CI
    if env.get("GITHUB_ACTIONS") == "true":
        ci = GitHub(env, GitHubLog(stream, level))
    elif env.get("GITLAB_CI"):
        ci = GitLab(env, GitLabLog(stream, level))
    else:
        ci = CI(env, Log(stream, level))
    ci.repository = ci.repository or repository_of_checkout()
    return ci

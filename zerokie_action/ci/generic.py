"""Any other place: a plain log; what is known about the run comes from whoever sets a variable for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.ci.base import CI

if TYPE_CHECKING:
    from collections.abc import Mapping

# Woodpecker, Drone, Jenkins, CircleCI, Bitbucket, Azure Pipelines.
_COMMIT = (
    "CI_COMMIT_SHA",
    "DRONE_COMMIT_SHA",
    "GIT_COMMIT",
    "CIRCLE_SHA1",
    "BITBUCKET_COMMIT",
    "SYSTEM_PULLREQUEST_SOURCECOMMITID",
    "BUILD_SOURCEVERSION",
)
_COMMIT_URL = ("CI_PIPELINE_FORGE_URL", "DRONE_COMMIT_LINK")
_RUN_URL = ("CI_PIPELINE_URL", "DRONE_BUILD_LINK", "BUILD_URL", "CIRCLE_BUILD_URL")


class Generic(CI):
    """A terminal, a container, or a CI system without markup of its own."""

    @property
    def commit(self) -> str:
        """The commit's hash, or an empty string."""
        return _first(self._env, _COMMIT)

    @property
    def commit_url(self) -> str:
        """The commit's page, or an empty string."""
        return _first(self._env, _COMMIT_URL)

    @property
    def run_url(self) -> str:
        """The page of this run, or an empty string."""
        return _first(self._env, _RUN_URL)


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((env[name] for name in names if env.get(name)), "")

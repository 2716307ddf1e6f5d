"""The cleanup of a killed run, in virtual time."""

import io
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from tests.support import timewarp
from tests.support.world import World
from zerokie_action.cleanup import cleanup
from zerokie_action.sandbox.server import serve


def clean_up(world: World, state: Mapping[str, str] | None = None, **inputs: Any) -> str:
    """Run the cleanup with the inputs of a run; returns its log.

    Args:
        world: has the platform and the environment.
        state: what the CI system has kept, as `STATE_` variables.
        inputs: as for `World.run`.
    """
    log = io.StringIO()
    platform: Any = serve(world.platform)
    server = timewarp.run(world.loop, platform.__aenter__())
    env = world.environment(server.url, **inputs) | dict(state or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio, "run", lambda work, *args: timewarp.run(world.loop, work(*args)))
        cleanup(env, world.signals, log)
    timewarp.run(world.loop, platform.__aexit__(None, None, None))
    return log.getvalue()

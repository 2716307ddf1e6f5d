"""Killed runs and their lock cleanup, in virtual time."""

import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from sandbox.server import serve
from tests.support import timewarp
from tests.support.world import World
from zerokie_action.cleanup import cleanup
from zerokie_action.lock.saved import SavedLocks


def state_file(world: World) -> Path:
    """Set the `state-file` of all further runs."""
    file = world.folder.parent / "state.json"
    world.env["ZEROKIE_STATE_FILE"] = str(file)
    return file


def leave(file: Path, app: str, session: str) -> None:
    """Kill a run after it recorded its lock request in its `state-file`."""
    with closing(SavedLocks(lambda _state: None, file)) as records:
        records.add(app, session)


def recorded(file: Path) -> list[tuple[str, ...]]:
    """Return the app and session of each lock in the state file, newest first."""
    with closing(SavedLocks(lambda _state: None, file)) as records:
        return [tuple(lock) for lock in records.held()]


def clean_up(world: World, state: Mapping[str, str] | None = None, **inputs: Any) -> str:
    """Run the lock cleanup with the inputs of a run, and return its log.

    Args:
        world: the platform and the environment.
        state: the CI system's state, for `STATE_` variables.
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

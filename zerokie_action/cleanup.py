"""The second chance: release a lock that a killed run left behind.

Runs as GitHub's post step, in GitLab's `after_script`, or by hand. It finds the session in the
state, asks the platform by a heartbeat whether that session still holds the lock, and only then
finalizes. It warns, and fails no pipeline: the exit code is 0 in every case.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from zerokie_action.api.models import Counts
from zerokie_action.api.network import Network
from zerokie_action.api.platform import Platform
from zerokie_action.api.retry import Retries
from zerokie_action.api.session import Session
from zerokie_action.errors import DeployError, LockLost, unwrap
from zerokie_action.inputs import check_api_url
from zerokie_action.log import open_log
from zerokie_action.settings import DEFAULT_API_URL, InputSource
from zerokie_action.state import HeldLock, StateRecord, default_file, held_locks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from zerokie_action.ci import CI
    from zerokie_action.signals import Signals

_TIME = 120.0
_RETRIES = 5


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO) -> int:
    """Release what `env` and the state file say may still be held. Always returns 0."""
    texts = InputSource(env)()
    ci = open_log(texts, env, stream)
    try:
        file = Path(texts["state_file"]) if "state_file" in texts else default_file(env)
        locks = held_locks(env, file)
        held = [lock for lock in locks if not lock.released]
        if not locks:
            ci.info("Cleanup: no deploy recorded a lock here; nothing to release")
        elif not held:
            ci.info("Cleanup: the deploy released its lock itself; nothing to do")
        elif "api_key" not in texts:
            for lock in held:
                ci.warning(
                    f"Cleanup: the deploy lock on {lock.app!r} may still be held, but there is no "
                    f"`api-key` to release it with; it expires {lock.expiry}"
                )
        else:
            base = check_api_url(texts.get("api_url", DEFAULT_API_URL))
            connect = partial(
                Platform,
                base,
                texts["api_key"],
                Network(env),
                Retries(_RETRIES),
                notice=ci.info,
                clean=ci.redact,
                trace=ci.debug if ci.shows("debug") else None,
            )
            anyio.run(_release_all, held, connect, StateRecord(ci.save_state, file), ci, signals)
    except Exception as error:  # noqa: BLE001 - a cleanup that fails the pipeline helps nobody
        ci.warning(f"Cleanup: {unwrap(error)}")
    return 0


async def _release_all(
    held: list[HeldLock], connect: Callable[[], Platform], state: StateRecord, ci: CI, signals: Signals
) -> None:
    ended = False
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await signals.came()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        with anyio.move_on_after(_TIME):
            async with connect() as platform:
                for lock in held:
                    await _release(lock, platform, state, ci)
            ended = True
        tasks.cancel_scope.cancel()
    if not ended:
        ci.warning(
            "Cleanup: it had to end before it was done; a lock that was not released expires by itself"
        )


async def _release(lock: HeldLock, platform: Platform, state: StateRecord, ci: CI) -> None:
    session = Session(platform.client, lock.app, lock.session)
    finalized = None
    try:
        if held := await session.confirm():
            # A killed deploy can't tell its counts any more.
            finalized = await session.finalize(Counts())
    except LockLost:  # in between
        held = False
    except DeployError as error:
        ci.warning(
            f"Cleanup: the lock on {lock.app!r} could not be released: {error}. It expires {lock.expiry}"
        )
        return
    state.released(lock.session)
    if held:
        recorded = (finalized and finalized.deploy_id) or "a deploy of unknown ID"
        ci.warning(
            f"Cleanup: the deploy of {lock.app!r} was killed and left its lock; it is released "
            f"now. The platform recorded it as {recorded} with counts of zero: what really "
            "changed is not known. Run the deploy again."
        )
    else:
        ci.info(f"Cleanup: that deploy holds no lock on {lock.app!r} any more; nothing to do")

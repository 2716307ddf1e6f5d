"""The cleanup: releases a lock that a killed run left behind.

The cleanup runs as GitHub's post step, in GitLab's `after_script`, or by hand. It reads the session from the
record, asks the platform with a heartbeat whether the session still holds the lock, and only then finalizes.
Every error is a warning: the exit code is always 0.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import anyio

from zerokie_action.ci import CI, detect
from zerokie_action.errors import ConfigurationError, DeployError, LockLost, unwrap
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.limits import CLEANUP
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.record import LockRecord, LockRecords, default_state_file, expiry, recorded_locks
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.settings import DEFAULT_API_URL, Environment, check_api_url, load, secrets
from zerokie_action.shutdown import cancel_on_signal
from zerokie_action.signals import Signals


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO) -> None:
    """Release the locks that `env` and the state file record. Never raises."""
    environment = Environment(env)
    settings, _ = load(environment)  # wrong inputs don't stop the cleanup
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment))
    try:
        # Not from `settings`, which has the default in place of a wrong input.
        state_file = environment.text("state_file")
        file = Path(state_file) if state_file else default_state_file(env)
        if held := recorded_locks(env, file):
            anyio.run(_release_all, held, environment, LockRecords(ci.save_state, file), ci, signals)
        else:
            ci.log.info(
                "Cleanup: neither the CI system's state nor `state-file` records a deploy lock as held: "
                "nothing to release"
            )
    except Exception as error:  # noqa: BLE001 - the cleanup must not fail the pipeline
        ci.log.warning(f"Cleanup: {unwrap(error)}. A deploy lock that is still held expires {expiry()}")


async def _release_all(
    held: Sequence[LockRecord], environment: Environment, records: LockRecords, ci: CI, signals: Signals
) -> None:
    """Release each lock that its session still holds; warn about locks that can't be released."""
    key = environment.text("api_key")
    if not key:
        raise ConfigurationError("`api-key` is not set", *environment.problems)
    try:
        api_url = check_api_url(environment.text("api_url") or DEFAULT_API_URL)
    except ValueError as error:
        raise ConfigurationError(f"{environment.label('api_url')}: {error}") from None
    async with cancel_on_signal(signals) as shutdown, Transport(environment.env) as transport:
        http = RetryingClient(transport, retry_timeout=CLEANUP.seconds, log=ci.log.info, trace=ci.log.debug)
        client = Client(api_url, key, http, ci.log.redact)
        async with anyio.create_task_group() as tasks:
            for app, session in held:
                tasks.start_soon(_release, DeployLock(client, app, session, records, shutdown, ci.log))


async def _release(lock: DeployLock) -> None:
    try:
        # The counts of a killed deploy are not known.
        was_held = await lock.release(Counts(), CLEANUP)
    except LockLost:  # between the heartbeat and finalize
        was_held = False
    except DeployError as error:
        lock.log.warning(
            f"Cleanup: the lock on {lock.app!r} could not be released: {error}. It expires {expiry()}"
        )
        return
    if was_held:
        lock.log.warning(
            f"Cleanup: the deploy of {lock.app!r} left its lock behind. The lock is released now. The "
            "platform recorded the deploy with counts of zero, because its real changes are not known. Run "
            "the deploy again."
        )
    else:
        lock.log.info(f"Cleanup: that deploy holds no lock on {lock.app!r} any more; nothing to do")

"""The cleanup: releases a lock that a killed run left behind.

The cleanup runs as GitHub's post step, in GitLab's `after_script`, or by hand. It reads the session from the
record, asks the platform with a heartbeat whether the session still holds the lock, and only then finalizes.
Every error is a warning: the exit code is always 0.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO

import anyio

from zerokie_action.ci import CI, Log, detect, saved_state
from zerokie_action.errors import ConfigurationError, DeployError, LockLost, unwrap
from zerokie_action.http.request import Outcome, Sent
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.inputs.load import Environment, load, secrets
from zerokie_action.inputs.validation import wrong_names
from zerokie_action.limits import CLEANUP
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import (
    LockRecord,
    LockRecords,
    StateFileInUse,
    expiry,
    saved_locks,
)
from zerokie_action.lock.session import DeploySession
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import cancel_on_signal
from zerokie_action.signals import Signals


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO) -> None:
    """Release the locks that `env` and the state file record. Never raises."""
    environment = Environment(env)
    settings, problems = load(environment)
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment))
    # Not from `settings`, which has the default in place of a wrong input.
    state_file = environment.text("state_file")
    file = Path(state_file) if state_file else ci.state_file
    saved = saved_locks(saved_state(env))
    try:
        with closing(_open_records(ci, file, saved)) as records:
            if held := dict.fromkeys([*saved, *records.held()]):
                _require_inputs(environment, problems)
                http = RetryingClient(Transport(env), math.inf, log=ci.log.info, trace=ci.log.debug)
                client = Client(settings.api_url, settings.api_key.get_secret_value(), http, ci.log.redact)
                anyio.run(_release_all, held, client, records, ci.log, signals)
            else:
                unset = "" if file or env.get("GITHUB_ACTIONS") else " (`state-file` is not set)"
                where = f" in {str(file)!r}" if file else unset
                ci.log.info(f"Cleanup: no deploy lock is recorded as held{where}: nothing to release")
    except Exception as error:  # noqa: BLE001 - the cleanup must not fail the pipeline
        problem = unwrap(error)
        hint = f" {problem.hint}" if isinstance(problem, DeployError) and problem.hint else ""
        ci.log.warning(f"Cleanup: {problem}.{hint} A deploy lock that is still held expires {expiry()}")


def _open_records(ci: CI, file: Path | None, saved: Sequence[LockRecord]) -> LockRecords:
    """The records. A state file that can't be opened does not keep the `saved` locks from their release.

    Raises:
        ConfigurationError: when a run that has not ended uses the file, or the file can't be opened and no
            lock is saved elsewhere.
    """
    try:
        return LockRecords(ci.save_state, file if file and file.exists() else None)
    except StateFileInUse:  # that run may be the one that holds the lock
        raise
    except ConfigurationError as error:
        if not saved:
            raise
        ci.log.warning(f"Cleanup: {error}. {error.hint}")
        return LockRecords(ci.save_state, None)


def _require_inputs(environment: Environment, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise a `ConfigurationError` if key or URL are missing or wrong. No other input stops the cleanup."""
    wrong = [*problems.get("api_key", ()), *problems.get("api_url", ())]
    if not environment.text("api_key"):
        wrong += ["`api-key` is not set", *wrong_names(environment)]
    if wrong:
        raise ConfigurationError(*wrong)


async def _release_all(
    held: Iterable[LockRecord], client: Client, records: LockRecords, log: Log, signals: Signals
) -> None:
    """Release each lock that its session still holds; warn about locks that can't be released."""
    async with (
        cancel_on_signal(signals) as shutdown,
        client.http.transport,
        anyio.create_task_group() as tasks,
    ):
        for lock in held:
            session = DeploySession(*lock, asking=Sent(Outcome.UNKNOWN))
            tasks.start_soon(_release, DeployLock(client, session, records, shutdown, log))


async def _release(lock: DeployLock) -> None:
    """Release a lock if its session still holds it, within `CLEANUP` in all."""
    app = lock.session.app
    try:
        # The counts of a killed deploy are not known.
        released = await lock.release(Counts(), CLEANUP)
    except LockLost:  # between the heartbeat and finalize
        released = None
    except DeployError as error:
        lock.log.warning(
            f"Cleanup: the lock on {app!r} could not be released: {error}. It expires {expiry()}"
        )
        return
    if released:
        lock.log.warning(
            f"Cleanup: the deploy of {app!r} left its lock behind. The lock is released now. The platform "
            "recorded the deploy with counts of zero, because its real changes are not known. Run the deploy "
            "again."
        )
    else:
        lock.log.info(f"Cleanup: that deploy holds no lock on {app!r} any more; nothing to do")
    lock.records.mark_released([lock.session.id])

"""The cleanup: releases a lock that a killed run left behind.

The cleanup runs as GitHub's post step, in GitLab's `after_script`, or by hand. It reads the session from the
record, asks the platform with a heartbeat whether the session still holds the lock, and only then finalizes.
Every error is a warning: the exit code is always 0.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO

import anyio

from zerokie_action.ci import CI, Log, detect
from zerokie_action.errors import ConfigurationError, DeployError, LockLost, unwrap
from zerokie_action.http.budget import UNTIL_DEADLINE
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.limits import CLEANUP
from zerokie_action.lock.lock import release
from zerokie_action.lock.record import LockRecord, LockRecords, default_state_file, expiry, saved_locks
from zerokie_action.lock.session import DeploySession
from zerokie_action.outcome import Outcome, Write
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.settings import DEFAULT_API_URL, Environment, check_api_url, load, secrets
from zerokie_action.shutdown import Shutdown, cancel_on_signal
from zerokie_action.signals import Signals


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO) -> None:
    """Release the locks that `env` and the state file record. Never raises."""
    environment = Environment(env)
    settings, _ = load(environment)  # wrong inputs don't stop the cleanup
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment), from_files=environment.key_files.values())
    # Not from `settings`, which has the default in place of a wrong input.
    state_file = environment.text("state_file")
    file = Path(state_file) if state_file else default_state_file(env)
    try:
        with closing(LockRecords(ci.save_state, file)) as records:
            if held := _recorded(env, file, records, ci.log):
                anyio.run(_release_all, held, environment, records, ci, signals)
    except Exception as error:  # noqa: BLE001 - the cleanup must not fail the pipeline
        ci.log.warning(f"Cleanup: {unwrap(error)}. A deploy lock that is still held expires {expiry()}")


def _recorded(
    env: Mapping[str, str], file: Path | None, records: LockRecords, log: Log
) -> Sequence[LockRecord]:
    """The locks that ended runs may still hold. The log says why there are none."""
    found = saved_locks(env)
    try:
        found += records.claim()
    except BlockingIOError:
        log.warning(
            f"Cleanup: a run that uses the state file {str(file)!r} has not ended: nothing is released. Call "
            "the cleanup again after the end of that run"
        )
        return ()
    except OSError as error:
        log.warning(
            f"Cleanup: the state file {str(file)!r} can't be read ({error.strerror or error}). A deploy lock "
            f"that it records expires {expiry()}"
        )
    else:
        if not found:
            unset = "" if file or env.get("GITHUB_ACTIONS") else " (`state-file` is not set)"
            where = f" in {str(file)!r}" if file else unset
            log.info(f"Cleanup: no deploy lock is recorded as held{where}: nothing to release")
    return tuple(dict.fromkeys(found))


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
        http = RetryingClient(transport, UNTIL_DEADLINE, log=ci.log.info, trace=ci.log.debug)
        client = Client(api_url, key, http, ci.log.redact)
        async with anyio.create_task_group() as tasks:
            for lock in held:
                tasks.start_soon(_release, lock, client, shutdown, records, ci.log)


async def _release(
    lock: LockRecord, client: Client, shutdown: Shutdown, records: LockRecords, log: Log
) -> None:
    """Release a lock if its session still holds it, within `CLEANUP` in all."""
    app, session = lock.app, DeploySession(*lock, asking=Write(Outcome.UNKNOWN))
    ends_at = anyio.current_time() + CLEANUP.seconds
    try:
        # The counts of a killed deploy are not known.
        released = await release(session, client, shutdown, Counts(), CLEANUP)
    except LockLost:  # between the heartbeat and finalize
        released = None
    except DeployError as error:
        log.warning(f"Cleanup: the lock on {app!r} could not be released: {error}. It expires {expiry()}")
        return
    if released:
        log.warning(
            f"Cleanup: the deploy of {app!r} left its lock behind. The lock is released now. The platform "
            "recorded the deploy with counts of zero, because its real changes are not known. Run the deploy "
            "again."
        )
    else:
        try:
            with anyio.fail_after(ends_at - anyio.current_time()):
                await client.get_app(app)
        except (DeployError, TimeoutError) as error:  # with another account's key, no lock is found either
            records.mark_expiring(lock.session)
            why = f"{error}" or f"Looking up app {app!r} got no answer"
            log.warning(
                f"Cleanup: the platform finds no lock of that deploy on {app!r}. {why}. If `api-key` is the "
                "deploy's, there is nothing to do. If not, call the cleanup again with that key: the lock "
                f"expires {expiry()}, and `state-file` keeps the record until then"
            )
            return
        log.info(f"Cleanup: that deploy holds no lock on {app!r} any more; nothing to do")
    records.mark_released(lock.session)

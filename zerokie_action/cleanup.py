"""The lock cleanup after a kill.

It runs as GitHub's post step, in GitLab's `after_script`, or by hand. For each saved lock, it sends a
heartbeat, and finalizes only if the session still holds the lock. A saved lock stays saved until the platform
confirms its release or its loss. Every error is a warning, so the exit code is always 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import TextIO

import anyio

from zerokie_action.ci import Log, detect, saved_state
from zerokie_action.ci.terminal import Terminal
from zerokie_action.errors import ConfigurationError, Conflict, DeployError, unwrap
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.inputs.load import Environment, load, secrets
from zerokie_action.inputs.validation import wrong_names
from zerokie_action.limits import CLEANUP, SECOND_HEARTBEAT
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import SavedLock, SavedLocks, expiry, locks_in
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.shutdown import cancel_on_signal
from zerokie_action.signals import Signals


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO | Terminal) -> None:
    """Release the locks that the CI system and the state file saved. Never raises."""
    environment = Environment(env)
    settings, problems = load(environment)
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment))
    file = settings.state_file or ci.state_file
    try:
        with closing(SavedLocks(ci.save_state, file, is_cleanup=True)) as saved_locks:
            if held := dict.fromkeys([*locks_in(saved_state(env)), *saved_locks.held()]):
                _require_inputs(environment, problems)
                http = RetryingClient(Transport(env), UNTIL_DEADLINE, log=ci.log.info, trace=ci.log.debug)
                client = Client(settings.api_url, settings.api_key.get_secret_value(), http, ci.log.redact)
                anyio.run(_release_all, held, client, saved_locks, ci.log, signals)
            else:
                where = f" in {str(file)!r}" if file else ""
                ci.log.info(f"Cleanup: found no deploy lock to release{where}")
    except Exception as error:  # noqa: BLE001 - the lock cleanup must not fail the pipeline
        problem = unwrap(error)
        hint = f" {problem.hint}" if isinstance(problem, DeployError) and problem.hint else ""
        expires = f"If a deploy lock is still held, it expires by {expiry()}"
        ci.log.warning(f"Cleanup: {problem}.{hint} {expires}")


def _require_inputs(environment: Environment, problems: Mapping[str, Sequence[str]]) -> None:
    """Require the inputs of the lock cleanup. No other input stops it.

    Raises:
        ConfigurationError: when the API key or URL is missing or wrong.
    """
    wrong = [*problems.get("api_key", ()), *problems.get("api_url", ())]
    if not environment.text("api_key"):
        wrong += ["`api-key` is not set", *wrong_names(environment)]
    if wrong:
        raise ConfigurationError(*wrong)


async def _release_all(
    held: Iterable[SavedLock], client: Client, saved_locks: SavedLocks, log: Log, signals: Signals
) -> None:
    """Release each lock that its session still holds, all at the same time."""
    async with (
        cancel_on_signal(signals) as shutdown,
        client.http.transport,
        anyio.create_task_group() as tasks,
    ):
        for lock in held:
            tasks.start_soon(_release, DeployLock(client, *lock, saved_locks, shutdown, log))


async def _release(lock: DeployLock) -> None:
    """Release a lock within `CLEANUP` if its session still holds it. Warn if it may still be held."""
    app, was_held, problem = lock.app, False, "the platform didn't respond in time"
    with lock.shutdown.shielded_scope(CLEANUP):
        try:
            was_held, problem = await _release_if_held(lock), ""
        except DeployError as error:
            problem = str(error)
    if problem:
        lock.log.warning(
            f"Cleanup: can't release the deploy lock on {app!r}: {problem}. "
            f"It may still be held until {expiry()}"
        )
        return
    if was_held:
        lock.log.warning(
            f"Cleanup: released the deploy lock that a run left on {app!r}. The platform recorded that "
            "deploy with counts of zero, because the real counts are unknown. If it failed, run it again."
        )
    else:
        lock.log.info(f"Cleanup: the run no longer holds the deploy lock on {app!r}")
    lock.saved_locks.mark_released([lock.session_id])


async def _release_if_held(lock: DeployLock) -> bool:
    """Return whether the session held the lock, after the release.

    Only two heartbeats with a 409 prove that it doesn't hold the lock, because the killed run's lock request
    may arrive after the first one.

    Raises:
        DeployError: when the lock may still be held.
    """
    for pause in (0.0, SECOND_HEARTBEAT):
        await anyio.sleep(pause)
        with suppress(Conflict):
            await lock.heartbeat(lock.client)
            await lock.finalize(lock.client, Counts())  # the counts of a killed deploy are unknown
            return True
    return False

"""The second chance: release a lock that a killed run left behind.

Runs as GitHub's post step, in GitLab's `after_script`, or by hand. It finds the session in the
state, asks the platform by a heartbeat whether that session still holds the lock, and only then
finalizes. It warns, and fails no pipeline: the exit code is 0 in every case.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from zerokie_action.ci import Level, detect
from zerokie_action.environment import Environment
from zerokie_action.errors import unwrap
from zerokie_action.lock.record import LockRecords, default_file, expiry, recorded_locks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from zerokie_action.signals import Signals


def cleanup(env: Mapping[str, str], signals: Signals, stream: TextIO) -> int:
    """Release what `env` and the state file say may still be held. Always returns 0."""
    environment = Environment(env)
    level, key = environment.text("log_level"), environment.text("api_key")
    ci = detect(env, stream, level if level in get_args(Level) else "info")  # type: ignore[arg-type]  # it is one
    for secret in (key, *environment.key_file_contents):
        ci.mask(secret)
    try:
        state_file = environment.text("state_file")
        file = Path(state_file) if state_file else default_file(env)
        locks = recorded_locks(env, file)
        held = [lock for lock in locks if not lock.released]
        if not locks:
            ci.info("Cleanup: neither the CI's state nor `state-file` has a lock; nothing to release")
        elif not held:
            ci.info("Cleanup: the deploy released its lock itself; nothing to do")
        elif not key:
            why = "".join(f" ({problem})" for problem in environment.problems)
            for lock in held:
                ci.warning(
                    f"Cleanup: the deploy lock on {lock.app!r} may still be held, but there is no "
                    f"`api-key` to release it with{why}; it expires {expiry()}"
                )
        else:
            from zerokie_action.operations.release import release_all  # noqa: PLC0415 - what it needs is heavy

            release_all(held, environment, LockRecords(ci.save_state, file), ci, signals)
    except Exception as error:  # noqa: BLE001 - a cleanup that fails the pipeline helps nobody
        ci.warning(f"Cleanup: {unwrap(error)}")
    return 0


if __name__ == "__main__":  # `python -m zerokie_action.cleanup`
    from zerokie_action import cli

    raise SystemExit(cli.cleanup())

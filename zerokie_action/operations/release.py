"""Releasing the locks that killed runs left behind, for the cleanup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost
from zerokie_action.formats import DEFAULT_API_URL, check_api_url
from zerokie_action.http.network import Network
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.record import expiry
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.platform.requests import Requests
from zerokie_action.shutdown import cancel_on_signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.ci import CI
    from zerokie_action.environment import Environment
    from zerokie_action.lock.record import LockRecord, LockRecords
    from zerokie_action.signals import Signals

_TIME = 120.0


def release_all(
    held: Sequence[LockRecord], environment: Environment, records: LockRecords, ci: CI, signals: Signals
) -> None:
    """Release each lock that its session still holds; warn of those that stay."""
    anyio.run(_release_all, held, environment, records, ci, signals)


async def _release_all(
    held: Sequence[LockRecord], environment: Environment, records: LockRecords, ci: CI, signals: Signals
) -> None:
    api_url = check_api_url(environment.text("api_url") or DEFAULT_API_URL)
    trace = ci.debug if ci.shows("debug") else None
    async with cancel_on_signal(signals) as shutdown, Transport(Network(environment.env)) as transport:
        http = RetryingClient(transport, retries=0, log=ci.info, trace=trace, redact=ci.redact)
        client = Client(Requests(api_url, environment.text("api_key")), http)
        async with anyio.create_task_group() as tasks:
            for record in held:
                lock = DeployLock(
                    client, record.app, record.session, records=records, shutdown=shutdown, ci=ci
                )
                tasks.start_soon(_release, lock, record, ci)


async def _release(lock: DeployLock, record: LockRecord, ci: CI) -> None:
    try:
        # Nobody knows the counts of a killed deploy.
        was_held = await lock.release(Counts(), within=_TIME)
    except LockLost:  # meanwhile
        was_held = False
    except DeployError as error:
        ci.warning(
            f"Cleanup: the lock on {record.app!r} could not be released: {error}. It expires {expiry()}"
        )
        return
    if was_held:
        recorded = (lock.finalized and lock.finalized.deploy_id) or "a deploy of unknown ID"
        ci.warning(
            f"Cleanup: the deploy of {record.app!r} left its lock behind; it is released "
            f"now. The platform recorded it as {recorded} with counts of zero: what really "
            "changed is not known. Run the deploy again."
        )
    else:
        ci.info(f"Cleanup: that deploy holds no lock on {record.app!r} any more; nothing to do")

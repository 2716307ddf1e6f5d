"""Releasing the locks that killed runs left behind, if they still hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockLost
from zerokie_action.formats import DEFAULT_API_URL, check_api_url
from zerokie_action.http.network import Network
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.lock.session import Session
from zerokie_action.platform.client import Client
from zerokie_action.platform.models import Counts
from zerokie_action.platform.requests import Requests
from zerokie_action.shutdown import cancel_on_signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.ci import CI
    from zerokie_action.environment import Environment
    from zerokie_action.lock.state import HeldLock, StateRecord
    from zerokie_action.signals import Signals

_TIME = 120.0
_RETRIES = 5


def release_locks(
    held: Sequence[HeldLock],
    environment: Environment,
    *,
    state: StateRecord,
    ci: CI,
    signals: Signals,
) -> None:
    """Release each lock whose session still holds it, within two minutes; warn of those that stay.

    Args:
        held: what may be held.
        environment: for `api-key` and `api-url`, proxies and certificate authorities.
        state: where to record what is released.
        ci: for the log.
        signals: the first one ends it early.

    Raises:
        ValueError, ConfigurationError: when the environment does not lead to the platform.
    """
    api_url = check_api_url(environment.text("api_url") or DEFAULT_API_URL)
    transport = Transport(Network(environment.env), trace=ci.debug if ci.shows("debug") else None)

    async def release_all() -> None:
        http = RetryingClient(transport, retries=_RETRIES, log=ci.info, redact=ci.redact)
        client = Client(Requests(api_url, environment.text("api_key")), http).urgent
        ended = False
        async with cancel_on_signal(signals):
            with anyio.move_on_after(_TIME):
                async with transport:
                    for lock in held:
                        await _release(lock, client, state, ci)
                ended = True
        if not ended:
            ci.warning("Cleanup: it was interrupted; a lock that was not released expires by itself")

    anyio.run(release_all)


async def _release(lock: HeldLock, client: Client, state: StateRecord, ci: CI) -> None:
    session = Session(client, lock.app, lock.session)
    finalized = None
    try:
        if held := await session.confirm():
            # Nobody knows the counts of a killed deploy.
            finalized = await session.finalize(client, Counts())
    except LockLost:  # meanwhile
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

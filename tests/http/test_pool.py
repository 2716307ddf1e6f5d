"""The API's transport: a connection for each request that is under way, kept and used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.http.servers import FINE, Peer, serve
from tests.platform.clients import KEY
from zerokie_action.http.network import Network
from zerokie_action.http.pool import Pool
from zerokie_action.http.transport import NoAnswer, Request

if TYPE_CHECKING:
    from zerokie_action.sandbox.platform import Platform

LIST = Request("listing", "GET", "/v1/apps")


async def test_one_connection_after_another_is_the_same(sandbox: Platform) -> None:
    """Requests in a row share a connection."""
    pool = Pool(sandbox.base_url, {"Authorization": f"Bearer {KEY}"}, Network({}))
    for _ in range(5):
        assert (await pool.send(LIST)).status == 200
    assert len(pool._idle) == 1
    pool.close()


async def test_as_many_connections_as_requests_at_once(sandbox: Platform) -> None:
    """Requests at once do not wait for each other, and their connections serve the next ones."""
    pool = Pool(sandbox.base_url, {"Authorization": f"Bearer {KEY}"}, Network({}))
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(pool.send, LIST)
        assert len(pool._idle) == 8
    pool.close()
    assert pool._idle == []


async def test_connections_that_die_after_their_first_answer() -> None:
    """A fresh one is one that has not been used yet, and what was kept is dropped."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(FINE)
        await peer.head()
        peer.reset()

    async with serve(once) as server:
        pool = Pool(server.url, {}, Network({}))
        assert (await pool.send(LIST)).body == b"fine"
        with pytest.raises(NoAnswer):
            await pool.send(LIST)
        assert (await pool.send(LIST)).body == b"fine"
        assert (await pool.send(LIST._replace(fresh=True))).body == b"fine"
        assert len(pool._idle) == 1
        pool.close()


async def test_a_cancelled_request_leaves_no_connection_in_the_middle_of_an_answer(sandbox: Platform) -> None:
    """The next request does not get the answer to the cancelled one."""
    pool = Pool(sandbox.base_url, {"Authorization": f"Bearer {KEY}"}, Network({}))
    sandbox.latency = 10
    with anyio.move_on_after(1):
        await pool.send(LIST)
    sandbox.latency = 0
    answer = await pool.send(Request("looking", "GET", "/v1/apps/nobody"))
    assert answer.status == 404
    pool.close()

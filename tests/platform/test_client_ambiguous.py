"""The REST API against the sandbox, when answers get lost: each endpoint knows what that means for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.platform.clients import client_of
from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from zerokie_action.sandbox.platform import Platform


LOST = [
    Fault(Kind.RESET, after=True),
    Fault(Kind.HTML, after=True),
    Fault(Kind.STATUS, status=500, after=True),
]
NOT_DONE = [Fault(Kind.RESET), Fault(Kind.STATUS, status=429, headers={"retry-after": "7"})]
either = pytest.mark.parametrize("fault", LOST + NOT_DONE, ids=str)


async def refused(call: Awaitable[object]) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        await call
    return caught.value


@either
class TestOneLostAnswer:
    """Whether the request had taken effect or not: in the end it has, once, and the caller knows."""

    @pytest.mark.parametrize("kind", ["static", "container"])
    async def test_create(self, fault: Fault, kind: str, sandbox: Platform) -> None:
        """Whose app it is that was there already, only who asked for it can find out."""
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            create = (
                client.create_static("new") if kind == "static" else client.create_container("new", "nginx")
            )
            if fault.after:
                error = await refused(create)
                assert (error.status, error.ambiguous) == (409, True)
            else:
                assert (await create).name == "new"
        assert sandbox.apps.get("new").type == kind

    async def test_delete_app(self, fault: Fault, sandbox: Platform) -> None:
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            assert await client.delete_app("web")
        assert [app.name for app in sandbox.apps.list()] == ["site"]


@pytest.mark.parametrize("image", ["nginx:2", None])
class TestDeploy:
    @pytest.mark.parametrize("fault", LOST + NOT_DONE[:1], ids=str)
    async def test_a_lost_answer(self, fault: Fault, image: str | None, sandbox: Platform) -> None:
        """It is not sent again: that would restart the app once more. The error says why it got no answer."""
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            with pytest.raises(PlatformUnavailable) as caught:
                await client.deploy("web", image)
        assert caught.value.ambiguous
        assert caught.value.lost_answer in str(caught.value)
        assert sandbox.apps.get("web").image == (image if fault.after and image else "nginx:1")
        assert len(sandbox.requests) == 1

    async def test_what_has_no_effect(self, image: str | None, sandbox: Platform) -> None:
        """A platform that wants fewer requests is asked again."""
        sandbox.faults.add(NOT_DONE[1])
        async with client_of(sandbox.base_url, retries=3) as client:
            app = await client.deploy("web", image)
        assert app.image == sandbox.apps.get("web").image == (image or "nginx:1")

    async def test_somebody_else_s(self, image: str | None, sandbox: Platform) -> None:
        """A deploy that is in progress already is no deploy of ours."""
        sandbox.hold_deploy("web")
        async with client_of(sandbox.base_url, retries=3) as client:
            error = await refused(client.deploy("web", image))
        assert (error.status, error.ambiguous) == (409, False)


async def test_given_up(sandbox: Platform) -> None:
    """The error says that it may have taken effect."""
    sandbox.faults.add(Fault(Kind.RESET, after=True, times=None))
    async with client_of(sandbox.base_url) as client:
        with pytest.raises(PlatformUnavailable) as caught:
            await client.create_static("new")
    assert caught.value.ambiguous

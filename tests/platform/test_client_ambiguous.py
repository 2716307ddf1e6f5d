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

    async def test_create_static(self, fault: Fault, sandbox: Platform) -> None:
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            app = await client.create_static("new")
        assert (app is None) is fault.after, "whose it is then, nobody knows"
        assert sandbox.apps.get("new").type == "static"

    async def test_create_container(self, fault: Fault, sandbox: Platform) -> None:
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            app = await client.create_container("new", "nginx:2", port=8080)
        assert (app is None) is fault.after
        assert sandbox.apps.get("new").port == 8080

    @pytest.mark.parametrize("image", ["nginx:2", None])
    async def test_deploy(self, fault: Fault, sandbox: Platform, image: str | None) -> None:
        async with client_of(sandbox.base_url, retries=3) as client:
            before = await client.get_app("web")
            sandbox.faults.add(fault)
            app = await client.deploy(before, "web", image)
        assert app.image == sandbox.apps.get("web").image == (image or "nginx:1")
        deploys = [record for record in sandbox.requests if record.path.endswith("/deploy")]
        assert len(deploys) == (1 if fault.after else 2), "accepted once"

    async def test_delete_app(self, fault: Fault, sandbox: Platform) -> None:
        sandbox.faults.add(fault)
        async with client_of(sandbox.base_url, retries=3) as client:
            assert await client.delete_app("web")
        assert [app.name for app in sandbox.apps.list()] == ["site"]


class TestSomebodyElse:
    """What others did is never taken for our own doing."""

    async def test_their_app(self, sandbox: Platform) -> None:
        """A name that was taken by an app that is not what we asked for stays a conflict."""
        sandbox.faults.add(Fault(Kind.RESET))
        async with client_of(sandbox.base_url, retries=3) as client:
            error = await refused(client.create_static("web"))
            assert str(error) == "Creating app 'web' was refused (409: \"app name already exists\")"
            sandbox.faults.add(Fault(Kind.RESET))
            assert (await refused(client.create_container("web", "nginx:2"))).status == 409

    async def test_their_deploy(self, sandbox: Platform) -> None:
        """A deploy that is in progress already is no deploy of ours."""
        sandbox.hold_deploy("web")
        async with client_of(sandbox.base_url, retries=3) as client:
            before = await client.get_app("web")
            assert (await refused(client.deploy(before, "web", "nginx:2"))).status == 409
            for image in ("nginx:2", None):
                sandbox.faults.add(Fault(Kind.RESET, path="/deploy"))
                assert (await refused(client.deploy(before, "web", image))).status == 409
        assert sandbox.apps.get("web").image == "nginx:1"


async def test_given_up(sandbox: Platform) -> None:
    """The error says that it may have taken effect."""
    sandbox.faults.add(Fault(Kind.RESET, after=True, times=None))
    async with client_of(sandbox.base_url) as client:
        with pytest.raises(PlatformUnavailable) as caught:
            await client.create_static("new")
    assert caught.value.ambiguous

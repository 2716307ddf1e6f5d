"""What the REST API says beyond the error: what may have been meant, and what is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.platform.clients import Constant, client_of, client_over
from zerokie_action.errors import AuthenticationError, RequestRejected
from zerokie_action.http.client import Bytes
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from zerokie_action.sandbox.platform import Platform


class TestCloseMatches:
    async def test_names_that_are_close(self, sandbox: Platform) -> None:
        """An unknown app comes with those that may have been meant."""
        sandbox.apps.create_static("online-shop")
        sandbox.apps.create_static("online-shop2")
        async with client_of(sandbox.base_url) as client:
            with pytest.raises(RequestRejected) as caught:
                await client.get_app("online-sho")
        assert str(caught.value) == (
            "App 'online-sho' was not found (404: \"app not found\"). "
            "Did you mean 'online-shop' or 'online-shop2'?"
        )
        assert caught.value.hint == "Correct `app`. Only a deploy creates an app."

    async def test_the_very_name_is_no_other_one(self, sandbox: Platform) -> None:
        """A 404 about something else of an app that is there."""
        sandbox.faults.add(Fault(Kind.STATUS, status=404, path="files$", body=b'{"error": "no zone"}'))
        async with client_of(sandbox.base_url) as client:
            with pytest.raises(RequestRejected) as caught:
                await client.list_files("site")
        assert str(caught.value) == "App 'site' was not found (404: \"no zone\")."

    async def test_none_is_close(self, sandbox: Platform) -> None:
        async with client_of(sandbox.base_url) as client:
            with pytest.raises(RequestRejected) as caught:
                await client.list_files("completely-different")
        assert str(caught.value) == "App 'completely-different' was not found (404: \"app not found\")."

    @pytest.mark.parametrize("status", [401, 404])
    async def test_the_list_can_t_be_had(self, status: int, sandbox: Platform) -> None:
        """The matches are a courtesy: without them, the error is the same."""
        sandbox.faults.add(Fault(Kind.STATUS, status=status, path="apps$"))
        async with client_of(sandbox.base_url) as client:
            with pytest.raises(RequestRejected) as caught:
                await client.put_file("sit", "a", Bytes(b""), "text/plain")
        assert str(caught.value) == "App 'sit' was not found (404: \"app not found\")."

    async def test_the_list_does_not_come(self, sandbox: Platform) -> None:
        """Nobody waits for it as for the platform."""
        sandbox.faults.add(Fault(Kind.STATUS, status=500, path="apps$", times=None))
        async with client_of(sandbox.base_url) as client:
            began = anyio.current_time()
            with pytest.raises(RequestRejected) as caught:
                await client.put_file("sit", "a", Bytes(b""), "text/plain")
            assert anyio.current_time() - began < 10
        assert str(caught.value) == "App 'sit' was not found (404: \"app not found\")."

    async def test_a_wrong_key(self, sandbox: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sandbox, "api_keys", frozenset({"another"}))
        async with client_of(sandbox.base_url) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.get_app("site")
        assert caught.value.hint.endswith(" holds a current key for this `api-url`.")

    @pytest.mark.parametrize(("key", "owner"), [("ghs_1a2b", "GitHub"), ("glpat-1a2b", "GitLab")])
    async def test_a_key_of_something_else(self, key: str, owner: str) -> None:
        """It is named by what it begins with, and not shown."""
        with pytest.raises(AuthenticationError) as caught:
            await client_over(Constant(401, b'{"error": "no"}'), key=key).get_app("site")
        assert caught.value.hint.endswith(f" It begins like a token of {owner}.")
        assert key not in str(caught.value) + caught.value.hint

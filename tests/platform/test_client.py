"""The REST API's endpoints: requests and results."""

import json
from collections.abc import Awaitable

import pytest

import zerokie_action
from tests.http.servers import always, serve
from tests.http.transports import Script, answer
from tests.platform.clients import KEY, client_of, client_over
from tests.platform.endpoints import ENDPOINTS, EVERY_ENDPOINT, encoded
from zerokie_action.http.request import Bytes, RequestOptions


class TestRequests:
    @EVERY_ENDPOINT
    async def test_each_endpoint_sends_the_references_request(self, name: str) -> None:
        """Each endpoint also returns the value of the reference's response."""
        endpoint = ENDPOINTS[name]
        status, content = endpoint.answer
        async with (
            serve(always(status, encoded(content))) as server,
            client_of(server.url + "/prefix") as client,
        ):
            assert await endpoint.call(client) == endpoint.value
        (request,) = server.requests
        method, path = endpoint.line.split(" ")
        assert request.line == f"{method} /prefix{path} HTTP/1.1"
        assert request.body == b"" if endpoint.body is None else json.loads(request.body) == endpoint.body
        expected = {
            "host": f"127.0.0.1:{server.port}",
            "authorization": f"Bearer {KEY}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"zerokie-action/{zerokie_action.__version__}",
        }
        if endpoint.body is not None:
            kind = "text/plain" if name == "put file" else "application/json"
            expected |= {"content-type": kind, "content-length": str(len(request.body))}
        assert request.headers == expected

    @pytest.mark.parametrize(("name", "silence"), [("find app", 30), ("list files", 120), ("finalize", 120)])
    async def test_an_attempt_fails_after_30_seconds_of_silence(self, name: str, silence: float) -> None:
        """The limit is 120s for a large file list and for the purge of a cache."""
        status, content = ENDPOINTS[name].answer
        script = Script(answer(status, encoded(content)))
        await ENDPOINTS[name].call(client_over(script))
        assert RequestOptions.of(script.requests[0]).silence == silence

    @pytest.mark.parametrize("name", ["", ".", "..", "/", "a/", "/a", "a//b", "a/../b", "a/.", "./a"])
    async def test_a_path_to_another_resource_is_not_sent(self, name: str) -> None:
        """The client rejects such a file, app or domain before it sends anything."""
        carrier = Script(answer(200))
        client = client_over(carrier)
        calls: list[Awaitable[object]] = [
            client.delete_file("site", name),
            client.put_file("site", name, Bytes(b""), "text/plain"),
        ]
        if "/" not in name:
            calls += [client.list_files(name), client.remove_domain("site", name)]
        for call in calls:
            with pytest.raises(ValueError, match="can't be addressed as a path segment"):
                await call
        assert carrier.requests == []

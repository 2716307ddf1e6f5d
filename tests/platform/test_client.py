"""The REST API: the request that each endpoint sends, and the value that it returns."""

from __future__ import annotations

import json

import pytest

import zerokie_action
from tests.http.servers import always, serve
from tests.http.transports import Script, answer
from tests.platform.clients import KEY, client_of, client_over
from tests.platform.endpoints import ENDPOINTS, EVERY_ENDPOINT, encoded
from zerokie_action.http.request import Bytes
from zerokie_action.platform.client import app_target


class TestRequests:
    @EVERY_ENDPOINT
    async def test_what_is_sent_and_what_it_gives(self, name: str) -> None:
        """Each endpoint sends one request, as in the reference, and understands the reference's answer."""
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
            kind = "text/plain; charset=utf-8" if name == "put file" else "application/json"
            expected |= {"content-type": kind, "content-length": str(len(request.body))}
        assert request.headers == expected

    @pytest.mark.parametrize("segment", ["..", ".", ""])
    def test_a_name_that_can_t_be_addressed(self, segment: str) -> None:
        """An app's name or a domain that would reach something else is refused before anything is sent."""
        for segments in ((segment,), (segment, "files"), ("site", "domains", segment)):
            with pytest.raises(ValueError, match="can't be addressed as a path segment"):
                app_target(*segments)

    @pytest.mark.parametrize("path", ["", ".", "..", "/", "a/", "/a", "a//b", "a/../b", "../a", "a/.", "./a"])
    async def test_a_path_that_can_t_be_addressed(self, path: str) -> None:
        """The same for a file, which would otherwise be another file, or the whole app."""
        carrier = Script(answer(200))
        client = client_over(carrier)
        for call in (
            client.delete_file("site", path),
            client.put_file("site", path, Bytes(b""), "text/plain"),
        ):
            with pytest.raises(ValueError, match="can't be addressed as a path segment"):
                await call
        assert carrier.requests == []

    def test_a_name_with_a_slash(self) -> None:
        """It stays one segment."""
        assert app_target("a/b", "files") == "/v1/apps/a%2Fb/files"

"""The REST API: which error every endpoint raises, and how it copes with answers that are odd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.servers import always, serve
from tests.platform.clients import API, KEY, Constant, client_of, client_over
from tests.platform.endpoints import (
    APP,
    COUNTS,
    DOMAIN,
    ENDPOINTS,
    EVERY_ENDPOINT,
    FILES,
    FINALIZED,
    LOCKED,
    SESSION,
    WITH_RECORDS,
    encoded,
)
from tests.support.timewarp import TimeWarpLoop
from zerokie_action.errors import (
    AuthenticationError,
    DeployError,
    PlatformUnavailable,
    RequestRejected,
)
from zerokie_action.http.client import Bytes, Http
from zerokie_action.http.network import Network
from zerokie_action.http.retry import RetryBudget
from zerokie_action.platform.client import AcquireResult, DeployInProgress, Platform
from zerokie_action.platform.models import Finalized

if TYPE_CHECKING:
    from tests.platform.endpoints import Call
    from zerokie_action.platform.client import Client


async def error_of(call: Call, client: Client) -> DeployError:
    with pytest.raises(DeployError) as caught:
        await call(client)
    return caught.value


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind", "exit_code"),
        [
            (301, PlatformUnavailable, 5),
            (308, PlatformUnavailable, 5),
            (400, RequestRejected, 4),
            (401, AuthenticationError, 3),
            (403, RequestRejected, 4),
            (413, RequestRejected, 4),
            (422, RequestRejected, 4),
            (429, PlatformUnavailable, 5),
            (500, PlatformUnavailable, 5),
            (501, PlatformUnavailable, 5),
            (502, PlatformUnavailable, 5),
            (503, PlatformUnavailable, 5),
        ],
    )
    @EVERY_ENDPOINT
    async def test_statuses(self, name: str, status: int, kind: type[DeployError], exit_code: int) -> None:
        """Every endpoint raises the contract's error, in the platform's own words, with a way out."""
        carrier = Constant(status, b'{"error": "the platform\'s own words"}')
        error = await error_of(ENDPOINTS[name].call, client_over(carrier))
        assert type(error) is kind
        assert error.exit_code == exit_code
        assert "the platform's own words" in str(error)
        assert str(status) in str(error)
        assert error.hint

    @pytest.mark.parametrize(
        ("status", "fix"),
        [(407, "user:password@"), (413, "limit"), (414, "limit"), (415, "content type"), (431, "limit")],
    )
    @EVERY_ENDPOINT
    async def test_what_is_final_whoever_says_it(self, name: str, status: int, fix: str) -> None:
        """A gateway's or proxy's page will do. The request is sent once, and the hint says what to change."""
        carrier = Constant(status, b"<html><title>Nothing of the API's</title></html>")
        error = await error_of(ENDPOINTS[name].call, client_over(carrier, retries=3))
        assert isinstance(error, RequestRejected)
        assert (error.exit_code, error.status) == (4, status)
        assert fix in error.hint
        assert len(carrier.requests) == 1

    async def test_a_file_that_is_too_large(self) -> None:
        """The error names the file and its size."""
        client = client_over(Constant(413, b"<html><title>Too Large</title></html>"))
        error = await error_of(
            lambda client: client.put_file("site", "a/film.mp4", Bytes(bytes(2_500_000)), ""), client
        )
        assert str(error) == (
            "Uploading 'a/film.mp4' (2.5 MB) was refused (413: an HTML page, \"Too Large\")"
        )
        assert "`ignore`" in error.hint

    async def test_a_proxy_that_wants_a_login(self) -> None:
        """A tunnel that is refused with 407 is asked for once; the error is that of any other 407."""
        async with serve(always(407)) as proxy, Http(Network({"HTTPS_PROXY": proxy.url})) as http:
            client = Platform(API, KEY, http, RetryBudget(3, log=print)).client
            error = await error_of(lambda client: client.list_apps(), client)
        assert isinstance(error, RequestRejected)
        assert (error.exit_code, error.status) == (4, 407)
        assert "user:password@" in error.hint
        assert [request.line for request in proxy.requests] == ["CONNECT api.test:443 HTTP/1.1"]

    @EVERY_ENDPOINT
    async def test_not_found(self, name: str) -> None:
        """404 is the app's, unless it means that there is nothing left to do."""
        carrier = Constant(404, b'{"error": "app not found"}')
        call = ENDPOINTS[name].call
        nothing_to_do: dict[str, Any] = {
            "find app": None,
            "delete app": False,
            "delete file": None,
            "heartbeat": False,
            "remove domain": False,
        }
        if name in nothing_to_do:
            assert await call(client_over(carrier)) is nothing_to_do[name]
            return
        error = await error_of(call, client_over(carrier))
        assert type(error) is RequestRejected
        assert "app not found" in str(error)

    @EVERY_ENDPOINT
    async def test_conflict(self, name: str) -> None:
        """409 is somebody else's deploy, somebody else's lock, or a name that is taken."""
        carrier = Constant(409, b'{"error": "conflict"}')
        call = ENDPOINTS[name].call
        busy = DeployInProgress(retry_after=None)
        somebody_else: dict[str, Any] = {
            "deploy": busy,
            "restart": busy,
            "lock": AcquireResult(ours=False),
            "heartbeat": False,
        }
        if name in somebody_else:
            assert await call(client_over(carrier)) == somebody_else[name]
            return
        error = await error_of(call, client_over(carrier))
        assert type(error) is RequestRejected
        assert "conflict" in str(error)
        assert not error.ambiguous

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects(self, status: int) -> None:
        """The key goes nowhere else, and the error says why."""
        async with serve(always(200)) as elsewhere:
            moved = always(status, b"", f"Location: {elsewhere.url}/v1/apps")
            async with serve(moved) as server, client_of(server.url) as client:
                error = await error_of(lambda client: client.list_apps(), client)
        assert elsewhere.requests == []
        answer = f"{server.url} answered {status}, but not as the API does"
        assert str(error) == f"Listing the apps failed after 1 attempt: {answer}"
        assert error.hint == "Redirects are not followed with the API key; correct `api-url`."

    @pytest.mark.parametrize("status", [404, 409])
    async def test_a_finalize_that_is_refused(self, status: int) -> None:
        """A session without a lock is no app without a name: no other one is looked for."""
        carrier = Constant(status, b'{"error": "no lock"}')
        error = await error_of(ENDPOINTS["finalize"].call, client_over(carrier))
        assert str(error) == f'Finalizing the deploy was refused ({status}: "no lock")'
        assert len(carrier.requests) == 1

    async def test_wrong_key(self) -> None:
        error = await error_of(
            lambda client: client.list_apps(),
            client_over(Constant(401, b'{"error":"invalid API key"}')),
        )
        assert str(error) == 'The platform does not accept the API key (401: "invalid API key")'
        assert "`api-key`" in error.hint
        assert "`api-url`" in error.hint


class TestOddAnswers:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", ""),
            (b"null", ' ("null")'),
            (b'"text"', ' (""text"")'),
            (b"{", ' ("{")'),
            (b"\xff\xfe", ' ("\ufffd\ufffd")'),
            (b"<!doctype html><title>Sign in</title>", ' (an HTML page, "Sign in")'),
        ],
    )
    @pytest.mark.parametrize("name", [name for name in WITH_RECORDS if name != "lock"])
    async def test_no_record(self, name: str, body: bytes, words: str) -> None:
        """A 2xx without the record of the reference may have come from anywhere: the outcome is ambiguous."""
        if body == b"null" and isinstance(ENDPOINTS[name].value, list):
            return  # a way of writing an empty list
        status = ENDPOINTS[name].answer[0]
        error = await error_of(ENDPOINTS[name].call, client_over(Constant(status, body)))
        assert type(error) is PlatformUnavailable
        assert error.ambiguous
        assert str(error).endswith(
            f"https://api.test answered {status}, but not with what the API reference describes{words}"
        )

    @pytest.mark.parametrize("name", ["put file", "delete file", "heartbeat", "delete app", "remove domain"])
    async def test_a_web_page(self, name: str) -> None:
        """Where the reference shows no record, a web page is no success all the same."""
        page = Constant(200, b"<!DOCTYPE html>\n<html><title>Sign in</title>")
        error = await error_of(ENDPOINTS[name].call, client_over(page))
        assert type(error) is PlatformUnavailable
        assert error.ambiguous
        assert str(error).endswith('the API reference describes (an HTML page, "Sign in")')

    async def test_a_huge_one(self) -> None:
        """An answer beyond its bound is not read to the end."""
        async with (
            serve(always(200, b"[" + b" " * 2_000_000 + b"]")) as server,
            client_of(server.url) as client,
        ):
            error = await error_of(lambda client: client.find_app("site"), client)
        assert str(error) == (
            "Looking up app 'site' failed after 1 attempt: the response is larger than 1000000 bytes"
        )

    async def test_a_listing_without_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read up to its bound, once, and what that means is said."""
        monkeypatch.setattr("zerokie_action.platform.client.LARGEST_LISTING", 200_000)
        async with (
            serve(always(200, b"[" + b'{"path":"a"},' * 100_000)) as server,
            client_of(server.url, retries=3) as client,
        ):
            error = await error_of(lambda client: client.list_files("site"), client)
        assert (error.exit_code, len(server.requests)) == (5, 1)
        assert "the response is larger than 200000 bytes" in str(error)
        assert "`api-url`" in error.hint

    async def test_a_long_error(self) -> None:
        """An error page of any size becomes a short sentence."""
        page = b"<html><head><title>502 Bad\n Gateway</title></head>" + b"x" * 500_000
        error = await error_of(lambda client: client.list_apps(), client_over(Constant(413, page)))
        assert str(error) == 'Listing the apps was refused (413: an HTML page, "502 Bad Gateway")'

    @pytest.mark.parametrize("value", [None, 7, 1.5, True, [], {}, [1], {"a": 1}])
    @pytest.mark.parametrize("name", WITH_RECORDS)
    async def test_optional_fields(self, name: str, value: Any) -> None:
        """Unknown fields are ignored; those that we can do without may be missing, null or anything else."""
        needed = {"domain", "path", "locked"}
        endpoint = ENDPOINTS[name]
        status, content = endpoint.answer

        def odd(record: dict[str, Any]) -> dict[str, Any]:
            return {key: own if key in needed else value for key, own in record.items()} | {"unknown": value}

        def poor(record: dict[str, Any]) -> dict[str, Any]:
            return {key: own for key, own in record.items() if key in needed}

        for change in (odd, poor):
            changed = [change(record) for record in content] if isinstance(content, list) else change(content)
            result = await endpoint.call(client_over(Constant(status, encoded(changed))))
            if name != "lock":
                assert isinstance(result, type(endpoint.value))
            elif isinstance(value, int | float) and not isinstance(value, bool) and change is odd:
                assert result == AcquireResult(ours=False), "a lock of another session"
            else:
                assert result == AcquireResult(ours=True)

    @pytest.mark.parametrize(
        ("status", "body"), [(200, b"[]"), (200, b"null"), (200, b" null\n"), (204, b"")]
    )
    async def test_nothing_there_yet(self, status: int, body: bytes) -> None:
        """An empty list, in the ways in which platforms write it."""
        client = client_over(Constant(status, body))
        assert (await client.list_files("site"), await client.list_apps()) == ([], [])

    @EVERY_ENDPOINT
    async def test_a_byte_order_mark(self, name: str) -> None:
        """It says nothing."""
        status, content = ENDPOINTS[name].answer
        carrier = Constant(status, b"\xef\xbb\xbf" + encoded(content))
        assert await ENDPOINTS[name].call(client_over(carrier)) == ENDPOINTS[name].value

    @pytest.mark.parametrize(
        ("shown", "paths"),
        [(["/a", "/b/c"], ["a", "b/c"]), (["/a", "b"], ["/a", "b"]), (["//a", "/b"], ["/a", "b"])],
    )
    async def test_a_slash_before_all_paths(self, shown: list[str], paths: list[str]) -> None:
        """That is how this platform writes them; before one of them it is a part of the name."""
        listing = encoded([{"path": path, "length": 1} for path in shown])
        files = await client_over(Constant(200, listing)).list_files("site")
        assert [file.path for file in files] == paths

    async def test_objects_inside_a_listed_file(self) -> None:
        """Unknown fields may hold objects, even such that look like a file."""
        inner = {"path": "inner", "length": 9}
        listing = encoded([{"path": "a", "length": 1, "by": inner, "tags": [inner, {"x": 1}]}])
        files = await client_over(Constant(200, listing)).list_files("site")
        assert [(file.path, file.length) for file in files] == [("a", 1)]

    @pytest.mark.parametrize(
        "listing",
        [
            b"[" * 100_000,
            b'{"path":"a"}',
            b'[{"path":"a"},{"length":1}]',
            b'[{"path":"a"},[{"path":"b"}]]',
            b'[{"path":{"path":"a"}}]',
            b'["\xff"]',
            b'[{"path":"a","length":' + b"9" * 10_000 + b"}]",
        ],
        ids=["nested", "one", "no path", "a list", "a path of objects", "not UTF-8", "digits"],
    )
    async def test_a_listing_that_is_none(self, listing: bytes) -> None:
        """Whatever the answer is, it is either a list of files or refused."""
        client = client_over(Constant(200, listing))
        error = await error_of(lambda client: client.list_files("site"), client)
        assert (error.exit_code, error.ambiguous) == (5, True)

    @pytest.mark.parametrize("name", ["delete app", "remove domain"])
    @pytest.mark.parametrize("answer", [(200, b"{}"), (202, b'{"deleted": true}')])
    async def test_a_deletion_that_is_told(self, name: str, answer: tuple[int, bytes]) -> None:
        """With an object about it instead of 204; an empty answer or a page may be anybody's."""
        assert await ENDPOINTS[name].call(client_over(Constant(*answer))) is True

    @pytest.mark.parametrize("answer", [(200, b"{}"), (204, b"")])
    async def test_a_deploy_without_a_name(self, answer: tuple[int, bytes]) -> None:
        """Finalized all the same; whether it really was, the heartbeat tells (`DeployLock`)."""
        assert await client_over(Constant(*answer)).finalize("site", SESSION, COUNTS) == Finalized()

    @pytest.mark.parametrize(
        ("name", "asked"),
        [("lock", AcquireResult(ours=False, retry_after=7.0)), ("deploy", DeployInProgress(7.0))],
    )
    async def test_when_to_ask_again(self, name: str, asked: object) -> None:
        """A conflict may say how long it will take."""
        carrier = Constant(409, b'{"error": "busy"}', **{"retry-after": "7"})
        assert await ENDPOINTS[name].call(client_over(carrier)) == asked

    async def test_numbers_for_texts(self) -> None:
        """A number where a text belongs is that number in digits."""
        carrier = Constant(200, b'{"deploy_id": 42}')
        assert await client_over(carrier).finalize("site", SESSION, COUNTS) == Finalized(deploy_id="42")

    @pytest.mark.parametrize(
        ("lock", "ours"),
        [
            (LOCKED, True),
            (LOCKED | {"deploy_session_id": SESSION.upper()}, True),
            ({"locked": True}, True),
            ({"locked": False}, False),
            (LOCKED | {"deploy_session_id": "another"}, False),
        ],
    )
    async def test_whose_lock_it_is(self, lock: dict[str, Any], *, ours: bool) -> None:
        """A 200 that names another session, or no lock, is no lock of ours."""
        carrier = Constant(200, encoded(lock))
        call = ENDPOINTS["lock"].call
        assert await call(client_over(carrier)) == AcquireResult(ours)


FIELDS = [*APP, *FINALIZED, *DOMAIN, *FILES[0], "locked", "deploy_session_id", "error", "type", "message"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    name=st.sampled_from(list(ENDPOINTS)),
    status=st.sampled_from([200, 201, 204, 299, 304, 400, 401, 404, 409, 418, 429, 500, 501, 503]),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(st.sampled_from(["date", "retry-after"]), st.text(st.characters(codec="ascii"))),
)
def test_any_answer(name: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever comes back: a value, or an error of our own with short, single-line words."""

    async def call() -> None:
        words = ""
        try:
            await ENDPOINTS[name].call(client_over(Constant(status, body, **headers)))
        except DeployError as error:
            words = str(error)
        assert len(words) < 800
        assert "\n" not in words

    anyio.run(call, backend_options={"loop_factory": TimeWarpLoop})

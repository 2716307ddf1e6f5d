"""The REST API: which error every endpoint raises, and how it copes with answers that are odd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.transports import Script, answer
from tests.platform.clients import client_over
from tests.platform.endpoints import (
    APP,
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
from zerokie_action.errors import DeployError, PlatformUnavailable, RequestRejected
from zerokie_action.platform.models import RemoteFile

if TYPE_CHECKING:
    from collections.abc import Awaitable


NOTHING_TO_DO: dict[tuple[str, int], Any] = {
    ("find app", 404): None,
    ("delete app", 404): False,
    ("delete file", 404): None,
    ("heartbeat", 404): False,
    ("heartbeat", 409): False,
    ("remove domain", 404): False,
}


async def error_of(call: Awaitable[object]) -> DeployError:
    with pytest.raises(DeployError) as caught:
        await call
    return caught.value


class TestErrors:
    @pytest.mark.parametrize(("status", "fix"), [(407, "user:password@"), (413, "limit"), (431, "says why")])
    async def test_what_is_final_whoever_says_it(self, status: int, fix: str) -> None:
        """A gateway's or proxy's page will do, of any length. It is quoted; the hint says what to change."""
        page = b"<html><title>Nothing\n of the API's</title></html>" + b"x" * 500_000
        transport = Script(answer(status, page))
        error = await error_of(client_over(transport, retries=3).list_apps())
        assert isinstance(error, RequestRejected)
        said = f'Listing the apps was refused ({status}: an HTML page, "Nothing of the API\'s")'
        assert (str(error), error.exit_code, error.status) == (said, 4, status)
        assert fix in error.hint
        assert len(transport.requests) == 1

    @EVERY_ENDPOINT
    @pytest.mark.parametrize("status", [404, 409])
    async def test_not_found_or_a_conflict(self, name: str, status: int) -> None:
        """404 is the app's, 409 somebody else's deploy or lock, unless nothing is left to do then."""
        transport = Script(answer(status, b'{"error": "its own words"}', retry_after="7"))
        call = ENDPOINTS[name].call(client_over(transport))
        if (name, status) in NOTHING_TO_DO:
            assert await call is NOTHING_TO_DO[name, status]
            return
        error = await error_of(call)
        assert type(error) is RequestRejected
        assert (error.status, error.retry_after, error.ambiguous) == (status, 7.0, False)
        assert "its own words" in str(error)


class TestOddAnswers:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", ""),
            (b"null", ' ("null")'),
            (b"{", ' ("{")'),
            (b"\xff\xfe", ' ("\ufffd\ufffd")'),
            (b"<!doctype html><title>Sign in</title>", ' (an HTML page, "Sign in")'),
        ],
    )
    @pytest.mark.parametrize("name", WITH_RECORDS)
    async def test_no_record(self, name: str, body: bytes, words: str) -> None:
        """A 2xx without the record of the reference may have come from anywhere: the outcome is ambiguous."""
        if body == b"null" and name.startswith("list "):
            return  # a way of writing an empty list
        status = ENDPOINTS[name].answer[0]
        call = ENDPOINTS[name].call(client_over(Script(answer(status, body))))
        if name == "finalize" and b"<" not in body:  # it may have released the lock: the heartbeat tells
            assert await call is None
            return
        error = await error_of(call)
        assert type(error) is PlatformUnavailable
        assert error.ambiguous
        assert str(error).endswith(
            f"https://api.test answered {status}, but not with what the API reference describes{words}"
        )

    @pytest.mark.parametrize("value", [None, [], {"a": 1}])
    @pytest.mark.parametrize("name", [name for name in WITH_RECORDS if name != "lock"])
    async def test_optional_fields(self, name: str, value: Any) -> None:
        """Unknown fields are ignored; those that we can do without may be missing, null or anything else."""
        needed = {"domain", "path"}
        endpoint = ENDPOINTS[name]
        status, content = endpoint.answer

        def odd(record: dict[str, Any]) -> dict[str, Any]:
            return {key: own if key in needed else value for key, own in record.items()} | {"unknown": value}

        def poor(record: dict[str, Any]) -> dict[str, Any]:
            return {key: own for key, own in record.items() if key in needed}

        for change in (odd, poor):
            changed = [change(record) for record in content] if isinstance(content, list) else change(content)
            result = await endpoint.call(client_over(Script(answer(status, encoded(changed)))))
            if name == "list files":
                assert result == {path: RemoteFile(path) for path in endpoint.value}
            else:
                records = result if isinstance(result, list) else [result]
                known = {"domain": "www.example.com"} if name == "add domain" else {}
                assert records == [type(record)(**known) for record in records]

    async def test_objects_inside_a_listed_file(self) -> None:
        """Unknown fields may hold objects, even such that look like a file."""
        inner = {"path": "inner", "length": 9}
        listing = encoded([{"path": "a", "length": 1, "by": inner, "tags": [inner, {"x": 1}]}])
        files = await client_over(Script(answer(200, listing))).list_files("site")
        assert [(path, file.length) for path, file in files.items()] == [("a", 1)]

    @pytest.mark.parametrize(
        "listing",
        [
            b"[" * 100_000,
            b'{"path":"a"}',
            b"{}",
            b'[{"path":"a"},{"length":1}]',
            b'[{"path":"a"},[{"path":"b"}]]',
            b'[{"path":{"path":"a"}}]',
            b'["\xff"]',
            b'[{"path":"a","length":' + b"9" * 10_000 + b"}]",
        ],
        ids=["nested", "one", "an object", "no path", "a list", "a path of objects", "not UTF-8", "digits"],
    )
    async def test_a_listing_that_is_none(self, listing: bytes) -> None:
        """Whatever the answer is, it is either a list of files or refused."""
        error = await error_of(client_over(Script(answer(200, listing))).list_files("site"))
        assert (error.exit_code, error.ambiguous) == (5, True)

    async def test_a_needed_field_of_a_wrong_type(self) -> None:
        error = await error_of(ENDPOINTS["lock"].call(client_over(Script(answer(200, b'{"locked": []}')))))
        assert (error.exit_code, error.ambiguous) == (5, True)

    @pytest.mark.parametrize(
        ("lock", "ours"),
        [
            ({"locked": True}, True),
            ({"locked": False}, False),
            (LOCKED | {"deploy_session_id": "another"}, False),
        ],
    )
    async def test_whose_lock_it_is(self, lock: dict[str, Any], *, ours: bool) -> None:
        """A 200 that names another session, or no lock, is no lock of ours."""
        client = client_over(Script(answer(200, encoded(lock))))
        assert await client.heartbeat("site", SESSION) is ours
        if ours:
            await client.acquire_lock("site", SESSION)
        else:
            error = await error_of(client.acquire_lock("site", SESSION))
            assert (error.exit_code, getattr(error, "status", None)) == (4, 409)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*APP, *FINALIZED, *DOMAIN, *FILES[0], "locked", "error"]), inner)
    ),
    max_leaves=10,
)


ODD_BODIES = [b'{"error":' * 100_000, b'{"error": ' + b"9" * 10_000 + b"}", b'{"error": "\\ud800"}']


@settings(deadline=None)
@given(
    name=st.sampled_from(list(ENDPOINTS)),
    status=st.sampled_from([200, 201, 204, 299, 304, 400, 401, 404, 409, 418, 429, 500, 501, 503]),
    body=st.sampled_from(ODD_BODIES) | st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(st.sampled_from(["date", "retry-after"]), st.text(st.characters(codec="ascii"))),
)
def test_any_answer(name: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever comes back: a value, or an error of our own with short, single-line words."""

    async def call() -> None:
        words = ""
        try:
            await ENDPOINTS[name].call(client_over(Script(answer(status, body, **headers))))
        except DeployError as error:
            words = str(error)
        assert len(words) < 800
        assert "\n" not in words

    anyio.run(call, backend_options={"loop_factory": TimeWarpLoop})

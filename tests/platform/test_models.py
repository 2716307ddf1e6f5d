"""The platform's records, and responses with and without them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.http.transports import answer
from tests.platform.endpoints import APP, DOMAIN, FINALIZED, SESSION, encoded
from zerokie_action.http import Response
from zerokie_action.platform.models import (
    App,
    Domain,
    Finalized,
    Lock,
    Malformed,
    RemoteFile,
    parse_apps,
    parse_files,
    parse_optional,
    parse_record,
)

ANYTHING = pytest.mark.parametrize("value", [None, [], {"a": 1}])
PARSERS: dict[str, Callable[[Response], object]] = {
    "app": parse_record(App),
    "lock": parse_record(Lock),
    "domain": parse_record(Domain),
    "apps": parse_apps,
    "files": parse_files,
}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'"text"',
        b"[1]",
        b"[" * 100_000,
        b'{"path":"a","length":' + b"9" * 10_000 + b"}",
    ],
    ids=["nothing", "cut off", "not UTF-8", "a text", "a number", "nested", "too many digits"],
)
@pytest.mark.parametrize("name", PARSERS)
def test_a_response_without_the_record_is_malformed(name: str, body: bytes) -> None:
    """The response may come from a gateway."""
    with pytest.raises(Malformed):
        PARSERS[name](answer(200, body))


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"fine"])
def test_finalize_accepts_any_response_except_a_page(body: bytes) -> None:
    """A heartbeat then shows whether the platform released the lock."""
    parse = parse_optional(Finalized)
    assert parse(answer(200, body)) is None
    with pytest.raises(Malformed):
        parse(answer(200, b"<!doctype html>" + body))


@ANYTHING
@pytest.mark.parametrize(
    ("record", "needed"),
    [(APP, App()), (FINALIZED, Finalized()), (DOMAIN, Domain(domain="www.example.com"))],
    ids=["app", "finalized", "domain"],
)
def test_optional_fields_may_be_anything(record: dict[str, Any], needed: Any, value: object) -> None:
    """The parser ignores unknown fields, and optional fields may be missing, null or of any type."""
    odd = dict.fromkeys(record, value) | needed.model_dump(exclude_defaults=True) | {"unknown": 1}
    assert parse_record(type(needed))(answer(200, encoded(odd))) == needed


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('"length": 7, "lastModified": "x"', RemoteFile(7, "x")),
        ('"length": "7", "lastModified": 5', RemoteFile(7, "5")),
        ('"length": null, "lastModified": {"path": "b"}', RemoteFile()),
        ('"by": {"path": "b"}, "tags": [{"path": "b"}, {"x": 1}]', RemoteFile()),
        ('"length": -7', RemoteFile(-1)),
        ('"length": NaN', RemoteFile(-1)),
        ('"length": 1e400', RemoteFile(-1)),
        (f'"length": {"9" * 400}', RemoteFile(2**63 - 1)),
    ],
    ids=["usual", "texts", "none", "unknown objects", "negative", "NaN", "infinite", "of 400 digits"],
)
def test_a_file_may_lack_its_length(fields: str, expected: RemoteFile) -> None:
    """A length has at most 63 bits, and other fields are ignored."""
    file_list = f'[{{"path": "/a", {fields}}}, {{"path": "directory/"}}]'.encode()
    assert parse_files(answer(200, file_list)) == {"a": expected}


@pytest.mark.parametrize(
    "file_list", [b'[{"path":"a"},{"length":1}]', b'[{"path":"a"},[{"path":"b"}]]', b"{}"]
)
def test_a_file_list_with_other_items_is_malformed(file_list: bytes) -> None:
    """A response is either a list of files or malformed."""
    with pytest.raises(Malformed):
        parse_files(answer(200, file_list))


@pytest.mark.parametrize("parse", [parse_apps, parse_files])
def test_an_empty_list_may_be_null_or_a_204(parse: Callable[[Response], object]) -> None:
    """Go servers write `null` for an empty list."""
    assert not parse(answer(200, b"null"))
    assert not parse(answer(204))


@pytest.mark.parametrize(
    ("lock", "is_held"),
    [
        (Lock(locked=True), True),
        (Lock(locked=True, deploy_session_id=SESSION), True),
        (Lock(locked=False), False),
        (Lock(locked=True, deploy_session_id="another"), False),
    ],
)
def test_a_lock_without_a_session_is_the_runs(lock: Lock, *, is_held: bool) -> None:
    """The run doesn't hold the lock if the response names another session."""
    assert lock.is_held_by(SESSION) is is_held


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://a.example", "http://a.example"),
        ("//a.example", "https://a.example"),
        ("", ""),
        ("https://xn--i-7iq.invalid/", ""),
    ],
)
def test_an_unusable_url_is_ignored(url: str, address: str) -> None:
    """The app then lacks an address, as without a `url`."""
    assert App(url=url).address == address

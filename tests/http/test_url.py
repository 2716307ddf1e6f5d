"""URLs: httpx can send a request to every accepted URL."""

from unittest.mock import patch

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerokie_action.http import Request
from zerokie_action.http.failure import Failure
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.request import HEADERS, RequestOptions
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.http.url import web_url

NO_NAME = "https://xn--i-7iq.invalid/"
"""An international name with a character that names can't have."""
USER, PORT, PATH = r"([!-~]{0,5}@)?", r"(:[0-9]{0,5}|:x)?", r"(/[!-~]{0,8})?"
ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){0,4}|\[[0-9a-f:.%v]{0,8}\][a-z]?"
HOST = rf"((xn--)?[A-Za-z0-9._-]{{1,12}}|{ADDRESS}|[!-~]{{1,4}})"
URLS = st.from_regex(f"(https?|HTTPS)://{USER}{HOST}{PORT}{PATH}", fullmatch=True)


async def refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


@given(URLS)
@example(NO_NAME)
@example("http://[::1]x/")
@example("http://user:pass@[::1]:80/a?b#c")
@example(f"http://{'a' * 64}.test/")
@settings(max_examples=40)
def test_httpx_sends_a_request_to_each_accepted_url(text: str) -> None:
    """Any error that `fetch` doesn't return as a failure would be a bug in the user's log."""
    url = web_url(text)
    if url is None:
        return
    assert url.host
    http = RetryingClient(Transport({}), policy=RetryPolicy(0), log=print)
    for given_url in (url, text):
        options = RequestOptions(purpose="Looking")
        options = RequestOptions(purpose="Looking")
        request = Request("GET", given_url, headers=HEADERS, extensions=options.extensions)
        with patch("anyio.connect_tcp", refuse):
            found = anyio.run(http.fetch, request)
        assert isinstance(found, Failure)
        assert found.reason == "connection refused"
        assert not found.may_have_arrived


GOOD = (
    *("https://a.test", "http://a_b.test:8080/c?d=e#f", "https://u:p@a.test/", "http://[::1]:80/"),
    *("http://127.0.0.1/", "HTTPS://A.TEST/", "https://xn--bcher-kva.test/"),
)
BAD = (
    *(
        "",
        "/path",
        "ftp://a.test/",
        "https://",
        "https://a b/",
        "https://a\n/",
        "https://\u00e9.test/",
        NO_NAME,
    ),
    *("http://[::1]x/", "http://[::1", "https://a:b", "http://a:99999/", "https://a\\b/", "https://xn--/"),
    *("http://127.1/", "http://1.2.3.256/", "http://2130706433/"),
)


@pytest.mark.parametrize("text", GOOD)
def test_web_urls_are_accepted(text: str) -> None:
    assert web_url(text)


@pytest.mark.parametrize("text", BAD)
def test_ambiguous_urls_are_rejected(text: str) -> None:
    """Programs disagree about the host of some of these URLs."""
    assert web_url(text) is None

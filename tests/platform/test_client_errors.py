"""The REST API's errors, and responses outside the reference."""

from collections.abc import Awaitable

import pytest

from tests.http.transports import Script, answer
from tests.platform.clients import client_over
from tests.platform.endpoints import (
    ENDPOINTS,
    EVERY_ENDPOINT,
    WITH_RECORDS,
)
from zerokie_action.errors import Conflict, DeployError, NotFound, PlatformUnavailable, RequestRejected
from zerokie_action.http.request import Bytes
from zerokie_action.platform.responses import quotation

NOTHING_TO_DO: dict[tuple[str, int], object] = {
    ("find app", 404): None,
    ("delete file", 404): False,
    ("remove domain", 404): False,
}


async def error_of(call: Awaitable[object]) -> DeployError:
    with pytest.raises(DeployError) as caught:
        await call
    return caught.value


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "fix"),
        [
            (403, "firewall"),
            (407, "user:password@"),
            (413, "limit"),
            (414, "gateway"),
            (415, "gateway"),
            (431, "gateway"),
        ],
    )
    async def test_a_final_status_is_quoted_with_its_hint(self, status: int, fix: str) -> None:
        """Any body is enough, such as a gateway's page. The error quotes the body."""
        page = b"<html><title>Nothing\n of the API's</title></html>" + b"x" * 500_000
        transport = Script(answer(status, page))
        error = await error_of(client_over(transport, retry_timeout=120).list_apps())
        assert isinstance(error, RequestRejected)
        said = f'Listing the apps was refused ({status}: an HTML page, "Nothing of the API\'s")'
        assert (str(error), error.exit_code, error.status) == (said, 4, status)
        assert fix in error.hint
        assert len(transport.requests) == 1

    @EVERY_ENDPOINT
    async def test_a_403_page_is_final_except_for_heartbeat_and_finalize(self, name: str) -> None:
        """Heartbeat and finalize are retried, because the lock must not depend on a firewall."""
        transport = Script(*[answer(403, b"<html>")] * 2, answer(401))
        error = await error_of(ENDPOINTS[name].call(client_over(transport, retry_timeout=120)))
        is_of_lock = name in {"heartbeat", "finalize"}
        assert (error.exit_code, len(transport.requests)) == ((3, 3) if is_of_lock else (4, 1))

    @EVERY_ENDPOINT
    @pytest.mark.parametrize("status", [404, 409])
    async def test_404_and_409_are_errors_in_the_platforms_words(self, name: str, status: int) -> None:
        """A 404 for a missing resource isn't an error if nothing is left to do."""
        if (name, status) == ("put file", 404):
            return  # the next test
        transport = Script(answer(status, b'{"error": "its own words"}', retry_after="7"))
        call = ENDPOINTS[name].call(client_over(transport))
        if (name, status) in NOTHING_TO_DO:
            assert await call is NOTHING_TO_DO[name, status]
            return
        error = await error_of(call)
        assert type(error) is {404: NotFound, 409: Conflict}[status]
        assert (error.status, error.retry_after) == (status, 7.0)
        assert "its own words" in str(error)

    async def test_a_long_retry_after_ends_the_request_with_the_time_to_wait(self) -> None:
        transport = Script(answer(503, retry_after="601"))
        error = await error_of(client_over(transport, retry_timeout=120).list_apps())
        assert isinstance(error, PlatformUnavailable)
        assert error.hint.startswith("Run the job again after 10m 01s")

    async def test_a_404_for_an_upload_is_retried(self) -> None:
        """The app's storage may not be ready yet."""
        late = answer(404, b'{"error": "no such app"}')
        transport = Script(late, late, answer(200))
        client = client_over(transport, retry_timeout=120)
        await ENDPOINTS["put file"].call(client)
        assert len(transport.requests) == 3
        transport.steps = [late]
        error = await error_of(client.put_file("site", ".well-known/a", Bytes(b""), "text/plain"))
        assert isinstance(error, PlatformUnavailable)
        assert "`ignore`" in error.hint

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"error": "two\\nlines,  spaces"}', '"two lines, spaces"'),
            (b'{"message": "from a gateway"}', '"{"message": "from a gateway"}"'),
            (b"  \n ", ""),
            (b"plain text\nof two lines", '"plain text of two lines"'),
            (b"<!DOCTYPE html>\n<html><title>\n Sign\n in </title>", 'an HTML page, "Sign in"'),
            (b"<HTML><body>no title", "an HTML page"),
            (b"<html>" + b" " * 5000 + b"<title>far down", 'an HTML page, "far down"'),
            (b'{"error": "<html><title>x</title>"}', '"<html><title>x</title>"'),
        ],
    )
    def test_a_quotation_is_one_line(self, body: bytes, expected: str) -> None:
        """It comes from the platform's `error`, a page's title or any other body."""
        assert quotation(body, str) == expected

    @pytest.mark.parametrize(
        "body",
        [b'{"error":' * 100_000, b'{"error": ' + b"9" * 10_000 + b"}", b'{"error": "\\ud800' + b"x" * 9000],
    )
    def test_a_quotation_is_short(self, body: bytes) -> None:
        """Errors quote at most a few hundred characters of a response."""
        assert len(quotation(body, str)) < 600


class TestOddResponses:
    @EVERY_ENDPOINT
    @pytest.mark.parametrize("status", [200, 404, 409])
    async def test_a_web_page_is_a_failure(self, name: str, status: int) -> None:
        """A gateway or a wrong server sent the page, even with a status of the API."""
        transport = Script(answer(status, b"<!doctype html><title>Not Found</title>"))
        error = await error_of(ENDPOINTS[name].call(client_over(transport)))
        assert isinstance(error, PlatformUnavailable)
        quoted = f'{status} (an HTML page, "Not Found")'
        said = f"https://api.test responded with {quoted}, but not in the API's format"
        assert str(error).endswith(said)
        assert "Check `api-url`" in error.hint

    @pytest.mark.parametrize("name", [name for name in WITH_RECORDS if name != "finalize"])
    async def test_a_2xx_without_the_record_is_a_failure(self, name: str) -> None:
        """The 2xx may come from a gateway."""
        error = await error_of(ENDPOINTS[name].call(client_over(Script(answer(200, b"fine")))))
        assert isinstance(error, PlatformUnavailable)
        assert str(error).endswith('responded with 200 ("fine"), but not in the API\'s format')

import re

import pytest

from sandbox.faults import Fault, Faults, Kind, parse_fault
from sandbox.records import Record
from tests.sandbox.wire import until

FILE = "/v1/apps/site/files/a"


@pytest.mark.parametrize("after", [False, True])
async def test_a_status_fault_sets_the_response(client, platform, after):
    """The response has the fault's status, headers and error. Only `after` keeps the request's effect."""
    platform.faults.add(Fault(Kind.STATUS, status=429, headers={"retry-after": "7"}, after=after))
    answer = await client.post("/v1/apps/site/deploy/lock", json={"deploy_session_id": "mine"})
    assert (answer.status_code, answer.json()) == (429, {"error": "Too Many Requests"})
    assert answer.headers["retry-after"] == "7"
    assert platform.lock("site") == ("mine" if after else None)
    record = platform.requests[0]
    assert (record.status, record.fault) == (429, "status 429" + " after the effect" * after)


async def test_a_reset_during_an_upload_keeps_the_old_content(dial, platform):
    """The server ignores all new bytes that it received."""
    platform.put_file("site", "a", b"old")
    platform.faults.add(Fault(Kind.RESET_UPLOAD, size=1000))
    wire = await dial()
    wire.send("PUT", FILE, b"x" * 10_000_000)
    with pytest.raises(ConnectionResetError):
        await wire.reader.read()
    assert 1000 <= platform.requests[0].body_size < 10_000_000
    assert platform.files("site") == {"a": b"old"}


async def test_a_late_upload_takes_effect_without_its_connection(dial, platform):
    """A gateway responds first, and the upload takes effect after the connection ends."""
    platform.put_file("site", "a", b"old")
    platform.faults.add(Fault(Kind.LATE, status=504, seconds=0.05))
    wire = await dial()
    wire.send("PUT", FILE, b"new")
    assert (await wire.answer())[0] == 504
    await wire.close()
    assert platform.files("site") == {"a": b"old"}
    await until(lambda: platform.files("site") == {"a": b"new"})


@pytest.mark.parametrize("kind", Kind)
async def test_the_platform_survives_every_fault(dial, platform, kind):
    """After any fault, the platform responds to the next request on a new connection."""
    platform.faults.add(Fault(kind, seconds=0.01))
    wire = await dial()
    wire.send("PUT", FILE, b"x" * 1000)
    await until(lambda: platform.requests and platform.requests[0].fault)
    other = await dial()
    other.send("GET", "/v1/apps")
    assert (await other.answer())[0] == 200


def hits(fault: Fault, *requests: tuple[str, str]) -> list[int]:
    """Return whether the fault hits each of the requests."""
    faults = Faults()
    faults.add(fault)
    records = [Record(index, method, path) for index, (method, path) in enumerate(requests)]
    return [record.index for record in records if faults.take(record)]


GETS = [("GET", "/v1/apps/a")] * 5


def test_a_fault_hits_the_chosen_requests():
    """Index, method and path choose the requests, and `skip` and `times` limit them."""
    assert hits(Fault(Kind.RESET), *GETS) == [0]
    assert hits(Fault(Kind.RESET, times=2), *GETS) == [0, 1]
    assert hits(Fault(Kind.RESET, times=None), *GETS) == [0, 1, 2, 3, 4]
    assert hits(Fault(Kind.RESET, skip=2, times=2), *GETS) == [2, 3]
    assert hits(Fault(Kind.RESET, times=None, percent=50), *GETS) == [1, 3]
    assert hits(Fault(Kind.RESET, times=None, percent=50, skip=1), *GETS) == [2, 4]
    assert hits(Fault(Kind.RESET, index=3), *GETS) == [3]
    assert hits(Fault(Kind.RESET, index=3, times=None), *GETS) == [3, 4]
    mixed = [("GET", "/v1/apps/a/files"), ("PUT", "/v1/apps/a/files/x"), ("PUT", "/v1/apps/a/deploy/lock")]
    assert hits(Fault(Kind.RESET, method="PUT", times=None), *mixed) == [1, 2]
    assert hits(Fault(Kind.RESET, path=r"/files(/|$)", times=None), *mixed) == [0, 1]
    assert hits(Fault(Kind.RESET, method="PUT", path="lock$", index=1), *mixed) == [2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("PUT /files/ 503 x3", Fault(Kind.STATUS, method="PUT", path="/files/", status=503, times=3)),
        ("* . reset after x*", Fault(Kind.RESET, path=".", after=True, times=None)),
        ("POST finalize$ hang skip=2", Fault(Kind.HANG, method="POST", path="finalize$", skip=2)),
        ("PUT files reset-upload=1000", Fault(Kind.RESET_UPLOAD, method="PUT", path="files", size=1000)),
        ("GET /v1 delay=1.5", Fault(Kind.DELAY, method="GET", path="/v1", seconds=1.5)),
        ("PUT /files/ late=20", Fault(Kind.LATE, method="PUT", path="/files/", seconds=20)),
        (
            "* /v1 502 10% for=1.5",
            Fault(Kind.STATUS, None, "/v1", times=None, percent=10, lasts=1.5, status=502),
        ),
    ],
)
def test_a_fault_is_parsed_from_text(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("PUT 503", "'PUT 503' is not 'METHOD PATH WHAT [after] [skip=N] [xN] [N%] [for=SECONDS]'"),
        ("PUT x broken", "'broken' is neither a status code, such as 503, nor one of html, empty, "),
        ("PUT x 503 x", "'x' is not 'after', 'skip=N', 'xN', 'N%' or 'for=SECONDS'"),
        ("PUT ( 503", "path '(' isn't a regular expression: missing ), unterminated subpattern"),
    ],
)
def test_an_invalid_fault_is_rejected(text, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        parse_fault(text)


async def test_programs_can_add_and_remove_faults(client, platform):
    """They need no key. New faults come after those of the command line, and one request removes all."""
    platform.faults.add(Fault(Kind.STATUS, method="GET", path="/v1/apps$", times=None, lasts=60))
    added = await client.post("/_sandbox/faults", json={"kind": "status", "status": 418, "path": "/v1"})
    assert added.status_code == 201
    assert [(await client.get(path)).status_code for path in ("/v1/apps", "/v1/apps/api")] == [503, 418]
    assert (await client.delete("/_sandbox/faults")).status_code == 204
    assert (await client.get("/v1/apps")).status_code == 200

import pytest

from sandbox.platform import Platform
from tests.sandbox.wire import until

FILES = "/v1/apps/site/files"


async def test_a_broken_upload_keeps_the_old_content(dial, platform):
    """The platform never stores a body shorter than its Content-Length, not even in part."""
    platform.put_file("site", "a", b"old")
    blobs = platform.store.blob_path(0).parent
    before = list(blobs.iterdir())
    wire = await dial()
    wire.send("PUT", f"{FILES}/a", b"x" * 500_000, content_length="1000000")
    await wire.writer.drain()
    await wire.close()
    await until(lambda: platform.requests and platform.requests[0].status == 499)
    assert platform.files("site") == {"a": b"old"}
    assert list(blobs.iterdir()) == before


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", "invalid path: empty segment"),
        ("a%2", "invalid path: '%' must be followed by two hexadecimal digits"),
        ("a%2Fb", "invalid path: a segment cannot contain a slash or a NUL byte"),
        ("%FF", "invalid path: not UTF-8"),
    ],
)
async def test_an_invalid_path_is_a_400(dial, platform, path, error):
    wire = await dial()
    wire.send("PUT", f"{FILES}/{path}")
    assert await wire.answer() == (400, f'{{"error":"{error}"}}')
    assert platform.files("site") == {}


@pytest.mark.parametrize("target", ["..", "./.%2e/."])
async def test_dot_segments_are_removed(dial, platform, target):
    """A careless `DELETE files/..` deletes the app, as it would behind a proxy."""
    wire = await dial()
    wire.send("DELETE", f"{FILES}/{target}")
    assert await wire.answer() == (204, "")
    assert [app.name for app in platform.apps.list()] == ["api"]


def test_the_state_survives_a_kill(platform, tmp_path, clock):
    """Only an incompletely written change is lost."""
    platform.put_file("site", "a", b"old")
    platform.put_file("site", "a", b"x")
    platform.put_file("site", "b", b"gone")
    platform.delete_file("site", "b")
    platform.take_lock("site", "mine")
    platform.finalize("site", "mine", files_uploaded=1, files_deleted=0, total_bytes=1)
    platform.take_lock("site", "yours")
    platform.domains.add("site", "www.example.com")
    platform.apps.create_container("gone", "nginx", env={"A": "b"})
    platform.delete_app("gone")
    with (tmp_path / "data" / "journal").open("a") as journal:
        journal.write('["App", false, ["si')
    later = Platform(tmp_path / "data", clock=clock)
    assert later.apps.list() == platform.apps.list()
    assert later.files("site") == {"a": b"x"}
    assert (later.lock("site"), later.domains.list("site")) == ("yours", ["www.example.com"])
    assert later.deployments("site") == platform.deployments("site")
    (blob,) = later.store.blob_path(0).parent.iterdir()
    assert blob.read_bytes() == b"x"

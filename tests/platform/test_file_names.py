"""File names: every legal name reaches the platform unchanged."""

from pathlib import Path

from sandbox.platform import Platform
from sandbox.server import serve
from tests.platform.clients import client_of
from zerokie_action.http.request import Bytes

ODD_NAMES = {
    *("a b", " a ", "a+b", "100%", "%2e%2e", "a%2Fb", "#a", "a?b=c", "~", "...", ".a", "a.", "\u00e9"),
    *("e\u0301", "\U0001f600", "\u202e", "\\", "'", '"', "{a}", "a:b", "*", "\r\n", "\t", "\x7f"),
    *("-", "::x::"),
}


async def test_any_name_is_stored_listed_and_deleted(tmp_path: Path) -> None:
    """Each step uses the unchanged name."""
    names = ODD_NAMES | {"index.html/..a"} | {"a b/.a/100%"}
    platform = Platform(tmp_path)
    platform.apps.create_static("site")
    async with serve(platform), client_of(platform.base_url) as client:
        for name in names:
            await client.put_file("site", name, Bytes(name.encode()), "text/plain")
        assert platform.files("site") == {name: name.encode() for name in names}
        assert (await client.list_files("site")).keys() == names
        for name in names:
            await client.delete_file("site", name)
        assert platform.files("site") == {}
    platform.store.close()

"""Every legal file name reaches the platform as exactly that name."""

import tempfile
from pathlib import Path

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.platform.clients import client_of
from zerokie_action.http.request import Bytes
from zerokie_action.sandbox.platform import Platform
from zerokie_action.sandbox.server import serve

SEGMENTS = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."} and len(name.encode()) <= 255)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
ODD_NAMES = {
    *("a b", " a ", "a+b", "100%", "%2e%2e", "a%2Fb", "#a", "a?b=c", "~", "...", ".a", "a.", "\u00e9"),
    *("e\u0301", "\U0001f600", "\u202e", "\\", "'", '"', "{a}", "a:b", "*", "\r\n", "\t", "\x7f"),
    *("-", "::x::"),
}


@example(names=ODD_NAMES | {"index.html/..a"})
@given(names=st.sets(PATHS, min_size=1, max_size=8))
@settings(max_examples=5)
def test_any_name_is_stored_listed_and_deleted(names: set[str]) -> None:
    """Stored, listed, overwritten and deleted under its own name."""

    async def use(platform: Platform) -> None:
        async with serve(platform), client_of(platform.base_url) as client:
            for name in names:
                await client.put_file("site", name, Bytes(name.encode()), "text/plain")
            assert platform.files("site") == {name: name.encode() for name in names}
            assert (await client.list_files("site")).keys() == names
            for name in names:
                await client.delete_file("site", name)
            assert platform.files("site") == {}

    with tempfile.TemporaryDirectory() as directory:
        platform = Platform(Path(directory))
        platform.apps.create_static("site")
        anyio.run(use, platform)
        platform.store.close()

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zerokie_action.sandbox.platform import Platform


def purge(platform: Platform) -> None:
    platform.take_lock("site", "s")
    platform.finalize("site", "s", files_uploaded=0, files_deleted=0, total_bytes=0)


async def test_a_page_with_its_headers(client, platform):
    """No key needed; type, length, date and ETag are those of the file."""
    platform.put_file("site", "index.html", b"hello", "text/html; charset=utf-8")
    answer = await client.get("/_apps/site/", headers={"authorization": ""})
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-length"] == "5"
    assert answer.headers["last-modified"] == "Sat, 07 Mar 2026 17:01:00 GMT"
    assert answer.headers["date"] == "Sat, 07 Mar 2026 17:01:00 GMT"
    etag = answer.headers["etag"]
    platform.put_file("site", "index.html", b"HELLO", "text/html; charset=utf-8")
    purge(platform)
    assert (await client.get("/_apps/site/")).headers["etag"] != etag


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("", b"home"),
        ("/", b"home"),
        ("/docs/", b"docs"),
        ("/docs/index.html", b"docs"),
        ("/a%20b", b"ab"),
    ],
)
async def test_where_pages_are(client, platform, path, content):
    """A folder is its index.html."""
    platform.put_file("site", "index.html", b"home")
    platform.put_file("site", "docs/index.html", b"docs")
    platform.put_file("site", "a b", b"ab")
    answer = await client.get(f"/_apps/site{path}")
    assert (answer.status_code, answer.content) == (200, content)


async def test_missing_pages(client, platform):
    """404, with the site's own 404.html when it has one."""
    answer = await client.get("/_apps/site/nope")
    assert (answer.status_code, "not found" in answer.text) == (404, True)
    platform.put_file("site", "404.html", b"lost?", "text/html")
    purge(platform)
    answer = await client.get("/_apps/site/nope")
    assert (answer.status_code, answer.content) == (404, b"lost?")
    assert (await client.get("/_apps/nope/")).status_code == 404


async def test_only_a_purge_refreshes(client, platform):
    """New, changed and deleted files show after finalize, not before, whatever the client asks for."""
    platform.put_file("site", "changed", b"old", "text/plain")
    platform.put_file("site", "deleted", b"old")

    async def seen(**headers: str) -> list[tuple[int, bytes, str]]:
        answers = [
            await client.get(f"/_apps/site/{n}", headers=headers) for n in ("changed", "deleted", "new")
        ]
        return [(answer.status_code, answer.content, answer.headers["x-cache"]) for answer in answers]

    first = await seen()
    assert [row[0] for row in first] == [200, 200, 404]
    assert [row[2] for row in first] == ["MISS"] * 3
    platform.put_file("site", "changed", b"new", "text/css")
    platform.delete_file("site", "deleted")
    platform.put_file("site", "new", b"new")
    cached = [(status, content, "HIT") for status, content, _ in first]
    assert await seen() == cached
    assert await seen(cache_control="no-cache", pragma="no-cache") == cached
    purge(platform)
    assert [row[0] for row in await seen()] == [200, 404, 200]
    answer = await client.get("/_apps/site/changed")
    assert (answer.content, answer.headers["content-type"]) == (b"new", "text/css")


async def test_a_query_string_is_part_of_the_key(client, platform):
    """So a unique one reads past the cache."""
    platform.put_file("site", "a", b"old")
    await client.get("/_apps/site/a")
    platform.put_file("site", "a", b"new")
    assert (await client.get("/_apps/site/a")).content == b"old"
    assert (await client.get("/_apps/site/a?1")).content == b"new"


async def test_the_app_has_a_host_name_too(client, platform):
    platform.put_file("site", "index.html", b"home")
    for host in ("site.localhost", "site.localhost:8080"):
        answer = await client.get("/", headers={"host": host})
        assert (answer.status_code, answer.content) == (200, b"home")


@pytest.mark.parametrize(
    ("path", "there"), [("", "/"), ("/", "/"), ("/a%20b/?c=d%2F", "/a%20b/?c=d%2F"), ("//evil", "//evil")]
)
async def test_a_browser_is_sent_to_the_apps_own_origin(client, server, path, there):
    """A page's scripts have their own origin there, and relative links lead where they should."""
    answer = await client.get(f"/_apps/site{path}", headers={"sec-fetch-mode": "navigate"})
    port = server.url.rpartition(":")[2]
    assert (answer.status_code, answer.headers["location"]) == (307, f"http://site.localhost:{port}{there}")


async def test_what_a_browser_gets_below_apps_all_the_same_is_in_a_sandbox(client, platform):
    """So its scripts have no origin, least of all the sandbox's own."""
    platform.put_file("site", "index.html", b"home")
    assert (await client.get("/_apps/site/")).headers["content-security-policy"] == "sandbox allow-scripts"
    own = await client.get("/", headers={"host": "site.localhost"})
    assert "content-security-policy" not in own.headers

import pytest

from sandbox.platform import Platform


def purge(platform: Platform) -> None:
    platform.take_lock("site", "s")
    platform.finalize("site", "s", files_uploaded=0, files_deleted=0, total_bytes=0)


async def test_the_cdn_serves_index_html_and_404_html(client, platform):
    """A folder shows its index.html, and a missing page the site's own 404.html, without a key."""
    for path in ("index.html", "docs/index.html", "a b", "404.html"):
        platform.put_file("site", path, path.encode(), "text/html; charset=utf-8")
    pages = {"": "index.html", "/docs/": "docs/index.html", "/a%20b": "a b", "/nope": "404.html"}
    for path, content in pages.items():
        answer = await client.get(f"/_apps/site{path}", headers={"authorization": ""})
        assert (answer.status_code, answer.text) == (404 if path == "/nope" else 200, content)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/", headers={"host": "site.localhost:8080"})).text == "index.html"


async def test_clean_urls_redirect_to_existing_pages(client, platform):
    """Only existing pages redirect. The redirect drops the query and leads to a URL that serves the page."""
    for path in ("index.html", "docs/index.html", "docs/a b.html", "style.css"):
        platform.put_file("site", path, path.encode())
    platform.dialect.speak("clean-urls=308")
    redirects = {"index.html?x=1": "./", "docs/index.html": "./", "docs/a%20b.html?x=1": "./a%20b"}
    for path, location in redirects.items():
        answer = await client.get(f"/_apps/site/{path}")
        assert (answer.status_code, answer.headers["location"]) == (308, location)
    pages = {
        "": "index.html",
        "docs/": "docs/index.html",
        "docs/a%20b": "docs/a b.html",
        "style.css": "style.css",
    }
    for path, content in pages.items():
        answer = await client.get(f"/_apps/site/{path}")
        assert (answer.status_code, answer.text) == (200, content)
    assert (await client.get("/_apps/site/nope.html")).status_code == 404


async def test_the_cdn_shows_changes_only_after_finalize(client, platform):
    """Before finalize, only another query shows new, changed and deleted files."""
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
    assert (await client.get("/_apps/site/changed?1")).content == b"new"
    purge(platform)
    assert [row[0] for row in await seen()] == [200, 404, 200]


@pytest.mark.parametrize(
    ("path", "there"), [("", "/"), ("/a%20b/?c=d%2F", "/a%20b/?c=d%2F"), ("//evil", "//evil")]
)
async def test_a_browser_is_redirected_to_the_apps_own_origin(client, server, path, there):
    """The page's scripts get their own origin there, and relative links work."""
    answer = await client.get(f"/_apps/site{path}", headers={"sec-fetch-mode": "navigate"})
    port = server.url.rpartition(":")[2]
    assert (answer.status_code, answer.headers["location"]) == (307, f"http://site.localhost:{port}{there}")


async def test_a_page_below_apps_runs_in_a_browser_sandbox(client, platform):
    """Its scripts have no origin, so they can't use the sandbox's own origin."""
    platform.put_file("site", "index.html", b"home")
    assert (await client.get("/_apps/site/")).headers["content-security-policy"] == "sandbox allow-scripts"
    own = await client.get("/", headers={"host": "site.localhost"})
    assert "content-security-policy" not in own.headers

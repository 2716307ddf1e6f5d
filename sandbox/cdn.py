"""CDN that serves the apps' URLs, `/_apps/NAME/`.

The CDN caches the first response for a path and query string, even a 404, until finalize purges the app. Like
most CDNs, it includes the query string in the cache's key, and ignores `Cache-Control: no-cache` in a
request.
"""

import html
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.addresses import app_of, decode_segment, is_hidden, site_url
from sandbox.apps import Apps
from sandbox.store import RUNNING, App, File, Part

PREFIX = "/_apps/"
_NOT_UP = 60.0
"""Seconds for which a new app's URL responds with a 404, if `url` is `late`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response at an app's URL."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Cdn(Part):
    """Serves the apps of one platform."""

    _apps: Apps
    pages: dict[str, Page] = field(default_factory=dict)
    """Responses of running container apps by name; by default, an app responds with its image's name."""
    _cache: dict[str, dict[tuple[str, str], Page]] = field(default_factory=dict)

    def get(self, name: str, raw_path: str, query: str) -> tuple[Page, bool]:
        """Return the response for an encoded path below the app's URL, and whether it came from the cache."""
        app = self._store.get(App, name)
        if app is None:
            return _text(404, "no such app"), False
        if page := self._barrier(app):
            return page, False
        if app.type == "container":
            return self._container(app), False
        cache = self._cache.setdefault(name, {})
        key = (raw_path, query)
        if page := cache.get(key):
            return page, True
        return cache.setdefault(key, self._static(name, raw_path)), False

    def knows(self, name: str) -> bool:
        """Whether an app with this name exists."""
        return self._store.get(App, name) is not None

    def purge(self, name: str) -> None:
        """Remove the app's responses from the cache."""
        self._cache.pop(name, None)

    def _barrier(self, app: App) -> Page | None:
        """Return the response that hides the app, if the API variant has one."""
        match self._dialect["url"]:
            case "late" if self._clock() - app.created_at < _NOT_UP:
                return _text(404, "not up yet")
            case "redirect":
                return Page(302, b"", {"location": "https://elsewhere.invalid/", "content-length": "0"})
            case "login":
                return _text(401, "log in")
        return None

    def _container(self, app: App) -> Page:
        app = self._apps.serving(app)
        status = self._apps.status(app)
        if status != RUNNING:
            return _text(503, f"{app.name} is {status}")
        return self.pages.get(app.name) or _text(200, f"{app.name} runs {app.image}")

    def _static(self, name: str, raw_path: str) -> Page:
        path = "/".join(map(decode_segment, raw_path.removeprefix("/").split("/")))
        is_folder = not path or path.endswith("/")
        if is_folder:
            path += "index.html"
        file = self._served(name, path)
        if (status := self._dialect["clean-urls"]) != "no":
            if file and path.endswith(".html") and not is_folder:
                return _redirect_to_clean_url(int(status), path)
            file = file or self._served(name, f"{path}.html")
        if file:
            return self._file_page(200, file)
        if file := self._store.get(File, name, "404.html"):
            return self._file_page(404, file)
        return _text(404, "not found")

    def _served(self, name: str, path: str) -> File | None:
        """Return the file at a path, unless the API variant hides the file from visitors."""
        is_served = self._dialect["hidden"] != "unserved" or not is_hidden(path)
        return self._store.get(File, name, path) if is_served else None

    def _file_page(self, status: int, file: File) -> Page:
        headers = {
            "content-type": file.content_type,
            "content-length": str(file.length),
            "etag": f'"{file.blob:x}-{int(file.modified):x}"',
            "last-modified": formatdate(file.modified, usegmt=True),
        }
        return Page(status, self._store.blob_path(file.blob).read_bytes(), headers)


def _redirect_to_clean_url(status: int, path: str) -> Page:
    """Return the redirect from `a/b.html` to `a/b`, or from `a/index.html` to `a/`, without the query."""
    last = path.rpartition("/")[2]
    clean = "" if last == "index.html" else last.removesuffix(".html")
    return Page(status, b"", {"location": f"./{quote(clean)}", "content-length": "0"})


def _text(status: int, text: str) -> Page:
    body = f"<!doctype html><title>{html.escape(text)}</title><p>{html.escape(text)}</p>\n".encode()
    return Page(status, body, {"content-type": "text/html; charset=utf-8", "content-length": str(len(body))})


async def serve_site(request: Request) -> Response:
    """Handle a request below `/_apps/NAME`.

    The CDN redirects browsers to the app's own origin. Any other response gets a content security policy, so
    that an app's script can't act as the sandbox's page.
    """
    cdn: Cdn = request.state.platform.cdn
    name, _, rest = request.scope["path"].removeprefix(PREFIX).partition("/")
    if request.method not in {"GET", "HEAD"}:
        return Response("Method not allowed\n", 405, {"allow": "GET, HEAD"})
    page, cached = cdn.get(decode_segment(name), rest, request.url.query)
    headers = {**page.headers, "x-cache": "HIT" if cached else "MISS"}
    if app_of(request) is None:
        url = f"{site_url(request, name)}/{rest}"
        is_visited = request.headers.get("sec-fetch-mode") == "navigate" and cdn.knows(name)
        if is_visited and request.scope["path"] != url:
            return RedirectResponse(f"{url}?{request.url.query}" if request.url.query else url, 307)
        headers["content-security-policy"] = "sandbox allow-scripts"
    return Response(page.body, page.status, headers)

from __future__ import annotations

import pytest

from zerokie_action.files.content_type import content_type, is_page


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("site.webmanifest", "application/manifest+json"),
        ("sitemap.xml", "application/xml"),
        ("robots.txt", "text/plain; charset=utf-8"),
        ("logo.svg", "image/svg+xml"),
        ("favicon.ico", "image/vnd.microsoft.icon"),
        ("font.woff2", "font/woff2"),
        ("engine.wasm", "application/wasm"),
        ("film.mp4", "video/mp4"),
        ("source.tar.gz", "application/gzip"),
    ],
)
def test_what_sites_are_made_of(path, expected):
    """Text names its charset; JSON and XML, which have their own rules for it, do not."""
    assert content_type(path) == expected


def test_the_case_of_an_extension_does_not_matter():
    """Cameras write `.JPG`."""
    assert content_type("DSC_0001.JPG") == "image/jpeg"
    assert content_type("INDEX.HtMl") == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["LICENSE", "html", "a.html/b", "a.unknown", "a.", "a.html.", "a.html ", "", "js/app"]
)
def test_the_unknown(path):
    """Without a known extension it is just bytes."""
    assert content_type(path) == "application/octet-stream"


def test_well_known_resources_without_an_extension():
    """Apple and others take these as JSON or not at all; elsewhere the same name means nothing."""
    assert content_type(".well-known/apple-app-site-association") == "application/json"
    assert content_type("apple-app-site-association") == "application/json"
    assert content_type(".well-known/openid-configuration") == "application/json"
    assert content_type(".well-known/webfinger") == "application/jrd+json"
    assert content_type("docs/.well-known/openid-configuration") == "application/octet-stream"
    assert content_type(".well-known/acme-challenge/token") == "application/octet-stream"


def test_pages():
    """Only HTML waits for everything else."""
    assert [path for path in ("a.html", "a.HTM", "a.xhtml", "a.svg", "a.css", "html") if is_page(path)] == [
        "a.html",
        "a.HTM",
        "a.xhtml",
    ]

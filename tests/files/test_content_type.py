import pytest

from zerokie_action.files.content_type import content_type, is_page


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("logo.svg", "image/svg+xml"),
        ("source.tar.gz", "application/gzip"),
        ("DSC_0001.JPG", "image/jpeg"),
        (".well-known/apple-app-site-association", "application/json"),
        (".well-known/webfinger", "application/jrd+json"),
        *((path, "application/octet-stream") for path in ("LICENSE", "html", "a.html/b", "a.", "a.html ")),
        ("docs/.well-known/webfinger", "application/octet-stream"),
    ],
)
def test_what_sites_are_made_of(path, expected):
    """Text names its charset; JSON and XML, which have their own rules for it, do not."""
    assert content_type(path) == expected


def test_pages():
    """Only HTML waits for everything else."""
    pages = [path for path in ("a.html", "a.HTM", "a.xhtml", "a.svg", "a.css", "html") if is_page(path)]
    assert pages == ["a.html", "a.HTM", "a.xhtml"]

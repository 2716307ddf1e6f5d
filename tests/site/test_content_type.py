import hashlib
import mimetypes

import pytest

from zerokie_action.site import content_type as module
from zerokie_action.site.content_type import VERSION, content_type, is_page

OF_ALL_PYTHONS = "92dc78d4674c"
"""The hash of Python's own types that the module uses, which Python 3.11 to 3.14 have in common."""


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
    ],
)
def test_text_names_its_charset(path, expected):
    """Text names its charset; JSON and XML, which have their own rules for it, do not."""
    assert content_type(path) == expected


def test_only_html_is_a_page():
    """Only HTML waits for everything else."""
    pages = [path for path in ("a.html", "a.HTM", "a.xhtml", "a.svg", "a.css", "html") if is_page(path)]
    assert pages == ["a.html", "a.HTM", "a.xhtml"]


def test_the_version_stands_for_the_tables() -> None:
    """Whoever changes a table raises the version: files that were sent with another type are sent again."""
    tables = repr((sorted(module._BY_EXTENSION.items()), sorted(module._BY_PATH.items())))
    assert (VERSION, hashlib.sha256(tables.encode()).hexdigest()[:12]) == (1, "81cf48537194")


def test_the_types_are_the_same_with_every_python() -> None:
    """What Python's own table adds to the module's is the same in each version."""
    theirs = {
        ending: found
        for ending, found in mimetypes.MimeTypes(()).types_map[True].items()
        if ending.removeprefix(".") not in module._BY_EXTENSION
    }
    assert hashlib.sha256(repr(sorted(theirs.items())).encode()).hexdigest()[:12] == OF_ALL_PYTHONS

import hashlib
import mimetypes

import pytest

from zerokie_action.site import content_type as module
from zerokie_action.site.content_type import VERSION, content_type, is_page

OF_ALL_PYTHONS = "92dc78d4674c"
"""The hash of Python's own types that the module uses. It is the same for Python 3.11 to 3.14."""


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
def test_the_content_type_of_a_path(path, expected):
    """Text has a charset. JSON and XML don't, because they have their own rules."""
    assert content_type(path) == expected


def test_only_html_is_a_page():
    """A deploy uploads pages last."""
    pages = [path for path in ("a.html", "a.HTM", "a.xhtml", "a.svg", "a.css", "html") if is_page(path)]
    assert pages == ["a.html", "a.HTM", "a.xhtml"]


def test_the_version_changes_with_the_tables() -> None:
    """If you change a table, raise the version, so that deploys upload the files again with the new type."""
    tables = repr((sorted(module._BY_EXTENSION.items()), sorted(module._BY_PATH.items())))
    assert (VERSION, hashlib.sha256(tables.encode()).hexdigest()[:12]) == (1, "81cf48537194")


def test_the_types_are_the_same_in_every_python() -> None:
    """Python's table adds the same types to the module's in each version."""
    from_python = {
        ending: found
        for ending, found in mimetypes.MimeTypes(()).types_map[True].items()
        if ending.removeprefix(".") not in module._BY_EXTENSION
    }
    assert hashlib.sha256(repr(sorted(from_python.items())).encode()).hexdigest()[:12] == OF_ALL_PYTHONS

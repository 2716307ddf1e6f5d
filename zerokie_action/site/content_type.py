"""The Content-Type of a file by name.

The types come from Python's table and from additions that are registered with IANA or used by browsers. Each
machine sends the same types, because this module doesn't read the machine's own tables. Text gets
`charset=utf-8`. JSON is always UTF-8 and has no such parameter. XML (SVG, RSS, …) declares its own encoding,
and a charset would override the declaration.
"""

from functools import cache
from mimetypes import MimeTypes

VERSION = 1
"""The version of the tables below. Raise it with each change, so that all files are uploaded again."""
_UNKNOWN = "application/octet-stream"
_JSON = "application/json"
_PAGES = ("text/html", "application/xhtml+xml")

_BY_EXTENSION = {
    # Pages, scripts, text
    "xhtml": "application/xhtml+xml",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "md": "text/markdown",
    "ics": "text/calendar",
    # Data
    "map": _JSON,
    "geojson": "application/geo+json",
    "jsonld": "application/ld+json",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "xml": "application/xml",
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "gz": "application/gzip",
    # Images, fonts
    "webp": "image/webp",
    "woff2": "font/woff2",
    "woff": "font/woff",
    "ttf": "font/ttf",
    "otf": "font/otf",
    # Audio, video, 3D
    "m4a": "audio/mp4",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4v": "video/mp4",
    "m4s": "video/iso.segment",
    "ogv": "video/ogg",
    "ts": "video/mp2t",  # A site that serves `.ts` serves HLS segments; browsers run no TypeScript.
    "mpd": "application/dash+xml",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
}

_NOT_IN_EACH_PYTHON = (
    "7z=application/x-7z-compressed deb=application/x-debian-package epub=application/epub+zip "
    "php=application/x-httpd-php rar=application/vnd.rar rpm=application/x-rpm toml=application/toml "
    "ogx=application/ogg texi=application/texinfo texinfo=application/texinfo "
    "eot=application/vnd.ms-fontobject "
    "docx=application/vnd.openxmlformats-officedocument.wordprocessingml.document "
    "pptx=application/vnd.openxmlformats-officedocument.presentationml.presentation "
    "xlsx=application/vnd.openxmlformats-officedocument.spreadsheetml.sheet "
    "odg=application/vnd.oasis.opendocument.graphics odp=application/vnd.oasis.opendocument.presentation "
    "ods=application/vnd.oasis.opendocument.spreadsheet odt=application/vnd.oasis.opendocument.text "
    "wav=audio/vnd.wave mka=audio/matroska weba=audio/webm emf=image/emf wmf=image/wmf fits=image/fits "
    "g3=image/g3fax jp2=image/jp2 jpm=image/jpm jpx=image/jpx pct=image/pict t38=image/t38 "
    "tfx=image/tiff-fx stl=model/stl markdown=text/markdown rst=text/x-rst rtf=text/rtf avi=video/vnd.avi "
    "mkv=video/matroska mk3d=video/matroska-3d "
)
"""Types that differ between Python 3.11 and 3.14. With them, a file has one type in all versions."""
_BY_EXTENSION |= dict(entry.split("=") for entry in _NOT_IN_EACH_PYTHON.split())

# Readers of these well-known resources (RFC 8615) accept only these types.
_BY_PATH = {
    "apple-app-site-association": _JSON,
    ".well-known/apple-app-site-association": _JSON,
    ".well-known/atproto-did": "text/plain",
    ".well-known/matrix/client": _JSON,
    ".well-known/matrix/server": _JSON,
    ".well-known/openid-configuration": _JSON,
    ".well-known/webfinger": "application/jrd+json",
}


def content_type(path: str) -> str:
    """Return the Content-Type of the file at this path. The extension's case doesn't matter."""
    _, dot, extension = path.rpartition(".")
    extension = dot and extension.lower()
    kind = (
        _BY_EXTENSION.get(extension) or _python_types().get(f".{extension}") or _BY_PATH.get(path, _UNKNOWN)
    )
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def is_page(path: str) -> bool:
    """Return whether the file is a page. Pages refer to other files, so they are uploaded last."""
    return content_type(path).startswith(_PAGES)


def page_address(path: str) -> str:
    """Return the address of a page: `about` for `about.html` and for `about/index.html`."""
    page = path.rpartition(".")[0]
    return "" if page == "index" else page.removesuffix("/index")


# Not at import time, because `mimetypes` first reads the system's files.
@cache
def _python_types() -> dict[str, str]:
    """Return Python's own types by extension, which starts with a dot."""
    return MimeTypes(()).types_map[True]

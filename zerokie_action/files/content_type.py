"""The Content-Type of a file, by its name: from Python's table, with additions and corrections.

The added types are registered with IANA, or are the types that browsers use. The machine's own tables are not
read. Text types get `charset=utf-8`. JSON gets no charset: it has no such parameter and is always UTF-8. XML
(SVG, RSS, …) gets none either: an XML file declares its encoding, and a charset would overrule the
declaration.
"""

from __future__ import annotations

from functools import cache
from mimetypes import MimeTypes

_UNKNOWN = "application/octet-stream"
_PLAIN = "text/plain"
_JSON = "application/json"
_PAGES = ("html", "htm", "xhtml")

_BY_EXTENSION = {
    # Pages, scripts
    "xhtml": "application/xhtml+xml",
    "js": "text/javascript",
    "mjs": "text/javascript",
    # Text
    "md": "text/markdown",
    "ics": "text/calendar",
    "vcf": "text/vcard",
    # Data
    "map": _JSON,
    "geojson": "application/geo+json",
    "jsonld": "application/ld+json",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    # XML
    "xml": "application/xml",
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "gpx": "application/gpx+xml",
    # Images
    "apng": "image/apng",
    "webp": "image/webp",
    "jxl": "image/jxl",
    # Fonts
    "woff2": "font/woff2",
    "woff": "font/woff",
    "ttf": "font/ttf",
    "otf": "font/otf",
    # Audio
    "m4a": "audio/mp4",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    # Video
    "m4v": "video/mp4",
    "m4s": "video/iso.segment",
    "ogv": "video/ogg",
    "ts": "video/mp2t",  # A site that serves `.ts` serves HLS segments; browsers run no TypeScript.
    "mpd": "application/dash+xml",
    # 3D
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "stl": "model/stl",
    "usdz": "model/vnd.usdz+zip",
    # Documents
    "epub": "application/epub+zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    # Archives and programs
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "apk": "application/vnd.android.package-archive",
    # Keys, signatures, device files
    "asc": _PLAIN,
    "pem": "application/x-pem-file",
    "pkpass": "application/vnd.apple.pkpass",
    "mobileconfig": "application/x-apple-aspen-config",
}

# Well-known resources without an extension (RFC 8615), whose readers accept only these types.
_BY_PATH = {
    "apple-app-site-association": _JSON,
    ".well-known/apple-app-site-association": _JSON,
    ".well-known/apple-developer-merchantid-domain-association": _PLAIN,
    ".well-known/api-catalog": "application/linkset+json",
    ".well-known/atproto-did": _PLAIN,
    ".well-known/discord": _PLAIN,
    ".well-known/host-meta": "application/xrd+xml",
    ".well-known/jwks": "application/jwk-set+json",
    ".well-known/matrix/client": _JSON,
    ".well-known/matrix/server": _JSON,
    ".well-known/matrix/support": _JSON,
    ".well-known/nodeinfo": _JSON,
    ".well-known/oauth-authorization-server": _JSON,
    ".well-known/oauth-protected-resource": _JSON,
    ".well-known/openid-configuration": _JSON,
    ".well-known/passkey-endpoints": _JSON,
    ".well-known/traffic-advice": "application/trafficadvice+json",
    ".well-known/web-identity": _JSON,
    ".well-known/webauthn": _JSON,
    ".well-known/webfinger": "application/jrd+json",
}


def content_type(path: str) -> str:
    """Return the Content-Type of the file at this path. The case of the extension does not matter."""
    extension = _extension(path)
    found = (
        _BY_EXTENSION.get(extension) or _python_types().get(f".{extension}") or _BY_PATH.get(path, _UNKNOWN)
    )
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def is_page(path: str) -> bool:
    """Whether the file is a page. Pages refer to other files, so they are uploaded last."""
    return _extension(path) in _PAGES


def _extension(path: str) -> str:
    _, dot, extension = path.rpartition(".")
    return dot and extension.lower()


@cache
def _python_types() -> dict[str, str]:
    return MimeTypes(()).types_map[True]

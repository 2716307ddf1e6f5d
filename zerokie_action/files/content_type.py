"""The Content-Type of a file, by its name: one fixed table, the same on every machine.

The types are IANA's, or else what browsers use. Text says `charset=utf-8`. JSON does not: it has no
such parameter and is always UTF-8. Nor does XML (SVG, RSS, …): it declares its own encoding, UTF-8
by default, and a parameter would overrule that.
"""

from __future__ import annotations

_UNKNOWN = "application/octet-stream"
_HTML = "text/html; charset=utf-8"
_XHTML = "application/xhtml+xml"
_PLAIN = "text/plain; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_JSON = "application/json"
_XML = "application/xml"

_BY_EXTENSION = {
    # Pages, styles, scripts
    "html": _HTML,
    "htm": _HTML,
    "xhtml": _XHTML,
    "css": "text/css; charset=utf-8",
    "js": _JAVASCRIPT,
    "mjs": _JAVASCRIPT,
    "wasm": "application/wasm",
    # Text
    "txt": _PLAIN,
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ics": "text/calendar; charset=utf-8",
    "vcf": "text/vcard; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    # Data
    "json": _JSON,
    "map": _JSON,
    "webmanifest": "application/manifest+json",
    "geojson": "application/geo+json",
    "jsonld": "application/ld+json",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    # XML
    "xml": _XML,
    "xsl": _XML,
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "gpx": "application/gpx+xml",
    # Images
    "svg": "image/svg+xml",
    "png": "image/png",
    "apng": "image/apng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "jxl": "image/jxl",
    "heic": "image/heic",
    "ico": "image/vnd.microsoft.icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    # Fonts
    "woff2": "font/woff2",
    "woff": "font/woff",
    "ttf": "font/ttf",
    "otf": "font/otf",
    # Audio
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    # Video
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "m4s": "video/iso.segment",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mov": "video/quicktime",
    "ts": "video/mp2t",  # A site that serves `.ts` serves HLS segments; browsers run no TypeScript.
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    # 3D
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "stl": "model/stl",
    "usdz": "model/vnd.usdz+zip",
    # Documents
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    # Archives and programs
    "zip": "application/zip",
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "tar": "application/x-tar",
    "apk": "application/vnd.android.package-archive",
    # Keys, signatures, device files
    "asc": _PLAIN,
    "pem": "application/x-pem-file",
    "pkpass": "application/vnd.apple.pkpass",
    "mobileconfig": "application/x-apple-aspen-config",
}

# Well-known resources without an extension (RFC 8615) that their readers accept as nothing else.
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
    """Return the Content-Type of the file at this path; the case of its extension does not matter."""
    _, dot, extension = path.rpartition(".")
    return (dot and _BY_EXTENSION.get(extension.lower())) or _BY_PATH.get(path, _UNKNOWN)


def is_page(path: str) -> bool:
    """Whether the file is a page that refers to others, and therefore goes live after them."""
    return content_type(path) in {_HTML, _XHTML}

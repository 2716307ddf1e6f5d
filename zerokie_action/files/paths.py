"""Which paths a URL can name."""

_RESOLVED_SEGMENTS = frozenset(("", ".", ".."))


def is_addressable(path: str) -> bool:
    """Whether `…/files/{path}`, percent-encoded segment by segment, names exactly this file.

    An empty, `.` or `..` segment does not survive: URL libraries, proxies and servers resolve it to
    another path, encoded or not. Half of a surrogate pair, which a JSON text can carry and a name that
    is not UTF-8 turns into, has no encoding at all.
    """
    return _RESOLVED_SEGMENTS.isdisjoint(path.split("/")) and _is_encodable(path)


def _is_encodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True

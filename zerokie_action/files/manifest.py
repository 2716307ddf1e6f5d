"""What earlier deploys proved about the storage zone, kept in the zone itself.

The platform's listing has no hashes, and a length alone proves nothing. So every deploy that changes
something leaves a manifest: of each file its SHA-256, its length, and the `lastModified` that the platform
showed after our upload. As long as the listing shows the same length and `lastModified`, the content is
the one that has this hash.

Everybody can read the zone, so the manifest has a random name, which nobody can guess. The name is new for
each one: no cache can hold an older one under it. `operations.zone` keeps it true while files are written.
"""

from __future__ import annotations

import json
import os
import re
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pydantic_core import from_json

from zerokie_action.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MANIFEST_FOLDER = ".zerokie/"

_VERSION = 2
_HASH_LENGTH = 64
_RENDERED_AT_ONCE = 1000
_MANIFEST_PATH = re.compile(re.escape(MANIFEST_FOLDER) + r"[0-9a-f]{64}\.json")


Manifest = dict[str, str]
"""What is proved of each path: `proof` of what the storage zone holds there."""


class Document(NamedTuple):
    """A manifest as it is stored.

    Attributes:
        files: what it vouches for.
        owner: who deployed last; older versions did not say.
    """

    files: Manifest
    owner: Owner = Owner()


class RemoteFile(Protocol):
    """A file in the app's storage zone, as the platform lists it (`GET /v1/apps/:name/files`)."""

    @property
    def path(self) -> str:
        """Relative, `/` between the segments, not encoded."""

    @property
    def length(self) -> int:
        """In bytes."""

    @property
    def last_modified(self) -> str:
        """The listing's own text, for instance `2026-03-07T17:00:00Z`."""


class SentFile(Protocol):
    """An upload that the platform confirmed."""

    @property
    def sha256(self) -> str:
        """Of the bytes that were sent, in hex."""

    @property
    def size(self) -> int:
        """In bytes."""


def proof(sha256: str, length: int, last_modified: str) -> str:
    """Return as one text (a hundred thousand of them are in memory) what identifies a content in the zone.

    Args:
        sha256: of the content, in hex.
        length: in bytes.
        last_modified: the listing's own text.
    """
    return f"{sha256} {length} {last_modified}"


def proved_sha256(known: str) -> str:
    """Return the SHA-256 in a `proof`."""
    return known[:_HASH_LENGTH]


def new_manifest_path() -> str:
    """Return a remote path for a new manifest, which nobody can guess."""
    return f"{MANIFEST_FOLDER}{os.urandom(32).hex()}.json"


def is_manifest_path(path: str) -> bool:
    """Whether this is a manifest."""
    return _MANIFEST_PATH.fullmatch(path) is not None


def render(files: Iterable[tuple[str, str]], owner: Owner, *, app: str) -> bytes:
    """Return a manifest as JSON, in memory once; `files` are the items of a `Manifest`."""
    body = BytesIO()  # which hands out what it holds without a copy
    body.write(b'{"version":%d,"app":%b,' % (_VERSION, _json(app)))
    if owner.is_known:
        body.write(b'"owner":%b,' % _json(owner._asdict()))
    body.write(b'"files":{')
    left = iter(files)
    separator = b""
    while batch := dict(islice(left, _RENDERED_AT_ONCE)):
        body.write(separator + _json(batch)[1:-1])
        separator = b","
    body.write(b"}}")
    return body.getvalue()


def parse(data: bytes, *, app: str) -> Document | None:
    """Return the manifest, or `None` for anything but one of this app. Unknown members are ignored."""
    try:
        document = from_json(data)
    except ValueError:
        return None
    if not isinstance(document, dict) or (document.get("version"), document.get("app")) != (_VERSION, app):
        return None
    files = document.get("files")
    if not isinstance(files, dict) or not all(isinstance(known, str) for known in files.values()):
        return None
    return Document(files, _owner(document.get("owner")))


def _owner(member: object) -> Owner:
    """What a manifest says of its owner; anything but a text is not known."""
    fields = member if isinstance(member, dict) else {}
    return Owner(**{name: fields[name] for name in Owner._fields if isinstance(fields.get(name), str)})


def entries(
    shown: Mapping[str, RemoteFile | None],
    *,
    proved: Manifest,
    uploaded: Mapping[str, SentFile],
    before: Mapping[str, RemoteFile] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield each path of the listing whose content is proved, and what proves it.

    Of an upload these are the bytes that were sent, if the listing shows their length and a time. How
    the platform writes times, and what its clock says, does not matter: the text is compared.
    Any other file keeps what proved it, as long as the listing agrees.

    Args:
        shown: the listing by path, taken after the uploads.
        proved: what was proved of files that were not uploaded.
        uploaded: what was uploaded and confirmed before the listing was asked for.
        before: what a listing showed before the uploads. One that looks as before may not have
            reached the platform, and proves nothing.
    """
    for path, remote in shown.items():
        if remote is None:
            continue
        record, known = uploaded.get(path), proved.get(path)
        if record is not None:
            is_new = before is None or before.get(path) != remote
            if is_new and is_shown(record, remote):
                yield path, proof(record.sha256, record.size, remote.last_modified)
        elif known is not None and still_proves(known, remote):
            yield path, known


def is_shown(sent: SentFile, remote: RemoteFile) -> bool:
    """Whether the listing shows the length of an upload, and a time."""
    return bool(remote.last_modified) and remote.length == sent.size


def still_proves(known: str, remote: RemoteFile) -> bool:
    """Whether the listing shows a file as it did when that was proved."""
    return known == proof(proved_sha256(known), remote.length, remote.last_modified)


def without(manifest: Manifest, paths: Iterable[str]) -> Manifest:
    """Return the manifest without the entries of these paths."""
    gone = set(paths)
    return {path: known for path, known in manifest.items() if path not in gone}


def _json(content: str | Manifest) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

"""What earlier deploys proved about the storage zone, kept in the zone itself.

The platform's listing has no hashes, and a length alone proves nothing. So every successful deploy
leaves a manifest: of each file its SHA-256, its length, and the `lastModified` that the platform
showed after our upload. As long as the listing shows the same length and `lastModified`, the
content is the one that has this hash.

Everybody can read the zone, and whoever has access to the storage can write there. So the
manifest's name is an HMAC of the API key and the app, which nobody can guess, and its content
ends with a MAC made with the API key: one that is damaged, cut off, forged, or made by another
key or for another app is no manifest. An old one that somebody puts back does no harm: what it
says counts only where the listing still agrees.
"""

from __future__ import annotations

import hmac
import json
import math
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zerokie_action.files.local import LocalFile

MANIFEST_FOLDER = ".zerokie/"

# Another format gets another number: the MAC of the old one then no longer fits.
_VERSION = 1
_HASH_LENGTH = 64
_RENDERED_AT_ONCE = 1000
_SEAL_LENGTH = len(',"mac":""}') + 64
_MANIFEST_PATH = re.compile(re.escape(MANIFEST_FOLDER) + r"[0-9a-f]{64}\.json")


Manifest = dict[str, str]
"""What is proved of each path: `proof` of what the storage zone holds there."""


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


class Receipt(NamedTuple):
    """What is known of an upload that the platform confirmed.

    Attributes:
        sha256: of the content, in hex.
        answered: the second of the platform's answer, by its own clock; infinity when it does not say.
    """

    sha256: str
    answered: float


def proof(sha256: str, length: int, last_modified: str) -> str:
    """Return as one text (a hundred thousand of them are in memory) what identifies a content in the zone.

    Args:
        sha256: of the content, in hex.
        length: in bytes.
        last_modified: the listing's own text.
    """
    return f"{sha256} {length} {last_modified}"


def manifest_path(api_key: str, app: str) -> str:
    """Return the remote path of the manifest; nobody without the API key can guess it."""
    return f"{MANIFEST_FOLDER}{_derive(api_key, app, 'name').hex()}.json"


def is_manifest_path(path: str) -> bool:
    """Whether this is the manifest of some API key."""
    return _MANIFEST_PATH.fullmatch(path) is not None


def render(manifest: Manifest, *, api_key: str, app: str) -> bytearray:
    """Return the manifest as JSON; the same entries give the same bytes, which are in memory once."""
    paths = sorted(manifest)
    body = bytearray(b'{"app":%b,"files":{' % _json(app))
    for start in range(0, len(paths), _RENDERED_AT_ONCE):
        batch = {path: manifest[path] for path in paths[start : start + _RENDERED_AT_ONCE]}
        body += b"," * bool(start) + _json(batch)[1:-1]
    body += b'},"version":%d' % _VERSION
    body += _seal(body, api_key, app)
    return body


def parse(data: bytes | bytearray, *, api_key: str, app: str) -> Manifest | None:
    """Return the manifest, or `None` for anything but what `render` made with this key for this app.

    The MAC is checked first: nothing that others wrote is ever parsed.
    """
    body, seal = memoryview(data)[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if not hmac.compare_digest(seal, _seal(body, api_key, app)):
        return None
    manifest: Manifest = from_json(data)["files"]
    return manifest


def entries_to_record(
    files: Iterable[LocalFile],
    listing: Iterable[RemoteFile],
    *,
    unchanged: Manifest,
    uploaded: Mapping[str, Receipt],
    now: float,
) -> Manifest:
    """Return what this deploy has proved, for the next one to rely on.

    An upload is proved when the listing shows its length, and a `lastModified` that is

    - not later than the platform's answer to our upload: a later one is somebody else's write;
    - in a second that was over before the listing was asked for. `lastModified` has whole seconds,
      so that within its second somebody else could still write without a trace.

    A file that was not uploaded keeps what proved it, if the listing still agrees with that.
    Whatever is not proved is left out, which costs an upload next time and nothing else. So is a
    time that does not parse or lies in the future, as after a clock that went backwards.

    What no client of this API can see: a write of the same length by somebody else, while we hold
    the lock, after our upload and in the same second; and one in a second that a clock which was
    set back lives through twice.

    Args:
        files: what the folder holds.
        listing: the platform's listing, taken after the last upload.
        unchanged: what proved each file that was not uploaded (`Plan.unchanged`).
        uploaded: what is known of each file that was uploaded.
        now: a time that the platform's clock had reached before the listing was asked for: the
            `Date` of an earlier answer, plus the whole seconds that have passed since. Not the
            listing's own `Date`: that is made after the files were looked at.
            By the platform's clock, in whole seconds since the epoch.
    """
    listed = {file.path: file for file in listing}
    recorded: Manifest = {}
    for file in files:
        remote = listed.get(file.path)
        if remote is None or remote.length != file.size:
            continue
        written = _second(remote.last_modified)
        if written is None or written >= now:
            continue
        receipt = uploaded.get(file.path)
        known = unchanged.get(file.path)
        if receipt is not None and written <= receipt.answered:
            recorded[file.path] = proof(receipt.sha256, remote.length, remote.last_modified)
        elif receipt is None and known is not None and still_proves(known, remote):
            recorded[file.path] = known
    return recorded


def without_usable_time(listing: Iterable[RemoteFile], uploaded: Mapping[str, Receipt]) -> int:
    """How many uploads the listing dates later than the platform answered them, or not at all.

    They may be somebody else's writes, as far as anybody can tell, and are never recorded. When there are
    many, the platform's clocks disagree.
    """
    seconds = (
        (_second(file.last_modified), uploaded[file.path].answered)
        for file in listing
        if file.path in uploaded
    )
    return sum(written is None or written > answered for written, answered in seconds)


def still_proves(known: str, remote: RemoteFile) -> bool:
    """Whether the listing shows a file as it did when that was proved."""
    return known == proof(known[:_HASH_LENGTH], remote.length, remote.last_modified)


@lru_cache(maxsize=1024)
def _second(last_modified: str) -> int | None:
    """Return the second that a `lastModified` lies in, since the epoch; `None` if it does not say."""
    try:
        time = datetime.fromisoformat(last_modified.upper())
    except ValueError:
        return None
    return None if time.tzinfo is None else math.floor(time.timestamp())


def _json(content: str | Manifest) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _seal(body: bytearray | memoryview, api_key: str, app: str) -> bytes:
    """Return the end of the JSON document: the MAC of all that is before it."""
    mac = hmac.digest(_derive(api_key, app, "content"), body, "sha256")
    return b',"mac":"%b"}' % mac.hex().encode()


def _derive(api_key: str, app: str, purpose: str) -> bytes:
    """Derive a value that tells nothing about the API key, nor about the ones for other purposes."""
    label = "\0".join(("zerokie-action manifest", str(_VERSION), purpose, app))
    return hmac.digest(api_key.encode(), label.encode(), "sha256")

"""Short ways to write the arguments of the rules for files."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Manifest, Proof, new_manifest_name
from zerokie_action.site.plan import Plan, make_plan
from zerokie_action.site.remote import Listed, Zone, make_zone

NOON, LATER = "2026-03-07T12:00:00Z", "2026-03-07T12:00:05Z"
NOW = 1_000.0
SHOP, DOCS, UNKNOWN = "github.com/acme/shop", "github.com/acme/docs", ""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def proof(content: bytes, time: str = NOON) -> Proof:
    return sha256(content), len(content), time


def listing(files: Mapping[str, bytes], time: str = NOON) -> dict[str, Listed]:
    """A listing that shows these files with this time."""
    return {path: (len(content), time) for path, content in files.items()}


def folder(files: Mapping[str, bytes]) -> list[LocalFile]:
    return [LocalFile(path, "/", len(content), 0) for path, content in sorted(files.items())]


def patterns(*texts: str) -> Patterns:
    return Patterns(texts)


def zone(
    listed: Mapping[str, Listed],
    proofs: Mapping[str, Proof | None] | None = None,
    *,
    mark: str = "0",
    number: int = 1,
    **more: Any,
) -> Zone:
    """The zone that a listing and the newest manifest describe; without `proofs` there is no manifest.

    Args:
        listed: the listing.
        proofs: what the manifest names and proves.
        mark: the mark in the manifest's name.
        number: its number.
        more: other fields of the manifest.
    """
    if proofs is None:
        return make_zone(listed, None, Manifest(), patterns())
    content = {"files": dict(proofs), "types": VERSION, "count": len(proofs)} | more
    return make_zone(listed, new_manifest_name(number, mark, [*proofs]), Manifest(**content), patterns())


def plan(
    files: Mapping[str, bytes],
    before: Zone,
    *,
    keep: Iterable[str] = (),
    incremental: bool = True,
    **options: Any,
) -> Plan:
    """The plan of a deploy."""
    hashes = {path: sha256(content) for path, content in files.items()} if incremental else {}
    options = {"delete_stale": True, "now": NOW} | options
    return make_plan(folder(files), before, hashes, keep=patterns(*keep), **options)

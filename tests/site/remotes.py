"""Shorthand for the arguments of the rules for files."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from zerokie_action.platform.models import RemoteFile
from zerokie_action.site.content_type import VERSION
from zerokie_action.site.ignore import Patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.manifest import Entry, Manifest, new_manifest_name
from zerokie_action.site.plan import Plan, make_plan
from zerokie_action.site.remote import FileList, Remote, make_remote

NOON, LATER = "2026-03-07T12:00:00Z", "2026-03-07T12:00:05Z"
NOW = 1_000.0
SHOP, DOCS, UNKNOWN = "github.com/acme/shop", "github.com/acme/docs", ""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(content: bytes, time: str = NOON) -> Entry:
    return Entry(sha256(content), len(content), time)


def file_list(files: Mapping[str, bytes], time: str = NOON) -> dict[str, RemoteFile]:
    """Return a file list that shows these files with this time."""
    return {path: RemoteFile(len(content), time) for path, content in files.items()}


def folder(files: Mapping[str, bytes]) -> list[LocalFile]:
    return [LocalFile(path, "/", len(content), 0) for path, content in sorted(files.items())]


def patterns(*texts: str) -> Patterns:
    return Patterns(texts)


def remote(
    listed: Mapping[str, RemoteFile],
    entries: Mapping[str, Entry | None] | None = None,
    *,
    mark: str = "0",
    number: int = 1,
    **more: Any,
) -> Remote:
    """Return the site for a file list and its newest manifest. Without `entries`, there is no manifest.

    Args:
        listed: the file list.
        entries: the manifest's entries.
        mark: the mark in the manifest's name.
        number: the manifest's number.
        more: other fields of the manifest.
    """
    if entries is None:
        return make_remote(FileList(listed), None, Manifest(), patterns())
    content = {"files": dict(entries), "types": VERSION, "count": len(entries)} | more
    name = new_manifest_name(number, mark, [*entries])
    return make_remote(FileList(listed), name, Manifest(**content), patterns())


def plan(
    files: Mapping[str, bytes],
    before: Remote,
    *,
    keep: Iterable[str] = (),
    incremental: bool = True,
    **options: Any,
) -> Plan:
    """Return the plan of a deploy."""
    hashes = {path: sha256(content) for path, content in files.items()} if incremental else {}
    arguments: dict[str, Any] = {"repository": SHOP, "delete_stale": True, "now": NOW}
    return make_plan(folder(files), before, hashes, keep=patterns(*keep), **arguments | options)

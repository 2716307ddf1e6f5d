"""Reads an app's storage zone: which files it has, which of them are ours, and what is proved of them."""

import os
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import quote

from zerokie_action.errors import RequestRejected
from zerokie_action.files.local import LocalFile, is_addressable
from zerokie_action.files.manifest import (
    MANIFEST_FOLDER,
    Manifest,
    ManifestName,
    digest_of,
    directories_of,
    find_manifests,
    parse_manifest,
)
from zerokie_action.files.plan import Zone
from zerokie_action.http.request import MEGABYTE
from zerokie_action.operations.job import Job
from zerokie_action.platform.answers import NOT_FOUND
from zerokie_action.platform.models import RemoteFile
from zerokie_action.platform.pages import PageError, read_page
from zerokie_action.text import human_paths

_LARGEST_MANIFEST = 192 * MEGABYTE
_SILENCE = 10.0
"""Seconds without a byte after which reading a manifest fails."""


async def read_zone(job: Job, url: str, local_files: Iterable[LocalFile]) -> Zone:
    """List the zone, and read its newest manifest.

    Args:
        job: the run.
        url: the app's public URL; empty if the platform does not give it.
        local_files: the files of the directory.
    """
    listed, not_found = await list_zone(job)
    newest = max(find_manifests(listed), default=None)
    manifest = await _read_manifest(job, url, newest.path) if newest else Manifest()
    zone = _judge(job, listed, newest, manifest, local_files)
    if zone.unsafe:
        paths = human_paths(zone.unsafe)
        job.warn(f"Remote paths that can't be addressed safely are left alone: {paths}")
    return zone._replace(not_found=not_found)


def _judge(
    job: Job,
    listed: Mapping[str, RemoteFile],
    newest: ManifestName | None,
    manifest: Manifest | None,
    local_files: Iterable[LocalFile],
) -> Zone:
    """The zone that a listing and the newest manifest describe; None for a manifest that can't be read."""
    named = manifest.files if manifest else {}
    # Some platforms list directories, and may delete what is in them as well.
    unsafe = _unsafe(listed)
    files, in_manifest_folder = _split(listed, unsafe | (directories_of(listed) - named.keys()))
    return Zone(
        files=files,
        unsafe=sorted(unsafe),
        manifests=sorted(in_manifest_folder),
        newest=newest,
        manifest=manifest or Manifest(),
        ours=files.keys() & named.keys() if manifest else _judge_by_name(job, newest, files, local_files),
    )


def _unsafe(listed: Iterable[str]) -> set[str]:
    return {path for path in listed if not is_addressable(path)}


def _split(
    listed: Mapping[str, RemoteFile], left_out: AbstractSet[str]
) -> tuple[dict[str, RemoteFile], set[str]]:
    """The files of a listing, and the paths in the manifest folder; both without `left_out`."""
    paths = listed.keys() - left_out
    in_manifest_folder = {path for path in paths if path.startswith(MANIFEST_FOLDER)}
    return {path: listed[path] for path in paths - in_manifest_folder}, in_manifest_folder


async def list_zone(job: Job) -> tuple[dict[str, RemoteFile], str]:
    """The zone's files by path; and the platform's words if it answers 404, which may mean an empty zone."""
    try:
        return await job.client.list_files(job.app), ""
    except RequestRejected as error:
        if error.status != NOT_FOUND:
            raise
        return {}, error.answer


async def _read_manifest(job: Job, url: str, path: str) -> Manifest | None:
    """Read a manifest through the app's public URL, because the API can't read files."""
    # The query makes the URL unique, so that no cache has it.
    page = f"{url.rstrip('/')}/{quote(path)}?{os.urandom(16).hex()}"
    try:
        served = await read_page(page, job.client.http, max_body=_LARGEST_MANIFEST, silence=_SILENCE)
        if served.is_success and (manifest := parse_manifest(served.content)):
            return manifest
        why = f"its address answered {served.status_code} with something else"
    except PageError as error:
        why = str(error) if url else "the platform does not give the app's URL"
    job.log.info(
        f"The manifest of the last deploy can't be read ({why}): it does not tell which files are unchanged"
    )
    return None


def _judge_by_name(
    job: Job, newest: ManifestName | None, files: Iterable[str], local_files: Iterable[LocalFile]
) -> set[str] | None:
    """The listed paths that are ours, if the name of an unreadable manifest proves that; else None.

    All listed paths are ours if their digest is the one in the name. After a killed deploy of this folder,
    that digest may cover paths of the folder that are not listed yet.
    """
    listed, local = job.keep.unmatched(files), job.keep.unmatched(file.path for file in local_files)
    digests = {digest_of(listed), digest_of(listed | local)}
    return listed if newest and newest.digest in digests else None

"""Only reads an app's storage zone: its listings and its newest manifest, which `files` judges."""

import os
from collections.abc import Callable, Collection, Mapping
from urllib.parse import quote

from zerokie_action.errors import PlatformUnavailable, RequestRejected
from zerokie_action.files.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.files.proofs import Listing
from zerokie_action.files.zone import Listed, Zone, make_zone
from zerokie_action.http.failure import of_status
from zerokie_action.http.request import MEGABYTE
from zerokie_action.numbers import human_paths
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.answers import NOT_FOUND
from zerokie_action.platform.client import HIDDEN_HINT, is_hidden
from zerokie_action.platform.models import RemoteFile
from zerokie_action.platform.pages import PageError, read_page

_LARGEST_MANIFEST = 192 * MEGABYTE
_PATIENCE = 10.0
"""Seconds for which the manifest is requested again after an outage."""
_SILENCE = 10.0
"""Seconds without a byte after which reading a manifest fails."""
_LAG = 25.0
"""Seconds that a listing may lag behind the writes."""


async def read_zone(job: Job, url: str, local: Collection[str] = ()) -> Zone:
    """List the zone, and read its newest manifest.

    Args:
        job: the run.
        url: the app's public URL; empty if the platform does not give it.
        local: the paths of the directory.
    """
    listed, not_found = await list_zone(job)
    newest = max(find_manifests(listed), default=None)
    manifest = await _read_manifest(job, url, newest.path) if newest else Manifest()
    return make_zone(listed, newest, manifest, job.keep, local)._replace(not_found=not_found)


async def list_zone(job: Job) -> tuple[dict[str, RemoteFile], str]:
    """The zone's files by path; and the platform's words if it answers 404, which may mean an empty zone."""
    try:
        return await job.client.list_files(job.app), ""
    except RequestRejected as error:
        if error.status != NOT_FOUND:
            raise
        return {}, error.answer


async def require_listed(job: Job, judge: Callable[[Mapping[str, Listed]], Listing], state: str) -> Listing:
    """List the zone until the listing shows what it should, for as long as it may lag.

    Args:
        job: the run.
        judge: compares a listing with what was sent, and with what was not.
        state: what was deleted so far, as a sentence for an error's hint.

    Raises:
        PlatformUnavailable: when a confirmed upload is still not listed, or an unchanged file has changed.
    """
    polling = Polling(job.log, "the platform to list what was sent", _LAG)
    while True:
        listing = judge((await list_zone(job))[0])  # after the uploads, a 404 is a late answer
        if not (listing.missing or listing.changed):
            return listing
        if not await polling.again():
            raise _not_listed(listing, state)


def _not_listed(listing: Listing, state: str) -> PlatformUnavailable:
    problems = {
        "The platform confirmed what was sent, but does not list it": listing.missing,
        "Something else has changed the app during this deploy": listing.changed,
    }
    hidden = f" {HIDDEN_HINT}" if any(map(is_hidden, listing.missing)) else ""
    return PlatformUnavailable(
        *(f"{problem}: {human_paths(paths)}" for problem, paths in problems.items() if paths),
        hint=f"{state} Check whether a proxy answers in the platform's place, and whether something else "
        f"writes into the app. Then run the deploy again: it sends these files.{hidden}",
    )


async def _read_manifest(job: Job, url: str, path: str) -> Manifest | None:
    """Read a manifest through the app's public URL, because the API can't read files.

    After an outage, the manifest is requested again: without a manifest, a deploy uploads all files.
    """
    polling = Polling(job.log, "the manifest of the last deploy", _PATIENCE)
    why = "the platform does not give the app's URL"
    while url:
        # The query makes the URL unique, so that no cache has it.
        page = f"{url.rstrip('/')}/{quote(path)}?{os.urandom(16).hex()}"
        try:
            served = await read_page(page, job.client.http, max_body=_LARGEST_MANIFEST, silence=_SILENCE)
            if served.is_success and (manifest := parse_manifest(served.content)):
                return manifest
            why = f"its address answered {served.status_code} with something else"
            is_outage = of_status(served, why) is not None
        except PageError as error:
            why, is_outage = str(error), True
        if not (is_outage and await polling.again(why)):
            break
    job.log.info(
        f"The manifest of the last deploy can't be read ({why}): it does not tell which files are unchanged"
    )
    return None

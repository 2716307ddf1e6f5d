"""Reads the file list and the newest manifest of an app."""

from urllib.parse import quote

from zerokie_action.apps.job import Job
from zerokie_action.errors import RequestRejected
from zerokie_action.http.failure import of_status
from zerokie_action.http.request import MEGABYTE
from zerokie_action.platform.models import RemoteFile
from zerokie_action.platform.pages import PageError, read_page
from zerokie_action.platform.polling import Polling
from zerokie_action.platform.responses import NOT_FOUND
from zerokie_action.site.ignore import compiled
from zerokie_action.site.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.site.remote import Remote, make_remote

_LARGEST_MANIFEST = 192 * MEGABYTE
_PATIENCE = 10.0
"""Seconds to retry reading the manifest after an outage."""
_SILENCE = 10.0
"""Seconds without a byte after which reading a manifest fails."""


async def read_remote(job: Job, url: str) -> Remote:
    """Read the file list and the newest manifest.

    Args:
        job: the run.
        url: the app's public URL, or empty if the platform doesn't return it.
    """
    listed, not_found = await list_files(job)
    newest = max(find_manifests(listed), default=None)
    manifest = await _read_manifest(job, url, newest.path) if newest else Manifest()
    return make_remote(listed, newest, manifest, compiled(job.settings.keep), not_found)


async def list_files(job: Job) -> tuple[dict[str, RemoteFile], str]:
    """Return the remote files by path, and the platform's words if the file list is a 404.

    A 404 may mean an empty app.
    """
    try:
        return await job.client.list_files(job.app), ""
    except RequestRejected as error:
        if error.status != NOT_FOUND:
            raise
        return {}, error.response


async def _read_manifest(job: Job, url: str, path: str) -> Manifest | None:
    """Read a manifest through the app's public URL, because the API can't read files.

    The request is retried after an outage, because a deploy without a manifest uploads all files.
    """
    polling = Polling(job.log.info, "the manifest of the last deploy", _PATIENCE)
    why = "the platform doesn't return the app's URL"
    while url:
        try:
            served = await read_page(
                f"{url.rstrip('/')}/{quote(path)}",
                job.client.http,
                max_body=_LARGEST_MANIFEST,
                silence=_SILENCE,
                is_uncached=True,
            )
            if served.is_success and (manifest := parse_manifest(served.content)):
                return manifest
            why = f"its URL returned something else, with status {served.status_code}"
            is_outage = of_status(served, why) is not None
        except PageError as error:
            why, is_outage = str(error), True
        if not (is_outage and await polling.again(why)):
            break
    job.log.info(f"The manifest of the last deploy can't be read ({why}), so a deploy uploads all files")
    return None

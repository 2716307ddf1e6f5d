"""Reads the file list and the newest manifest of an app."""

from urllib.parse import quote

import anyio

from zerokie_action import limits
from zerokie_action.app import RunApp, look_up, note_kind
from zerokie_action.errors import DeployError, NotFound, RequestRejected
from zerokie_action.http.failure import of_status
from zerokie_action.http.request import MEGABYTE
from zerokie_action.job import Job
from zerokie_action.platform.pages import PageError, read_page
from zerokie_action.platform.polling import Polling
from zerokie_action.platform.responses import BAD_REQUEST, NOT_ALLOWED
from zerokie_action.site.ignore import compiled
from zerokie_action.site.manifest import Manifest, find_manifests, parse_manifest
from zerokie_action.site.remote import FileList, Remote, make_remote

_LARGEST_MANIFEST = 192 * MEGABYTE
_NO_FILES = FileList()


async def find_site(job: Job) -> tuple[RunApp, FileList]:
    """Look up the app and list its files at the same time.

    The lookup decides. A list that fails doesn't matter for a missing app or a container app.

    Returns:
        The app and its files. Without the app, which this run may create, the list is empty.

    Raises:
        DeployError: as `look_up` and `list_files`.
    """

    async def try_to_list() -> FileList | DeployError:
        try:
            return await list_files(job)
        except DeployError as error:
            return error

    async with anyio.create_task_group() as tasks:
        listing = tasks.start_soon(try_to_list)
        app = await look_up(job, "static")
        if app.exists:
            listed = await listing
            if isinstance(listed, DeployError):
                raise listed
            return app, listed
        tasks.cancel_scope.cancel()
    return app, FileList()


async def read_app(job: Job, app: RunApp) -> Remote:
    """Find out the kind of an app, and return its files. A container app has none.

    A container app has no owner to check, so it needs clear evidence. The kind stays unknown if the app may
    be a static app with files that can't be checked.

    Raises:
        DeployError: when the kind depends on the file list, and the list can't be read.
    """
    shown, remote = app.shown, Remote()
    if shown.type == "container":
        return remote
    try:
        listed = await list_files(job)
    except RequestRejected as error:
        if shown.type == "static" or error.status not in {BAD_REQUEST, NOT_ALLOWED}:
            raise
        listed = FileList(not_found=error.response)
    is_static = shown.type == "static" or bool(listed.files)
    if is_static or not shown.image:
        note_kind(job, app, "" if listed.not_found and not is_static else "static")
        remote = await read_remote(job, app, listed)
    return remote


async def list_files(job: Job, before: FileList = _NO_FILES) -> FileList:
    """Return the app's file list ("GET /v1/apps/:name/files").

    Args:
        job: the run.
        before: an earlier list of the run. If it has files, a 404 is a failed request, which is retried.
    """
    try:
        return FileList(await job.client.list_files(job.app, retries_missing=bool(before.files)))
    except NotFound as error:
        return FileList(not_found=error.response)


async def read_remote(job: Job, app: RunApp, listed: FileList) -> Remote:
    """Return the remote files in a file list, with the newest manifest."""
    newest = max(find_manifests(listed.files), default=None)
    manifest = await _read_manifest(job, app, newest.path) if newest else Manifest()
    remote = make_remote(listed, newest, manifest, compiled(job.settings.keep))
    if remote.is_unfinished and job.settings.dry_run:
        job.report.note(f"A deploy of {job.app!r} is in progress or was interrupted, so the plan may change")
    return remote


async def _read_manifest(job: Job, app: RunApp, path: str) -> Manifest | None:
    """Read a manifest through the app's public URL, because the API can't read files.

    The request is retried after an outage, because a deploy without a manifest uploads all files.
    """
    polling = Polling(job.log.info, "the manifest of the last deploy", limits.MANIFEST)
    why = "the platform doesn't return the app's URL"
    while url := app.url:
        try:
            served = await read_page(
                f"{url.rstrip('/')}/{quote(path)}",
                job.client.http,
                max_body=_LARGEST_MANIFEST,
                silence=limits.MANIFEST_SILENCE,
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

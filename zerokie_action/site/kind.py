"""The kind of an app, for operations that work with any app."""

from enum import Enum

from zerokie_action.apps.job import Job
from zerokie_action.errors import RequestRejected
from zerokie_action.platform.models import App
from zerokie_action.platform.responses import BAD_REQUEST, NOT_ALLOWED
from zerokie_action.site.read import list_files, read_remote
from zerokie_action.site.remote import FileList, Remote


class Kind(Enum):
    """The kind of an app, if the platform shows it.

    Attributes:
        UNKNOWN: a container app, or a static app with files that can't be checked.
    """

    CONTAINER = "container"
    STATIC = "static"
    UNKNOWN = None


async def read_app(job: Job, app: App) -> tuple[Kind, Remote]:
    """Return the kind of an app, and its files. A container app has none.

    A container app has no owner to check, so it needs clear evidence.

    Raises:
        DeployError: when the kind depends on the file list, and the list can't be read.
    """
    if app.type == "container":
        return Kind.CONTAINER, Remote()
    try:
        listed = await list_files(job)
    except RequestRejected as error:
        if app.type == "static" or error.status not in {BAD_REQUEST, NOT_ALLOWED}:
            raise
        listed = FileList(not_found=error.response)
    is_static = app.type == "static" or listed.files
    if app.image and not is_static:
        return Kind.CONTAINER, Remote()
    kind = Kind.UNKNOWN if listed.not_found and not is_static else Kind.STATIC
    return kind, await read_remote(job, listed)

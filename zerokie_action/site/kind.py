"""The kind of an app, for operations that work with any app."""

from enum import Enum

from zerokie_action.apps.job import Job
from zerokie_action.errors import RequestRejected
from zerokie_action.platform.models import App
from zerokie_action.platform.responses import BAD_REQUEST, NOT_ALLOWED
from zerokie_action.site.read import list_files
from zerokie_action.site.remote import FileList


class Kind(Enum):
    """The kind of an app, if the platform shows it.

    Attributes:
        UNKNOWN: a container app, or a static app with files that can't be checked.
    """

    CONTAINER = "container"
    STATIC = "static"
    UNKNOWN = None


async def find_kind(job: Job, app: App) -> tuple[Kind, FileList]:
    """Return the kind of an app, and its file list. A container app has no files.

    A container app has no owner to check, so it needs clear evidence.

    Raises:
        DeployError: when the kind depends on the file list, and the list can't be read.
    """
    if app.type == "container":
        return Kind.CONTAINER, FileList()
    try:
        listed = await list_files(job)
    except RequestRejected as error:
        if app.type == "static" or error.status not in {BAD_REQUEST, NOT_ALLOWED}:
            raise
        listed = FileList(not_found=error.response)
    if app.type == "static" or listed.files:
        return Kind.STATIC, listed
    if app.image:
        return Kind.CONTAINER, FileList()
    return Kind.UNKNOWN if listed.not_found else Kind.STATIC, listed

"""Whose app it is, as its manifest says: another repository neither deploys to it nor destroys it unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import ConfigurationError
from zerokie_action.files import manifest as manifests
from zerokie_action.http.client import MEGABYTE
from zerokie_action.text import is_web_url, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zerokie_action.files.manifest import Document, RemoteFile
    from zerokie_action.operations.job import Job
    from zerokie_action.owner import Owner

_LARGEST_MANIFEST = 192 * MEGABYTE
_LONGEST_NAME = 200


async def read_manifests(job: Job, listing: Sequence[RemoteFile]) -> dict[str, Document | None]:
    """The manifests that are listed, by path; `None` for one that can't be read."""
    found: dict[str, Document | None] = {}
    for path in filter(manifests.is_manifest_path, (file.path for file in listing)):
        # The API can't read a file; the app's own URL can.
        data = await job.read_deployed(path, max_body=_LARGEST_MANIFEST)
        found[path] = None if data is None else manifests.parse(data, app=job.app)
    return found


def require_ownership(job: Job, found: Mapping[str, Document | None]) -> Owner:
    """Compare this run's repository with the one that deployed last.

    Returns:
        Whom the next manifest has to name.

    Raises:
        ConfigurationError: when another one did, and this run may not take over.
    """
    ours = job.ci.owner
    recorded = [document.owner for document in found.values() if document and document.owner.is_known]
    if not ours.is_known:
        return recorded[0] if recorded else ours
    if None in found.values():
        job.warn(
            f"The manifest can't be read, so it is not known which repository deployed app {job.app!r} last"
        )
    if other := _another(ours, recorded):
        if not job.settings.take_over:
            raise ConfigurationError(
                f"App {job.app!r} was last deployed from {_shown(other)}, not from {_name(ours)}",
                hint="Nothing was changed. If `app` names another repository's app by mistake, correct it. "
                "If this repository has to go on with it, set `take-over: true` for one run.",
            )
        job.ci.info(f"Taking over app {job.app!r}, last deployed from {_shown(other)}")
    return ours


def _another(ours: Owner, recorded: Sequence[Owner]) -> Owner | None:
    """Who deployed last, if it was somebody else. A deploy that was cut off may leave two manifests."""
    return None if any(map(ours.agrees_with, recorded)) else next(iter(recorded), None)


def _shown(owner: Owner) -> str:
    """The repository and its run; what the manifest says may be anything, of any length."""
    run = f" ({owner.run})" if len(owner.run) <= _LONGEST_NAME and is_web_url(owner.run) else ""
    return f"{_name(owner)}{run}"


def _name(owner: Owner) -> str:
    return repr(shorten(f"{owner.forge}/{owner.name or f'repository {owner.id}'}", _LONGEST_NAME))

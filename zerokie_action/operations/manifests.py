"""The manifests in an app's storage zone: what they prove of its files, and whose app it is.

Another repository than the one that deployed last neither deploys to the app nor destroys it unasked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zerokie_action.errors import ConfigurationError
from zerokie_action.files import manifest
from zerokie_action.http.request import MEGABYTE
from zerokie_action.text import is_web_url, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zerokie_action.files.manifest import Document, Manifest, RemoteFile
    from zerokie_action.operations.job import Job
    from zerokie_action.owner import Owner

_LARGEST_MANIFEST = 192 * MEGABYTE
_LONGEST_NAME = 200


class Manifests(NamedTuple):
    """The manifests that are listed: one after most deploys, more after one that was killed.

    Attributes:
        listed: by path; `None` for one that does not count: it can't be read, or is not the only one.
        owner: whom the next manifest has to name.
    """

    listed: dict[str, Document | None]
    owner: Owner

    @property
    def proved(self) -> Manifest | None:
        """What is proved of the zone's files: nothing if no deploy left a manifest, `None` if none counts."""
        if not self.listed:
            return {}
        document = next(iter(self.listed.values()))
        return document and document.files


async def read_manifests(job: Job, listing: Sequence[RemoteFile]) -> Manifests:
    """Read what is listed, through the app's own URL: the API can't read a file.

    Raises:
        ConfigurationError: when another repository deployed last, and this run may not take over.
    """
    found: dict[str, Document | None] = {}
    for path in filter(manifest.is_manifest_path, (file.path for file in listing)):
        data = await job.read_deployed(path, max_body=_LARGEST_MANIFEST)
        found[path] = None if data is None else manifest.parse(data, app=job.app)
    owner = _require_ownership(job, found.values())
    return Manifests(found if len(found) == 1 else dict.fromkeys(found), owner)


def _require_ownership(job: Job, found: Collection[Document | None]) -> Owner:
    """Compare this run's repository with the one that deployed last. Returns whom to name from now on."""
    ours = job.ci.owner
    if None in found:
        report = job.warn if ours.is_known else job.ci.info
        report(
            f"The manifest can't be read, so it is not known which repository deployed app {job.app!r} last, "
            "nor what earlier deploys uploaded"
        )
    recorded = [document.owner for document in found if document and document.owner.is_known]
    if not ours.is_known:
        return recorded[0] if recorded else ours
    # A deploy that was killed may leave two manifests: then it may be either's.
    if recorded and not any(map(ours.agrees_with, recorded)):
        theirs = _name_with_run(recorded[0])
        if not job.settings.take_over:
            raise ConfigurationError(
                f"App {job.app!r} was last deployed from {theirs}, not from {_name(ours)}",
                hint="Nothing was changed. If `app` names another repository's app by mistake, correct it. "
                "If this repository has to go on with it, set `take-over: true` for one run.",
            )
        job.ci.info(f"Taking over app {job.app!r}, last deployed from {theirs}")
    return ours


def _name_with_run(owner: Owner) -> str:
    """The repository and its run; what the manifest says may be anything, of any length."""
    run = f" ({owner.run})" if len(owner.run) <= _LONGEST_NAME and is_web_url(owner.run) else ""
    return f"{_name(owner)}{run}"


def _name(owner: Owner) -> str:
    return repr(shorten(f"{owner.forge}/{owner.name or f'repository {owner.id}'}", _LONGEST_NAME))

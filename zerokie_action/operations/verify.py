"""Whether the storage zone really holds what it should after all changes.

"200 OK" says little: a proxy may have answered instead of the platform. Nor does everybody ask for the
deploy lock before writing, and a listing may be out of date. The one that is read anyway for the manifest
shows lengths and times; where those can't tell, the app's public URL can.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import anyio

from zerokie_action.errors import ConfigurationError, PlatformUnavailable
from zerokie_action.files.manifest import still_proves
from zerokie_action.files.plan import extra_paths
from zerokie_action.http.request import MEGABYTE
from zerokie_action.operations.compare import warn_of_foreign_deletions
from zerokie_action.platform.models import RemoteFile
from zerokie_action.text import human_files, human_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.files.scan import Scan
    from zerokie_action.operations.job import Job
    from zerokie_action.operations.zone import Listing, Zone

_NOT_GIVEN = RemoteFile("").length
"""A length that the listing leaves out; it can't be wrong."""
_SAMPLE = 20
_SAMPLE_TIME = 20.0
_LARGEST_SAMPLE = 4 * MEGABYTE
_NEXT_SECOND = 1.0
_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds after which the listing is read again."""


class Mismatch(NamedTuple):
    """Where a listing is not as it should be.

    Attributes:
        missing: files that it does not show, or with another length.
        untouched: uploaded files that it shows as they were before: same length, same time.
        changed: files that were not uploaded, and that somebody else has written to since.
        extra: stale paths that it should not show: they were deleted, or are new.
    """

    missing: tuple[LocalFile, ...]
    untouched: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    extra: tuple[str, ...]

    @property
    def uploads(self) -> tuple[LocalFile, ...]:
        """Files that may have to be uploaded again."""
        return self.missing + self.untouched + self.changed

    def __str__(self) -> str:
        """The first path, and how many more."""
        return human_paths([file.path for file in self.uploads] + list(self.extra), shown=1)


async def require_match(job: Job, scan: Scan, zone: Zone) -> Listing:
    """Compare the listing with the directory; what it does not show as it should is done once more.

    A proxy may have answered in the platform's place, or somebody else have written to the storage zone.

    Returns:
        The last listing.

    Raises:
        PlatformUnavailable: when the storage zone is not what it should be after the second attempt either.
    """
    listing, found = await _look(job, scan, zone)
    # Within the second of what they replaced, maybe: then the app tells.
    served = await _served(job, zone, found.untouched)
    found = found._replace(untouched=tuple(file for file in found.untouched if not served.get(file.path)))
    if found.uploads or found.extra:
        job.ci.info(f"After all changes, the platform's listing does not match for {found}; trying once more")
        if found.untouched:
            await anyio.sleep(_NEXT_SECOND)
        await zone.upload(found.uploads)
        _require_few_deletions(job, found.extra)
        warn_of_foreign_deletions(job, sorted(set(found.extra) - set(zone.plan.delete)))
        await zone.delete(found.extra)
        listing, found = await _look(job, scan, zone)
        zone.drop_records(await _require_effect(job, zone, found))
    return listing


async def _look(job: Job, scan: Scan, zone: Zone) -> tuple[Listing, Mismatch]:
    """The listing, and where it does not match; it may be some seconds behind the changes."""
    pauses = iter(_PAUSES)
    while True:
        listing = await zone.listing()
        found = find_mismatches(job, scan, zone, listing)
        lags = found.missing or not zone.deleted.isdisjoint(found.extra)
        pause = next(pauses, None)
        if not lags or pause is None:
            return listing, found
        await anyio.sleep(pause)


def _require_few_deletions(job: Job, extra: Collection[str]) -> None:
    """Keep to `max-deletes` with what others added while the deploy ran.

    Raises:
        ConfigurationError: when there is too much of it.
    """
    most = job.settings.max_deletes
    deleted = set(job.result.changes.deleted if job.result.changes else ())
    if most is not None and len(deleted | set(extra)) > most:
        raise ConfigurationError(
            f"`max-deletes`: with {human_files(len(extra))} that the platform lists since this deploy began, "
            f"more than {most:,} would be deleted",
            hint="Somebody else writes to the app. Run the deploy again when that has ended, or raise "
            "`max-deletes`.",
        )


def find_mismatches(job: Job, scan: Scan, zone: Zone, listing: Listing) -> Mismatch:
    """Compare what was to be done with the listing after it."""
    plan, before = zone.plan, zone.plan.replaced
    stale = extra_paths(scan, listing, keep=zone.keep, delete_stale=job.settings.delete_stale).stale
    return Mismatch(
        missing=tuple(
            file
            for file in scan.files
            if (shown := listing.get(file.path)) is None or shown.length not in {file.size, _NOT_GIVEN}
        ),
        untouched=tuple(
            file
            for file in plan.uploads
            if file.path in before
            and before[file.path] == listing.get(file.path)
            and file.size == before[file.path].length
        ),
        changed=tuple(
            file
            for file in scan.files
            if (proof := plan.unchanged.get(file.path)) is not None
            and file.path not in zone.uploaded
            and (shown := listing.get(file.path)) is not None
            and shown.length == file.size
            and not still_proves(proof, shown)
        ),
        extra=tuple(sorted(stale)),
    )


async def _require_effect(job: Job, zone: Zone, found: Mismatch) -> list[str]:
    """Judge what does not match even after the second attempt.

    A platform may leave the time of a file alone that is stored again with the same content, so
    that is no proof of a failure: what the app serves is.

    Returns:
        The paths of which nothing shows that they were stored.

    Raises:
        PlatformUnavailable: when the storage zone is not what it should be.
    """
    wrong = [file.path for file in found.missing + found.changed] + list(found.extra)
    served = await _served(job, zone, found.untouched)
    wrong += [path for path, is_served in served.items() if not is_served]
    if wrong:
        raise PlatformUnavailable(
            "The platform confirmed all changes twice, but they did not take effect: "
            f"{human_paths(wrong, shown=1)}",
            hint="Check whether a proxy answers in the platform's place, or somebody else writes to the app; "
            "else report it to the platform.",
        )
    return [] if served else [file.path for file in found.untouched]


async def _served(job: Job, zone: Zone, uploads: Sequence[LocalFile]) -> dict[str, bool]:
    """Whether the app serves what was uploaded, by path: a sample, and only what can be read."""
    found: dict[str, bool] = {}
    samples = [file for file in uploads if file.size <= _LARGEST_SAMPLE][:_SAMPLE]
    with anyio.move_on_after(_SAMPLE_TIME):
        for file in samples:
            body = await job.read_deployed(file.path, max_body=_LARGEST_SAMPLE)
            if body is not None:
                found[file.path] = hashlib.sha256(body).hexdigest() == zone.uploaded[file.path].sha256
    return found

"""The health check: requests the app's URL until the app answers as it should.

Any 2xx or 3xx will do; redirects are not followed. If the URL leads to a deployed file of a static app, the
answer must be that file, byte for byte, past the CDN's cache. Then the new version is live.
"""

from __future__ import annotations

import hashlib
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zerokie_action.errors import HealthCheckFailed
from zerokie_action.http.failure import parse_retry_after
from zerokie_action.http.request import MEGABYTE
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.pages import PageError, read_page, shown_url
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zerokie_action.http import Response
    from zerokie_action.operations.job import Job

_ANSWER_TIME = 20.0
"""Seconds to wait for one answer."""
_SHORTEST_TIME = 1.0
"""Seconds to wait for an answer even at the end of `health-check-timeout`."""
_LARGEST_ANSWER = 64 * MEGABYTE
_HINT = (
    "Look at the app's own log, or raise `health-check-timeout`: new host names and certificates may take a "
    "while."
)
_HINT_SITE = (
    "The CDN, new host names and certificates may take a while: raise `health-check-timeout`. If a proxy or "
    "CDN rewrites files, point `health-check` at a file that it leaves unchanged."
)


async def check_health(job: Job, url: str, sent: Mapping[str, str] = MappingProxyType({})) -> None:
    """Request the URL until the app is healthy, if `health-check` is set.

    Args:
        job: the run.
        url: the app's URL; empty if the platform does not give it.
        sent: the SHA-256 in hex of each file that was deployed to a static app, by path.

    Raises:
        HealthCheckFailed: when the app is not healthy at the end of `health-check-timeout`, or the platform
            does not give the app's URL.
    """
    if job.settings.health_check is None:
        return
    with job.phase("Health check"):
        url = _url(job, job.settings.health_check)
        path = _deployed_path(job, url)
        sha256 = sent.get(path, "")
        shown = shown_url(url)
        polling = Polling(job.ci, shown, job.settings.health_check_timeout)
        while True:
            seconds = max(_SHORTEST_TIME, min(_ANSWER_TIME, polling.left))
            asked = _uncached(url) if sha256 else url
            try:
                response = await read_page(asked, job.client.http, max_body=_LARGEST_ANSWER, seconds=seconds)
            except PageError as error:
                flaw, pause = str(error), 0.0
            else:
                flaw, pause = _flaw(job, response, path, sha256), parse_retry_after(response.headers)
            if not flaw:
                break
            if not await polling.again(flaw, pause):
                raise HealthCheckFailed(
                    f"{shown} is not healthy after {human_seconds(polling.waited)}: {flaw}",
                    hint=_HINT_SITE if sent else _HINT,
                )
        # Any other answer may come from the old version, or from another site.
        job.result.seen_live = bool(sha256 or (path and job.result.seen_running))
        state = f"serves {path!r} as deployed" if sha256 else "is healthy"
        job.ci.info(f"{shown} {state} after {human_seconds(polling.waited)}")


def _flaw(job: Job, response: Response, path: str, sha256: str) -> str:
    """What is wrong with an answer, as a clause; empty for a good answer."""
    status = response.status_code
    if not 200 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        said = job.client.words(response.content)
        return f"it answered {status}" + (f" ({said})" if said else "")
    if sha256 and hashlib.sha256(response.content).hexdigest() != sha256:
        return f"it answered {status}, but not with {path!r} as it was deployed"
    return ""


def _url(job: Job, wanted: str) -> str:
    """The URL to request: the input itself, or the app's URL with the input's path at the end."""
    if not wanted.startswith("/"):
        return wanted
    if not job.result.url:
        error = HealthCheckFailed(
            "The platform does not give the app's URL, so its health can't be checked",
            hint="Give `health-check` a full URL.",
        )
        error.was_asked = False
        raise error
    return job.result.url.rstrip("/") + wanted


def _deployed_path(job: Job, url: str) -> str:
    """The path of the file at a URL of this app; empty for any other URL. The file need not exist."""
    address = url.partition("#")[0].partition("?")[0]
    domains = (f"{scheme}://{domain}" for scheme in ("https", "http") for domain in job.settings.domains)
    for base in ((job.result.url or "").rstrip("/"), *domains):
        if base and f"{address}/".startswith(f"{base}/"):
            path = unquote(address.removeprefix(base)).removeprefix("/")
            return path + "index.html" if not path or path.endswith("/") else path
    return ""


def _uncached(url: str) -> str:
    """The URL with a query that is in no cache."""
    url = url.partition("#")[0]
    return f"{url}{'&' if '?' in url else '?'}zerokie={uuid.uuid4()}"

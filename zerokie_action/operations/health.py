"""The health check: does the deployed app answer, and is it what was deployed?

Any 2xx or 3xx will do; no redirect is followed. When the URL is that of a file of a static deploy, what is
served must be that file, byte for byte, past the CDN's cache: then green means that the new version is live.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from zerokie_action.errors import HealthCheckFailed
from zerokie_action.files.local import hash_file
from zerokie_action.http.failure import retry_after
from zerokie_action.http.request import MEGABYTE
from zerokie_action.operations.job import NotYet
from zerokie_action.platform.pages import PageError, read_page, shown_url
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.http import Response
    from zerokie_action.operations.job import Job

_ANSWER_TIME = 20.0
_SHORTEST_TIME = 1.0
_LARGEST_ANSWER = 64 * MEGABYTE
_HINT = "Look at the app's own log, or raise `health-check-timeout`."
_HINT_NO_ANSWER = "New host names and certificates may take a while: raise `health-check-timeout` for those."
_HINT_FILE = (
    "The CDN may take a while: raise `health-check-timeout`. If something on the way rewrites files, "
    "name one that it leaves alone."
)


class _Check(NamedTuple):
    """What to ask, and what must be served there.

    Attributes:
        path: of the deployed file that is named; empty when any good answer will do.
        sha256: of that file, in hex.
    """

    url: str
    path: str = ""
    sha256: str = ""
    hint: str = _HINT


async def check_health(job: Job, files: Sequence[LocalFile] = ()) -> None:
    """Ask until the app is healthy, if `health-check` is set.

    Args:
        job: the run.
        files: what was deployed to a static app.

    Raises:
        HealthCheckFailed: when `health-check-timeout` has passed; with the last answer.
    """
    if job.settings.health_check is None:
        return
    with job.phase("Health check"):
        check = await _prepare(job, job.settings.health_check, files)
        shown = shown_url(check.url)
        began = anyio.current_time()
        seconds = job.settings.health_check_timeout
        hint = check.hint

        async def ask() -> NotYet | None:
            nonlocal hint
            left = max(_SHORTEST_TIME, min(_ANSWER_TIME, began + seconds - anyio.current_time()))
            url = _uncached(check.url) if check.path else check.url
            try:
                response = await read_page(url, job.client.http, max_body=_LARGEST_ANSWER, seconds=left)
            except PageError as error:
                hint = _HINT_NO_ANSWER
                return NotYet(str(error))
            hint = check.hint
            flaw = _flaw(job, check, response)
            return NotYet(flaw, retry_after(response.headers)) if flaw else None

        answer = await job.poll(ask, shown, seconds)
        duration = human_seconds(anyio.current_time() - began)
        if answer is not None:
            raise HealthCheckFailed(f"{shown} is not healthy after {duration}: {answer.why}", hint=hint)
        # An answer of a site that is no deployed file may be an old page, and any URL may be somebody else's.
        base = (job.result.url or check.url).rstrip("/")
        is_app = bool(job.result.url) and f"{check.url}/".startswith(f"{base}/")
        job.result.seen_live = bool(check.path) or (is_app and job.result.kind == "container")
        state = f"serves {check.path!r} as deployed" if check.path else "is healthy"
        job.ci.info(f"{shown} {state} after {duration}")


def preview_health_check(job: Job) -> None:
    """Say what would be asked, if `health-check` is set; nothing is deployed that could answer."""
    wanted = job.settings.health_check
    if wanted is not None:
        is_known = job.result.url or not wanted.startswith("/")
        job.preview(
            f"would check the health of {shown_url(_url(job, wanted)) if is_known else 'the new app'}"
        )


def _flaw(job: Job, check: _Check, response: Response) -> str:
    """What is wrong about an answer; empty when it is right."""
    status = response.status_code
    if not 200 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        quote = job.client.http.error_detail(response.content)
        return f"it answered {status}" + (f" ({quote})" if quote else "")
    if check.path and hashlib.sha256(response.content).hexdigest() != check.sha256:
        return f"it answered {status}, but not with {check.path!r} as it was deployed"
    return ""


async def _prepare(job: Job, wanted: str, files: Sequence[LocalFile]) -> _Check:
    url = _url(job, wanted)
    path = _file_path(job, url)
    file = next((file for file in files if file.path == path), None)
    if file is not None:
        sha256 = await anyio.to_thread.run_sync(hash_file, file, abandon_on_cancel=True)
        return _Check(url, file.path, sha256, _HINT_FILE)
    if path and files:
        return _Check(url, hint=f"No file {path!r} was deployed: correct `health-check`, or add that file.")
    return _Check(url)


def _url(job: Job, wanted: str) -> str:
    """The URL to ask: as given, or the path behind the app's own URL, which may have a path itself."""
    if not wanted.startswith("/"):
        return wanted
    if not job.result.url:
        raise HealthCheckFailed(
            "The platform does not say where the app answers, so its health can't be checked",
            hint="Give `health-check` a full URL.",
        )
    return job.result.url.rstrip("/") + wanted


def _file_path(job: Job, url: str) -> str:
    """The path of the file that the URL names, deployed or not; empty when it is no URL of this app."""
    url = url.partition("#")[0].partition("?")[0]
    base = (job.result.url or "").rstrip("/")
    if base and (url + "/").startswith(base + "/"):
        path = url.removeprefix(base)
    else:
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        if (parts.hostname or "") not in job.settings.domains:
            return ""
        path = parts.path
    path = unquote(path).removeprefix("/")
    return path + "index.html" if not path or path.endswith("/") else path


def _uncached(url: str) -> str:
    """The URL with a query that no cache has seen."""
    url = url.partition("#")[0]
    return f"{url}{'&' if '?' in url else '?'}zerokie={uuid.uuid4()}"

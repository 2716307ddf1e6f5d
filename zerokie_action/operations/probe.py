"""The health check: does the deployed app answer, and is it what was deployed?

Any 2xx or 3xx will do. When the path names a file of a static deploy, what is served must be that file, byte
for byte, past the CDN's cache: then green means that the new version is live.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from zerokie_action.errors import HealthCheckFailed
from zerokie_action.files.local import hash_file
from zerokie_action.http.client import MEGABYTE
from zerokie_action.http.failure import error_detail, retry_after
from zerokie_action.operations.pauses import News, pauses
from zerokie_action.platform.pages import PageError, follow, shown_url
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zerokie_action.files.local import LocalFile
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.pages import Page

_ANSWER_TIME = 20.0
_SHORTEST_TIME = 1.0
_LARGEST_ANSWER = 64 * MEGABYTE
_SHOWN = 200
_HINT = (
    "Look at the app's own log. New host names and certificates may take a while: "
    "raise `health-check-timeout` for those."
)
_HINT_VERSION = (
    "If something on the way rewrites files, name one in `health-check` that it leaves alone, or a full URL."
)


@dataclass(frozen=True, slots=True)
class _Check:
    """What to ask, and what must be served there.

    Attributes:
        path: of the deployed file that is named; empty when any good answer will do.
        sha256: of that file, in hex.
    """

    url: str
    path: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why one attempt did not find the app healthy: words that end a sentence, and what to do.

    Attributes:
        retry_after: seconds that the app asks to wait.
    """

    words: str
    hint: str = _HINT
    retry_after: float = 0.0


async def check(job: Job, asked: str, files: Sequence[LocalFile]) -> None:
    """Ask until the app is healthy.

    Args:
        job: the run.
        asked: what `health-check` says.
        files: what was deployed to a static app.

    Raises:
        HealthCheckFailed: when `health-check-timeout` has passed; with the last answer.
    """
    with job.phase("Health check"):
        what = await _prepare(job, asked, files)
        began = anyio.current_time()
        trouble = await _poll_until_healthy(job, what)
        taken = human_seconds(anyio.current_time() - began)
        shown = shown_url(what.url)
        if trouble is not None:
            words = f"{shown} is not healthy after {taken}: {trouble.words}"
            raise HealthCheckFailed(words, hint=trouble.hint)
        job.result.looked = True
        state = f"serves {what.path!r} as deployed" if what.path else "is healthy"
        job.ci.info(f"{shown} {state} after {taken}")


def preview(job: Job, asked: str) -> None:
    """Say what would be asked; nothing is deployed that could answer."""
    is_known = job.result.url or not asked.startswith("/")
    job.plan(f"would check the health of {shown_url(_url(job, asked)) if is_known else 'the new app'}")


async def _poll_until_healthy(job: Job, check: _Check) -> _Trouble | None:
    """Ask until the answer is right or the time is over. Returns the failure of the last attempt, if any."""
    ends_at = anyio.current_time() + job.settings.health_check_timeout
    news = News(job.ci.info)
    for attempt, pause in enumerate(pauses(), 1):
        left = ends_at - anyio.current_time()
        trouble = await _ask(job, check, attempt, max(_SHORTEST_TIME, min(_ANSWER_TIME, left)))
        left = ends_at - anyio.current_time()
        if trouble is None or left <= 0:
            return trouble
        if attempt == 1:
            until = human_seconds(left)
            job.ci.info(f"{shown_url(check.url)} is not healthy yet: {trouble.words}; trying for {until}")
        news.tell(f"Still not healthy: {trouble.words}; {human_seconds(left)} left")
        await anyio.sleep(min(max(pause, trouble.retry_after), left))
    return None


async def _ask(job: Job, check: _Check, attempt: int, seconds: float) -> _Trouble | None:
    url = _uncached(check.url, f"{job.session}-{attempt}") if check.path else check.url
    try:
        page = await follow(url, job.platform.http, max_body=_LARGEST_ANSWER, seconds=seconds)
    except PageError as error:
        return _Trouble(str(error))
    trouble = _judge(job, check, page, by="" if page.url == shown_url(url) else f"{page.url} ")
    if trouble and page.redirected and not check.path:
        # The app has answered. What it leads to may be for people with a login only.
        job.ci.info(f"{shown_url(url)} answers with a redirect, but {trouble.words}")
        return None
    return trouble


def _judge(job: Job, check: _Check, page: Page, by: str) -> _Trouble | None:
    """What is wrong about the last answer; `by` says whose it is, if not that of the URL itself."""
    if page.dead_end:
        return _Trouble(page.dead_end)
    if not 200 <= page.response.status_code < 400:  # noqa: PLR2004 - HTTP's own numbers
        # What another host says is not for everybody's eyes: an app may send us anywhere.
        quote = "" if page.elsewhere else error_detail(page.response.content, _SHOWN, job.ci.redact)
        return _Trouble(
            f"{by}answered {page.response.status_code}" + (f" ({quote})" if quote else ""),
            retry_after=retry_after(page.response.headers) or 0.0,
        )
    if check.path and hashlib.sha256(page.response.content).hexdigest() != check.sha256:
        return _Trouble(f"{by}serves another version of {check.path!r}", _HINT_VERSION)
    return None


async def _prepare(job: Job, asked: str, files: Sequence[LocalFile]) -> _Check:
    url = _url(job, asked)
    by_path = {file.path: file for file in files}
    file = by_path.get(_file_path(job, url))
    if file is None:
        return _Check(url)
    return _Check(url, file.path, await anyio.to_thread.run_sync(hash_file, file))


def _url(job: Job, asked: str) -> str:
    """The URL to ask: as given, or the path behind the app's own URL, which may have a path itself."""
    if not asked.startswith("/"):
        return asked
    if not job.result.url:
        raise HealthCheckFailed(
            "The platform does not say where the app answers, so its health can't be checked",
            hint="Give `health-check` a full URL.",
        )
    return job.result.url.rstrip("/") + asked


def _file_path(job: Job, url: str) -> str:
    """The path of the file that the URL names, deployed or not; empty when it is no URL of this app."""
    url = url.partition("#")[0].partition("?")[0]
    base = (job.result.url or "").rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if base and (url + "/").startswith(base + "/"):
        path = url.removeprefix(base)
    elif (parts.hostname or "") in {domain.lower() for domain in job.settings.domains}:
        path = parts.path
    else:
        return ""
    path = unquote(path).removeprefix("/")
    return path + "index.html" if not path or path.endswith("/") else path


def _uncached(url: str, unique: str) -> str:
    """The URL with a query that no cache has seen."""
    url = url.partition("#")[0]
    return f"{url}{'&' if '?' in url else '?'}zerokie={unique}"

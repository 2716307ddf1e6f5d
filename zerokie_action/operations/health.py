"""The health check: requests the app's URL until the app answers as it should.

Any 2xx or 3xx will do; redirects are not followed. If the URL leads to a deployed file of a static app, the
answer must be that file, byte for byte, past the CDN's cache. With `health-check-text`, the answer must be
a 2xx that contains the text. Either proves that the new version is live.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from zerokie_action.errors import HealthCheckFailed
from zerokie_action.http import Response
from zerokie_action.http.request import MEGABYTE
from zerokie_action.numbers import human_seconds
from zerokie_action.operations.apps import HINT_LOG
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.answers import NOT_FOUND, words
from zerokie_action.platform.pages import PageError, read_page, shown_url
from zerokie_action.report.result import Seen

_SILENCE = 20.0
"""Seconds without a byte after which a request fails."""
_LARGEST_ANSWER = 64 * MEGABYTE
_SERVER_ERROR = 500
_HINT_NEW = "A new host name and its certificate may take a while: raise `health-check-timeout`."
_HINT_SLOW = "If it only needs more time, raise `health-check-timeout`."
_HINT_PATH = "Check the path in `health-check`, which is requested without the API key."
_HINT_OLD = "An older version or a cache may still answer"
_HINT_REWRITTEN = (
    f"{_HINT_OLD}: raise `health-check-timeout`. If a proxy or CDN rewrites files, point `health-check` at a "
    "file that it leaves unchanged."
)
_HINT_REDIRECT = "Set `health-check` to the address that the redirect leads to."


class NoURL(HealthCheckFailed):
    """No request could be sent, so nothing speaks against the deploy."""


async def check_health(job: Job, url: str, sent: Mapping[str, str]) -> None:
    """Request the URL until the app is healthy, if `health-check` is set.

    Args:
        job: the run.
        url: the app's URL; empty if the platform does not give it.
        sent: the SHA-256 in hex of each file that was deployed, by path; empty for a container app.

    Raises:
        HealthCheckFailed: when the app is not healthy at the end of `health-check-timeout`.
        NoURL: when the platform does not give the app's URL.
    """
    settings = job.settings
    if settings.health_check is None:
        return
    target = _target(settings.health_check, url)
    path = _path_in_app(job, target, url)
    check = _Check(job, target, path, sent)
    text, shown = check.text, shown_url(target)
    proofs = [f"serves {path!r} as deployed"] if check.sha256 else []
    proofs += [f"answers with the text {text!r}"] if text else []
    polling = Polling(job.log, shown, settings.health_check_timeout)
    if flaw := await polling.until(check.look):
        raise HealthCheckFailed(
            f"{shown} is not healthy after {human_seconds(polling.waited)}: {flaw}", hint=check.advice
        )
    # Any other answer may come from the old version, or from another site.
    if proofs or (path and job.result.seen is Seen.RUNNING):
        job.result.seen = Seen.LIVE
    after = human_seconds(polling.waited)
    job.log.info(f"{shown} {' and '.join(proofs) or 'is healthy'} after {after}")


@dataclass
class _Check:
    """What is requested, and which answer is a good one.

    Attributes:
        target: the URL.
        path: the path of the file at the URL; empty if the URL is not the app's. The file need not exist.
        sent: as for `check_health`.
        advice: what to do about the last answer.
    """

    job: Job
    target: str
    path: str
    sent: Mapping[str, str]
    advice: str = _HINT_NEW

    @property
    def text(self) -> str:
        """The text that the answer must contain; empty for any."""
        return self.job.settings.health_check_text or ""

    @property
    def sha256(self) -> str:
        """The hash of the file that the answer must be; empty for any answer."""
        return self.sent.get(self.path, "")

    async def look(self) -> str:
        """Request the URL once. Returns what is wrong with the answer, as a clause; empty for a good one."""
        asked = _uncached(self.target) if self.sha256 else self.target
        try:
            response = await read_page(
                asked, self.job.client.http, max_body=_LARGEST_ANSWER, silence=_SILENCE
            )
        except PageError as error:
            self.advice = _HINT_NEW if self.sent else f"{HINT_LOG} {_HINT_NEW}"
            return str(error)
        flaw, self.advice = self._judge(response)
        return flaw

    def _judge(self, response: Response) -> tuple[str, str]:
        """What is wrong with an answer, and what to do about it; both are empty for a good answer."""
        status, content, text = response.status_code, response.content, self.text
        answered = f"it answered {status}"
        said = words(content, self.job.client.redact)
        if not 200 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
            is_missing = status == NOT_FOUND and self.path and self.sent and not self.sha256
            missing = f", and the directory has no {self.path!r}" if is_missing else ""
            return f"{answered}{said and f' ({said})'}{missing}", self._advice_for(status)
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            return f"{answered}, but not with {self.path!r} as it was deployed", _HINT_REWRITTEN
        if text and not response.is_success:
            what = "a redirect: `health-check-text` is looked for in a 2xx answer only"
            return f"{answered}, {what}", _HINT_REDIRECT
        # The input may have bytes that are not UTF-8: an environment variable may have any.
        if text.encode(errors="surrogateescape") not in content:
            of_file = f"{self.path!r} was deployed without it: correct `health-check-text`, or the build."
            return (
                f"{answered} without the text {text!r}{said and f', but with {said}'}",
                of_file if self.sha256 else f"Does this version print it? {_HINT_OLD}.",
            )
        return "", ""

    def _advice_for(self, status: int) -> str:
        """What to do about an answer that is neither 2xx nor 3xx."""
        if status >= _SERVER_ERROR:
            return _HINT_SLOW if self.sent else f"{HINT_LOG} Does the app listen on `port`? {_HINT_SLOW}"
        if status == NOT_FOUND and self.sha256:
            return f"{self.path!r} was deployed, but the platform does not serve it. {_HINT_SLOW}"
        return _HINT_PATH


def _target(wanted: str, url: str) -> str:
    """The URL to request: the input itself, or the app's URL with the input's path at the end."""
    if not wanted.startswith("/"):
        return wanted
    if not url:
        raise NoURL(
            "The platform does not give the app's URL, so its health can't be checked",
            hint="Give `health-check` a full URL.",
        )
    return url.rstrip("/") + wanted


def _path_in_app(job: Job, target: str, url: str) -> str:
    """The path of the file at a URL of this app; empty for any other URL. The file need not exist."""
    address = target.partition("#")[0].partition("?")[0]
    domains = (f"{scheme}://{domain}" for scheme in ("https", "http") for domain in job.settings.domains)
    for base in (url.rstrip("/"), *domains):
        if base and f"{address}/".startswith(f"{base}/"):
            path = unquote(address.removeprefix(base)).removeprefix("/")
            return path + "index.html" if not path or path.endswith("/") else path
    return ""


def _uncached(url: str) -> str:
    """The URL with a query that is in no cache."""
    url = url.partition("#")[0]
    return f"{url}{'&' if '?' in url else '?'}zerokie={uuid.uuid4()}"

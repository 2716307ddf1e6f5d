"""The health check: requests the app's URL until the app answers as it should.

Any 2xx or 3xx will do; redirects are not followed. If the URL leads to a deployed file of a static app, the
answer must be that file, byte for byte, past the CDN's cache. With `health-check-text`, the answer must be
a 2xx that contains the text. Either proves that the new version is live.
"""

import hashlib
import uuid
from collections.abc import Mapping
from urllib.parse import unquote

from zerokie_action.errors import HealthCheckFailed
from zerokie_action.http import Response
from zerokie_action.http.request import MEGABYTE
from zerokie_action.operations.apps import HINT_LOG
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.answers import words
from zerokie_action.platform.pages import PageError, read_page, shown_url
from zerokie_action.text import human_seconds

_SILENCE = 20.0
"""Seconds without a byte after which a request fails."""
_LARGEST_ANSWER = 64 * MEGABYTE
_HINT = (
    "Check the path in `health-check`. New host names, certificates and the CDN may take a while: raise "
    "`health-check-timeout`."
)
_HINT_SITE = "If a proxy or CDN rewrites files, point `health-check` at a file that it leaves unchanged."


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
    sha256, text = sent.get(path, ""), settings.health_check_text or ""
    shown = shown_url(target)
    proofs = [f"serves {path!r} as deployed"] if sha256 else []
    proofs += [f"answers with the text {text!r}"] if text else []
    polling = Polling(job.log, shown, settings.health_check_timeout)

    async def look() -> str:
        asked = _uncached(target) if sha256 else target
        try:
            response = await read_page(asked, job.client.http, max_body=_LARGEST_ANSWER, silence=_SILENCE)
        except PageError as error:
            return str(error)
        return _flaw(job, response, path, sha256, text)

    if flaw := await polling.until(look):
        raise HealthCheckFailed(
            f"{shown} is not healthy after {human_seconds(polling.waited)}: {flaw}",
            hint=f"{_HINT} {_HINT_SITE}" if sent else f"{HINT_LOG} {_HINT}",
        )
    # Any other answer may come from the old version, or from another site.
    job.result.seen_live = bool(proofs or (path and job.result.seen_running))
    after = human_seconds(polling.waited)
    job.log.info(f"{shown} {' and '.join(proofs) or 'is healthy'} after {after}")


def _flaw(job: Job, response: Response, path: str, sha256: str, text: str) -> str:
    """What is wrong with an answer, as a clause; empty for a good answer."""
    status, content = response.status_code, response.content
    answered = f"it answered {status}"
    if not 200 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        said = words(content, job.client.redact)
        return answered + (f" ({said})" if said else "")
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        return f"{answered}, but not with {path!r} as it was deployed"
    if text and not response.is_success:
        return f"{answered}, a redirect: `health-check-text` is looked for in a 2xx answer only"
    expected = text.encode(errors="surrogateescape")  # a variable may have any bytes
    return f"{answered} without the text {text!r}" if expected not in content else ""


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

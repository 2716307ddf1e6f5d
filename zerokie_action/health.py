"""The health check: requests for a page until it responds as it should.

A deployed file must have the bytes that were deployed, and with `health-check-text`, a page must contain the
text. Either proves that the new version is live, so redirects within the origin are followed to the page.
Without proof, any 2xx or 3xx is healthy.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from zerokie_action import limits
from zerokie_action.app import RunApp, find_url
from zerokie_action.errors import ConfigurationError, HealthCheckFailed
from zerokie_action.http import Response
from zerokie_action.http.request import MEGABYTE
from zerokie_action.job import Job
from zerokie_action.platform.pages import PageError, RedirectError, read_page, shown_url
from zerokie_action.platform.polling import Polling
from zerokie_action.platform.responses import NOT_FOUND, quotation
from zerokie_action.report.report import Headline
from zerokie_action.text.numbers import human_seconds

_LARGEST_PAGE = 64 * MEGABYTE
_MOST_REDIRECTS = 3
_HINT_TIME = (
    "Raise `wait` if the app is slow or its host name is new. "
    "For an image, also check the app's log and `port`."
)
_HINT_INPUTS = (
    "Set `health-check` to an existing page that responds without the API key. "
    "If you use `health-check-text`, set it to a text on that page."
)
_HINT_OLD = (
    "Raise `wait` if an older version or a cache still responds. "
    "If a proxy or CDN changes the page, set `health-check` to another one."
)


class NoURL(ConfigurationError):  # noqa: N818 - named as the errors of `errors`
    """The health check sent no request, so nothing speaks against the deploy."""

    exit_code = HealthCheckFailed.exit_code


async def require_healthy(
    job: Job,
    app: RunApp,
    hashes: Mapping[str, str],
    *,
    waited: float = 0.0,
    is_running: bool = False,
) -> None:
    """Request the URL until the app is healthy, if `health-check` is set. Find the app's URL in any case.

    Args:
        job: the run.
        app: the run's app.
        hashes: the SHA-256 in hex of each deployed file, by path. Empty for a container app.
        waited: how much of `wait` is over, in seconds. A container app's check gets at least 30s.
        is_running: whether the app runs the new version, so that any healthy page of it is live.

    Raises:
        HealthCheckFailed: when the app isn't healthy at the end of `wait`.
        NoURL: when `health-check` is a path and the platform doesn't give the app's URL.
    """
    await find_url(job, app)
    settings = job.settings
    if settings.health_check is None:
        return
    target = _target(settings.health_check, app.url)
    path = _path_in_app(job, target, app.url)
    check = _Check(job, target, path, hashes)
    seconds = settings.wait and max(settings.wait - waited, 0.0 if hashes else limits.HEALTH_CHECK)
    polling = Polling(job.log.info, shown_url(target), seconds)
    flaw = "no response in time"
    while True:
        with polling.one_poll():
            flaw = await check.find_flaw()
        if not flaw or check.is_final or not await polling.again(flaw):
            break
    if flaw:
        after = human_seconds(polling.waited)
        raise HealthCheckFailed(f"{shown_url(target)} is not healthy after {after}: {flaw}", hint=check.hint)
    # Without proof, the response may come from the old version, or from another site.
    if check.proofs or (path and is_running):
        job.report.headline = Headline.LIVE
    found = " and ".join(check.proofs) or "is healthy"
    job.log.info(f"{shown_url(target)} {found} after {human_seconds(polling.waited)}")


@dataclass
class _Check:
    """The page to request, and the content that it must have.

    Attributes:
        target: the URL.
        path: the path of the file at the URL. Empty if the URL isn't the app's. The file need not exist.
        hashes: as for `require_healthy`.
        hint: the advice about the last response.
        is_final: whether another request can't help, because the folder doesn't have the page.
    """

    job: Job
    target: str
    path: str
    hashes: Mapping[str, str]
    hint: str = _HINT_TIME
    is_final: bool = False

    @property
    def text(self) -> str:
        """The text that the page must contain. Empty if the text doesn't matter."""
        return self.job.settings.health_check_text or ""

    @property
    def sha256(self) -> str:
        """The hash of the deployed file that the page must equal. Empty if the page isn't such a file."""
        return self.hashes.get(self.path, "")

    @property
    def _is_missing(self) -> bool:
        """Whether the deployed folder doesn't have the page: `about` is neither a file nor a clean URL."""
        page = self.path.removesuffix("/index.html")
        pages = {self.path, page, f"{page}.html", f"{page}/index.html"}
        return bool(self.path and self.hashes) and pages.isdisjoint(self.hashes)

    @property
    def proofs(self) -> list[str]:
        """Clauses about a healthy page, each of which proves that the new version is live."""
        proofs = [f"serves {self.path!r} as deployed"] if self.sha256 else []
        return [*proofs, f"responds with the text {self.text!r}"] if self.text else proofs

    async def find_flaw(self) -> str:
        """Request the page once. Return why it is unhealthy as a clause; empty if it is healthy."""
        try:
            response = await read_page(
                self.target,
                self.job.client.http,
                max_body=_LARGEST_PAGE,
                silence=limits.PAGE_SILENCE,
                redirects=_MOST_REDIRECTS if self.proofs else 0,
                is_uncached=bool(self.sha256),
            )
        except RedirectError as error:
            flaw, self.hint = self.job.redactor.redact(str(error)), _HINT_INPUTS
        except PageError as error:
            flaw, self.hint = str(error), _HINT_TIME
        else:
            flaw, self.hint = self._judge(response)
        return flaw

    def _judge(self, response: Response) -> tuple[str, str]:
        """Return the flaw of a response, and the advice about it. Both are empty for a healthy response."""
        status, content = response.status_code, response.content
        quoted = quotation(content, self.job.redactor.redact)
        responded = f"it responded with {status}"
        if status not in range(200, 300 if self.proofs else 400):
            self.is_final = status == NOT_FOUND and self._is_missing
            missing = f", and the folder has no file {self.path!r}" if self.is_final else ""
            is_late = response.is_server_error or (status == NOT_FOUND and self.sha256)
            flaw = f"{responded}{quoted and f' ({quoted})'}{missing}"
            return flaw, _HINT_TIME if is_late else _HINT_INPUTS
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            return f"{responded}, but not with {self.path!r} as deployed", _HINT_OLD
        # The input may have bytes that are not UTF-8, because an environment variable may have any.
        if self.text.encode(errors="surrogateescape") not in content:
            flaw = f"{responded} without the text {self.text!r}{quoted and f', but with {quoted}'}"
            return flaw, _HINT_INPUTS if self.sha256 else _HINT_OLD
        return "", ""


def _target(wanted: str, url: str) -> str:
    """Return the URL to request: the input itself, or the app's URL with the input's path at the end."""
    if not wanted.startswith("/"):
        return wanted
    if not url:
        raise NoURL("The platform doesn't give the app's URL, so `health-check` needs a full URL")
    return url.rstrip("/") + wanted


def _path_in_app(job: Job, target: str, url: str) -> str:
    """Return the path of the file at a URL of this app, or an empty text. The file need not exist."""
    address = shown_url(target)  # credentials and the query don't change the file
    domains = (f"{scheme}://{domain}" for scheme in ("https", "http") for domain in job.settings.domains)
    for site in filter(None, (url, *domains)):
        base = shown_url(site).rstrip("/")
        if f"{address}/".startswith(f"{base}/"):
            path = unquote(address.removeprefix(base)).removeprefix("/")
            return path + "index.html" if not path or path.endswith("/") else path
    return ""

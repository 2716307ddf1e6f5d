"""The platform, by plain requests: what the script believes is what it saw here."""

from __future__ import annotations

import os
import re
import ssl
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import certifi
import httpx

from acceptance.names import own
from acceptance.report import say

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_URL = "https://api.platform-dev.zerokie.com"
STORED_BESIDE = "_zerokie/"
"""Where the action keeps its manifests in the app."""
OUTAGE = 60.0
"""Seconds for which a request is repeated that gets no answer, 429 or 5xx."""
SHOWN = 30.0
"""Seconds after which the API shows what was done."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_CA_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
COUNTS = {"files_uploaded": 0, "files_deleted": 0, "total_bytes": 0}

Files = dict[str, int]
"""The length of each file by its path."""


class CouldNotRunError(Exception):
    """Nothing was, or can be, found out."""


class NotTriedError(Exception):
    """A promise can't be judged here; the text says why."""


class BrokenError(Exception):
    """A promise does not hold; the text says what was seen."""


class Platform:
    """An account on a platform.

    Attributes:
        url: the API's address.
        key: the API key, which goes to `url` only.
        times: seconds that each request took, by its kind.
        locks: the sessions that hold locks of ours, by the app's name.
    """

    def __init__(self, url: str, key: str) -> None:
        """Send nothing yet.

        Raises:
            CouldNotRunError: the URL is none that a key may be sent to.
        """
        parts = urlsplit(url)
        loopback = parts.hostname in _LOOPBACK
        if parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise CouldNotRunError("ZEROKIE_API_URL has to begin with https://, or http:// for this machine")
        self.url, self.key = url.rstrip("/"), key
        self.times: dict[str, list[float]] = defaultdict(list)
        self.locks: dict[str, str] = {}
        bundle = next((os.environ[name] for name in _CA_FILES if os.environ.get(name)), None)
        tls = ssl.create_default_context(cafile=bundle or certifi.where())
        options: dict[str, Any] = {"verify": tls, "timeout": 30.0, "trust_env": not loopback}
        self._api = httpx.Client(headers={"authorization": f"Bearer {key}"}, **options)
        self._world = httpx.Client(**options)

    def close(self) -> None:
        """Close all connections."""
        self._api.close()
        self._world.close()

    # --- requests

    def once(self, method: str, app: str, tail: str = "", **content: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        """Send one request for an app of ours; whatever is answered is the answer."""
        kind = f"{method} /v1/apps/:name" + re.sub("^/(files|domains)/.*", r"/\1/…", tail)
        return self._timed(kind, self._api, method, f"{self.url}/v1/apps/{own(app)}{tail}", **content)

    def request(self, method: str, app: str, tail: str = "", **content: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        """Send a request for an app of ours until something else than an outage is answered."""
        return _answered(lambda: self.once(method, app, tail, **content))

    def create(self, app: str) -> httpx.Response:
        """Create a static app."""
        content = {"name": own(app), "type": "static"}
        return self._timed("POST /v1/apps", self._api, "POST", f"{self.url}/v1/apps", json=content)

    def apps(self) -> dict[str, Any]:
        """Return all apps of the account as the platform lists them, by name.

        Raises:
            CouldNotRunError: it does not list them.
        """
        try:
            answer = _answered(lambda: self._timed("GET /v1/apps", self._api, "GET", f"{self.url}/v1/apps"))
            if answer.is_success:
                return {app["name"]: app for app in answer.json()}
            why = f"{answer.status_code} {answer.reason_phrase}"
        except (NotTriedError, ValueError, TypeError, KeyError) as error:
            why = str(error)
        raise CouldNotRunError(f"the platform did not list the account's apps: {why}")

    def visit(self, url: str) -> tuple[str, bytes]:
        """Get a public page, without the key: the status, or the name of the error, and the body."""
        try:
            answer = self._timed("GET a page", self._world, "GET", url)
        except httpx.HTTPError as error:
            return type(error).__name__, b""
        return str(answer.status_code), answer.content

    def _timed(
        self,
        kind: str,
        client: httpx.Client,
        method: str,
        url: str,
        **content: Any,  # noqa: ANN401 - as httpx has it
    ) -> httpx.Response:
        started = time.monotonic()
        answer = client.request(method, url, **content)
        self.times[kind].append(time.monotonic() - started)
        return answer

    # --- what is there

    def app(self, name: str) -> dict[str, Any] | None:
        """Return the app as the platform shows it, or None."""
        answer = self.request("GET", name)
        if answer.status_code == 404:
            return None
        return as_object(answer)

    def files(self, name: str) -> Files:
        """Return what is listed, without the action's manifests."""
        listed = paths(self.request("GET", name, "/files"))
        return {path: entry["length"] for path, entry in listed.items() if not path.startswith(STORED_BESIDE)}

    # --- the lock

    def take_lock(self, app: str) -> bool:
        """Take the lock; False if somebody holds it."""
        session = str(uuid.uuid4())
        answer = self.request("POST", app, "/deploy/lock", json={"deploy_session_id": session})
        if answer.is_success:
            self.locks[app] = session
        elif answer.status_code != 409:
            raise BrokenError(f"the script's own request for the lock was answered with {answer.status_code}")
        return answer.is_success

    def free_lock(self, app: str) -> httpx.Response | None:
        """Release the lock if it is ours, by finalize with zeros."""
        session = self.locks.pop(app, None)
        content = {"deploy_session_id": session} | COUNTS
        return self.once("POST", app, "/deploy/finalize", json=content) if session else None

    def lock_is_free(self, app: str) -> bool:
        """Take the lock and release it."""
        if free := self.take_lock(app):
            self.free_lock(app)
        return free

    def put(self, app: str, path: str, content: bytes) -> httpx.Response:
        """Store a file, as another tool would."""
        headers = {"content-type": "text/html"}
        return self.request("PUT", app, f"/files/{quote(path)}", content=content, headers=headers)

    # --- the end

    def delete(self, names: list[str], patience: float) -> list[str]:
        """Delete apps of ours until none is listed; return those that are left when `patience` is over."""
        deadline = time.monotonic() + patience
        left = [own(name) for name in names]
        while left:
            try:
                for name in left:
                    self.free_lock(name)
                    self.once("DELETE", name)
                left = sorted(set(left) & set(self.apps()))
            except (httpx.HTTPError, CouldNotRunError) as error:
                say(f"  {error}; again")
            if not left or time.monotonic() > deadline:
                break
            time.sleep(2)
        return left


def as_object(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a 2xx.

    Raises:
        BrokenError: it is none.
    """
    try:
        found = answer.json() if answer.is_success else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BrokenError(f"{answer.request.method} was answered with {answer.status_code} and no object")
    return found


def paths(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    """Return the entries of a listing by path. A leading slash is dropped, and so are directories.

    Raises:
        BrokenError: it is no listing; a 404 and nothing at all are one of no files.
    """
    if answer.status_code == 404 or (answer.is_success and not answer.content.strip()):
        return {}
    try:
        named = {entry["path"].removeprefix("/"): entry for entry in answer.json() or ()}
    except (ValueError, TypeError, KeyError):
        raise BrokenError(f"the list of files was answered with {answer.status_code} and no list") from None
    return {path: entry for path, entry in named.items() if path and not path.endswith("/")}


def _answered(send: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + OUTAGE
    while True:
        try:
            answer, why = send(), ""
            if answer.status_code != 429 and answer.status_code < 500:
                return answer
            why = str(answer.status_code)
        except httpx.TransportError as error:
            why = type(error).__name__
        if time.monotonic() > deadline:
            raise NotTriedError(f"the platform did not answer the script's own requests for a minute ({why})")
        time.sleep(1)


def until(holds: Callable[[], object], seconds: float = SHOWN, pause: float = 0.5) -> bool:
    """Look again and again until it holds, or the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True

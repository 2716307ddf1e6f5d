"""Plain HTTP requests to the platform.

The script checks the action's promises with its own requests, because it must notice the action's mistakes.
The module therefore imports nothing from the action, and repeats the default URL, the folder of the manifests
and the variables for CA bundles.
"""

import mimetypes
import os
import re
import ssl
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import certifi
import httpx

from acceptance.names import require_own
from acceptance.report import say

DEFAULT_URL = "https://api.platform-dev.zerokie.com"
MANIFEST_FOLDER = "_zerokie/"
"""The folder of a static app in which the action stores its manifests."""
OUTAGE_TIMEOUT = 60.0
"""Seconds for which the script retries a request after 429, 5xx or no response."""
SHOWN_WITHIN = 30.0
"""Seconds within which the API must show a change."""
FINALIZED_WITHIN = 120.0
"""Seconds that the script waits for the response to finalize."""
NO_CHANGES = {"files_uploaded": 0, "files_deleted": 0, "total_bytes": 0}
"""The counts of finalize for a session without changes."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class CouldNotRunError(Exception):
    """The reason why the script can't run."""


class NotTriedError(Exception):
    """The reason why the script couldn't check a promise."""


class BrokenError(Exception):
    """An observation that breaks a promise."""


def check(condition: object, otherwise: str) -> None:
    """Raise `BrokenError` unless the condition is true."""
    if not condition:
        raise BrokenError(otherwise)


def try_only_if(condition: object, otherwise: str) -> None:
    """Raise `NotTriedError` unless the condition is true."""
    if not condition:
        raise NotTriedError(otherwise)


class Page(NamedTuple):
    """A response to a visitor. Without a response, the status is the name of the error."""

    status: str
    content: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


class Platform:
    """An account on a platform.

    Attributes:
        url: the API's address.
        key: the API key; the script sends it only to `url`.
        times: durations of requests in seconds, by the kind of request.
        locks: the script's sessions that hold locks, by the app's name.
    """

    def __init__(self, url: str, key: str) -> None:
        """Prepare the connections; send nothing yet.

        Raises:
            CouldNotRunError: the key must not be sent to this URL.
        """
        parts = urlsplit(url)
        loopback = parts.hostname in _LOOPBACK
        if parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
            raise CouldNotRunError("ZEROKIE_API_URL must be https://HOST, or http://HOST for this machine")
        self.url, self.key = url.rstrip("/"), key
        self.times: dict[str, list[float]] = defaultdict(list)
        self.locks: dict[str, str] = {}
        bundle = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)
        tls = ssl.create_default_context(cafile=bundle)
        if not bundle:  # Some systems lack certificates.
            tls.load_verify_locations(certifi.where())
        options: dict[str, Any] = {"verify": tls, "timeout": 30.0, "trust_env": not loopback}
        self._api = httpx.Client(headers={"authorization": f"Bearer {key}"}, **options)
        self._public = httpx.Client(**options)

    def close(self) -> None:
        """Close all connections."""
        self._api.close()
        self._public.close()

    # --- requests

    def send_once(self, method: str, app: str, path: str = "", **content: Any) -> httpx.Response:
        """Send one request for an acceptance app, and return the response with any status."""
        kind = f"{method} /v1/apps/:name" + re.sub("^/(files|domains)/.*", r"/\1/…", path)
        return self._timed(kind, self._api, method, f"{self.url}/v1/apps/{require_own(app)}{path}", **content)

    def send(self, method: str, app: str, path: str = "", **content: Any) -> httpx.Response:
        """Send a request for an acceptance app; repeat the request during an outage.

        Raises:
            NotTriedError: the outage lasted longer than `OUTAGE_TIMEOUT`.
        """
        return _repeated(lambda: self.send_once(method, app, path, **content))

    def create(self, app: str) -> httpx.Response:
        """Create a static acceptance app."""
        content = {"name": require_own(app), "type": "static"}
        return self._timed("POST /v1/apps", self._api, "POST", f"{self.url}/v1/apps", json=content)

    def apps(self) -> dict[str, Any]:
        """Return all apps of the account, as the platform lists them, by name.

        Raises:
            CouldNotRunError: the platform does not list the apps.
        """
        try:
            response = _repeated(lambda: self._timed("GET /v1/apps", self._api, "GET", f"{self.url}/v1/apps"))
            if response.is_success:
                return {app["name"]: app for app in response.json()}
            why = f"{response.status_code} {response.reason_phrase}"
        except (NotTriedError, ValueError, TypeError, KeyError) as error:
            why = str(error)
        raise CouldNotRunError(f"the platform did not list the account's apps: {why}")

    def visit(self, url: str) -> Page:
        """Get a public page without the key."""
        try:
            response = self._timed("GET a page", self._public, "GET", url)
        except httpx.HTTPError as error:
            return Page(type(error).__name__)
        return Page(str(response.status_code), response.content, response.headers)

    def _timed(
        self, kind: str, client: httpx.Client, method: str, url: str, **content: Any
    ) -> httpx.Response:
        response = client.request(method, url, **content)
        self.times[kind].append(response.elapsed.total_seconds())
        return response

    # --- apps and files

    def app(self, name: str) -> dict[str, Any] | None:
        """Return the app as GET shows it, or None if the app does not exist."""
        response = self.send("GET", name)
        return None if response.status_code == 404 else as_object(response)

    def files(self, name: str) -> dict[str, int]:
        """Return the length of each file by its path, without the action's manifests."""
        listed = files_by_path(self.send("GET", name, "/files"))
        return {path: file["length"] for path, file in listed.items() if not path.startswith(MANIFEST_FOLDER)}

    def put(self, app: str, path: str, content: bytes) -> httpx.Response:
        """Upload a file, as another tool would."""
        headers = {"content-type": mimetypes.guess_type(path)[0] or "application/octet-stream"}
        return self.send("PUT", app, f"/files/{quote(path)}", content=content, headers=headers)

    # --- the lock

    def take_lock(self, app: str) -> bool:
        """Try to take the lock; return False if another session holds it."""
        session = str(uuid.uuid4())
        response = self.send("POST", app, "/deploy/lock", json={"deploy_session_id": session})
        if response.is_success:
            self.locks[app] = session
        elif response.status_code != 409:
            raise BrokenError(f"the script's lock request got a {response.status_code}")
        return response.is_success

    def wait_for_lock(self, app: str) -> None:
        """Wait until the lock is free, and take it.

        Raises:
            NotTriedError: another session held the lock for `FINALIZED_WITHIN`.
        """
        try_only_if(until(lambda: self.take_lock(app), FINALIZED_WITHIN), "the lock is not free")

    def release_lock(self, app: str) -> httpx.Response | None:
        """Finalize without changes if the script holds the lock, and return the response.

        If a gateway responds with a 504, wait until the lock is free.
        """
        session = self.locks.pop(app, None)
        if session is None:
            return None
        body = {"deploy_session_id": session} | NO_CHANGES
        response = self.send_once("POST", app, "/deploy/finalize", json=body, timeout=FINALIZED_WITHIN)
        if response.status_code == 504:
            until(lambda: not self.send("PUT", app, "/deploy/lock", json=body).is_success, FINALIZED_WITHIN)
        return response

    def lock_is_free(self, app: str) -> bool:
        """Return whether the lock is free, by taking and releasing it."""
        if free := self.take_lock(app):
            self.release_lock(app)
        return free

    # --- the end of a run

    def delete(self, names: list[str], seconds: float) -> list[str]:
        """Delete acceptance apps for up to `seconds`, and return the remaining ones."""
        deadline = time.monotonic() + seconds
        remaining = [require_own(name) for name in names]
        while remaining:
            try:
                for name in remaining:
                    self.release_lock(name)
                    self.send_once("DELETE", name)
                remaining = sorted(set(remaining) & set(self.apps()))
            except (httpx.HTTPError, CouldNotRunError) as error:
                say(f"  {error}; trying again")
            if not remaining or time.monotonic() > deadline:
                break
            time.sleep(2)
        return remaining


def as_object(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a successful response.

    Raises:
        BrokenError: the status is not 2xx, or the body is not an object.
    """
    try:
        body = response.json() if response.is_success else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        method, status = response.request.method, response.status_code
        raise BrokenError(f"the response to {method} was a {status} without a JSON object")
    return body


def files_by_path(response: httpx.Response) -> dict[str, dict[str, Any]]:
    """Return the files of a file list by their paths, without leading slashes and entries for directories.

    A 404 or an empty body means that the app is empty.

    Raises:
        BrokenError: the response is not a list of files.
    """
    if response.status_code == 404 or (response.is_success and not response.content.strip()):
        return {}
    try:
        files = {file["path"].removeprefix("/"): file for file in response.json() or ()}
    except (ValueError, TypeError, KeyError):
        raise BrokenError(f"the response to GET files was a {response.status_code} without a list") from None
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    return {path: files[path] for path in files if path and path[-1] != "/" and path not in folders}


def _repeated(send: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + OUTAGE_TIMEOUT
    while True:
        try:
            response = send()
            if response.status_code != 429 and response.status_code < 500:
                return response
            why = str(response.status_code)
        except httpx.TransportError as error:
            why = type(error).__name__
        if time.monotonic() > deadline:
            raise NotTriedError(f"the script's requests failed for {OUTAGE_TIMEOUT:.0f}s: {why}")
        time.sleep(1)


def until(condition: Callable[[], object], seconds: float = SHOWN_WITHIN, pause: float = 0.5) -> bool:
    """Return whether the condition becomes true within `seconds`, testing it every `pause` seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True

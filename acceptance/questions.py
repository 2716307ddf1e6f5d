"""What the API's reference leaves open, asked of apps of our own by plain requests.

The names and answers are those of the sandbox's `--dialect`. An answer that is none of them is reported as
it was seen, and is new to the action.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from acceptance.platform import BrokenError, as_object, paths, until
from acceptance.report import Question

if TYPE_CHECKING:
    import httpx

    from acceptance.platform import Platform

READY = 60.0
"""Seconds after which a new app answers."""
WATCHED = 20.0
"""Seconds for which a deploy is watched at least, unless it was seen from begin to end."""
DEPLOYED = 180.0
"""Seconds after which a deploy has ended."""
SURE = 10
"""Seconds after which a redirect or a login is taken for the answer."""
PAGE, HIDDEN = b"a page", b"a hidden page"
_ELSEWHERE = {
    **dict.fromkeys(("301", "302", "303", "307", "308"), "redirect"),
    **dict.fromkeys(("401", "403"), "login"),
}
_NOT_NOW = "it can't be provoked from outside"
_NO_CONTAINER = "no container was deployed"
_TIMES = {
    "seconds": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "fractions": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z",
    "offset": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:?\d\d",
    "rfc1123": r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
}


def questions() -> dict[str, Question]:
    """All of them, not asked yet."""
    return {
        "updated-at": _q("What moves `updated_at`?", "deploy image never absent", _NO_CONTAINER),
        "image": _q(
            "How is an image written, by GET unless the name says POST?",
            "given full full-in-get mirror tag-and-digest digest bare-digest not-in-post not-in-get before-in-post",
            _NO_CONTAINER,
        ),
        "deploying": _q("How does GET show a deploy?", "seconds none late image-first", _NO_CONTAINER),
        "before-deploying": _q("What shows before `deploying`?", "nothing stopped", _NO_CONTAINER),
        "deploy-answer": _q("Does the answer to POST deploy arrive?", "sent lost empty lost-before", _NO_CONTAINER),
        "times": _q("How are an app's times written?", "seconds fractions offset numbers"),
        "hidden": _q("What becomes of hidden files?", "stored refused unlisted unserved"),
        "url": _q("Where does an app answer?", "https bare absent late redirect login"),
        "last-modified": _q(
            "How is `lastModified` written?", "seconds fractions offset rfc1123 number absent null"
        ),
        "listed-paths": _q("How are paths listed?", "plain slash directories"),
        "empty-zone": _q("What is the list of no files?", "list null 204 404"),
        "new-app": _q("What answers at first for a new app?", "ready 404 502"),
        "new-site": _q("What does a new site have?", "empty page"),
        "conflict": _q("What is the body of a 409?", "error object text empty"),
        "lock-lost": _q("What answers a heartbeat and finalize without the lock?", "mixed 404 409"),
        "finalize": _q("What answers finalize?", "ok 201 no-deploy-id 502"),
        "domain-attached": _q(
            "What answers a domain that is attached?", "409 400 422 200 201", "ACCEPTANCE_DOMAIN is not set"
        ),
        "domain-busy": _q("Is a 409 for a domain ever \"in progress\"?", "no once", _NOT_NOW),
        "delete": _q("What answers DELETE?", "204 200 202 body"),
        "heartbeat": _q("What answers a heartbeat?", "object empty 204"),
    }


def _q(text: str, known: str, why: str = "not asked") -> Question:
    return Question(text, tuple(known.split()), why=why)


# --- a site


def ask_a_site(platform: Platform, app: str, found: dict[str, Question], patience: float) -> bool:
    """Ask a static app of our own; return whether its page could be read. It is left as it is."""
    created = as_object(platform.create(app))
    found["conflict"].seen = _body(platform.create(app), {409})
    found["new-app"].seen = _when_ready(platform, app)
    shown = platform.app(app) or created
    found["times"].seen = _time(shown, "created_at").replace("number", "numbers")

    listing = platform.request("GET", app, "/files")
    found["new-site"].seen = "page" if paths(listing) else "empty"
    for path in paths(listing):
        platform.request("DELETE", app, f"/files/{quote(path)}")
    found["empty-zone"].seen = _empty(platform.request("GET", app, "/files"))

    session = str(uuid.uuid4())
    locked = {"json": {"deploy_session_id": session}}
    platform.take_lock(app)
    theirs = platform.request("POST", app, "/deploy/lock", **locked)
    if (seen := _body(theirs, {409})) != found["conflict"].seen:
        found["conflict"].seen += f" for an app, {seen} for a lock"
    ours = {"json": {"deploy_session_id": platform.locks[app]}}
    found["heartbeat"].seen = _success(platform.request("PUT", app, "/deploy/lock", **ours), "empty")
    platform.put(app, "index.html", PAGE)
    platform.put(app, "folder/page.html", PAGE)
    hidden = platform.put(app, ".folder/page.html", HIDDEN)
    listed = platform.request("GET", app, "/files")
    _listing(listed, found)
    found["finalize"].seen = _finalized(platform.free_lock(app))
    counts = {"files_uploaded": 0, "files_deleted": 0, "total_bytes": 0}
    heartbeat = platform.once("PUT", app, "/deploy/lock", **ours)
    finalize = platform.once("POST", app, "/deploy/finalize", json={**ours["json"], **counts})
    lost = f"{heartbeat.status_code} {finalize.status_code}"
    found["lock-lost"].seen = {"404 409": "mixed", "404 404": "404", "409 409": "409"}.get(lost, lost)

    found["url"].seen, url = _url(platform, created.get("url") or shown.get("url"), patience)
    if not hidden.is_success:
        found["hidden"].seen = "refused"
    elif ".folder/page.html" not in paths(listed):
        found["hidden"].seen = "unlisted"
    elif not url:
        found["hidden"].why = "they are stored and listed; whether they are served is not known, as no page is"
    else:
        served = until(lambda: platform.visit(f"{url}/.folder/page.html")[1] == HIDDEN, 5)
        found["hidden"].seen = "stored" if served else "unserved"
    found["delete"].seen = _success(platform.request("DELETE", app, "/files/folder/page.html"), "200")
    return bool(url)


def _when_ready(platform: Platform, app: str) -> str:
    """`ready`, or the first status of a new app that was no success."""
    first = ""

    def ready() -> bool:
        nonlocal first
        answers = [platform.once("GET", app), platform.once("POST", app, "/deploy/lock", json={"deploy_session_id": probe})]
        if answers[1].is_success:
            platform.locks[app] = probe
            platform.free_lock(app)
        failed = [str(answer.status_code) for answer in answers if not answer.is_success]
        first = first or "".join(failed[:1])
        return not failed

    probe = str(uuid.uuid4())
    if not until(ready, READY):
        raise BrokenError(f"a new app is not ready after {READY:.0f} s: {first}")
    return first or "ready"


def _listing(answer: httpx.Response, found: dict[str, Question]) -> None:
    entries: list[dict[str, Any]] = answer.json()
    names = [entry["path"] for entry in entries]
    if any(name.endswith("/") for name in names):
        found["listed-paths"].seen = "directories"
    else:
        found["listed-paths"].seen = "slash" if any(name.startswith("/") for name in names) else "plain"
    page = next(entry for path, entry in paths(answer).items() if path == "index.html")
    found["last-modified"].seen = _time(page, "lastModified")


def _url(platform: Platform, url: object, patience: float) -> tuple[str, str]:
    """What kind of address it is, and the address if its page could be read."""
    if not isinstance(url, str) or not url:
        return "absent", ""
    kind, address = "https" if "://" in url else "bare", address_of(url)
    seen: list[str] = []

    def over() -> bool:
        status, content = platform.visit(f"{address}/index.html")
        seen.append("page" if content == PAGE else status)
        return seen[-1] == "page" or (seen[-1] in _ELSEWHERE and seen.count(seen[-1]) >= SURE)

    until(over, patience, 1)
    if seen[-1] == "page":
        return ("late" if "404" in seen else kind), address
    return _ELSEWHERE.get(seen[-1], f"{kind}, but {seen[-1]} for {patience:.0f} s"), ""


def address_of(url: str) -> str:
    """Where an app answers, by its `url`."""
    return (url if "://" in url else f"https://{url}").rstrip("/")


# --- a container


def ask_a_container(platform: Platform, app: str, found: dict[str, Question], image: str) -> None:
    """Deploy another image to a container app of our own, then the same again, and watch."""
    first, second = (Watched(platform, app, image) for _ in range(2))
    found["deploy-answer"].seen = first.answer
    if "updated_at" not in first.after:
        found["updated-at"].seen = "absent"
    else:
        moved = [watch.before.get("updated_at") != watch.after.get("updated_at") for watch in (first, second)]
        seen = {(True, True): "deploy", (True, False): "image", (False, False): "never"}
        found["updated-at"].seen = seen.get((moved[0], moved[1]), "only with the same image")
    found["image"].seen = _image(image, first)
    found["deploying"].seen, found["before-deploying"].seen = first.deploying()


class Watched:
    """A deploy that was watched.

    Attributes:
        answer: what kind of answer POST had; `posted` is its image.
        before, after: the app as GET shows it.
        looks: seconds since the request, status and image of each GET.
    """

    def __init__(self, platform: Platform, app: str, image: str) -> None:
        self.before = platform.app(app) or {}
        started = time.monotonic()
        answer = platform.once("POST", app, "/deploy", json={"image": image})
        body = answer.json() if answer.is_success and answer.content else {}
        self.answer = "sent" if body else "empty" if answer.is_success else "lost"
        self.posted = body.get("image")
        self.looks: list[tuple[float, str, Any]] = []

        def over() -> bool:
            self.after = platform.app(app) or {}
            passed, status = time.monotonic() - started, str(self.after.get("status"))
            self.looks.append((passed, status, self.after.get("image")))
            busy = [when for when, then, _ in self.looks if then == "deploying"]
            return status != "deploying" and passed > (busy[-1] + 3 if busy else WATCHED)

        until(over, DEPLOYED, 0.2)

    def deploying(self) -> tuple[str, str]:
        """How the deploy showed, and what showed before it."""
        was, image = self.before.get("status"), self.before.get("image")
        changed = next(((when, status) for when, status, _ in self.looks if status != was), None)
        renamed = next((when for when, _, now in self.looks if now != image), None)
        if changed is None:
            return "none", "nothing"
        when, status = changed
        before = "nothing" if status == "deploying" else status
        if when > 2 and renamed is not None and renamed < when - 1:
            return "image-first", before
        return ("late" if when > 5 else "seconds"), before


def _image(given: str, watch: Watched) -> str:
    post, get = (_written(given, image, str(watch.before.get("image"))) for image in (watch.posted, watch.after.get("image")))
    if post == get:
        return get
    if get == "given" and post in {"absent", "before"}:
        return {"absent": "not-in-post", "before": "before-in-post"}[post]
    if post == "given":
        return {"full": "full-in-get", "absent": "not-in-get"}.get(get, get)
    return f"{post} in POST, {get} in GET"


def _written(given: str, image: object, before: str) -> str:
    name = given.partition(":")[0]
    if not image:
        return "absent"
    if image == given:
        return "given"
    text = str(image)
    for kind, pattern in {
        "full": rf"docker\.io/library/{re.escape(given)}",
        "tag-and-digest": rf"(.+/)?{re.escape(given)}@sha256:[0-9a-f]+",
        "digest": rf"(.+/)?{re.escape(name)}@sha256:[0-9a-f]+",
        "bare-digest": r"sha256:[0-9a-f]+",
        "mirror": rf".+/{re.escape(given)}",
        "before": re.escape(before),
    }.items():
        if re.fullmatch(pattern, text):
            return kind
    return text


# --- answers


def _time(entry: dict[str, Any], name: str) -> str:
    if name not in entry:
        return "absent"
    value = entry[name]
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return "number"
    fits = (kind for kind, pattern in _TIMES.items() if re.fullmatch(pattern, str(value)))
    return next(fits, re.sub(r"\d", "0", str(value)))


def _body(answer: httpx.Response, expected: set[int]) -> str:
    if answer.status_code not in expected:
        return str(answer.status_code)
    if not answer.content.strip():
        return "empty"
    try:
        found = answer.json()
    except ValueError:
        return "text"
    if not isinstance(found, dict):
        return type(found).__name__
    return "error" if isinstance(found.get("error"), str) else "object"


def _empty(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return str(answer.status_code)
    return {"[]": "list", "null": "null"}.get(answer.text.strip(), answer.text[:40] or "no body")


def _success(answer: httpx.Response, without_body: str) -> str:
    """The name of a success: its status, unless it is a 200, which is told by its body."""
    if answer.status_code != 200:
        return str(answer.status_code)
    kind = {"empty": "object", "200": "body"}[without_body]
    return kind if answer.content.strip() else without_body


def _finalized(answer: httpx.Response | None) -> str:
    if answer is None or answer.status_code != 200:
        return "not asked" if answer is None else str(answer.status_code)
    try:
        return "ok" if answer.json().get("deploy_id") else "no-deploy-id"
    except (ValueError, AttributeError):
        return "200 without an object"

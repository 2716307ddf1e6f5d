"""Plain requests that find this platform's API variants.

A shape, such as `204 empty`, describes the platform's behavior. Each question maps the known shapes to
answers. Questions and answers have the same names as in the sandbox's option `--dialect`. The report shows an
unknown shape unchanged.
"""

import re
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from acceptance.facts import (
    FRONT_PAGE,
    facts_of_list,
    facts_of_serving,
    facts_of_uploads,
    said,
    time_until,
)
from acceptance.platform import NO_CHANGES, Page, Platform, as_object, check, files_by_path, until
from acceptance.report import Question, Report

Shapes = Iterator[tuple[str, str]]
"""Names and shapes of questions. If a request fails, the report keeps the earlier shapes."""
Observation = tuple[float, dict[str, Any]]
"""Seconds since the deploy request, and the app as GET shows it."""
Watched = tuple[httpx.Response, list[Observation]]

READY_WITHIN = 60.0
"""Seconds within which a new app must accept requests."""
WATCH_FOR = 20.0
"""Seconds for which the script polls a deploy if it never shows `deploying`."""
DEPLOYED_WITHIN = 180.0
"""Seconds after which the script stops polling a deploy."""
SURE_AFTER = 10
"""Visits, a second apart, after which a redirect or a login is the app's final answer."""
HIDDEN_PAGE = b"a hidden page"
_DATES = {
    "0-0-0T0:0:0Z": "seconds", "0-0-0T0:0:0.0Z": "fractions", "0-0-0T0:0:0+0:0": "offset",
    "0-0-0T0:0:0-0:0": "offset",
}  # fmt: skip


def open_questions() -> dict[str, Question]:
    """Return all questions, without answers, by their names."""
    return {
        "updated-at": Question("Which deploys change `updated_at`?", _named("absent") | {
            "another image, the same image": "deploy", "another image": "image", "no deploy": "never"}),
        "image": Question("How do POST deploy and GET write the name of the image?", {
            "IMAGE, IMAGE": "given", "REGISTRY/IMAGE, REGISTRY/IMAGE": "full", "IMAGE, HOST/IMAGE": "mirror",
            "IMAGE, REGISTRY/IMAGE@DIGEST": "tag-and-digest", "IMAGE, IMAGE@DIGEST": "tag-and-digest",
            "IMAGE, REGISTRY/NAME@DIGEST": "digest", "IMAGE, NAME@DIGEST": "digest",
            "IMAGE, DIGEST": "bare-digest", "nothing, IMAGE": "not-in-post", "IMAGE, nothing": "not-in-get",
            "BEFORE, IMAGE": "before-in-post", "IMAGE, REGISTRY/IMAGE": "full-in-get"}),
        "deploying": Question(
            "How does GET show a deploy in progress?", _named("seconds none late image-first")),
        "before-deploying": Question(
            "Which status does GET show between POST deploy and `deploying`?", _named("nothing stopped")),
        "deploy-answer": Question("How does the platform respond to POST deploy?", {
            "200 object": "sent", "202 object": "sent", "202 empty": "empty", "502 error": "lost"}),
        "times": Question("How does the platform write the times of an app?", _DATES | {"0": "numbers"}),
        "date": Question("Do responses have a `Date` header?", _named("sent absent")),
        "new-app": Question("How does the platform respond to requests for a new app?", {
            "ready": "ready", "404 error": "404", "502 error": "502", "upload 404 error": "files-404"}),
        "app-deletion": Question(
            "How does a deleted app disappear? Until then: the status, and the answers to DELETE and create.",
            {"gone": "at-once", "`deleting`, 404, 409": "deleting", "`Terminating`, 409, 409": "Terminating",
             "`DELETE_IN_PROGRESS`, 409, 409": "DELETE_IN_PROGRESS", "`deleted`, 404, 409": "deleted"}),
        "new-site": Question("Is a new site empty?", _named("empty page")),
        "url": Question(
            "How can visitors reach an app at its `url`?", _named("https bare absent late redirect login")),
        "hidden": Question(
            "How does the platform treat hidden files?", _named("stored refused unlisted unserved")),
        "last-modified": Question("How does the list of files write `lastModified`?", _DATES | {
            "absent": "absent", "null": "null", "0": "number", "Abc, 0 Abc 0 0:0:0 GMT": "rfc1123"}),
        "listed-paths": Question(
            "How does the list of files write paths?", _named("plain slash directories bare-directories")),
        "empty-zone": Question("How does the platform list the files of an empty site?", {
            "404 error": "404", "200 list": "list", "200 null": "null", "204 empty": "204"}),
        "conflict": Question("How does the platform write the body of a 409 response?", {
            f"409 {kind}, 409 {kind}": kind for kind in ("error", "object", "text", "empty")}),
        "lock-lost": Question("How does the platform respond to heartbeat and finalize after the release?", {
            "404, 409": "mixed", "404, 404": "404", "409, 409": "409"}),
        "heartbeat": Question("How does the platform respond to a heartbeat?", {
            "200 object": "object", "200 empty": "empty", "204 empty": "204"}),
        "finalize": Question("How does the platform respond to finalize?", {
            "200 object": "no-deploy-id", "200 deploy ID": "ok", "201 deploy ID": "201", "502 error": "502"}),
        "delete": Question("How does the platform respond to DELETE of a file?", {
            "204 empty": "204", "200 empty": "200", "202 empty": "202", "200 object": "body"}),
        "domain-attached": Question("How does the platform respond to POST of the app's own domain?",
            _named("409 400 422 200 201"), why="ACCEPTANCE_DOMAIN is not set"),
    }  # fmt: skip


def _named(names: str) -> dict[str, str]:
    """Return answers whose shapes are their names."""
    return {name: name for name in names.split()}


def _record(report: Report, shapes: Shapes) -> None:
    for name, shape in shapes:
        report.questions[name].shape = shape


# --- a site


def ask_site(platform: Platform, app: str, report: Report, patience: float) -> bool:
    """Create a site, answer the questions about sites, and return whether visitors can read its page."""
    as_object(platform.create(app))
    _record(report, _shapes_of_new_site(platform, app))
    platform.wait_for_lock(app)
    _record(report, _shapes_of_files(platform, app, report.facts))
    _record(report, _shapes_of_lock(platform, app))
    address = _ask_url(platform, (platform.app(app) or {}).get("url"), report.questions["url"], patience)
    hidden = report.questions["hidden"]
    hidden.why = "the platform stores and lists hidden files, but all pages are unreadable"
    if address and not hidden.shape:
        url = f"{address}/.folder/page.html"
        is_served = until(lambda: platform.visit(url).content == HIDDEN_PAGE, 5)
        hidden.shape = "stored" if is_served else "unserved"
    if address:
        report.facts.update(facts_of_serving(platform, app, address))
    report.facts.update(facts_of_uploads(platform, app))
    return bool(address)


def _shapes_of_new_site(platform: Platform, app: str) -> Shapes:
    yield "new-app", _shape_of_new_app(platform, app)
    shown = platform.send("GET", app)
    yield "date", "sent" if "date" in shown.headers else "absent"
    yield "times", _time_shape(as_object(shown), "created_at")
    files = files_by_path(platform.send("GET", app, "/files"))
    yield "new-site", "page" if files else "empty"
    for path in files:
        platform.send("DELETE", app, f"/files/{quote(path)}")
    yield "empty-zone", _shape(platform.send("GET", app, "/files"))


def _shape_of_new_app(platform: Platform, app: str) -> str:
    """Wait until a new app accepts requests; return the shape of the first failure, or `ready`."""
    failures: list[str] = []

    def is_ready() -> bool:
        session = str(uuid.uuid4())
        shown = platform.send_once("GET", app)
        locked = platform.send_once("POST", app, "/deploy/lock", json={"deploy_session_id": session})
        if locked.is_success:
            platform.locks[app] = session
            platform.release_lock(app)
        failures.extend(_shape(response) for response in (shown, locked) if not response.is_success)
        return shown.is_success and locked.is_success

    ready = until(is_ready, READY_WITHIN)
    shape = failures[0] if failures else "ready"
    check(ready, f"a new app does not accept requests after {READY_WITHIN:.0f}s: {shape}")
    return shape


def _shapes_of_files(platform: Platform, app: str, facts: dict[str, str]) -> Shapes:
    first = platform.put(app, "index.html", FRONT_PAGE)
    if not first.is_success:
        yield "new-app", f"upload {_shape(first)}"
        until(lambda: platform.put(app, "index.html", FRONT_PAGE).is_success, READY_WITHIN)
    platform.put(app, "folder/page.html", FRONT_PAGE)
    hidden = platform.put(app, ".folder/page.html", HIDDEN_PAGE)
    facts.update(facts_of_list(platform, app))  # After this, the list must also show all files above.
    response = platform.send("GET", app, "/files")
    paths, files = [file["path"] for file in response.json()], files_by_path(response)
    has_directories = any(path.endswith("/") for path in paths)
    has_slashes = any(path.startswith("/") for path in paths)
    how = "bare-directories" if "folder" in paths else "slash" if has_slashes else "plain"
    yield "listed-paths", "directories" if has_directories else how
    check("index.html" in files, "the list of files does not show an upload")
    yield "last-modified", _time_shape(files["index.html"], "lastModified")
    if not hidden.is_success:
        yield "hidden", "refused"
    elif ".folder/page.html" not in files:
        yield "hidden", "unlisted"
    yield "delete", _shape(platform.send("DELETE", app, "/files/folder/page.html"))


def _shapes_of_lock(platform: Platform, app: str) -> Shapes:
    """Answer the questions about the lock, which the script must hold, and release the lock."""
    holder = {"deploy_session_id": platform.locks[app]}
    other = {"deploy_session_id": str(uuid.uuid4())}
    conflicts = platform.create(app), platform.send("POST", app, "/deploy/lock", json=other)
    yield "conflict", ", ".join(map(_shape, conflicts))
    yield "heartbeat", _shape(platform.send("PUT", app, "/deploy/lock", json=holder))
    if released := platform.release_lock(app):
        yield "finalize", _shape(released)
    heartbeat = platform.send_once("PUT", app, "/deploy/lock", json=holder)
    finalize = platform.send_once("POST", app, "/deploy/finalize", json=holder | NO_CHANGES)
    yield "lock-lost", f"{heartbeat.status_code}, {finalize.status_code}"


def _ask_url(platform: Platform, url: object, question: Question, patience: float) -> str:
    """Answer the question about `url`; return the site's address, empty if its page is unreadable."""
    if not isinstance(url, str) or not url:
        question.shape = "absent"
        return ""
    address, pages = address_of(url), list[str]()

    def is_settled() -> bool:
        pages.append(_page_shape(platform.visit(f"{address}/index.html")))
        return pages[-1] == "page" or max(pages.count("redirect"), pages.count("login")) >= SURE_AFTER

    until(is_settled, patience, 1)
    if "://" not in url:
        question.shape = "bare"
    elif pages[-1] == "page":
        question.shape = "late" if "404" in pages else "https"
    elif pages[-1] in {"redirect", "login"}:
        question.shape = pages[-1]
    question.why = f"the page was unreadable for {patience:.0f}s: {pages[-1]}"
    return address if pages[-1] == "page" else ""


def _page_shape(page: Page) -> str:
    """Return `page`, `redirect` or `login`; else the status, which may be the name of an error."""
    if page.content == FRONT_PAGE:
        return "page"
    return "redirect" if page.status[0] == "3" else "login" if page.status in {"401", "403"} else page.status


def address_of(url: str) -> str:
    """Return the address of an app's pages, which `url` may give without a scheme."""
    return (url if "://" in url else f"https://{url}").rstrip("/")


def ask_deletion(platform: Platform, app: str, report: Report) -> None:
    """Delete the site, and watch until it is gone. Afterwards it exists if the platform accepted a create."""
    _record(report, _shapes_of_deletion(platform, app, report.facts))


def _shapes_of_deletion(platform: Platform, app: str, facts: dict[str, str]) -> Shapes:
    statuses: list[str] = []

    def is_gone() -> bool:
        shown = platform.app(app)
        if shown and (status := f"`{shown.get('status')}`") not in statuses:
            statuses.append(status)
        return shown is None

    first = {"DELETE": platform.send("DELETE", app), "the first GET": platform.send("GET", app)}
    meanwhile: dict[str, httpx.Response] = {}
    if not is_gone():
        meanwhile["a second DELETE"] = platform.send_once("DELETE", app)
        meanwhile["create"] = platform.create(app)
    is_new = any(response.status_code == 201 for response in meanwhile.values())
    end = "created again" if is_new else f"gone after {time_until(is_gone)}"
    responses = (f"{name}: {said(response)}" for name, response in (first | meanwhile).items())
    facts["The deletion of an app"] = "; ".join([end, *responses])
    codes = (str(response.status_code) for response in meanwhile.values())
    yield "app-deletion", ", ".join([*statuses, *codes]) or "gone"


# --- a container


def ask_container(platform: Platform, app: str, report: Report, images: Sequence[str], watch: float) -> None:
    """Deploy the first image twice, then the second one. It doesn't exist, so poll that deploy longer."""
    _record(report, _shapes_of_deploys(platform, app, report.facts, images[0]))
    progress = _progress(images[1], _watch_deploy(platform, app, images[1], watch)[1])
    report.facts["GET while an image that does not exist is deployed"] = progress


def _shapes_of_deploys(platform: Platform, app: str, facts: dict[str, str], image: str) -> Shapes:
    response, observations = _watch_deploy(platform, app, image)
    facts["GET while another image is deployed"] = _progress(image, observations)
    yield "deploy-answer", _shape(response)
    posted = as_object(response).get("image") if response.content and response.is_success else image
    before, after = observations[0][1].get("image"), observations[-1][1].get("image")
    yield "image", ", ".join(_image_shape(image, before, shown) for shown in (posted, after))
    yield from _shapes_of_progress(observations)
    deploys = {"another image": observations, "the same image": _watch_deploy(platform, app, image)[1]}
    changing = [name for name, watched in deploys.items() if _first_change(watched, "updated_at")]
    unchanged = "no deploy" if "updated_at" in observations[-1][1] else "absent"
    yield "updated-at", ", ".join(changing) or unchanged


def _watch_deploy(platform: Platform, app: str, image: str, at_least: float = 0) -> Watched:
    """Deploy an image; return the response, and observations of which the first precedes the request.

    The script watches the app until 3s after `deploying`, and for `at_least` so many seconds.
    """
    before, started = platform.app(app) or {}, time.monotonic()
    response = platform.send_once("POST", app, "/deploy", json={"image": image})
    observations: list[Observation] = []

    def has_ended() -> bool:
        observations.append((time.monotonic() - started, platform.app(app) or {}))
        deploying = [seconds for seconds, shown in observations if shown.get("status") == "deploying"]
        return observations[-1][0] > max(at_least, deploying[-1] + 3 if deploying else WATCH_FOR)

    until(has_ended, DEPLOYED_WITHIN, 0.2)
    return response, [(0.0, before), *observations]


def _progress(image: str, observations: list[Observation]) -> str:
    """Return the first status and image that GET shows, and each change of them."""
    before, changes = observations[0][1].get("image"), list[tuple[float, str]]()
    for seconds, app in observations:
        shown = f"`{app.get('status')}` {_image_shape(image, before, app.get('image'))}"
        if not changes or changes[-1][1] != shown:
            changes.append((seconds, shown))
    return "; ".join(f"{seconds:.1f}s {shown}" for seconds, shown in changes[:8])  # replicas have many


def _first_change(observations: list[Observation], field: str) -> Observation | None:
    """Return the first observation with a new value of `field`."""
    before = observations[0][1].get(field)
    return next((seen for seen in observations if seen[1].get(field) != before), None)


def _shapes_of_progress(observations: list[Observation]) -> Shapes:
    status, image = _first_change(observations, "status"), _first_change(observations, "image")
    seconds, app = status or (0.0, {"status": "deploying"})
    image_first = image and image[0] < seconds - 1
    how = "image-first" if image_first else "late" if seconds > 5 else "seconds"
    yield "deploying", how if status else "none"
    yield "before-deploying", "nothing" if app.get("status") == "deploying" else str(app.get("status"))


def _image_shape(image: str, before: object, shown: object) -> str:
    """Return an image's name as shown, with placeholders for the parts that platforms write differently."""
    if not shown:
        return "nothing"
    if shown == before != image:
        return "BEFORE"
    text = re.sub("sha256:[0-9a-f]{64}", "DIGEST", str(shown)).replace(image, "IMAGE")
    text = text.replace("docker.io/library/", "REGISTRY/")
    text = re.sub(rf"(^|/){re.escape(image.partition(':')[0])}@", r"\1NAME@", text)
    return re.sub("^(?!REGISTRY/).*/", "HOST/", text)


# --- shapes of responses


def _time_shape(entry: dict[str, Any], field: str) -> str:
    """Return a time with zeros instead of its numbers, or `absent` or `null`."""
    if field not in entry:
        return "absent"
    value = "null" if entry[field] is None else str(entry[field])
    return re.sub("[A-Z][a-z]{2}", "Abc", re.sub(r"\d+", "0", value))


def _shape(response: httpx.Response) -> str:
    """Return the status and the kind of the body, such as `409 error`."""
    if not response.content.strip():
        return f"{response.status_code} empty"
    try:
        body = response.json()
    except ValueError:
        return f"{response.status_code} text"
    kind = {list: "list", dict: "object", type(None): "null"}.get(type(body), "value")
    if isinstance(body, dict):
        kind = "error" if "error" in body else "deploy ID" if body.get("deploy_id") else kind
    return f"{response.status_code} {kind}"

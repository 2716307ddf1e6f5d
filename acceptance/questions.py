"""What the API's reference leaves open, asked of apps of our own by plain requests.

Each question has the answers that the action knows, with the shape of each: what is seen of it. The names are
those of the sandbox's `--dialect`. A shape that is not listed is reported as it is, and is new to the action.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from acceptance.platform import COUNTS, BrokenError, as_object, paths, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from acceptance.platform import Platform

READY = 60.0
"""Seconds after which a new app answers."""
WATCHED = 20.0
"""Seconds for which a deploy is watched, unless it was seen from begin to end."""
DEPLOYED = 180.0
"""Seconds after which a deploy has ended."""
SURE = 10
"""Looks, a second apart, after which a redirect or a login is taken for the answer."""
PAGE, HIDDEN = b"a page", b"a hidden page"
_DATES = {
    "0-0-0T0:0:0Z": "seconds", "0-0-0T0:0:0.0Z": "fractions", "0-0-0T0:0:0+0:0": "offset",
    "0-0-0T0:0:0-0:0": "offset",
}  # fmt: skip


@dataclass
class Question:
    """A question, the known answers by their shapes, the shape that was seen, and why none was."""

    text: str
    known: Mapping[str, str]
    seen: str = ""
    why: str = "not asked"

    @property
    def answer(self) -> str:
        """The name of what was seen; a shape that is not known is its own name."""
        return self.known.get(self.seen, self.seen)

    def __str__(self) -> str:
        if not self.seen:
            return f"not seen: {self.why}"
        return f"`{self.answer}`" if self.seen in self.known else f"**new to us**: `{self.seen}`"


def questions() -> dict[str, Question]:
    """All of them, not asked yet."""
    known: dict[str, tuple[str, Mapping[str, str]]] = {
        "updated-at": ("What moves `updated_at`?", {
            "another image, the same image": "deploy", "another image": "image", "nothing": "never",
            "absent": "absent"}),
        "image": ("How do POST and GET write an image?", {
            "IMAGE, IMAGE": "given", "REGISTRY/IMAGE, REGISTRY/IMAGE": "full",
            "IMAGE, REGISTRY/IMAGE": "full-in-get", "IMAGE, HOST/IMAGE": "mirror",
            "IMAGE, REGISTRY/IMAGE@DIGEST": "tag-and-digest", "IMAGE, IMAGE@DIGEST": "tag-and-digest",
            "IMAGE, REGISTRY/NAME@DIGEST": "digest",
            "IMAGE, NAME@DIGEST": "digest", "IMAGE, DIGEST": "bare-digest", "nothing, IMAGE": "not-in-post",
            "IMAGE, nothing": "not-in-get", "BEFORE, IMAGE": "before-in-post"}),
        "deploying": ("How does GET show a deploy?", _words("seconds none late image-first")),
        "before-deploying": ("What does GET show before `deploying`?", _words("nothing stopped")),
        "deploy-answer": ("What answers POST deploy?", {
            "200 object": "sent", "202 object": "sent", "202 empty": "empty", "502 error": "lost"}),
        "times": ("How are an app's times written?", _DATES | {"0": "numbers"}),
        "date": ("Have answers a `Date`?", _words("sent absent")),
        "new-app": ("What answers requests for a new app?", _words("ready") | {
            "404 error": "404", "502 error": "502"}),
        "new-site": ("What does a new site have?", _words("empty page")),
        "url": ("Where does an app answer?", _words("https bare absent late redirect login")),
        "hidden": ("What becomes of hidden files?", _words("stored refused unlisted unserved")),
        "last-modified": ("How is `lastModified` written?", _DATES | _words("absent null") | {
            "0": "number", "Abc, 0 Abc 0 0:0:0 GMT": "rfc1123"}),
        "listed-paths": ("How are paths listed?", _words("plain slash directories")),
        "empty-zone": ("What is the list of no files?", {
            "404 error": "404",
            "200 list": "list", "200 null": "null", "204 empty": "204"}),
        "conflict": ("What is the body of a 409?", {
            f"409 {kind}, 409 {kind}": kind for kind in ("error", "object", "text", "empty")}),
        "lock-lost": ("What answers a heartbeat and finalize without the lock?", {
            "404, 409": "mixed", "404, 404": "404", "409, 409": "409"}),
        "heartbeat": ("What answers a heartbeat?", {
            "200 object": "object", "200 empty": "empty", "204 empty": "204"}),
        "finalize": ("What answers finalize?", {
            "200 object": "no-deploy-id", "200 deploy ID": "ok", "201 deploy ID": "201", "502 error": "502"}),
        "delete": ("What answers DELETE?", {
            "204 empty": "204", "200 empty": "200", "202 empty": "202", "200 object": "body"}),
        "domain-attached": ("What answers a domain that is attached?", _words("409 400 422 200 201")),
        "domain-busy": ('Is a domain refused with "in progress"?', {}),
    }  # fmt: skip
    found = {name: Question(*row) for name, row in known.items()}
    found["domain-busy"].why = "it can't be provoked from outside"
    found["domain-attached"].why = "ACCEPTANCE_DOMAIN is not set"
    return found


def _words(words: str) -> dict[str, str]:
    """Answers whose shape is their name."""
    return {word: word for word in words.split()}


def ask_a_site(platform: Platform, app: str, found: dict[str, Question], patience: float) -> bool:
    """Ask a static app of our own; return whether its page could be read."""
    as_object(platform.create(app))
    name_taken = _shape(platform.create(app))
    found["new-app"].seen = _when_ready(platform, app)
    answer = platform.request("GET", app)
    found["date"].seen = "sent" if "date" in answer.headers else "absent"
    found["times"].seen = _time(as_object(answer), "created_at")

    stored = paths(platform.request("GET", app, "/files"))
    found["new-site"].seen = "page" if stored else "empty"
    for path in stored:
        platform.request("DELETE", app, f"/files/{quote(path)}")
    found["empty-zone"].seen = _shape(platform.request("GET", app, "/files"))

    platform.take_lock(app)
    ours = {"deploy_session_id": platform.locks[app]}
    theirs = {"deploy_session_id": str(uuid.uuid4())}
    found[
        "conflict"
    ].seen = f"{name_taken}, {_shape(platform.request('POST', app, '/deploy/lock', json=theirs))}"
    found["heartbeat"].seen = _shape(platform.request("PUT", app, "/deploy/lock", json=ours))
    for path in ("index.html", "folder/page.html"):
        platform.put(app, path, PAGE)
    hidden = platform.put(app, ".folder/page.html", HIDDEN)
    listed = platform.request("GET", app, "/files")
    names = [entry["path"] for entry in listed.json()]
    is_slash = any(name.startswith("/") for name in names)
    is_tree = any(name.endswith("/") for name in names)
    found["listed-paths"].seen = "directories" if is_tree else "slash" if is_slash else "plain"
    found["last-modified"].seen = _time(paths(listed)["index.html"], "lastModified")
    found["finalize"].seen = _shape(platform.free_lock(app))
    lost = (platform.once("PUT", app, "/deploy/lock", json=ours),
            platform.once("POST", app, "/deploy/finalize", json=ours | COUNTS))  # fmt: skip
    found["lock-lost"].seen = f"{lost[0].status_code}, {lost[1].status_code}"

    url = _ask_for_the_url(platform, as_object(answer).get("url"), found["url"], patience)
    if not hidden.is_success:
        found["hidden"].seen = "refused"
    elif ".folder/page.html" not in paths(listed):
        found["hidden"].seen = "unlisted"
    elif url:
        served = until(lambda: platform.visit(f"{url}/.folder/page.html")[1] == HIDDEN, 5)
        found["hidden"].seen = "stored" if served else "unserved"
    found["hidden"].why = "they are stored and listed, but no page could be read"
    found["delete"].seen = _shape(platform.request("DELETE", app, "/files/folder/page.html"))
    return bool(url)


def _when_ready(platform: Platform, app: str) -> str:
    """`ready`, or the shape of the first answer for a new app that was no success."""
    first = ""

    def ready() -> bool:
        nonlocal first
        session = str(uuid.uuid4())
        answers = [
            platform.once("GET", app),
            platform.once("POST", app, "/deploy/lock", json={"deploy_session_id": session}),
        ]
        if answers[1].is_success:
            platform.locks[app] = session
            platform.free_lock(app)
        failed = [_shape(answer) for answer in answers if not answer.is_success]
        first = first or "".join(failed[:1])
        return not failed

    if not until(ready, READY):
        raise BrokenError(f"a new app is not ready after {READY:.0f} s: {first}")
    return first or "ready"


def _ask_for_the_url(platform: Platform, url: object, question: Question, patience: float) -> str:
    """Return where the app answers, if its page could be read."""
    if not isinstance(url, str) or not url:
        question.seen = "absent"
        return ""
    address, seen = address_of(url), list[str]()
    kinds = {"3": "redirect", "401": "login", "403": "login"}

    def over() -> bool:
        status, content = platform.visit(f"{address}/index.html")
        seen.append(
            "page" if content == PAGE else "redirect" if status[0] == "3" else kinds.get(status, status)
        )
        return seen[-1] == "page" or (seen[-1] in kinds.values() and seen.count(seen[-1]) >= SURE)

    until(over, patience, 1)
    if "://" not in url:
        question.seen = "bare"
    elif seen[-1] == "page":
        question.seen = "late" if "404" in seen else "https"
    elif seen[-1] in kinds.values():
        question.seen = seen[-1]
    question.why = f"it was not up after {patience:.0f} s: {seen[-1]}"
    return address if seen[-1] == "page" else ""


def address_of(url: str) -> str:
    """Where an app answers, by its `url`."""
    return (url if "://" in url else f"https://{url}").rstrip("/")


def ask_a_container(platform: Platform, app: str, found: dict[str, Question], image: str) -> None:
    """Deploy another image to a container app of our own, then the same again, and watch."""
    moved, after = [], dict[str, Any]()
    for which in ("another image", "the same image"):
        before = platform.app(app) or {}
        started, looks = time.monotonic(), list[tuple[float, dict[str, Any]]]()
        answer = platform.once("POST", app, "/deploy", json={"image": image})

        def over() -> bool:
            looks.append((time.monotonic() - started, platform.app(app) or {}))  # noqa: B023
            busy = [when for when, then in looks if then.get("status") == "deploying"]  # noqa: B023
            return looks[-1][0] > (busy[-1] + 3 if busy else WATCHED)  # noqa: B023

        until(over, DEPLOYED, 0.2)
        after = looks[-1][1]
        moved += [which] if before.get("updated_at") != after.get("updated_at") else []
        if which == "another image":
            found["deploy-answer"].seen = _shape(answer)
            posted = as_object(answer).get("image") if answer.content and answer.is_success else image
            written = (_written(image, before.get("image"), shown) for shown in (posted, after.get("image")))
            found["image"].seen = ", ".join(written)
            found["deploying"].seen, found["before-deploying"].seen = _shown(before, looks)
    found["updated-at"].seen = ", ".join(moved) or ("nothing" if "updated_at" in after else "absent")


def _shown(before: dict[str, Any], looks: list[tuple[float, dict[str, Any]]]) -> tuple[str, str]:
    """How a deploy showed, and what showed before it was `deploying`."""
    changed = [(when, app) for when, app in looks if app.get("status") != before.get("status")]
    if not changed:
        return "none", "nothing"
    when, app = changed[0]
    renamed = next((then for then, now in looks if now.get("image") != before.get("image")), when)
    how = "image-first" if renamed < when - 1 else "late" if when > 5 else "seconds"
    return how, "nothing" if app.get("status") == "deploying" else str(app.get("status"))


def _written(image: str, before: object, shown: object) -> str:
    """An image as it is shown, with words for what differs between platforms."""
    if not shown:
        return "nothing"
    if shown == before != image:
        return "BEFORE"
    text = re.sub("sha256:[0-9a-f]{64}", "DIGEST", str(shown)).replace(image, "IMAGE")
    text = text.replace("docker.io/library/", "REGISTRY/")
    text = re.sub(rf"(^|/){re.escape(image.partition(':')[0])}@", r"\1NAME@", text)
    return re.sub("^(?!REGISTRY/).*/", "HOST/", text)


def _time(entry: dict[str, Any], name: str) -> str:
    """A time with zeros for its numbers; `absent` or `null`."""
    if name not in entry:
        return "absent"
    value = "null" if entry[name] is None else str(entry[name])
    return re.sub("[A-Z][a-z]{2}", "Abc", re.sub(r"\d+", "0", value))


def _shape(answer: httpx.Response | None) -> str:
    """The status, and what kind of body there is."""
    if answer is None or not answer.content.strip():
        return f"{answer.status_code if answer is not None else 'no'} empty"
    try:
        body = answer.json()
    except ValueError:
        return f"{answer.status_code} text"
    kind = {list: "list", dict: "object", type(None): "null"}.get(type(body), "value")
    if isinstance(body, dict):
        kind = "error" if "error" in body else "deploy ID" if body.get("deploy_id") else kind
    return f"{answer.status_code} {kind}"

"""API variants: possible answers to questions that the reference leaves open.

Real platforms may choose any of these answers, so the client must work with all of them. The option
`--dialect` and the tests choose one answer for each question.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """An open question: its possible answers, separated by spaces, and its text."""

    choices: str
    text: str

    @property
    def answers(self) -> list[str]:
        """The possible answers; the first answer is the default."""
        return self.choices.split()


QUESTIONS: Mapping[str, Question] = {
    "updated-at": Question("deploy image never absent", "Which deploys change `updated_at`?"),
    "image": Question("given full full-in-get mirror tag-and-digest digest bare-digest not-in-post"
        " not-in-get before-in-post",
        "How do POST deploy and GET write the image's name? `full` applies to both. `not-in-post` and"
        " `before-in-post` apply to POST, the others to GET."),
    "deploying": Question("seconds none late image-first replica",
        "How does GET show a deploy in progress? `none`: never as `deploying`. `late`: status and image 12s"
        " late. `image-first`: the status 3s late. `replica`: every other GET 12s late."),
    "get-image": Question("wanted runs runs-degraded runs-progressing",
        "Which image does GET show? `runs`: the running image, which is the old one until a deploy"
        " succeeds. After a broken deploy, the status is `failed`, `degraded` or `progressing`."),
    "broken-deploy": Question("stays 8s 30s 90s crash-loop",
        "How does a broken deploy end? `8s`: the platform shows it for 8s, then restores the previous"
        " image. `crash-loop`: `running` for 4s, then `crashed` for 10s, 20s, 40s …, repeatedly."),
    "pull": Question("works login refused back-off",
        "Can the platform pull the image of a deploy? `login`: only with registry credentials. `refused`"
        " and `back-off`: never. The deploy ends in `failed`, or in `ImagePullBackOff` with `back-off`."),
    "numbers": Question("integers strings floats", "How does the platform write the numbers of an app?"),
    "before-deploying": Question("nothing stopped", "Which status does GET show for 2s before `deploying`?"),
    "deploy-answer": Question("sent lost empty lost-before",
        "How does the platform respond to POST deploy? `lost`: deploys, but sends a 502. `empty`: deploys,"
        " and sends a 202 without a body. `lost-before`: every other time, sends a 502 without deploying."),
    "times": Question("seconds fractions offset numbers",
        "How does the platform write times other than `lastModified`?"),
    "date": Question("sent absent", "Do responses have a `Date` header?"),
    "at-once": Question("any 4 8 16 32",
        "How many parallel requests does the platform serve? With a limit, each request takes 20ms."),
    "above": Question("503 500 502 wait", "How does the platform respond to requests above `at-once`?"),
    "rate": Question("any 10 30 10-retry-after 30-retry-after",
        "How many requests does the platform serve per second? Further requests get a 429, with or without"
        " `Retry-After`, and don't count."),
    "new-app": Question("ready 404 502 get-404 lock-404 files-404",
        "How does the platform respond to requests for a new app in the first 8s? `404` and `502` affect"
        " all requests. `get-404` affects GET of the app, `lock-404` the lock, and `files-404` uploads."),
    "app-limit": Question("none 402 403",
        "Can an account have more than one app? If not, POST of another app gets this status."),
    "shown-type": Question("no yes", "Does GET of an app show its `type`?"),
    "static-app": Question("bare machine image",
        "Which fields does GET of a static app show in addition to name, status, `url` and times?"
        " `machine`: `port`, `cpu` and `memory`. `image`: these fields and an image."),
    "container-files": Question("400 404 405 list",
        "How does the platform respond to GET of a container app's files? `list`: a 200 with an empty list."),
    "locked-app": Question("deleted refused",
        "How does the platform respond to DELETE of an app during a deploy? `refused`: a 409."),
    "app-deletion": Question("at-once deleting deleted Terminating DELETE_IN_PROGRESS",
        "How does a deleted app disappear? Except with `at-once`, it takes 15s. Until then, GET shows this"
        " status and create gets a 409. A second DELETE gets a 404 (`deleting`, `deleted`) or a 409 (the"
        " others)."),
    "new-site": Question("empty page", "Is a new site empty?"),
    "url": Question("https bare absent not-in-post late redirect login",
        "How can visitors reach an app at its `url`? `bare`: `url` lacks the scheme. `late`: a 404 for the"
        " first minute. `redirect`: a 302 to another site. `login`: a 401."),
    "clean-urls": Question("no 301 302 303 307 308",
        "Does the CDN redirect `/about.html` to `/about`? If so, it sends this status and drops the query."),
    "hidden": Question("stored refused unlisted unserved",
        "How does the platform treat hidden files? A file is hidden if its name or a folder's name starts"
        " with a dot."),
    "firewall": Question("none page",
        "Does a firewall block some files? `page`: it blocks `.php` files with a 403 page."),
    "file-limit": Question("none 1MB", "How large can a file be? `1MB`: a larger file gets a 413 in JSON."),
    "last-modified": Question("seconds fractions offset rfc1123 number absent null minutes created",
        "How does the file list write `lastModified`? `minutes`: in whole minutes. `created`: as the time"
        " of the path's first upload."),
    "same-content": Question("new-time old-time", "Does PUT of the same content change `lastModified`?"),
    "same-name": Question("both 400 409 500",
        "Can a file and a folder have the same name? If not, the second PUT gets this status."),
    "listed-paths": Question("plain slash directories bare-directories",
        "How does the file list write paths? `slash`: as `/a/b`. `directories` and `bare-directories`: with"
        " an entry `a/` or `a` in addition to `a/b`. Then DELETE of `a` deletes all files in the directory."),
    "listing": Question("now 5s 12s 20s entries cached",
        "How late is the file list? `5s`: the whole list is 5s behind. `entries`: for half of the paths,"
        " the list shows a change after 5s. `cached`: the platform repeats each list for 10s."),
    "empty-zone": Question("list null 204 404", "How does the platform list the files of an empty site?"),
    "conflict": Question("error object text empty",
        "How does the platform write the body of a 409 response? `object`: without `error`."),
    "lock-lost": Question("mixed 404 409",
        "How does the platform respond to heartbeat and finalize after the lock's release? `mixed`: a"
        " heartbeat gets a 404 while the lock is free, and everything else a 409."),
    "heartbeat": Question("object empty 204", "How does the platform respond to a heartbeat?"),
    "finalize": Question("ok 201 no-deploy-id 502 no-effect no-effect-once",
        "How does the platform respond to finalize? `502`: it records the deployment and releases the lock,"
        " but doesn't purge the CDN. `no-effect`: it sends `{}` and does nothing, always or every other"
        " time."),
    "finalize-time": Question("0s 4s 30s 70s 4s-connected 30s-connected 70s-connected 504",
        "How long does finalize take? `connected`: finalize has no effect if the client disconnects before"
        " the end. `504`: a gateway sends a 504 after 10s, and finalize ends after 30s."),
    "delete": Question("204 200 202 body",
        "How does the platform respond to DELETE? `body`: a 200 with an object."),
    "delete-missing": Question("404 204", "How does the platform respond to DELETE of a missing file?"),
    "domain-attached": Question("409 400 422 200 201",
        "How does the platform respond to POST of a domain that the app already has?"),
    "domain-taken": Question("exists 409 400 422 app",
        "How does the platform respond to POST of another app's domain? `exists`: the same 409 as for the"
        " app's own domain. `app`: a 409 with the other app's name. The others mention another account."),
}  # fmt: skip
"""The questions by name."""

PLATFORMS: Mapping[str, str] = {
    "scheduler": "image=tag-and-digest get-image=runs-progressing broken-deploy=30s before-deploying=stopped"
    " at-once=16 above=503 new-app=files-404 app-deletion=deleting times=fractions last-modified=fractions"
    " listing=5s listed-paths=bare-directories delete-missing=204 finalize-time=504 file-limit=1MB"
    " domain-taken=400 updated-at=image",
    "kubernetes": "image=full-in-get deploying=replica broken-deploy=crash-loop numbers=strings at-once=8"
    " above=502 new-app=get-404 app-deletion=Terminating url=not-in-post listing=entries"
    " listed-paths=slash empty-zone=null conflict=text lock-lost=404 heartbeat=204 finalize-time=4s"
    " domain-taken=409 updated-at=never",
    "edge": "image=digest get-image=runs deploy-answer=empty numbers=floats rate=30-retry-after url=late"
    " new-app=502 clean-urls=308 hidden=unserved firewall=page last-modified=rfc1123 listing=cached"
    " conflict=object finalize=201 finalize-time=30s delete=body domain-attached=422 domain-taken=422"
    " date=absent",
}
"""Plausible platforms with their answers. For all other questions they use the defaults.

`scheduler` runs containers on a scheduler with a circuit breaker, a gateway and object storage. `kubernetes`
has a read replica and an ingress. `edge` is an edge network.
"""


class Dialect:
    """The answers of one platform. For example, `dialect["times"]` is `seconds` by default."""

    def __init__(self, answers: Iterable[str] = ()) -> None:
        """Use the default answers except for `answers`; see `speak`."""
        self._answers = {name: question.answers[0] for name, question in QUESTIONS.items()}
        self._odd: set[tuple[str, ...]] = set()
        self.speak(*answers)

    def __getitem__(self, name: str) -> str:
        return self._answers[name]

    def speak(self, *answers: str) -> None:
        """Choose each given `NAME=ANSWER`, and all answers of each given platform.

        Raises:
            ValueError: for an unknown question, answer or platform; the message lists the known ones.
        """
        texts = [answer for text in answers for answer in PLATFORMS.get(text, text).split()]
        self._answers |= dict(check(text).split("=") for text in texts)

    def every_other(self, *key: str) -> bool:
        """Whether this is the first, third, fifth … call with this key."""
        self._odd ^= {key}
        return key in self._odd

    def answers(self) -> dict[str, str]:
        """All answers, by the questions' names."""
        return dict(self._answers)


def check(text: str) -> str:
    """Check `NAME=ANSWER` or a platform's name, and return it unchanged.

    Raises:
        ValueError: for an unknown question, answer or platform; the message lists the known ones.
    """
    if text in PLATFORMS:
        return text
    name, _, answer = text.partition("=")
    if name not in QUESTIONS:
        raise ValueError(
            f"unknown API variant {name!r}. Choose a platform ({', '.join(PLATFORMS)}) or one of these:"
            f" {', '.join(QUESTIONS)}"
        )
    if answer not in QUESTIONS[name].answers:
        raise ValueError(
            f"{name} can't be {answer!r}. Choose one of these: {', '.join(QUESTIONS[name].answers)}"
        )
    return text

"""Dialects: questions that the reference leaves open, and the answers that a platform gives."""

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
        "How do POST deploy and GET write the name of the image? `full` applies to both,"
        " `not-in-post` and `before-in-post` to POST, the others to GET."),
    "deploying": Question("seconds none late image-first replica",
        "How does GET show a deploy in progress? `none`: never `deploying`; `late`: status and image 12 s"
        " late; `image-first`: only the status, 3 s late; `replica`: every other GET is 12 s late."),
    "get-image": Question("wanted runs runs-degraded runs-progressing",
        "Which image does GET show? `runs`: the one that runs, so the old one until a deploy has succeeded;"
        " the status of a broken deploy is `failed`, `degraded` or `progressing`."),
    "broken-deploy": Question("stays 8s 30s 90s crash-loop",
        "What becomes of a broken deploy? `8s`: it shows for that time, then the platform goes back to the"
        " image from before; `crash-loop`: `running` for 4 s, then `crashed` for 10, 20, 40 … s, again and"
        " again."),
    "pull": Question("works login refused back-off",
        "Can the platform pull the image of a deploy? `login`: only with a registry's login; `refused` and"
        " `back-off`: never. Then the deploy ends in `failed`, or, with `back-off`, in `ImagePullBackOff`."),
    "numbers": Question("integers strings floats", "How does the platform write the numbers of an app?"),
    "before-deploying": Question("nothing stopped", "Which status does GET show for 2 s before `deploying`?"),
    "deploy-answer": Question("sent lost empty lost-before",
        "How does the platform answer POST deploy? `lost`: a 502, deployed; `empty`: a 202 without a body,"
        " deployed; `lost-before`: a 502, not deployed, every other time."),
    "times": Question("seconds fractions offset numbers",
        "How does the platform write times other than `lastModified`?"),
    "date": Question("sent absent", "Do responses have a `Date` header?"),
    "at-once": Question("any 4 8 16 32",
        "How many requests does the platform serve at once? Except for `any`, each takes 20 ms."),
    "above": Question("503 500 502 wait", "How does the platform answer requests above `at-once`?"),
    "rate": Question("any 10 30 10-retry-after 30-retry-after",
        "How many requests a second does the platform serve? The others are answered 429, with `Retry-After`"
        " or without; they do not count."),
    "new-app": Question("ready 404 502 get-404 lock-404 files-404",
        "How does the platform answer requests for a new app in the first 8 s? `404` and `502`: all;"
        " `get-404`, `lock-404` and `files-404`: GET of the app, the lock, and uploads."),
    "app-limit": Question("none 402 403",
        "May there be more than one app? If not, the platform answers POST of an app with this status."),
    "shown-type": Question("no yes", "Does GET of an app show its `type`?"),
    "static-app": Question("bare machine image",
        "What does GET of a static app show besides name, status, `url` and times? `machine`: `port`, `cpu`"
        " and `memory`; `image`: these, and an image."),
    "container-files": Question("400 404 405 list",
        "How does the platform answer GET of a container app's files? `list`: 200 and an empty list."),
    "locked-app": Question("deleted refused",
        "How does the platform answer DELETE of an app whose lock is held? `refused`: a 409."),
    "app-deletion": Question("at-once deleting Terminating",
        "When does an app go that is deleted? Else 15 s later; GET shows this status; create is a 409, a"
        " second DELETE a 404 (`deleting`) or a 409 (`Terminating`)."),
    "new-site": Question("empty page", "Is a new site empty?"),
    "url": Question("https bare absent not-in-post late redirect login",
        "How can visitors reach an app at its `url`? `bare`: `url` has no scheme; `late`: a 404 for the first"
        " minute; `redirect`: a 302 to elsewhere; `login`: a 401."),
    "hidden": Question("stored refused unlisted unserved",
        "How does the platform treat hidden files: those whose path has a name that begins with a dot?"),
    "firewall": Question("none page",
        "Does a firewall refuse some files? `page`: `.php` files, with a 403 page."),
    "file-limit": Question("none 1MB", "How large may a file be? `1MB`: a larger file is a 413 in JSON."),
    "last-modified": Question("seconds fractions offset rfc1123 number absent null minutes created",
        "How does the list of files write `lastModified`? `minutes`: whole minutes; `created`: the time at"
        " which the path was new."),
    "same-content": Question("new-time old-time", "Does PUT of the same content change `lastModified`?"),
    "listed-paths": Question("plain slash directories bare-directories",
        "How does the list of files write paths? `slash`: as `/a/b`; `directories` and `bare-directories`:"
        " beside `a/b` there is `a/` or `a`, and DELETE of `a` deletes all that is below."),
    "listing": Question("now 5s 12s 20s entries cached",
        "How late is the list of files? `5s`: the whole list is 5 s behind; `entries`: the newest change of"
        " every other path is not listed for 5 s; `cached`: each list is answered for 10 s."),
    "empty-zone": Question("list null 204 404", "How does the platform list the files of an empty site?"),
    "conflict": Question("error object text empty",
        "What is the body of a 409 response? `object`: without `error`."),
    "lock-lost": Question("mixed 404 409",
        "How does the platform answer heartbeat and finalize for a released lock? `mixed`: a"
        " heartbeat with 404 while the lock is free; everything else with 409."),
    "heartbeat": Question("object empty 204", "How does the platform answer a heartbeat?"),
    "finalize": Question("ok 201 no-deploy-id 502 no-effect no-effect-once",
        "How does the platform answer finalize? `502`: the deployment is recorded, the lock is free,"
        " the CDN is not purged; `no-effect`: `{}`, and nothing happens, always or every other time."),
    "finalize-time": Question("0s 4s 30s 70s 4s-connected 30s-connected 70s-connected 504",
        "How long does finalize take? `connected`: it has no effect if the client hangs up before; `504`: a"
        " gateway answers 504 after 10 s, and finalize ends after 30 s."),
    "delete": Question("204 200 202 body",
        "How does the platform answer DELETE? `body`: a 200 with an object."),
    "delete-missing": Question("404 204", "How does the platform answer DELETE of a file that is not there?"),
    "domain-attached": Question("409 400 422 200 201",
        "How does the platform answer POST of a domain that the app already has?"),
    "domain-taken": Question("exists 409 400 422",
        "How does the platform answer POST of a domain that another app has? `exists`: a 409, as if it was"
        " the same app; else with words about another account."),
    "domain-busy": Question("no once",
        "Does the platform refuse every other POST of a domain (409, `another deploy is in progress`)?"),
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
    " new-app=502 hidden=unserved firewall=page last-modified=rfc1123 listing=cached conflict=object"
    " finalize=201 finalize-time=30s delete=body domain-attached=422 domain-taken=422 date=absent",
}
"""Whole platforms: containers on a scheduler with a circuit breaker, a gateway and object storage; Kubernetes
with a read replica and an ingress; an edge network. Each with its answers; the others are the defaults."""


class Dialect:
    """The answers of one platform: `dialect["times"]` is `seconds` by default."""

    def __init__(self, answers: Iterable[str] = ()) -> None:
        """Use the default answers except for `answers`; see `speak`."""
        self._answers = {name: question.answers[0] for name, question in QUESTIONS.items()}
        self._odd: set[tuple[str, ...]] = set()
        self.speak(*answers)

    def __getitem__(self, name: str) -> str:
        return self._answers[name]

    def speak(self, *answers: str) -> None:
        """Change some answers, each written as `NAME=ANSWER`, or all those of one of the `PLATFORMS`.

        Raises:
            ValueError: for an unknown question or answer; the message lists the known ones.
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
            f"{name!r} is neither a platform ({', '.join(PLATFORMS)}) nor a question. The questions are:"
            f" {', '.join(QUESTIONS)}"
        )
    if answer not in QUESTIONS[name].answers:
        raise ValueError(f"{answer!r} is no answer to {name}: {', '.join(QUESTIONS[name].answers)}")
    return text

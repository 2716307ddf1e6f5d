"""The story: what is deployed, in which order, and what must be there afterwards.

The docstring of a step is the promise. A step returns if the promise holds; `BrokenError` and
`NotTriedError` say that it does not, or why that is not known.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from acceptance.names import own, random_word
from acceptance.platform import BrokenError, NotTriedError, until
from acceptance.questions import address_of, ask_a_container, ask_a_site
from acceptance.report import BROKEN, HELD, Promise, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from acceptance.commands import Command, Commands
    from acceptance.platform import Platform
    from acceptance.report import Report

    Content = dict[str, bytes]
    Step = Callable[["Story"], None]

LARGE = 24 * 10**6
MANY = 150
"""Files of a deploy that is interrupted; they go up one by one."""
LOCKED = 5.0
"""Seconds for which a run is kept waiting."""
CPU, MEMORY = "256", "512"
IMAGE, OTHER_IMAGE = "nginx:1.27.5-alpine", "nginx:1.26.3-alpine"
IMAGE_BY_DIGEST = "nginx@sha256:65645c7bb6a0661892a8b03b89d0743208a18dd2f3f17a54ef4b76fb8e2f2a10"  # 1.27.5
MISSING_IMAGE = "nginx:zk-acceptance-broken-there-is-no-such-tag"
WRONG_KEY = "zk-acceptance-wrong-key"

FIRST = {
    "index.html": b"<!doctype html><title>First</title><h1>First</h1>",
    "about/index.html": b"<!doctype html><title>About</title>",
    "css/site.css": b"h1 { color: teal }",
    "img/bytes.bin": bytes(range(256)),
    "old.html": b"<!doctype html><title>Old</title>",
    "empty.txt": b"",
}
SECOND = {path: content for path, content in FIRST.items() if path not in {"old.html", "empty.txt"}} | {
    "index.html": b"<!doctype html><title>Second</title><h1>Second, and longer</h1>",
    "new/page.html": b"<!doctype html><title>New</title>",
}
AWKWARD = {
    name: name.encode()
    for name in ("a b.txt", "ü/ß 文.txt", "50%.txt", "%41.txt", "a+b&c=d.txt", "q?.txt", "h#h.txt",
                 "(1)'~!@$,;.txt", "d/e/e/p/" * 4 + "x.txt", "long-" + "n" * 90 + ".txt")
}  # fmt: skip


class Story:
    """One run: a site, then a container app.

    Attributes:
        files: what was deployed to the site last.
        address: where the site answers, if its pages can be read.
    """

    def __init__(
        self,
        platform: Platform,
        commands: Commands,
        report: Report,
        folder: Path,
        *,
        patience: float,
        domain: str,
    ) -> None:
        """Begin; `folder` is for the files to deploy, `patience` are the seconds for DNS, TLS and the CDN."""
        self._platform, self._commands, self._report = platform, commands, report
        self._folder, self._patience, self._domain = folder, patience, domain
        self._site, self._app = own(), own()
        self.files: Content = {}
        self.address = ""

    def tell(self, steps: tuple[Step, ...], ends: float) -> None:
        """Take the steps; each needs the first. None begins after `ends`, by the monotonic clock."""
        for step in steps:
            promise = self._report.promises[step.__name__]
            say(f"\n{promise.text}")
            self._commands.last.clear()
            started = time.monotonic()
            try:
                first = self._report.promises[steps[0].__name__]
                if step is not steps[0] and first.result != HELD:
                    raise NotTriedError(f"it needs {first.text!r}")  # noqa: TRY301 - as a step would
                if started > ends:
                    raise NotTriedError("the time is over")  # noqa: TRY301
                step(self)
                promise.result, promise.why = HELD, ""
            except BrokenError as error:
                promise.result, promise.why = BROKEN, str(error)
                promise.log = "\n".join(command.log for command in self._commands.last)
            except NotTriedError as error:
                promise.why = str(error)
            except httpx.HTTPError as error:
                promise.why = f"the script's own request failed: {error!r}"
            finally:
                self._commands.stop()
                with suppress(httpx.HTTPError):
                    self._platform.free_lock(self._site)
                promise.seconds = time.monotonic() - started
            say(f"  {promise.result} {promise.why}".rstrip())

    def skip(self, steps: tuple[Step, ...], why: str) -> None:
        """Say why these steps are not tried."""
        for step in steps:
            self._report.promises[step.__name__].why = why

    def ask_a_site(self) -> None:
        """Ask what the reference leaves open about folders, of an app of its own."""
        say("\nWhat the reference leaves open: a site is asked")
        app = own()
        with self._asking():
            if not ask_a_site(self._platform, app, self._report.questions, self._patience):
                self._patience = min(self._patience, 10)  # where one is not up, the next will not be
        self._platform.delete([app], 60)

    def ask_a_container(self) -> None:
        """Ask what the reference leaves open about images, of the container app."""
        say("\nWhat the reference leaves open: two deploys are watched")
        with self._asking():
            if self._platform.app(self._app) is not None:  # also if the action does not understand it
                ask_a_container(self._platform, self._app, self._report.questions, OTHER_IMAGE)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (BrokenError, NotTriedError, httpx.HTTPError) as error:
            self._report.notes.append(f"Not all questions could be asked: {error}")

    # --- a folder

    def create(self) -> None:
        """A folder becomes a new app, byte for byte."""
        self._deploy(FIRST, create="true")

    def visit(self) -> None:
        """The world gets what was deployed."""
        url = (self._platform.app(self._site) or {}).get("url")
        if not url:
            raise NotTriedError("the app has no `url`")
        self.address = address_of(url)
        self._report.hide_host(self.address.replace(f"{self._site}.", ""))
        try:
            self._visit()
        except NotTriedError:
            self.address = ""
            raise

    def again(self) -> None:
        """The same folder again: nothing is uploaded."""
        run = self._deploy(FIRST).outcome
        if not self.address or self._report.questions["last-modified"].answer in {"absent", "null"}:
            raise NotTriedError("no page can be read, or the list has no times: nothing can be skipped")
        sent, skipped = run.get("files_uploaded"), run.get("files_unchanged")
        check((sent, skipped) == (0, len(FIRST)), f"{sent} uploaded, {skipped} of {len(FIRST)} skipped")

    def change(self) -> None:
        """Changed files are replaced, new ones added, others deleted."""
        self._deploy(SECOND)
        self._visit()

    def awkward(self) -> None:
        """Names with spaces, other alphabets, `%`, `?` and `#`."""
        self._deploy(self.files | AWKWARD)
        self._visit()

    def dry_run(self) -> None:
        """A dry run changes nothing."""
        self._changes_nothing(self.files | {"more.txt": b"more"}, code=0, dry_run="true")

    def keep(self) -> None:
        """`keep` protects a file that something else has stored."""
        with self._foreign("uploads/theirs.html") as theirs:
            self._deploy(self.files | {"kept.txt": b"kept"}, theirs, keep="/uploads/")

    def foreign(self) -> None:
        """Without `keep`, such a file stops the deploy."""
        with self._foreign("theirs.html"):
            self._changes_nothing(self.files | {"more.txt": b"more"}, code=2)

    def other_repository(self) -> None:
        """Another repository's deploy is stopped."""
        self._changes_nothing(self.files | {"more.txt": b"more"}, code=2, repository="2")

    def health_check(self) -> None:
        """A health check passes for a page that the world gets."""
        if not self.address:
            raise NotTriedError("no page can be read")
        files = self.files | {"health.txt": b"healthy"}
        self._deploy(files, health_check="/health.txt", health_check_timeout="1m")
        self._visit()

    def large_file(self) -> None:
        """A file of 24 MB."""
        self._deploy(self.files | {"large.bin": os.urandom(LARGE)})
        self._visit()
        del self.files["large.bin"]

    def domain(self) -> None:
        """A domain is attached, attached again, and removed."""
        if not self._domain:
            raise NotTriedError("ACCEPTANCE_DOMAIN is not set")
        name = f"zk-{random_word(8)}.{self._domain}"
        for _ in range(2):
            self._deploy(self.files, domains=name)
        again = self._platform.request("POST", self._site, "/domains", json={"domain": name})
        self._report.questions["domain-attached"].seen = str(again.status_code)
        self._deploy(self.files, remove_domains=name)
        gone = self._platform.request("DELETE", self._site, f"/domains/{name}").status_code
        check(gone == 404, f"removing it once more was answered with {gone}")

    def wait(self) -> None:
        """A run waits for somebody else's lock."""
        files = self.files | {"waited.txt": b"waited"}
        self._lock()
        run = self._start(files, lock_timeout="2m")
        time.sleep(LOCKED)
        check(not run.ended, "the run did not wait")
        check("waited.txt" not in self._platform.files(self._site), "it wrote under somebody else's lock")
        self._platform.free_lock(self._site)
        self._end(run)
        self._expect(files)
        self.files = files

    def sigterm(self) -> None:
        """SIGTERM: the lock is released, nothing is deleted, the next deploy completes the site."""
        files = self.files | {f"term/{number:03}.txt": b"term" for number in range(MANY)}
        self._end(self._interrupt(files, signal.SIGTERM), code=128 + signal.SIGTERM)
        self._deploy(files)

    def sigkill(self) -> None:
        """SIGKILL: `zerokie-cleanup` releases the lock, the next deploy completes the site."""
        files = self.files | {f"kill/{number:03}.txt": b"kill" for number in range(MANY)}
        self._interrupt(files, signal.SIGKILL)
        if self._platform.lock_is_free(self._site):
            raise NotTriedError("the killed run did not hold the lock")
        self._end(self._commands.start(self._site, {}, program="zerokie-cleanup"))
        self._deploy(files)

    def destroy_locked(self) -> None:
        """An app that somebody else has locked is not destroyed."""
        self._lock()
        self._end(self._command({"operation": "destroy", "lock_timeout": "2s"}), code=6)
        check(self._platform.app(self._site) is not None, "the app is gone")
        self._platform.free_lock(self._site)

    def destroy(self) -> None:
        """An app is destroyed."""
        self._end(self._command({"operation": "destroy"}))
        check(until(lambda: self._platform.app(self._site) is None), "the app is still there")

    # --- an image

    def image(self) -> None:
        """An image becomes a new app, and runs."""
        self._roll_out(IMAGE, create="true", port="80", cpu=CPU, memory=MEMORY)

    def other_tag(self) -> None:
        """Another tag."""
        self._roll_out(OTHER_IMAGE)

    def same_tag(self) -> None:
        """The same tag again."""
        self._roll_out(OTHER_IMAGE)

    def restart(self) -> None:
        """A restart."""
        self._roll_out("", runs=OTHER_IMAGE, operation="restart")

    def by_digest(self) -> None:
        """An image by its digest."""
        self._roll_out(IMAGE_BY_DIGEST)

    def missing_image(self) -> None:
        """An image that does not exist: the one before runs again."""
        before = str((self._platform.app(self._app) or {}).get("image", ""))
        self._roll_out(MISSING_IMAGE, runs=before, codes={4, 8, 9}, rollback="true", wait_timeout="2m")

    # --- at the end

    def wrong_key(self) -> None:
        """A wrong key is refused."""
        check(self._start(FIRST, api_key=WRONG_KEY).wait() == 3, "the exit code is not 3")

    # --- what the steps are made of

    def _start(self, files: Content, repository: str = "1", **inputs: str) -> Command:
        """Start a deploy of these files, which are all that is in the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for path, content in files.items():
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / path).write_bytes(content)
        return self._command({"directory": str(self._folder)} | inputs, repository)

    def _command(self, inputs: dict[str, str], repository: str = "1") -> Command:
        """Start the action for the site, unless it would wait for a lock that is not ours."""
        if self._site not in self._platform.locks and not self._is_free():
            raise NotTriedError("an earlier step has left the lock")
        return self._commands.start(self._site, inputs, repository=repository)

    def _end(self, run: Command, code: int = 0) -> None:
        """Wait for the end of a command, which must leave no lock."""
        found = run.wait()
        check(found == code, f"the exit code is {found}, not {code}")
        check(self._platform.key not in run.log, "the log shows the API key")
        check(self._site in self._platform.locks or self._is_free(), "the lock was not released")

    def _is_free(self) -> bool:
        """Whether the site's lock is free: it is taken and released."""
        return self._platform.app(self._site) is None or self._platform.lock_is_free(self._site)

    def _lock(self) -> None:
        """Take the site's lock, as another deploy would."""
        if not self._platform.take_lock(self._site):
            raise NotTriedError("an earlier step has left the lock")

    def _deploy(self, files: Content, theirs: Content | None = None, **inputs: str) -> Command:
        """Deploy these files; afterwards they and `theirs` must be all that the app has."""
        run = self._start(files, **inputs)
        self._end(run)
        self._expect(files | (theirs or {}))
        self.files = files
        return run

    def _changes_nothing(self, files: Content, code: int, **inputs: str) -> None:
        """Run a deploy that must end with this exit code and leave the app as it is."""
        before = self._platform.files(self._site)
        self._end(self._start(files, **inputs), code)
        check(self._platform.files(self._site) == before, "files were changed")

    def _expect(self, files: Content) -> None:
        """Check that the app has these files, with their lengths, and no others."""
        wanted = {path: len(content) for path, content in files.items()}
        if not until(lambda: self._platform.files(self._site) == wanted, pause=1):
            differ = sorted(path for path, _ in wanted.items() ^ self._platform.files(self._site).items())
            raise BrokenError(f"what is listed is not what was deployed: {', '.join(dict.fromkeys(differ))}")

    def _visit(self) -> None:
        """Check that the world gets the site's files, byte for byte, if it gets any."""
        if not self.address:
            return
        deadline = time.monotonic() + self._patience
        for path, content in self.files.items():
            address = f"{self.address}/{quote(path)}"
            while (seen := self._platform.visit(address)) != ("200", content) and time.monotonic() < deadline:
                time.sleep(1)
            if seen[0] != "200":
                raise NotTriedError(f"{path} could not be read: {seen[0]}")
            check(seen[1] == content, f"{path}: {len(seen[1])} other bytes than the {len(content)} deployed")

    @contextmanager
    def _foreign(self, path: str) -> Iterator[Content]:
        """A file that something else stores, under the lock, and removes."""
        content = b"this file is somebody else's"
        self._lock()
        stored = self._platform.put(self._site, path, content)
        self._platform.free_lock(self._site)
        check(stored.is_success, f"the script's own upload was answered with {stored.status_code}")
        try:
            yield {path: content}
        finally:
            self._platform.request("DELETE", self._site, f"/files/{quote(path)}")

    def _interrupt(self, files: Content, number: int) -> Command:
        """Send a signal to a deploy as soon as the first of its files is listed; none may be deleted."""
        before = set(self.files)
        run = self._start(files, concurrency="1")
        until(lambda: run.ended or set(self._platform.files(self._site)) - before, 60, 0.05)
        if run.ended:
            raise NotTriedError("the deploy ended before the signal came")
        run.signal(number)
        run.wait()
        check(before <= set(self._platform.files(self._site)), "files were deleted")
        return run

    def _roll_out(self, image: str, runs: str = "", codes: Collection[int] = (0,), **inputs: str) -> None:
        """Deploy an image; afterwards `runs`, or else that image, must run."""
        run = self._commands.start(self._app, {"image": image, **inputs})
        code, runs = run.wait(), runs or image
        try:
            check(code in codes, f"the exit code is {code}")
            until(lambda: self._runs(runs))
            check(self._runs(runs), f"{runs} does not run: {self._platform.app(self._app)}")
        except BrokenError:
            if re.search(r"toomanyrequests|too many requests|pull rate limit", run.log, re.IGNORECASE):
                raise NotTriedError("the registry's own limit") from None
            raise

    def _runs(self, image: str) -> bool:
        """Whether the container app runs this image. A platform writes an image's name in its own way."""
        app = self._platform.app(self._app) or {}
        name = str(app.get("image") or "").rpartition("/")[2]
        agree = not name or "sha256:" in name or name == image.rpartition("/")[2]
        return app.get("status") == "running" and agree


FOLDER: tuple[Step, ...] = (
    *(Story.create, Story.visit, Story.again, Story.change, Story.awkward, Story.dry_run, Story.keep),
    *(Story.foreign, Story.other_repository, Story.health_check, Story.large_file, Story.domain, Story.wait),
    *(Story.sigterm, Story.sigkill, Story.destroy_locked, Story.destroy),
)
IMAGES: tuple[Step, ...] = (
    *(Story.image, Story.other_tag, Story.same_tag, Story.restart, Story.by_digest, Story.missing_image),
)
LAST: tuple[Step, ...] = (Story.wrong_key,)


def promises() -> dict[str, Promise]:
    """All of them, not tried yet."""
    return {step.__name__: Promise((step.__doc__ or "").rstrip(".")) for step in FOLDER + IMAGES + LAST}


def check(holds: object, otherwise: str) -> None:
    """Raise `BrokenError` unless it holds."""
    if not holds:
        raise BrokenError(otherwise)

"""Steps of a run, in order, with their checks.

The docstring of a step is a promise in the report. The promise holds if the step returns. The step raises
`BrokenError` if the promise is broken, and `NotTriedError` if the script couldn't check it.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import httpx

from acceptance.commands import Command, Commands
from acceptance.facts import facts_of_domain
from acceptance.names import new_name, random_word
from acceptance.platform import BrokenError, NotTriedError, check, try_only_if, until
from acceptance.questions import address_of, ask_container, ask_deletion, ask_site
from acceptance.report import BROKEN, HELD, Promise, Report, say

Content = dict[str, bytes]
"""The content of each file by its path."""
Step = Callable[["Story"], None]

LARGE_FILE = 24 * 10**6
"""Bytes."""
INTERRUPTED_FILES = 1_000
"""The deploy that the script interrupts uploads this many new files."""
LOCK_FOR = 5.0
"""Seconds for which the script holds the lock during a deploy."""
BROKEN_FOR = 100.0
"""Seconds for which the script polls a broken deploy, because the platform may restore the old image."""
CPU, MEMORY = "256", "512"
"""CPU units, and MB."""
IMAGE, OTHER_IMAGE = "nginx:1.27.5-alpine", "nginx:1.26.3-alpine"
IMAGE_BY_DIGEST = "nginx@sha256:65645c7bb6a0661892a8b03b89d0743208a18dd2f3f17a54ef4b76fb8e2f2a10"  # 1.27.5
MISSING_IMAGE = "nginx:zk-acceptance-broken-there-is-no-such-tag"
WRONG_KEY = "zk-acceptance-wrong-key"

FIRST_SITE = {
    "index.html": b"<!doctype html><title>First</title><h1>First</h1>",
    "about/index.html": b"<!doctype html><title>About</title>",
    "css/site.css": b"h1 { color: teal }",
    "img/bytes.bin": bytes(range(256)),
    "old.html": b"<!doctype html><title>Old</title>",
    "empty.txt": b"",
}
DELETED = {"old.html", "empty.txt"}
SECOND_SITE = {path: content for path, content in FIRST_SITE.items() if path not in DELETED} | {
    "index.html": b"<!doctype html><title>Second</title><h1>Second, and longer</h1>",
    "new/page.html": b"<!doctype html><title>New</title>",
}
AWKWARD_NAMES = {
    name: name.encode()
    for name in ("a b.txt", "ü/ß 文.txt", "50%.txt", "%41.txt", "a+b&c=d.txt", "q?.txt", "h#h.txt",
                 "(1)'~!@$,;.txt", "d/e/e/p/" * 4 + "x.txt", "long-" + "n" * 90 + ".txt")
}  # fmt: skip


class Story:
    """The steps of one run, with a site and then with a container.

    Attributes:
        files: the files of the site's last deploy.
        address: the address of the site's pages, or empty if they are unreadable.
    """

    def __init__(self, commands: Commands, report: Report, patience: float, domain: str) -> None:
        """Prepare a run that waits `patience` seconds for DNS, TLS and the CDN of a new app."""
        self._platform, self._commands, self._report = commands.platform, commands, report
        self._folder, self._patience, self._domain = commands.folder / "site", patience, domain
        self._site, self._container = new_name(), new_name()
        self.files: Content = {}
        self.address = ""

    def run_steps(self, steps: tuple[Step, ...], deadline: float) -> None:
        """Run steps that all need the first step, until the monotonic clock reaches `deadline`."""
        first = self._report.promises[steps[0].__name__]
        for step in steps:
            promise = self._report.promises[step.__name__]
            say(f"\n{promise.text}")
            self._commands.started.clear()
            started = time.monotonic()
            try:
                try_only_if(promise is first or first.result == HELD, f"needs {first.text!r}")
                try_only_if(started <= deadline, "the run took too long")
                step(self)
                promise.result, promise.why = HELD, ""
            except BrokenError as error:
                promise.result, promise.why = BROKEN, str(error)
                promise.log = "\n".join(command.log for command in self._commands.started)
            except NotTriedError as error:
                promise.why = str(error)
            except httpx.HTTPError as error:
                promise.why = f"the script's own request failed: {error!r}"
            finally:
                self._commands.stop()
                with suppress(httpx.HTTPError):
                    self._platform.release_lock(self._site)
                promise.seconds = time.monotonic() - started
            say(f"  {promise.result} {promise.why}".rstrip())

    def skip_steps(self, steps: tuple[Step, ...], why: str) -> None:
        """Report why the script skips these steps."""
        for step in steps:
            self._report.promises[step.__name__].why = why

    def ask_site(self) -> None:
        """Create an app, answer the questions about sites with it, and delete it."""
        say("\nQuestions about sites: sending requests")
        app = new_name()
        with self._asking():
            if not ask_site(self._platform, app, self._report, self._patience):
                self._patience = min(self._patience, 10)  # The next app's page won't be up either.
        with self._asking():
            ask_deletion(self._platform, app, self._report)
        self._platform.delete([app], 60)

    def ask_container(self) -> None:
        """Answer the questions about images with the container app."""
        say("\nQuestions about images: watching three deploys")
        with self._asking():
            if (
                self._platform.app(self._container) is not None
            ):  # The action may create the app and then fail.
                seconds, images = min(self._patience, BROKEN_FOR), (OTHER_IMAGE, MISSING_IMAGE)
                ask_container(self._platform, self._container, self._report, images, seconds)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (BrokenError, NotTriedError, httpx.HTTPError) as error:
            self._report.notes.append(f"Some questions are unanswered: {error}")

    # --- steps with the site

    def create_site(self) -> None:
        """The first deploy of a folder creates the app."""
        self._deploy(FIRST_SITE, create="true")

    def visit_site(self) -> None:
        """Visitors get the deployed files, byte for byte."""
        url = (self._platform.app(self._site) or {}).get("url")
        try_only_if(url, "the app lacks `url`")
        self.address = address_of(str(url))
        self._report.mask_host(self.address.replace(f"{self._site}.", ""))
        try:
            self._expect_pages()
        except NotTriedError:
            self.address = ""
            raise

    def deploy_same_files(self) -> None:
        """A second deploy of the same folder uploads nothing."""
        outcome = self._deploy(FIRST_SITE).outcome
        has_times = self._report.questions["last-modified"].answer not in {"absent", "null"}
        try_only_if(self.address and has_times, "pages are unreadable, or the file list lacks times")
        sent, skipped = outcome.get("files_uploaded"), outcome.get("files_unchanged")
        check((sent, skipped) == (0, len(FIRST_SITE)), f"{sent} files uploaded, {skipped} skipped")

    def deploy_changed_files(self) -> None:
        """A deploy uploads changed and new files, and deletes stale files."""
        self._deploy(SECOND_SITE)
        self._expect_pages()

    def deploy_awkward_names(self) -> None:
        """A deploy handles file names with spaces, other alphabets, `%`, `?` and `#`."""
        self._deploy(self.files | AWKWARD_NAMES)
        self._expect_pages()

    def dry_run(self) -> None:
        """A dry run changes nothing."""
        self._deploy_without_change(self.files | {"more.txt": b"more"}, code=0, dry_run="true")

    def keep_unmanaged_file(self) -> None:
        """`keep` protects another tool's file."""
        with self._unmanaged_file("uploads/unmanaged.html") as unmanaged:
            self._deploy(self.files | {"kept.txt": b"kept"}, unmanaged, keep="/uploads/")

    def refuse_unmanaged_file(self) -> None:
        """Without `keep`, a deploy fails and changes nothing if it would delete another tool's file."""
        with self._unmanaged_file("unmanaged.html") as unmanaged:
            self._deploy_without_change(self.files | {"more.txt": b"more"}, unmanaged, code=2)

    def refuse_other_repository(self) -> None:
        """A deploy from another repository to the same app fails and changes nothing."""
        self._deploy_without_change(self.files | {"more.txt": b"more"}, code=2, repository="2")

    def health_check(self) -> None:
        """The health check of a public page passes."""
        try_only_if(self.address, "pages are unreadable")
        files = self.files | {"health.txt": b"healthy"}
        self._deploy(files, health_check="/health.txt", wait="1m")
        self._expect_pages()

    def deploy_large_file(self) -> None:
        """A deploy uploads a file of 24 MB."""
        self._deploy(self.files | {"large.bin": os.urandom(LARGE_FILE)})
        self._expect_pages()
        del self.files["large.bin"]

    def attach_domain(self) -> None:
        """A deploy attaches a custom domain, accepts it again, and removes it."""
        try_only_if(self._domain, "ACCEPTANCE_DOMAIN is not set")
        name = f"zk-{random_word(8)}.{self._domain}"
        for _ in range(2):
            self._deploy(self.files, domains=name)
        other = new_name()
        facts = dict(facts_of_domain(self._platform, self._site, other, name))
        self._platform.delete([other], 60)
        self._report.facts |= facts
        self._report.questions["domain-attached"].shape = next(iter(facts.values())).split()[0]
        self._deploy(self.files, remove_domains=name)
        status = self._platform.send("DELETE", self._site, f"/domains/{name}").status_code
        check(status == 404, f"DELETE of the removed domain got a {status}, not a 404")

    def wait_for_lock(self) -> None:
        """A deploy changes nothing while another session holds the lock."""
        files = self.files | {"waited.txt": b"waited"}
        self._platform.wait_for_lock(self._site)
        deploy = self._start_deploy(files, lock_timeout="2m")
        time.sleep(LOCK_FOR)
        check(not deploy.ended, "the deploy did not wait")
        check("waited.txt" not in self._platform.files(self._site), "the deploy uploaded without the lock")
        self._platform.release_lock(self._site)
        self._expect_exit(deploy)
        self._expect_files(files)
        self.files = files

    def terminate(self) -> None:
        """After SIGTERM, a deploy releases the lock without deletions. The next deploy uploads the rest."""
        deploy, files = self._interrupt_deploy("terminated", signal.SIGTERM)
        self._expect_exit(deploy, code=128 + signal.SIGTERM)
        self._deploy(files)

    def kill(self) -> None:
        """After SIGKILL, `zerokie-cleanup` releases the lock. The next deploy uploads the rest."""
        _, files = self._interrupt_deploy("killed", signal.SIGKILL)
        try_only_if(not self._platform.lock_is_free(self._site), "the killed deploy did not hold the lock")
        self._expect_exit(self._commands.start(self._site, {}, program="zerokie-cleanup"))
        self._deploy(files)

    def destroy_locked_site(self) -> None:
        """While another session holds the lock, `operation: destroy` fails and keeps the app."""
        self._platform.wait_for_lock(self._site)
        self._expect_exit(self._start_action({"operation": "destroy", "lock_timeout": "2s"}), code=6)
        check(self._platform.app(self._site) is not None, "the app is gone")
        self._platform.release_lock(self._site)

    def destroy_site(self) -> None:
        """`operation: destroy` deletes the app."""
        self._expect_exit(self._start_action({"operation": "destroy"}))
        check(until(lambda: self._platform.app(self._site) is None), "the app still exists")

    # --- steps with the container

    def create_container(self) -> None:
        """The first deploy of an image creates the app, and the image runs."""
        self._deploy_image(IMAGE, create="true", port="80", cpu=CPU, memory=MEMORY)

    def deploy_other_tag(self) -> None:
        """After a deploy of another tag, the image with that tag runs."""
        self._deploy_image(OTHER_IMAGE)

    def deploy_same_tag(self) -> None:
        """After a second deploy of the same tag, the image runs."""
        self._deploy_image(OTHER_IMAGE)

    def restart(self) -> None:
        """After `operation: restart`, the image runs."""
        self._deploy_image("", runs=OTHER_IMAGE, operation="restart")

    def deploy_digest(self) -> None:
        """After a deploy of a digest, the image runs."""
        self._deploy_image(IMAGE_BY_DIGEST)

    def roll_back(self) -> None:
        """If the new image does not exist, `rollback` deploys the previous image again."""
        before = str((self._platform.app(self._container) or {}).get("image", ""))
        self._deploy_image(MISSING_IMAGE, before, {4, 8, 9}, rollback="true", wait="2m")

    # --- the last step

    def refuse_wrong_key(self) -> None:
        """A deploy with a wrong API key fails."""
        check(self._start_deploy(FIRST_SITE, api_key=WRONG_KEY).wait() == 3, "the exit code is not 3")

    # --- parts of steps

    def _start_deploy(self, files: Content, repository: str = "1", **inputs: str) -> Command:
        """Replace all files in the folder and start a deploy of the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for path, content in files.items():
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / path).write_bytes(content)
        return self._start_action({"directory": str(self._folder)} | inputs, repository)

    def _start_action(self, inputs: dict[str, str], repository: str = "1") -> Command:
        """Start the action for the site, unless the action would wait for the lock of an earlier step."""
        try_only_if(self._lock_is_released(), "an earlier step did not release the lock")
        return self._commands.start(self._site, inputs, repository=repository)

    def _expect_exit(self, command: Command, code: int = 0) -> None:
        """Wait until a command ends, and check its exit code, its log and the lock."""
        actual = command.wait()
        try_only_if(actual == code or "(413" not in command.log, "the platform limits the size of files")
        check(actual == code, f"the exit code is {actual}, not {code}")
        check(self._platform.key not in command.log, "the log shows the API key")
        check(self._lock_is_released(), "the lock was not released")

    def _lock_is_released(self) -> bool:
        """Return whether the site's lock is free or held by the script itself."""
        if self._site in self._platform.locks or self._platform.app(self._site) is None:
            return True
        return self._platform.lock_is_free(self._site)

    def _deploy(self, files: Content, unmanaged: Content | None = None, **inputs: str) -> Command:
        """Deploy files, and check that the app then has exactly these files and `unmanaged`."""
        command = self._start_deploy(files, **inputs)
        self._expect_exit(command)
        self._expect_files(files | (unmanaged or {}))
        self.files = files
        return command

    def _deploy_without_change(
        self, files: Content, unmanaged: Content | None = None, *, code: int, **inputs: str
    ) -> None:
        """Run a deploy, and check that it ends with this exit code without changing a file."""
        self._expect_exit(self._start_deploy(files, **inputs), code)
        self._expect_files(self.files | (unmanaged or {}))

    def _expect_files(self, files: Content) -> None:
        """Check that the platform lists exactly these files, with their lengths."""
        expected = {path: len(content) for path, content in files.items()}
        if not until(lambda: self._platform.files(self._site) == expected, pause=1):
            wrong = {path for path, _ in expected.items() ^ self._platform.files(self._site).items()}
            raise BrokenError(f"the list of files differs from the folder: {', '.join(sorted(wrong))}")

    def _expect_pages(self) -> None:
        """Check that visitors get the site's files, byte for byte, if its pages are readable."""
        if not self.address:
            return
        deadline = time.monotonic() + self._patience
        for path, content in self.files.items():
            url, expected = f"{self.address}/{quote(path)}", ("200", content)
            while (page := self._platform.visit(url))[:2] != expected and time.monotonic() < deadline:
                time.sleep(1)
            try_only_if(page.status == "200", f"{path} is unreadable: {page.status}")
            seen = page.content
            check(seen == content, f"{path}: {len(seen)} bytes, not the {len(content)} deployed bytes")

    @contextmanager
    def _unmanaged_file(self, path: str) -> Iterator[Content]:
        """Upload a file like another tool, and delete the file at the end of the block."""
        content = b"another tool uploaded this file"
        self._platform.wait_for_lock(self._site)
        response = self._platform.put(self._site, path, content)
        self._platform.release_lock(self._site)
        check(response.is_success, f"the script's upload got a {response.status_code}")
        try:
            yield {path: content}
        finally:
            self._platform.send("DELETE", self._site, f"/files/{quote(path)}")

    def _interrupt_deploy(self, folder: str, number: int) -> tuple[Command, Content]:
        """Deploy new files, send a signal after the first upload, and return the command and all files."""
        before = set(self.files)
        files = self.files | {f"{folder}/{count:04}.txt": b"more" for count in range(INTERRUPTED_FILES)}
        deploy = self._start_deploy(files)
        until(lambda: deploy.ended or set(self._platform.files(self._site)) - before, 60, 0.05)
        try_only_if(not deploy.ended, "the deploy ended before the signal")
        deploy.signal(number)
        deploy.wait()
        check(before <= set(self._platform.files(self._site)), "the deploy deleted files")
        return deploy, files

    def _deploy_image(self, image: str, runs: str = "", codes: Collection[int] = (0,), **inputs: str) -> None:
        """Deploy `image`, and check that the container then runs `runs` or, by default, `image`."""
        command = self._commands.start(self._container, {"image": image, **inputs})
        code = command.wait()
        try:
            # If the platform shows only digests and restores the old image, the deploy can only warn.
            check(code in codes or "went back" in command.log, f"the exit code is {code}")
            self._expect_image(runs or image)
        except BrokenError:
            if re.search(r"toomanyrequests|too many requests|pull rate limit", command.log, re.IGNORECASE):
                raise NotTriedError("the registry limits pulls") from None
            raise

    def _expect_image(self, image: str) -> None:
        """Check that the container runs this image, even if the platform writes its name in another way."""
        tag = image.rpartition("/")[2]

        def runs() -> bool:
            app = self._platform.app(self._container) or {}
            shown = str(app.get("image") or "").rpartition("/")[2]
            return app.get("status") == "running" and (not shown or "sha256:" in shown or shown == tag)

        if not until(runs):
            raise BrokenError(f"{image} does not run: {self._platform.app(self._container)}")


SITE_STEPS: tuple[Step, ...] = (
    Story.create_site, Story.visit_site, Story.deploy_same_files, Story.deploy_changed_files,
    Story.deploy_awkward_names, Story.dry_run, Story.keep_unmanaged_file, Story.refuse_unmanaged_file,
    Story.refuse_other_repository, Story.health_check, Story.deploy_large_file, Story.attach_domain,
    Story.wait_for_lock, Story.terminate, Story.kill, Story.destroy_locked_site, Story.destroy_site,
)  # fmt: skip
CONTAINER_STEPS: tuple[Step, ...] = (
    Story.create_container, Story.deploy_other_tag, Story.deploy_same_tag, Story.restart, Story.deploy_digest,
    Story.roll_back,
)  # fmt: skip
LAST_STEPS: tuple[Step, ...] = (Story.refuse_wrong_key,)


def promises() -> dict[str, Promise]:
    """Return all promises, not tried yet, by the names of their steps."""
    steps = SITE_STEPS + CONTAINER_STEPS + LAST_STEPS
    return {step.__name__: Promise((step.__doc__ or "").rstrip(".")) for step in steps}

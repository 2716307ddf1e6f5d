"""`python -m acceptance`: try everything on a real platform, in apps of its own, and write a report."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from acceptance.commands import Commands
from acceptance.names import PATTERN, leftovers, made
from acceptance.platform import DEFAULT_URL, CouldNotRunError, Platform
from acceptance.questions import questions
from acceptance.report import BROKEN, HELD, KEY, Report, say
from acceptance.story import CPU, FOLDER, IMAGES, LARGE, LAST, MEMORY, Story, promises

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 300.0
"""Seconds for DNS, TLS and the CDN of a new app."""
LONGEST = 40 * 60.0
"""Seconds after which no step begins."""
TEARDOWN = 120.0
"""Seconds for which apps are deleted again that are still there."""
REPORT = Path("acceptance-report.md")

FAILED, COULD_NOT_RUN, INTERRUPTED = 1, 2, 130
"""Exit codes: a promise is broken; it could not be found out, or something is left; Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    options = _parser().parse_args(arguments)
    url, key, domain = (
        os.environ.get(name, "").strip()
        for name in ("ZEROKIE_API_URL", "ZEROKIE_API_KEY", "ACCEPTANCE_DOMAIN")
    )
    try:
        with closing(Platform(url or DEFAULT_URL, key)) as platform:
            if not options.sweep:
                say(_plan(platform, domain, static_only=options.static_only))
            if options.plan:
                return 0
            if not key:
                say("Could not run: ZEROKIE_API_KEY is missing; set it to an API key of the platform")
                return COULD_NOT_RUN
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C
            if options.sweep:
                return _sweep(platform)
            return _accept(platform, domain, options.patience, static_only=options.static_only)
    except CouldNotRunError as error:
        say(f"Could not run: {error}")
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED


def _plan(platform: Platform, domain: str, *, static_only: bool) -> str:
    container = "no container" if static_only else f"then a container ({CPU} CPU units, {MEMORY} MB)"
    return f"""\
This tries zerokie-action on {platform.url}:
- It creates two static apps of at most {LARGE // 10**6} MB, {container}: one after the other,
  never two at once. Their names are {PATTERN}.
- It takes some minutes, and begins nothing after {LONGEST / 60:.0f}. At the end, and after Ctrl-C, they
  are deleted.
- {f"It attaches zk-<random>.{domain}, and removes it." if domain else "It attaches no domain."}
- It sends one request with a wrong key, at the end.
It lists the account's apps. It changes no other app: none is deployed to, deleted, or given a domain."""


def _accept(platform: Platform, domain: str, patience: float, *, static_only: bool) -> int:
    before = platform.apps()
    code, ends = 0, time.monotonic() + LONGEST
    with tempfile.TemporaryDirectory(prefix="zk-acceptance-") as name:
        folder = Path(name).resolve()
        commands = Commands(platform, folder)
        report = Report(commands.version(), promises(), questions())
        report.hidden |= dict.fromkeys(before, "another-app") | {domain: "a-domain", platform.key: KEY}
        if platform.url != DEFAULT_URL:
            report.hide_host(platform.url)
        story = Story(platform, commands, report, folder / "site", patience=patience, domain=domain)
        try:
            story.ask_a_site()
            story.tell(FOLDER, ends)
            if static_only:
                story.skip(IMAGES, "--static-only")
            else:
                story.tell(IMAGES, ends)
                story.ask_a_container()
            story.tell(LAST, ends)
        except KeyboardInterrupt:
            code = INTERRUPTED
            report.notes.append("It was interrupted.")
        except Exception:  # noqa: BLE001 - what was found out until then is worth a report
            code = COULD_NOT_RUN
            report.notes.append(f"A bug of this script ended it: {traceback.format_exc()}")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            say("\nDeleting this run's apps")
            commands.stop()
            left = platform.delete(made(), TEARDOWN)
    if left:
        report.notes.append(f"Left: {', '.join(left)}; in an hour, `make acceptance ARGS=--sweep`")
    report.notes.append(_compare(before, platform))
    REPORT.write_text(report.markdown(platform.times), "utf-8")
    say(f"\n{report.verdict}. The report is {REPORT.resolve()}", *report.notes)
    if code:
        return code
    if report.count(BROKEN):
        return FAILED
    return COULD_NOT_RUN if left or not report.count(HELD) else 0


def _compare(before: dict[str, object], platform: Platform) -> str:
    """Whether the other apps are the same: colleagues deploy too, so this is no promise."""
    try:
        after = platform.apps()
    except CouldNotRunError as error:
        return f"Other apps: {len(before)} before; {error}"
    same = "the same" if before == after else "not the same (somebody may have deployed)"
    return f"Other apps: {len(before)} before and {len(after)} after, {same}."


def _sweep(platform: Platform) -> int:
    names = list(platform.apps())
    found = leftovers(names)
    say(f"{len(found)} of {len(names)} apps are called {PATTERN}, and older than an hour")
    left = platform.delete(found, TEARDOWN)
    for name in found:
        say(f"{name}: {'still there' if name in left else 'deleted'}")
    return COULD_NOT_RUN if left else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make acceptance", description=__doc__)
    parser.add_argument("--plan", action="store_true", help="only say what it would do")
    parser.add_argument("--static-only", action="store_true", help="create no container")
    parser.add_argument("--sweep", action="store_true", help="only delete what killed runs have left")
    patience = "for DNS, TLS and the CDN of a new app (%(default).0f)"
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS", help=patience)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m acceptance`: try everything on a real platform, in apps of its own, and write a report."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from acceptance.commands import Commands
from acceptance.names import LEFT_FOR, PATTERN, leftovers, made
from acceptance.platform import DEFAULT_URL, CouldNotRunError, Platform
from acceptance.questions import questions
from acceptance.report import BROKEN, HELD, KEY, Report
from acceptance.story import CPU, FOLDER, IMAGES, LARGE, LAST, MEMORY, Story, promises

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 300.0
"""Seconds for DNS, TLS and the CDN of a new app."""
LONGEST = 40 * 60.0
"""Seconds after which no step begins."""
TEARDOWN = 120.0
"""Seconds in which apps are deleted that the platform says are locked."""
REPORT = Path("acceptance-report.md")

FAILED, COULD_NOT_RUN, INTERRUPTED = 1, 2, 130
"""Exit codes: a promise is broken; nothing was found out; Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    options = _parser().parse_args(arguments)
    url = os.environ.get("ZEROKIE_API_URL", "").strip() or DEFAULT_URL
    key = os.environ.get("ZEROKIE_API_KEY", "").strip()
    domain = os.environ.get("ACCEPTANCE_DOMAIN", "").strip().strip(".")
    try:
        platform = Platform(url, key)
        if not options.sweep:
            _say(_plan(platform, domain, static_only=options.static_only))
        if options.plan:
            return 0
        if not key:
            raise CouldNotRunError("ZEROKIE_API_KEY is missing: set it to an API key of the platform")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C
        if options.sweep:
            return _sweep(platform)
        return _accept(platform, domain, options.patience, static_only=options.static_only)
    except CouldNotRunError as error:
        _say(f"Could not run: {error}")
    except KeyboardInterrupt:
        return INTERRUPTED
    return COULD_NOT_RUN


def _plan(platform: Platform, domain: str, *, static_only: bool) -> str:
    container = f", then a container ({CPU} CPU units, {MEMORY} MB)" if not static_only else "; no container"
    return f"""\
This tries zerokie-action on {platform.url}:
- It creates two static apps, one after the other, of {LARGE // 10**6} MB at most{container}. At no time is
  there more than one. Their names are {PATTERN}.
- It takes some minutes; no step begins after {LONGEST / 60:.0f}. Then, and after Ctrl-C, it deletes these apps.
- {f"It attaches zk-<random>.{domain}, and removes it." if domain else "It attaches no domain."}
- It sends one request with a wrong key, at the end.
It neither deploys to, nor deletes, nor gives a domain to any other app. It lists the account's apps."""


def _accept(platform: Platform, domain: str, patience: float, *, static_only: bool) -> int:
    before = platform.apps()
    code, ends = 0, time.monotonic() + LONGEST
    with tempfile.TemporaryDirectory(prefix="zk-acceptance-") as name:
        commands = Commands(platform, Path(name).resolve())
        report = Report(commands.version(), promises(), questions(), {name: "another-app" for name in before})
        report.hidden |= {platform.key: KEY} | ({domain: "domain.example"} if domain else {})
        if platform.url != DEFAULT_URL:
            report.hide_host(platform.url)
        story = Story(platform, commands, report, Path(name).resolve() / "folder", patience, domain)
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
            report.notes.append(f"A bug of the script ended it: {traceback.format_exc()}")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            left = _tear_down(platform)
    report.notes += left
    report.notes.append(_compare(before, platform))
    REPORT.write_text(report.markdown(platform.times), "utf-8")
    _say(f"\n{report.verdict}. The report is {REPORT.resolve()}", *report.notes)
    if not code and report.count(BROKEN):
        return FAILED
    return code or (0 if report.count(HELD) and not left else COULD_NOT_RUN)


def _tear_down(platform: Platform) -> list[str]:
    _say("\nDeleting what is left of this run")
    left = platform.delete(made(), TEARDOWN)
    return [f"Left behind: {', '.join(left)}. In an hour: make acceptance ARGS=--sweep"] if left else []


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
    _say(f"Of {len(names)} apps {len(found)} are called {PATTERN} and older than {LEFT_FOR.seconds // 60} minutes")
    left = platform.delete(found, TEARDOWN)
    for name in found:
        _say(f"{name}: {'still there' if name in left else 'deleted'}")
    return COULD_NOT_RUN if left else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make acceptance", description=__doc__)
    parser.add_argument("--plan", action="store_true", help="only say what it would do")
    parser.add_argument("--static-only", action="store_true", help="create no container")
    parser.add_argument("--sweep", action="store_true", help="only delete what killed runs have left")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, metavar="SECONDS",
        help="for DNS, TLS and the CDN of a new app (%(default).0f)",
    )  # fmt: skip
    return parser


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Try this action's promises on a real platform, in new apps, and write a report."""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from acceptance.commands import Commands
from acceptance.names import NAME_PATTERN, leftovers, names_made
from acceptance.platform import DEFAULT_URL, CouldNotRunError, Platform
from acceptance.questions import open_questions
from acceptance.report import BROKEN, HELD, KEY_MASK, Report, say
from acceptance.story import CONTAINER_STEPS, CPU, LARGE_FILE, LAST_STEPS, MEMORY, SITE_STEPS, Story, promises

PATIENCE = 300.0
"""Seconds to wait for DNS, TLS and the CDN of a new app."""
STEPS_TIMEOUT = 40 * 60.0
"""Seconds after which the script starts no further step."""
DELETE_TIMEOUT = 120.0
"""Seconds for which the script tries to delete apps."""
REPORT = Path("acceptance-report.md")

FAILED, COULD_NOT_RUN, INTERRUPTED = 1, 2, 130
"""Exit codes for a broken promise, for a run without results or with a leftover app, and for Ctrl-C."""


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
                say("Could not run: ZEROKIE_API_KEY is missing. Set it to an API key of the platform.")
                return COULD_NOT_RUN
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends the run like Ctrl-C.
            if options.sweep:
                return _sweep(platform)
            return _accept(platform, domain, options.patience, static_only=options.static_only)
    except CouldNotRunError as error:
        say(f"Could not run: {error}")
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED


def _plan(platform: Platform, domain: str, *, static_only: bool) -> str:
    container = "and no container" if static_only else f"then a container ({CPU} CPU units, {MEMORY} MB)"
    return f"""\
This run tests zerokie-action on {platform.url}:
- It creates two static apps of at most {LARGE_FILE // 10**6} MB, {container}.
  Only one of these apps exists at a time. The apps' names are {NAME_PATTERN}.
- It takes a few minutes, and doesn't start a step after {STEPS_TIMEOUT / 60:.0f} minutes.
- It deletes its apps at the end, even after Ctrl-C.
- It attaches {f"and removes zk-<random>.{domain} with a third app" if domain else "no domain"}.
- It sends one request with a wrong API key, at the end.
The run lists the account's apps, and changes only its own apps."""


def _accept(platform: Platform, domain: str, patience: float, *, static_only: bool) -> int:
    before = platform.apps()
    code, deadline = 0, time.monotonic() + STEPS_TIMEOUT
    with tempfile.TemporaryDirectory(prefix="zk-acceptance-") as name:
        folder = Path(name).resolve()
        commands = Commands(platform, folder)
        report = Report(commands.version(), promises(), open_questions())
        report.masks |= dict.fromkeys(before, "another-app") | {domain: "a-domain", platform.key: KEY_MASK}
        if platform.url != DEFAULT_URL:
            report.mask_host(platform.url)
        story = Story(commands, report, patience, domain)
        try:
            story.ask_site()
            story.run_steps(SITE_STEPS, deadline)
            if static_only:
                story.skip_steps(CONTAINER_STEPS, "--static-only")
            else:
                story.run_steps(CONTAINER_STEPS, deadline)
                story.ask_container()
            story.run_steps(LAST_STEPS, deadline)
        except KeyboardInterrupt:
            code = INTERRUPTED
            report.notes.append("The run was interrupted.")
        except Exception:  # noqa: BLE001 - the report should show the results so far
            code = COULD_NOT_RUN
            report.notes.append(f"A bug in this script ended the run: {traceback.format_exc()}")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            say("\nDeleting this run's apps")
            commands.stop()
            remaining = platform.delete(names_made(), DELETE_TIMEOUT)
    if remaining:
        advice = "Run `make acceptance ARGS=--sweep` in an hour."
        report.notes.append(f"Not deleted: {', '.join(remaining)}. {advice}")
    report.notes.append(_compare(before, platform))
    REPORT.write_text(report.markdown(platform.times), "utf-8")
    say(f"\n{report.summary}. The report is {REPORT.resolve()}", *report.notes)
    if code:
        return code
    if report.count(BROKEN):
        return FAILED
    return COULD_NOT_RUN if remaining or not report.count(HELD) else 0


def _compare(before: dict[str, object], platform: Platform) -> str:
    """Describe changes of other apps. They don't break a promise, because colleagues may deploy too."""
    try:
        after = platform.apps()
    except CouldNotRunError as error:
        return f"Other apps: {len(before)} before the run; {error}."
    change = "unchanged" if before == after else "changed, possibly by another person"
    return f"Other apps: {len(before)} before the run, {len(after)} after the run, {change}."


def _sweep(platform: Platform) -> int:
    names = list(platform.apps())
    to_delete = leftovers(names)
    say(f"{len(to_delete)} of {len(names)} apps have a name {NAME_PATTERN} that is more than an hour old")
    remaining = platform.delete(to_delete, DELETE_TIMEOUT)
    for name in to_delete:
        say(f"{name}: {'not deleted' if name in remaining else 'deleted'}")
    return COULD_NOT_RUN if remaining else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make acceptance", description=__doc__)
    parser.add_argument("--plan", action="store_true", help="describe a run without starting it")
    parser.add_argument("--static-only", action="store_true", help="skip the steps with a container")
    parser.add_argument("--sweep", action="store_true", help="only delete the leftover apps of killed runs")
    patience = "wait this long for DNS, TLS and the CDN of a new app (%(default).0f)"
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS", help=patience)
    return parser


if __name__ == "__main__":
    sys.exit(main())

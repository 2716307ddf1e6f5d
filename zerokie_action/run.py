"""One run: read the inputs, do the work, and report, even after an error."""

import os
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import TextIO

import anyio
import anyio.to_thread

import zerokie_action
from zerokie_action.ci import CI, Log, detect
from zerokie_action.ci.terminal import Terminal
from zerokie_action.destroy import destroy
from zerokie_action.docs import use_address
from zerokie_action.errors import DeployError, Interrupted, WrongInputs, unwrap
from zerokie_action.http.policy import RetryPolicy
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.http.url import host_and_path
from zerokie_action.image.deploy import deploy_image
from zerokie_action.inputs.formats import parse_lines
from zerokie_action.inputs.load import Environment, load, secrets
from zerokie_action.inputs.settings import DEFAULT_API_URL, Settings
from zerokie_action.inputs.validation import (
    conflicting_values,
    input_warnings,
    require_clear_operation,
    require_valid,
    unknown_names,
    wrong_argument,
    wrong_names,
)
from zerokie_action.job import Job
from zerokie_action.lock.lock import DeployLock
from zerokie_action.lock.saved import SavedLocks
from zerokie_action.platform.client import Client
from zerokie_action.previews.notify import notify
from zerokie_action.previews.sweep import sweep
from zerokie_action.report.files import empty_reports, write_reports
from zerokie_action.report.report import HEADLINES, NOTHING_CHANGED, Report
from zerokie_action.shutdown import Shutdown, cancel_on_signal
from zerokie_action.signals import Signals
from zerokie_action.site.deploy import deploy_directory
from zerokie_action.site.scan import problem_with_directory
from zerokie_action.status import show_status
from zerokie_action.text.numbers import human_files, human_seconds
from zerokie_action.text.redaction import Redactor

_THREADS = 8
"""Number of threads that read files. More threads aren't faster."""
_NO_KEY = (
    "`api-key` is empty, so the run did nothing. Pull requests from forks and Dependabot get no secrets. In "
    "other runs, the secret may be missing or have another name"
)
_BUG = "Please report this bug. `log-level: debug` shows the traceback."


async def run(
    env: Mapping[str, str], signals: Signals, stream: TextIO | Terminal, argument: str | None = None
) -> int:
    """Run the operation that `env` configures, and return the exit code. Never raises.

    A command-line argument is an error, because all inputs come from `env`.
    The reports are written before the loop is closed, because closing may wait for a hanging thread.
    """
    began = anyio.current_time()
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS

    # Read the inputs, and collect all problems with them
    environment = Environment(env)
    settings, wrong = load(environment)
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment))
    use_address(ci.docs)
    settings = settings.model_copy(
        update={
            "state_file": settings.state_file or ci.state_file,
            # A status changes nothing anyway.
            "dry_run": settings.dry_run and settings.operation != "status",
        }
    )
    report_files, unusable = empty_reports(settings.report_dir, settings.state_file)
    problems = [
        *([wrong_argument(argument)] if argument is not None else []),
        *conflicting_values(environment),
        *chain.from_iterable(wrong.values()),
        *(f"{environment.label('report_dir')}: {problem}" for problem in unusable),
        *wrong_names(environment),
    ]
    is_skipped = settings.skip_without_key and not (environment.text("api_key") or problems)
    report = Report(
        ci.log,
        settings.operation,
        app="" if settings.operation == "sweep" else environment.text("app"),
        dry_run=settings.dry_run,
        requested_image=settings.image,
        links=ci.links,
        began=began,
        is_skipped=is_skipped,
    )
    for warning in [*unknown_names(environment), *([_NO_KEY] if is_skipped else [])]:
        report.warn(warning)

    # Do the work
    error: DeployError | None = None
    try:
        if not is_skipped:
            require_clear_operation(environment, wrong.get("operation", ()))
            problems += _problems_with_folders(settings, environment)
            require_valid(settings, environment, problems)
            async with cancel_on_signal(signals) as shutdown:
                await _work(settings, environment, ci, report, shutdown)
    except Exception as caught:  # noqa: BLE001 - the reports show every error
        error = _deploy_error(caught, ci.log)
    if signals.first is not None:
        error = Interrupted(signals.first, error, hint=f"Run the {report.activity} again.")

    # Report
    report = report.finish(error)
    _log_end(report, ci.log)
    write_reports(report, ci, report_files)
    # A preview cleanup has already updated each app's pull request, and a status changes nothing.
    if settings.operation not in {"sweep", "status"} and not isinstance(error, WrongInputs):
        async with cancel_on_signal(signals):
            await notify(report, ci, settings)
    return report.exit_code


def _problems_with_folders(settings: Settings, environment: Environment) -> Iterator[str]:
    """Yield the reason if the working directory, or else the folder of a deploy, can't be read."""
    try:
        # `stat` still finds `.` in a deleted folder, but `getcwd` fails.
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        yield "The run can't start, because its working directory was deleted. Start the run in another one"
        return
    directory = environment.text("directory")
    if directory and settings.operation == "deploy" and (problem := problem_with_directory(directory)):
        yield f"{environment.label('directory')}: {directory!r} {problem}"


async def _work(
    settings: Settings, environment: Environment, ci: CI, report: Report, shutdown: Shutdown
) -> None:
    """Connect to the platform, and carry out the operation."""
    _announce(settings, ci.log)
    may_lock = settings.directory is not None or settings.operation in {"destroy", "sweep"}
    file = settings.state_file if may_lock and not settings.dry_run else None
    # A given state file must be usable.
    log = None if environment.text("state_file") else ci.log.info
    redactor = _redactor(settings, environment)
    async with Transport(environment.env) as transport:
        http = RetryingClient(
            transport,
            RetryPolicy(settings.retry_timeout),
            log=ci.log.info,
            trace=ci.log.debug,
        )
        client = Client(settings.api_url, settings.api_key.get_secret_value(), http, redactor.redact)
        with closing(SavedLocks(ci.save_state, file, log=log)) as saved_locks:
            lock = DeployLock(client, settings.app, str(uuid.uuid4()), saved_locks, shutdown, ci.log)
            lock.timeout = settings.lock_timeout
            lock.log_older_sessions()
            job = Job(
                settings=settings,
                client=client,
                redactor=redactor,
                ci=ci,
                report=report,
                shutdown=shutdown,
                lock=lock,
                ends_at=anyio.current_time() + settings.timeout,
            )
            for warning in input_warnings(settings, environment):
                report.warn(warning)
            try:
                await _operate(job)
            finally:
                job.note_lock()


def _redactor(settings: Settings, environment: Environment) -> Redactor:
    """Return a redactor of the platform's text, which may quote values of `env`."""
    names = (settings.app, settings.image or "", str(settings.directory or ""))
    urls = map(host_and_path, (settings.api_url, settings.health_check or ""))
    shown = (*names, *settings.domains, *settings.remove_domains, *urls)
    return Redactor(*secrets(environment), values=settings.env.values(), shown=shown)


async def _operate(job: Job) -> None:
    settings = job.settings
    if settings.operation == "restart" or settings.image is not None:
        await deploy_image(job)  # sets several time limits itself
        return
    with job.time_limit():
        if settings.operation == "destroy":
            await destroy(job)
        elif settings.operation == "sweep":
            await sweep(job)
        elif settings.operation == "status":
            await show_status(job)
        elif settings.directory is not None:
            await deploy_directory(job, settings.directory)


def _announce(settings: Settings, log: Log) -> None:
    ours = f"zerokie-action {zerokie_action.__version__}"
    dry_run = " (dry run)" if settings.dry_run else ""
    if settings.operation == "deploy":
        what, kind = (settings.image, "container") if settings.image else (settings.directory, "static")
        log.info(f"{ours} deploys {what} to {settings.app} ({kind}){dry_run}")
    else:
        log.info(f"{ours}: {settings.operation} {', '.join(parse_lines(settings.app))}{dry_run}")
    # Anyone who can set `api-url` can steal the key, so the log shows another URL.
    if settings.api_url != DEFAULT_API_URL:
        log.info(f"API: {settings.api_url}")


def _deploy_error(caught: Exception, log: Log) -> DeployError:
    """Return the error to report. Anything but a `DeployError` is a bug."""
    error = unwrap(caught)
    if isinstance(error, DeployError):
        return error
    # After a MemoryError, even formatting an unused traceback may be too much.
    if log.shows("debug"):
        log.debug(*"".join(traceback.format_exception(error)).splitlines())
    return DeployError(f"Unexpected error: {error!r}", hint=_BUG)


def _log_end(report: Report, log: Log) -> None:
    """Log the commits, then the last line of a successful run, or the errors of a failed one."""
    for commits in report.commits.lines():
        log.info(f"{commits.text}{commits.commits}{commits.url and ', '}{commits.url}")
    if not report.problems:
        _, line = HEADLINES[report.outcome]
        time, apps = human_seconds(report.duration_seconds), human_files(len(report.apps), "app")
        app, activity, status = report.app, report.activity, report.status
        url = report.url or app
        log.info(line.format(app=app, url=url, time=time, activity=activity, status=status, apps=apps))
        return
    *others, last = report.problems
    for problem in others:
        log.error(problem)
    nothing_changed = NOTHING_CHANGED if report.nothing_changed else ""
    log.error(last, *filter(None, (nothing_changed, report.hint)))

"""One run from inputs to exit code: prepare, do the work, and conclude, even after errors."""

import traceback
import uuid
from collections.abc import Mapping
from contextlib import closing
from itertools import chain
from typing import TextIO

import anyio
import anyio.to_thread

import zerokie_action
from zerokie_action.ci import CI, Log, detect
from zerokie_action.conclusion import conclude
from zerokie_action.errors import DeployError, unwrap
from zerokie_action.formats import parse_lines
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.lock.record import LockRecords, default_state_file
from zerokie_action.operations.destroy import destroy
from zerokie_action.operations.image.container import deploy_image
from zerokie_action.operations.job import Job
from zerokie_action.operations.site.static import deploy_directory
from zerokie_action.operations.sweep import sweep
from zerokie_action.platform.client import Client
from zerokie_action.redaction import Redactor
from zerokie_action.report.files import empty_reports
from zerokie_action.report.result import Result
from zerokie_action.settings import DEFAULT_API_URL, Environment, Settings, load, secrets
from zerokie_action.shutdown import Shutdown, cancel_on_signal
from zerokie_action.signals import Signals
from zerokie_action.validation import check, input_warnings, unknown_names, wrong_argument, wrong_names

_THREADS = 8
"""Threads that read files. More threads are not faster."""
_NO_KEY = (
    "`api-key` is empty: nothing was done. Pull requests from forks and by Dependabot get no secrets; in any "
    "other run the secret is missing or has another name"
)
_BUG = "This is a bug; please report it. `log-level: debug` shows the traceback."


def run(env: Mapping[str, str], signals: Signals, stream: TextIO, argument: str | None = None) -> int:
    """Run the operation that `env` asks for, or refuse a command-line argument. Returns the exit code."""
    return anyio.run(run_async, env, signals, stream, argument)


async def run_async(
    env: Mapping[str, str], signals: Signals, stream: TextIO, argument: str | None = None
) -> int:
    """`run`, on the current event loop. Never raises.

    Closing the loop may wait for a hanging thread, so the reports are written first.
    """
    began = anyio.current_time()
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    environment = Environment(env)
    settings, wrong = load(environment)
    problems = [*chain.from_iterable(wrong.values()), *wrong_names(environment)]
    unwritable = empty_reports(settings.own_files)
    problems += [f"{environment.label(field)}: {problem}" for field, problem in unwritable.items()]
    settings = settings.model_copy(update=dict.fromkeys(unwritable))
    if argument is not None:
        problems.insert(0, wrong_argument(argument))
    ci = detect(env, stream, settings.log_level)
    ci.log.mask(*secrets(environment))
    is_skipped = settings.skip_without_key and not (environment.text("api_key") or problems)
    result = _new_result(settings, environment, ci, began, is_skipped=is_skipped)
    error: DeployError | None = None
    try:
        if not is_skipped:
            check(settings, environment, problems)
            async with cancel_on_signal(signals) as shutdown:
                await _work(settings, environment, ci, result, shutdown)
    except Exception as caught:  # noqa: BLE001 - the reports have every error
        error = _deploy_error(caught, ci.log)
    return await conclude(result, ci, settings, error, signals)


def _new_result(
    settings: Settings, environment: Environment, ci: CI, began: float, *, is_skipped: bool
) -> Result:
    """The result of a run that begins, with the warnings about its inputs, which are logged."""
    app = "" if settings.operation == "sweep" else environment.text("app")
    result = Result(settings.operation, app, settings.dry_run, began=began, links=ci.links)
    result.requested_image = settings.image
    result.warnings = unknown_names(environment)
    if is_skipped:
        result.status = "skipped"
        result.warnings.append(_NO_KEY)
    for warning in result.warnings:
        ci.log.warning(warning)
    return result


async def _work(
    settings: Settings, environment: Environment, ci: CI, result: Result, shutdown: Shutdown
) -> None:
    """Connect to the platform, and do what the inputs ask for."""
    _announce(settings, ci.log)
    takes_lock = not (settings.dry_run or settings.image or settings.operation == "restart")
    state_file = (settings.state_file or default_state_file(environment.env)) if takes_lock else None
    # The platform may quote the values of `env`.
    redactor = Redactor(*secrets(environment), *settings.env.values())
    async with Transport(environment.env) as transport:
        http = RetryingClient(
            transport,
            retry_timeout=settings.retry_timeout,
            concurrency=settings.concurrency,
            log=ci.log.info,
            trace=ci.log.debug if ci.log.shows("debug") else None,
        )
        with closing(LockRecords(ci.save_state, state_file)) as records:
            job = Job(
                settings=settings,
                client=Client(settings.api_url, settings.api_key.get_secret_value(), http, redactor.redact),
                ci=ci,
                result=result,
                shutdown=shutdown,
                records=records,
                session=str(uuid.uuid4()),
                ends_at=anyio.current_time() + settings.timeout,
            )
            for warning in input_warnings(settings, environment):
                job.warn(warning)
            await _operate(job)


async def _operate(job: Job) -> None:
    settings = job.settings
    if settings.operation == "restart" or settings.image is not None:
        await deploy_image(job)  # has several time limits
        return
    with job.time_limit():
        if settings.operation == "destroy":
            await destroy(job)
        elif settings.operation == "sweep":
            await sweep(job)
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
    if settings.api_url != DEFAULT_API_URL:  # whoever sets it gets the key
        log.info(f"API: {settings.api_url}")


def _deploy_error(caught: Exception, log: Log) -> DeployError:
    """The error to report. Another error than a `DeployError` is a bug."""
    error = unwrap(caught)
    if isinstance(error, DeployError):
        return error
    if log.shows("debug"):  # after a MemoryError, a traceback that nobody reads is one too many
        log.debug(*"".join(traceback.format_exception(error)).splitlines())
    return DeployError(f"Unexpected error: {error!r}", hint=_BUG)

"""One run from inputs to exit code: prepare, do the work, and conclude, even after errors."""

import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cache
from itertools import chain
from typing import TextIO

import anyio
import anyio.to_thread

import zerokie_action
from zerokie_action.apps.job import Job
from zerokie_action.ci import CI, Log, detect
from zerokie_action.destroy import destroy
from zerokie_action.errors import DeployError, Interrupted, WrongInputs, unwrap
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.http.url import host_and_path
from zerokie_action.image.deploy import deploy_image
from zerokie_action.inputs.formats import parse_lines
from zerokie_action.inputs.load import Environment, load, secrets
from zerokie_action.inputs.settings import DEFAULT_API_URL, Settings
from zerokie_action.inputs.validation import check, input_warnings, unknown_names, wrong_argument, wrong_names
from zerokie_action.lock.saved import SavedLocks
from zerokie_action.platform.client import Client
from zerokie_action.previews.notify import tell_forge
from zerokie_action.previews.sweep import sweep
from zerokie_action.report.files import empty_reports, write_reports
from zerokie_action.report.report import NOTHING_CHANGED, OUTCOMES, Result, redact_result
from zerokie_action.shutdown import Shutdown, cancel_on_signal
from zerokie_action.signals import Signals
from zerokie_action.site.deploy import deploy_directory
from zerokie_action.site.scan import problem_with_directory
from zerokie_action.text.numbers import human_seconds
from zerokie_action.text.redaction import Redactor

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
    problems = [*chain.from_iterable(wrong.values())]
    unwritable = empty_reports(settings.own_files)
    problems += [f"{environment.label(field)}: {problem}" for field, problem in unwritable.items()]
    problems += wrong_names(environment)
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
            problems += _problems_with_directory(settings, environment)
            check(settings, environment, problems)
            async with cancel_on_signal(signals) as shutdown:
                await _work(settings, environment, ci, result, shutdown)
    except Exception as caught:  # noqa: BLE001 - the reports have every error
        error = _deploy_error(caught, ci.log)
    return await _conclude(result, ci, settings, error, signals)


def _problems_with_directory(settings: Settings, environment: Environment) -> Iterator[str]:
    """Why the folder of a deploy can't be read."""
    directory = environment.text("directory")
    if directory and settings.operation == "deploy" and (problem := problem_with_directory(directory)):
        yield f"{environment.label('directory')}: {directory!r} {problem}"


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
    state_file = (settings.state_file or ci.state_file) if takes_lock else None
    redact = _redact_words(settings, environment, result)
    async with Transport(environment.env) as transport:
        http = RetryingClient(
            transport,
            retry_timeout=settings.retry_timeout,
            concurrency=settings.concurrency,
            log=ci.log.info,
            trace=ci.log.debug if ci.log.shows("debug") else None,
        )
        with closing(SavedLocks(ci.save_state, state_file)) as saved_locks:
            job = Job(
                settings=settings,
                client=Client(settings.api_url, settings.api_key.get_secret_value(), http, redact),
                ci=ci,
                result=result,
                shutdown=shutdown,
                saved_locks=saved_locks,
                session=str(uuid.uuid4()),
                ends_at=anyio.current_time() + settings.timeout,
            )
            for warning in input_warnings(settings, environment):
                job.warn(warning)
            await _operate(job)


def _redact_words(settings: Settings, environment: Environment, result: Result) -> Callable[[str], str]:
    """Return the function that removes secrets from the platform's words, which may quote values of `env`."""
    names = (settings.app, settings.image or "", str(settings.directory or ""))
    shown = (*names, *settings.domains, *settings.remove_domains)
    urls = (settings.api_url, settings.health_check or "")

    @cache
    def redactor(url: str) -> Redactor:
        texts = (*shown, *map(host_and_path, (*urls, url)))
        return Redactor(*secrets(environment), values=settings.env.values(), shown=texts)

    # The app's URL is known only after the lookup.
    return lambda text: redactor(result.url or "").redact(text)


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


async def _conclude(
    result: Result, ci: CI, settings: Settings, error: DeployError | None, signals: Signals
) -> int:
    """End a run: complete its result, write the reports, then tell the forge. Returns the exit code.

    Args:
        result: the result, as far as the run has filled it.
        ci: the environment of the run.
        settings: the inputs, with defaults in place of wrong inputs.
        error: why the run failed; None after a success.
        signals: a signal has ended the run, or ends the requests to the forge.
    """
    if signals.first is not None:
        error = Interrupted(signals.first, error, hint=f"Run the {result.what} again.")
    result.conclude(error)
    _log_end(result, ci.log)
    result = redact_result(result, ci.log.redact)
    write_reports(result, ci, settings.own_files)
    # A sweep has told the forge about each app.
    if result.operation != "sweep" and not isinstance(error, WrongInputs):
        async with cancel_on_signal(signals):
            await tell_forge(result, ci, settings)
    return result.exit_code


def _log_end(result: Result, log: Log) -> None:
    """Log the last line of a successful run, or the error."""
    if not result.problems:
        _, line = OUTCOMES[result.outcome]
        time = human_seconds(result.duration_seconds)
        what, status = result.what.capitalize(), result.status.capitalize()
        log.info(line.format(url=result.url or result.app, time=time, What=what, Status=status))
        return
    *others, last = result.problems
    for problem in others:
        log.error(problem)
    nothing_changed = NOTHING_CHANGED if result.nothing_changed else ""
    log.error(last, *filter(None, (nothing_changed, result.hint)))

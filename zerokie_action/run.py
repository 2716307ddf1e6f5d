"""One run from inputs to exit code: supervise the work, then report, whatever happened."""

from __future__ import annotations

import gc
import traceback
import uuid
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

import zerokie_action
from zerokie_action.ci import detect
from zerokie_action.environment import Environment
from zerokie_action.errors import ConfigurationError, DeployError, Interrupted, unwrap
from zerokie_action.http.client import Http
from zerokie_action.http.retry import RetryBudget
from zerokie_action.lock.state import StateRecord, default_file, state_files_beside
from zerokie_action.operations.comment import keep_comment
from zerokie_action.operations.job import Job
from zerokie_action.platform.client import Platform
from zerokie_action.report.reporter import Reporter
from zerokie_action.report.result import Result
from zerokie_action.settings import load, load_reports, name_warnings, operation, secrets
from zerokie_action.shutdown import cancel_on_signal
from zerokie_action.validation import skips

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from zerokie_action.ci import CI
    from zerokie_action.http.network import Network
    from zerokie_action.settings import ReportSettings, Settings
    from zerokie_action.shutdown import Shutdown
    from zerokie_action.signals import Signals

_THREADS = 8
"""That read files at the same time: disks and processors are not faster with more."""
_DONE = {"deploy": "deployed", "restart": "restarted", "destroy": "destroyed"}


class _Run(NamedTuple):
    """What a run has from its beginning to its end."""

    env: Mapping[str, str]
    network: Network
    signals: Signals
    ci: CI
    result: Result
    reports: ReportSettings

    def warn(self, text: str) -> None:
        """A warning in the log and in the reports."""
        self.ci.warning(text)
        self.result.warnings.append(text)


def run(env: Mapping[str, str], network: Network, signals: Signals, stream: TextIO) -> int:
    """Do what the inputs in `env` ask for. Returns the exit code; never raises."""
    # Thousands of small records and hardly a cycle: the collector would look at them again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    code = anyio.run(carry_out, env, network, signals, stream)
    gc.freeze()  # the end of the process need not look for garbage
    return code


async def carry_out(env: Mapping[str, str], network: Network, signals: Signals, stream: TextIO) -> int:
    """`run`, on the current event loop.

    The report is written here already: closing the loop may wait for a thread that hangs.
    """
    began = anyio.current_time()
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    environment = Environment(env)
    report_settings, problems = load_reports(environment)
    ci = detect(env, stream, report_settings.log_level)
    for secret in secrets(environment):
        ci.mask(secret)
    result = Result(operation=operation(environment), app=environment.text("app"))
    run = _Run(env, network, signals, ci, result, report_settings)
    for warning in name_warnings(environment):
        run.warn(warning)
    error: BaseException | None = None
    settings: Settings | None = None
    if skips(environment) and not problems:
        result.status = "skipped"
        run.warn("`api-key` is empty (a pull request from a fork has no secrets): nothing was done")
    else:
        try:
            settings = load(environment, report_settings, problems)
            for sentence in settings.useless_inputs(environment):
                run.warn(sentence)
            error = await _supervise(run, settings)
        except ConfigurationError as caught:
            error = caught
    _conclude(result, error, signals)
    result.duration_seconds = anyio.current_time() - began
    if error is not None and not isinstance(error, DeployError):
        ci.debug(*"".join(traceback.format_exception(error)).splitlines())
    reporter = Reporter(ci, report_settings.files)
    code = reporter.write(result, problems=error.problems if isinstance(error, ConfigurationError) else ())
    if settings is not None and settings.comment:
        await _comment(run, settings, reporter.comment(result))
    return code


async def _supervise(run: _Run, settings: Settings) -> BaseException | None:
    """Work until done, failed, or cancelled by a signal. Returns the error, if any."""
    error: BaseException | None = None
    async with cancel_on_signal(run.signals) as shutdown:
        try:
            await _work(run, settings, shutdown)
        except Exception as caught:  # noqa: BLE001 - everything is reported, by its kind
            error = unwrap(caught)
    return error


async def _comment(run: _Run, settings: Settings, body: str) -> None:
    """Comment, unless a signal leaves no time for it."""
    if run.signals.first is not None:
        return
    async with cancel_on_signal(run.signals):
        await keep_comment(settings, run.env, run.network, run.ci, body)


async def _work(run: _Run, settings: Settings, shutdown: Shutdown) -> None:
    ci, result = run.ci, run.result
    state_file = run.reports.state_file or default_file(run.env)

    def tell(event: str) -> None:
        ci.info(event)
        result.events.append(event)

    budget = RetryBudget(settings.retries, log=tell, redact=ci.redact)
    _announce(settings, ci)
    ends_at = anyio.current_time() + settings.timeout
    async with Http(run.network, trace=ci.debug if ci.shows("debug") else None) as http:
        platform = Platform(settings.api_url, settings.api_key.get_secret_value(), http, budget)
        job = Job(
            settings=settings,
            platform=platform,
            ci=ci,
            result=result,
            shutdown=shutdown,
            state=StateRecord(ci.save_state, state_file),
            session=str(uuid.uuid4()),
            own_files=(
                *run.reports.files.values(),
                *settings.key_files,
                *state_files_beside(state_file),
            ),
            ends_at=ends_at,
        )
        try:
            await _operate(job)
            result.status = "planned" if settings.dry_run else _DONE[settings.operation]
        finally:
            budget.log_counts()
            result.retries_used = budget.used


async def _operate(job: Job) -> None:
    """Each operation is imported where it runs: a restart needs no folder scan."""
    settings = job.settings
    if settings.operation == "deploy" and settings.image is not None:
        from zerokie_action.operations.image import deploy_image  # noqa: PLC0415

        await deploy_image(job, settings.image)
        return
    with job.time_limit():
        if settings.operation == "destroy":
            from zerokie_action.operations.destroy import destroy  # noqa: PLC0415

            await destroy(job)
        elif settings.operation == "restart":
            from zerokie_action.operations.restart import restart  # noqa: PLC0415

            await restart(job)
        elif settings.directory is not None:
            from zerokie_action.operations.static import deploy_directory  # noqa: PLC0415

            await deploy_directory(job, settings.directory)


def _announce(settings: Settings, ci: CI) -> None:
    version = zerokie_action.__version__
    trial = " (dry run)" if settings.dry_run else ""
    if settings.operation != "deploy":
        ci.info(f"zerokie-action {version}: {settings.operation} {settings.app}{trial}")
    elif settings.directory is not None:
        ci.info(f"zerokie-action {version} deploys {settings.directory} to {settings.app} (static){trial}")
    else:
        ci.info(f"zerokie-action {version} deploys {settings.image} to {settings.app} (container){trial}")


def _conclude(result: Result, error: BaseException | None, signals: Signals) -> None:
    """Status, exit code and error of the result."""
    if signals.first is not None:
        interrupted = Interrupted(signals.first)
        why = f" ({error})" if error is not None else ""
        result.status, result.exit_code = "cancelled", interrupted.exit_code
        result.error = f"{interrupted}{why}"
        result.hint = error.hint if isinstance(error, DeployError) else ""
    elif isinstance(error, DeployError):
        result.status = result.status if result.status == "rolled-back" else "failed"
        result.exit_code, result.error, result.hint = error.exit_code, str(error), error.hint
    elif error is not None:
        result.status, result.exit_code, result.error = "failed", 1, f"Unexpected error: {error!r}"
        result.hint = "This is a defect; please report it. `log-level: debug` shows the traceback."
    else:
        result.exit_code = 0
    if result.error and result.final_state and not result.flaw:
        result.error = f"{result.error}; {result.final_state}"

"""Deletes the previews of closed and merged pull requests.

A preview is an app with a name that matches a pattern of the input `app`. For example, `my-site-pr-12`
matches `my-site-pr-*` and belongs to pull request 12. The run reads the state of that pull request, and reads
it again right before the deletion, in case someone reopened it. Only the states `closed` and `merged` delete
the app.
"""

import re
import uuid
from dataclasses import replace

import anyio

from zerokie_action.app import RunApp
from zerokie_action.ci import PullRequest
from zerokie_action.destroy import destroy
from zerokie_action.errors import ConfigurationError, DeployError, LockHeld, RequestRejected, combine
from zerokie_action.http.group import GaveUp
from zerokie_action.http.request import Outcome
from zerokie_action.job import Job
from zerokie_action.platform.responses import BAD_REQUEST, advice
from zerokie_action.previews.code_host import RATE_LIMIT, CodeHost
from zerokie_action.previews.notify import notify
from zerokie_action.report.changes import Change
from zerokie_action.report.report import Report
from zerokie_action.site.remote import Remote
from zerokie_action.site.safety_checks import problem_with_kind, why_not_sweep
from zerokie_action.text.numbers import human_files

_OVER = {"closed", "merged"}
"""The states of a pull request that isn't open."""
_UNAUTHORIZED = {401, 403, 407}
"""The statuses of a response that rejects the token, or the credentials for a proxy."""
_HINT = "Run the job again in a few minutes. If it fails again, check proxies and the status of {host}."


class _Kept(Exception):  # noqa: N818 - not an error
    """The app stays. The log has the reason."""


async def sweep(job: Job) -> None:
    """Delete the previews of closed and merged pull requests.

    If one app can't be deleted, the run continues with the others. If the code host refuses the token or
    doesn't respond, the run stops.

    Raises:
        ConfigurationError: when the run has no code host, or no token for it.
        DeployError: the first error, with the problems of all.
    """
    host = _code_host(job)
    previews = await _find_previews(job)
    job.report.left = [*previews]
    failures: list[DeployError] = []
    for name, about in previews.items():
        try:
            is_over, state = await _read_state(host, about)
        except DeployError as error:
            failures.append(error)
            break
        if not is_over:
            job.log.info(f"Keeping {name!r}: {state}")
        elif failure := await _delete(job, name, host, about, state):
            failures.append(failure)
        job.report.left.remove(name)
    if failures:
        raise combine(failures)


def _code_host(job: Job) -> CodeHost:
    """Return the code host of the run's repository."""
    about = job.ci.pull_request(1)
    if about is None:
        raise ConfigurationError(
            "`operation: sweep` needs the variables of a job on GitHub or GitLab, to find pull requests",
            hint="Run it in a workflow or pipeline of the repository with the previews. In a container, pass "
            "GITHUB_REPOSITORY, or CI_API_V4_URL and CI_PROJECT_ID.",
        )
    token = job.settings.code_host_tokens[about.token_input]
    if not token:
        raise ConfigurationError(
            f"`operation: sweep` can't query {about.host}, because `{about.token_input}` is not set",
            hint=f"Set `{about.token_input}`. {about.reading}.",
        )
    return CodeHost(job.client.http, token, job.log)


async def _find_previews(job: Job) -> dict[str, PullRequest]:
    """Return the previews by name, each with its pull request.

    With the input `pull-request`, return a name for each pattern, even if no such app exists. A missing app
    may still have active deployments.
    """
    prefixes, given = job.settings.previews, job.settings.pull_request
    if given:
        names = [f"{prefix}{given}" for prefix in prefixes]
    else:
        names = [app.name for app in await job.client.list_apps()]
    preview = re.compile(f"(?:{'|'.join(map(re.escape, prefixes))})([1-9][0-9]{{0,8}})")
    found = sorted((int(match[1]), name) for name in names if (match := preview.fullmatch(name)))
    if not given:
        job.log.info(f"Found {human_files(len(found), 'preview')} among {human_files(len(names), 'app')}")
    return {name: about for number, name in found if (about := job.ci.pull_request(number))}


async def _read_state(host: CodeHost, about: PullRequest) -> tuple[bool, str]:
    """Return whether a pull request is closed or merged, and its state as a clause.

    Raises:
        ConfigurationError: if the code host rejects the token or redirects the request.
        PlatformUnavailable: if there is no valid response.
    """
    try:
        found, _ = await host.send(f"Reading {about.name} on {about.host}", "GET", about.url)
    except RequestRejected as error:
        if error.status in _UNAUTHORIZED or error.status < BAD_REQUEST:
            raise ConfigurationError(f"{error}", hint=f"{about.reading}. {RATE_LIMIT}") from None
        return False, f"{about.name}: {about.host} responded with {error.response}"
    except GaveUp as error:
        error.advise(advice(error.failure, _HINT.format(host=about.host)))
        raise
    # A list isn't a pull request, even if its records have this number.
    record = found if isinstance(found, dict) else {}
    state = record.get("state")
    if about.number not in (record.get("number"), record.get("iid")) or not isinstance(state, str):
        return False, f"{about.host} doesn't show the state of {about.name}"
    return state in _OVER, f"{about.name} is {state}"


async def _delete(job: Job, name: str, host: CodeHost, about: PullRequest, state: str) -> DeployError | None:
    """Delete one preview and update its pull request. Return the error, if there is one."""
    app_job = _job_for(job, name, about.number)
    settings, report = app_job.settings, app_job.report
    app_job.lock.log_older_sessions()

    async def confirm() -> None:
        is_over, state = await _read_state(host, about)
        if not is_over:
            job.log.info(f"Keeping {name!r}: {state}")
            raise _Kept

    try:
        await destroy(app_job, _check, confirm, f": {state}")
        # If the app was already gone, its deployments still end, but there is nothing to comment.
        shown = {"comment": settings.comment and bool(report.changes)}
        await notify(report.finish(), job.ci, settings.model_copy(update=shown))
    except _Kept:
        pass
    except LockHeld:
        report.note(f"Keeping {name!r} until the next run: another deploy holds its lock")
    except DeployError as error:
        error.args = tuple(f"App {name!r}: {problem}" for problem in error.args)
        job.log.info(str(error))
        return error
    finally:
        app_job.note_lock()
        _add(job.report, report)
    return None


def _job_for(job: Job, name: str, number: int) -> Job:
    """Return the job that destroys one app, with its own session and report."""
    given = {"operation": "destroy", "app": name, "pull_request": number}
    settings = job.settings.model_copy(update=given)
    report = Report(
        job.log,
        settings.operation,
        app=name,
        dry_run=settings.dry_run,
        links=job.ci.links,
        began=anyio.current_time(),
    )
    return replace(job, settings=settings, report=report, lock=job.lock.of(name, str(uuid.uuid4())))


def _check(job: Job, app: RunApp, remote: Remote) -> None:
    """Require that the app belongs to this repository. A container app shows no owner."""
    problem = why_not_sweep(job.app, remote, job.ci.repository)
    if not app.kind:
        problem = problem_with_kind(job.app).problem
    if problem:
        job.report.warn(
            f"{problem}. The run kept the app. To delete it, use `operation: destroy` with this `app`."
        )
        raise _Kept


def _add(report: Report, of_app: Report) -> None:
    """Add the report of one app to the report of the run."""
    report.warnings += of_app.warnings
    report.notes += of_app.notes
    report.lock_problem = report.lock_problem or of_app.lock_problem
    report.would_change |= of_app.would_change
    is_deleted = any(change.outcome is Outcome.DONE for change in of_app.changes)
    if is_deleted or of_app.would_change:
        report.apps.append(of_app.app)
    # The list `apps` already names a deleted app, so an error doesn't describe the deletion again.
    report.changes += (
        Change(deliveries=change.deliveries) if is_deleted else change for change in of_app.changes
    )

"""Destroys the previews of pull or merge requests that were closed or merged.

A preview is an app whose name fits a pattern of the input `app`: `my-site-pr-12` fits `my-site-pr-*`, and
belongs to request 12. The forge is asked about that request, and asked again right before the deletion,
because somebody may have opened the request again. Any other answer than "closed" or "merged" keeps the app.
"""

import re
import uuid
from dataclasses import replace
from functools import partial

import anyio

from zerokie_action.apps.job import Job
from zerokie_action.destroy import Kind, destroy, with_files
from zerokie_action.errors import ConfigurationError, DeployError, LockHeld, combine
from zerokie_action.platform.models import App
from zerokie_action.previews.code_host import Forge
from zerokie_action.previews.notify import tell_forge
from zerokie_action.report.record import Change
from zerokie_action.report.report import Result, redact_result
from zerokie_action.site.ignore import compiled
from zerokie_action.site.manifest import Manifest, find_manifests
from zerokie_action.site.read import list_files
from zerokie_action.site.remote import make_remote
from zerokie_action.site.safety_checks import about_kind, about_sweeping
from zerokie_action.text.numbers import human_files


async def sweep(job: Job) -> None:
    """Destroy the previews whose request was closed or merged.

    An app that can't be destroyed does not keep the sweep from the others.

    Raises:
        ConfigurationError: when the run has no forge, or no token for it.
        DeployError: the first error, with all problems: of apps that could not be destroyed, and of a forge
            that refuses the token or gives no answer, which ends the sweep.
    """
    _require_forge(job)
    previews, result = await _find_previews(job), job.result
    result.left = [*previews]
    failures: list[DeployError] = []
    for name, forge in previews.items():
        try:
            state = await forge.read_state()
            job.log.info(f"App {name!r} {'goes' if state.is_over else 'stays'}: {state.said}")
            if state.is_over:
                failures += await _destroy(job, name, forge)
        except DeployError as error:
            failures.append(error)
            break
        result.left.remove(name)
    if failures:
        raise combine(failures)


def _require_forge(job: Job) -> None:
    """Require that the run has a forge, and a token for it."""
    request = job.ci.pull_request(1)
    if request is None:
        raise ConfigurationError(
            "`operation: sweep` asks GitHub or GitLab which requests are closed, and this run is in a job of "
            "neither",
            hint="Run the sweep in a workflow or a pipeline of the repository whose previews it destroys.",
        )
    if not job.settings.forge_tokens[request.token_input]:
        raise ConfigurationError(
            f"`{request.token_input}` is not set: `operation: sweep` needs it to ask {request.host} which "
            "requests are closed",
            hint=f"Set it. {request.reading}.",
        )


async def _find_previews(job: Job) -> dict[str, Forge]:
    """The previews, each with the forge's API for its request.

    With the input `pull-request`, these are the names of the previews of that request: whether such an app
    exists is asked later, because its deployments may be left.
    """
    prefixes, number = job.settings.previews, job.settings.pull_request
    if number:
        names = [f"{prefix}{number}" for prefix in prefixes]
    else:
        names = [app.name for app in await job.client.list_apps()]
    preview = re.compile(f"(?:{'|'.join(map(re.escape, prefixes))})([1-9][0-9]{{0,8}})")
    numbers = sorted((int(match[1]), name) for name in names if (match := preview.fullmatch(name)))
    if not number:
        job.log.info(f"Found {human_files(len(numbers), 'preview')} among {human_files(len(names), 'app')}")
    tokens, previews = job.settings.forge_tokens, {}
    for number, name in numbers:
        if request := job.ci.pull_request(number):
            purpose, token = f"Asking about {request.name}", tokens[request.token_input]
            previews[name] = Forge(job.client.http, token, job.log, request, purpose)
    return previews


async def _destroy(job: Job, name: str, forge: Forge) -> list[DeployError]:
    """Destroy one preview as a run of its own, and tell the forge. Returns the errors, at most one."""
    app_job = _job_for(job, name, forge.about.number)
    try:
        if await destroy(app_job, partial(_check, forge)):
            app_job.result.conclude(None)
            # An app that was gone already may have deployments, but its request needs no comment.
            told = app_job.settings.model_copy(
                update={"comment": job.settings.comment and bool(app_job.changes)}
            )
            await tell_forge(redact_result(app_job.result, job.log.redact), job.ci, told)
    except LockHeld:
        job.note(f"App {name!r} is left for the next sweep: another deploy holds its lock")
    except DeployError as error:
        error.args = tuple(f"App {name!r}: {problem}" for problem in error.args)
        job.log.info(str(error))
        return [error]
    finally:
        _report(job, app_job)
    return []


def _job_for(job: Job, name: str, number: int) -> Job:
    """The job of a `destroy` of one app, with a session and a result of its own."""
    given = {"operation": "destroy", "app": name, "lock_timeout": 0.0, "pull_request": number}
    settings = job.settings.model_copy(update=given)
    result = Result("destroy", name, settings.dry_run, began=anyio.current_time(), links=job.result.links)
    return replace(job, settings=settings, result=result, session=str(uuid.uuid4()))


async def _check(forge: Forge, job: Job, _app: App, kind: Kind) -> str | None:
    """The `Check` of a sweep: whose app it is, and whether the request is still closed."""
    files, problem = "", ""
    if kind is Kind.UNKNOWN:
        problem = about_kind(job.app).problem
    elif kind is not Kind.CONTAINER:
        listed, not_found = await list_files(job)
        newest = max(find_manifests(listed), default=None)  # its name tells whose app it is
        remote = make_remote(listed, newest, Manifest(), compiled(job.settings.keep))._replace(
            not_found=not_found
        )
        problem = about_sweeping(job.app, remote, job.ci.repository)
        files = with_files(len(remote.files))
    if problem:
        job.warn(f"{problem}. The app stays. To delete it, use `operation: destroy` with this `app`.")
        return None
    state = await forge.read_state()
    if not state.is_over:
        job.log.info(f"App {job.app!r} stays: {state.said} by now")
        return None
    return f"{files}: {state.said}"


def _report(job: Job, app_job: Job) -> None:
    """Put what became of an app into the sweep's result, whose output `apps` says what was destroyed."""
    result = job.result
    result.warnings += app_job.result.warnings
    result.notes += app_job.result.notes
    result.lock_state = result.lock_state or app_job.result.lock_state
    result.changed |= app_job.result.changed  # in a dry run
    is_deleted = any(change.state == change.done for change in app_job.changes)
    if is_deleted or app_job.result.changed:
        result.apps.append(app_job.app)
    # A deleted app is in `apps`, so its changes count, and need no words in the final state.
    job.changes.extend(Change(writes=change.writes) if is_deleted else change for change in app_job.changes)

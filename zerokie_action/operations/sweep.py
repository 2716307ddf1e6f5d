"""Destroys the previews of pull or merge requests that were closed or merged.

A preview is an app whose name fits a pattern of the input `app`: `my-site-pr-12` fits `my-site-pr-*`, and
belongs to request 12. The forge is asked about that request, and asked again right before the deletion,
because somebody may have opened the request again. Any other answer than "closed" or "merged" keeps the app.
"""

import re
import uuid
from dataclasses import replace

import anyio

from zerokie_action.ci import PullRequest
from zerokie_action.ci.comment import Comment, update_comment
from zerokie_action.ci.forge import Forge
from zerokie_action.doubts import about_sweeping
from zerokie_action.errors import ConfigurationError, DeployError, LockHeld, combine
from zerokie_action.files.manifest import Manifest, find_manifests
from zerokie_action.files.zone import make_zone
from zerokie_action.operations.destroy import deletion, note_app, what_goes
from zerokie_action.operations.job import Job
from zerokie_action.operations.zone import list_zone
from zerokie_action.outcome import Change
from zerokie_action.report.files import rendered
from zerokie_action.report.result import Result, redact_result
from zerokie_action.report.summary import render_comment
from zerokie_action.text import human_files


class _Kept(Exception):  # noqa: N818 - not an error
    """The app stays. The log has said why."""


async def sweep(job: Job) -> None:
    """Destroy the previews whose request was closed or merged.

    An app that can't be destroyed does not keep the sweep from the others.

    Raises:
        ConfigurationError: when the run has no forge, or no token for it.
        DeployError: the first error, with all problems: of apps that could not be destroyed, and of a forge
            that refuses the token or gives no answer, which ends the sweep.
    """
    forge = _connect(job)
    result = job.result
    requests = await _find_previews(job)
    result.left = [*requests]
    failures: list[DeployError] = []
    for name, request in requests.items():
        try:
            state = await forge.read_state(request)
        except DeployError as error:
            failures.append(error)
            break
        job.log.info(f"App {name!r} {'goes' if state.is_over else 'stays'}: {state.said}")
        if state.is_over:
            app_job = _job_for(job, name)
            try:
                await _destroy(job, app_job, forge, request)
            except _Kept:
                pass
            except LockHeld:
                job.note(f"App {name!r} is left for the next sweep: another deploy holds its lock")
            except DeployError as error:
                error.args = tuple(f"App {name!r}: {problem}" for problem in error.args)
                job.log.info(str(error))
                failures.append(error)
            finally:
                _report(job, app_job)
        result.left.remove(name)
    result.seen = "swept" if result.apps else "nothing to sweep"
    if failures:
        raise combine(failures)


def _connect(job: Job) -> Forge:
    """The forge of this run, whose token has to be set."""
    request = job.ci.pull_request(1)
    if request is None:
        raise ConfigurationError(
            "`operation: sweep` asks GitHub or GitLab which requests are closed, and this run is in a job of "
            "neither",
            hint="Run the sweep in a workflow or a pipeline of the repository whose previews it destroys.",
        )
    forge = Forge(job.client.http, job.settings.forge_tokens, job.log)
    if not forge.tokens[request.token_input]:
        raise ConfigurationError(
            f"`{request.token_input}` is not set: `operation: sweep` needs it to ask {request.host} which "
            "requests are closed",
            hint=f"Set it. {request.reading}.",
        )
    return forge


async def _find_previews(job: Job) -> dict[str, PullRequest]:
    """The previews, each with its request; with the input `pull-request` only those of that request."""
    prefixes, number = job.settings.previews, job.settings.pull_request
    if number:
        names = [name for prefix in prefixes if await job.client.find_app(name := f"{prefix}{number}")]
    else:
        names = [app.name for app in await job.client.list_apps()]
    preview = re.compile(f"(?:{'|'.join(map(re.escape, prefixes))})([1-9][0-9]{{0,8}})")
    numbers = sorted((int(match[1]), name) for name in names if (match := preview.fullmatch(name)))
    where = f"with the number {number}" if number else f"among {human_files(len(names), 'app')}"
    job.log.info(f"Found {human_files(len(numbers), 'preview')} {where}")
    requests = ((name, job.ci.pull_request(number)) for number, name in numbers)
    return {name: request for name, request in requests if request}


def _job_for(job: Job, name: str) -> Job:
    """The job of a `destroy` of one app, with a session and a result of its own."""
    settings = job.settings.model_copy(update={"operation": "destroy", "app": name, "lock_timeout": 0.0})
    result = Result("destroy", name, settings.dry_run, links=job.result.links)
    return replace(job, settings=settings, result=result, session=str(uuid.uuid4()))


async def _destroy(job: Job, app_job: Job, forge: Forge, request: PullRequest) -> None:
    """Delete an app, and comment on its request."""
    began = anyio.current_time()
    app = await app_job.client.find_app(app_job.app)
    if app is None or app.is_being_deleted:
        app_job.note(f"App {app_job.app!r} is being deleted already, or is gone")
        return
    note_app(app_job, app)

    async def check() -> str:
        what = ""
        if app_job.result.kind != "container":
            listed, not_found = await list_zone(app_job)
            newest = max(find_manifests(listed), default=None)  # its name tells whose app it is
            zone = make_zone(listed, newest, Manifest(), app_job.keep)._replace(not_found=not_found)
            if doubt := about_sweeping(app_job.app, zone, app_job.ci.repository):
                job.warn(f"{doubt.problem}. The app stays. {doubt.advice}")
                raise _Kept
            what = what_goes(len(zone.files))
        state = await forge.read_state(request)
        if not state.is_over:
            job.log.info(f"App {app_job.app!r} stays: {state.said} by now")
            raise _Kept
        return f"{what}: {state.said}"

    if app_job.settings.dry_run:
        app_job.preview(f"would destroy app {app_job.app!r}{await check()}")
        return
    what = ""
    async with deletion(app_job, app) as delete:
        what = await check()
        await delete()
    app_job.note(f"Deleted app {app_job.app!r}{what}")
    if app_job.settings.comment:
        app_job.result.status, app_job.result.exit_code, app_job.result.url = "destroyed", 0, None
        app_job.result.duration_seconds = anyio.current_time() - began
        text = rendered(render_comment, redact_result(app_job.result, job.log.redact), job.ci)
        comment = Comment(app_job.app, job.settings.api_key.get_secret_value(), text)
        await update_comment(forge, request, comment)


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

"""Shows what is live, from which commit and from which run, without a change and without a lock."""

import time

from zerokie_action.app import RunApp, note_response, status_words
from zerokie_action.ci.commits import Commits, Project
from zerokie_action.job import Job
from zerokie_action.site.read import read_app
from zerokie_action.site.remote import Owner, Remote
from zerokie_action.site.safety_checks import problem_with_kind
from zerokie_action.text.numbers import human_files, utc_time

_OWNERS = {
    Owner.THIS: "This repository deployed the app last",
    Owner.UNNAMED: "A run without a repository deployed the app last",
    Owner.ANOTHER: "Another repository deployed the app last",
    Owner.MAYBE_ANOTHER: "A repository deployed the app last, and this run can't determine its own",
    Owner.NONE: "This action never deployed the app",
}


async def show_status(job: Job) -> None:
    """Report the app's kind, status, URL and image, or its files and its last complete deploy.

    The requests are "GET /v1/apps/:name" and "GET /v1/apps/:name/files", and one for the manifest.

    Raises:
        RequestRejected: when the app doesn't exist.
        DeployError: when the kind depends on the file list, and the list can't be read.
    """
    report = job.report
    app = RunApp(job.app)
    note_response(job, app, await job.client.get_app(app.name))
    report.app_status = status = status_words(job, app.shown)
    report.note(f"App {app.name!r} has the status {status!r}")
    remote = await read_app(job, app)
    if app.kind == "static":
        _show_site(job, remote)
    elif not app.kind:
        report.note(problem_with_kind(job.app).problem)
    elif app.shown.image:
        report.image = image = job.redactor.redact(app.shown.image)
        report.note(f"The container app runs the image {image!r}")


def _show_site(job: Job, remote: Remote) -> None:
    """Report the files of a static app, and its last complete deploy."""
    report, repository = job.report, job.ci.repository
    if remote.listed.not_found:
        report.note(f"The platform lists no files of the static app ({remote.listed.not_found})")
        return
    report.file_count = count = len(remote.files)
    pending = len(remote.manifest.stale.keys() & remote.files.keys())
    of_them = f", {pending:,} of them pending deletion" if pending else ""
    report.note(f"The static app has {human_files(count)}{of_them}")
    owner = remote.owner_for(repository)
    report.note(_OWNERS[owner])
    if remote.is_unread:
        report.note("Commit, run and time of the last deploy are unknown, because its manifest can't be read")
    elif remote.is_unfinished:
        report.note("A deploy is in progress or was interrupted")
    # A manifest's number comes from the clock of its run, which may have been wrong.
    elif remote.newest and (ended := remote.newest.number / 1000) <= time.time():
        report.note(f"The last deploy ended at {utc_time(ended)}")
    commit, run, _ = remote.manifest.source
    # The public manifest lacks the repository's name, so only this repository's runs have a known URL. A
    # shell has no variables of a CI system, but its checkout has the name.
    project = job.ci.project if job.ci.project.page else Project(f"https://{repository}")
    run_url = project.run_url(run) if owner is Owner.THIS else ""
    report.commits = Commits(previous=commit, previous_url=run_url)

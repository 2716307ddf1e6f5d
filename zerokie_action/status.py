"""Shows what is live, from which commit and from which run, without a change and without a lock."""

from zerokie_action.apps import lookup as apps
from zerokie_action.apps.job import Job
from zerokie_action.ci.commits import Commits
from zerokie_action.site.kind import Kind, find_kind
from zerokie_action.site.messages import log_commits
from zerokie_action.site.read import read_remote
from zerokie_action.site.remote import Owner, Remote
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
    app = await job.client.get_app(job.app)
    apps.note_url(job, app)
    report.app_status = apps.status_words(job, app)
    report.image = app.image or None
    kind, listed = await find_kind(job, app)
    report.kind = kind.value
    name = f"{kind.value} app" if kind.value else "app"
    report.note(f"The {name} {job.app!r} has the status {report.app_status!r}")
    if app.image:
        report.note(f"It runs the image {app.image!r}")
    if kind is Kind.STATIC:
        _show_site(job, await read_remote(job, listed, app.address))


def _show_site(job: Job, remote: Remote) -> None:
    """Report the files of a static app, and its last complete deploy."""
    report, manifest, repository = job.report, remote.manifest, job.ci.repository
    report.file_count = len(remote.files)
    pending = f", {len(manifest.stale):,} of them pending deletion" if manifest.stale else ""
    report.note(f"The app has {human_files(len(remote.files))}{pending}")
    report.note(_OWNERS[remote.owner_for(repository)])
    if remote.is_unfinished:
        report.note("A deploy is in progress or was interrupted")
    elif remote.newest and not remote.is_unread:
        report.note(f"The last deploy ended at {utc_time(remote.newest.number / 1000)}")
    # Only this repository's pages have an address that isn't in the public manifest.
    run = remote.source_for(repository).run if repository else ""
    report.commits = Commits(previous=manifest.source.commit, previous_url=job.ci.project.run_url(run))
    log_commits(job)

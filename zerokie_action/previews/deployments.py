"""GitHub deployments that show an app in its pull request.

GitHub shows the button *View deployment* for an active deployment. Each deployed commit gets a deployment,
and its newest status has the outcome. Other apps and pull requests may use the same environment. So the
`task` of a deployment names its app, and this module chooses which deployments become inactive.
"""

from typing import NamedTuple
from urllib.parse import quote

from zerokie_action.previews.code_host import CodeHost

PERMISSION = (
    "`github-token` needs `permissions: deployments: write`. Gitea and Forgejo don't have deployments"
)
_INACTIVE = "inactive"


class Deployment(NamedTuple):
    """The outcome of a run for one app.

    Attributes:
        app: the app's name.
        environment: the environment's name.
        state: `success` or `failure` of a deploy; `inactive` for a deleted app.
        url: the app's URL; empty after a failure, or if it is unknown.
        log_url: the URL of the run's page; empty if it is unknown.
    """

    app: str
    environment: str
    state: str
    url: str
    log_url: str

    @property
    def task(self) -> str:
        """The task of all deployments of this app."""
        return f"zerokie:{self.app}"


async def update_deployments(host: CodeHost, deployment: Deployment) -> None:
    """Add this run's deployment, and set the older deployments of the app to inactive.

    After a failed deploy, older deployments don't change, because the app still has its previous version.

    Raises:
        DeployError: as `CodeHost.send` and `CodeHost.records`.
    """
    newest = 0
    if deployment.state != _INACTIVE:
        newest = await _create(host, deployment)
        urls = {"environment_url": deployment.url, "log_url": deployment.log_url}
        await _set_state(host, newest, deployment.state, **urls)
    if deployment.state != "failure":
        for number in reversed(await _find_active(host, deployment.task, newest)):
            await _set_state(host, number, _INACTIVE)
    host.log.info(f"Updated the deployment of {deployment.app!r} on {host.about.name}")


async def _create(host: CodeHost, deployment: Deployment) -> int:
    """Create a deployment of the deployed commit and return its ID."""
    about = host.about
    body: dict[str, object] = {
        "ref": about.commit or host.records(await host.send("GET", about.url))[0]["head"]["sha"],
        "task": deployment.task,
        "environment": deployment.environment,
        "transient_environment": True,
        "production_environment": False,
        "auto_merge": False,
        "required_contexts": [],
    }
    # If only the response was lost, a second POST would create a second deployment.
    created = await host.send("POST", about.deployments, body, is_repeatable=False)
    return int(host.records(created)[0]["id"])


async def _set_state(host: CodeHost, number: int, state: str, **urls: str) -> None:
    status = {"state": state, "auto_inactive": False, **urls}
    await host.send("POST", f"{host.about.deployments}/{number}/statuses", status)


async def _find_active(host: CodeHost, task: str, newest: int) -> list[int]:
    """Return the task's deployments to set to inactive, the newest first.

    These are the deployments before `newest`, or all if it is 0. The search reads the newest 100 and ends at
    an inactive one. So callers must set the oldest first. Otherwise, a run that ends early would leave an
    active deployment behind an inactive one, where no search finds it.
    """
    active: list[int] = []
    url = host.about.deployments
    # GitHub lists the newest deployments and statuses first.
    listed = await host.send("GET", f"{url}?task={quote(task, safe='')}&per_page=100")
    for found in host.records(listed):
        number = found["id"]
        if found.get("task") != task or (newest and number >= newest):
            continue
        statuses = host.records(await host.send("GET", f"{url}/{number}/statuses?per_page=1"))
        if statuses and statuses[0].get("state") == _INACTIVE:
            break
        active.append(number)
    return active

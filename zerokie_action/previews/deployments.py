"""Shows an app on its pull request as a GitHub deployment, with the button *View deployment*.

Each deployed commit gets a deployment. Its newest status is its state. Other apps and pull requests may have
deployments in the same environment, so the `task` identifies the app. For the same reason, GitHub must not
choose the deployments that become inactive.
"""

from typing import NamedTuple
from urllib.parse import quote

from zerokie_action.previews.code_host import CodeHost

PERMISSION = "`github-token` needs `permissions: deployments: write`; Gitea and Forgejo have no deployments"
_INACTIVE = "inactive"


class Deployment(NamedTuple):
    """A deployment of one app.

    Attributes:
        app: the app's name.
        environment: the name of the environment.
        state: `success` or `failure` after a deploy, `inactive` after the deletion of the app.
        url: the app's URL. Empty if it isn't available, and after a failure.
        log_url: the page of the run. Empty if it isn't available.
    """

    app: str
    environment: str
    state: str
    url: str
    log_url: str

    @property
    def task(self) -> str:
        """The `task` of all deployments of this app."""
        return f"zerokie:{self.app}"


async def update_deployments(code_host: CodeHost, deployment: Deployment) -> None:
    """Add this run's deployment, and set the app's older deployments to inactive.

    After a failed deploy, the older ones stay active, because the app still has its previous version.

    Raises:
        DeployError: as `CodeHost.send` and `CodeHost.records`.
    """
    newest = 0
    if deployment.state != _INACTIVE:
        newest = await _create(code_host, deployment)
        urls = {"environment_url": deployment.url, "log_url": deployment.log_url}
        await _set_state(code_host, newest, deployment.state, **urls)
    if deployment.state != "failure":
        for number in reversed(await _find_active(code_host, deployment.task, newest)):
            await _set_state(code_host, number, _INACTIVE)
    code_host.log.info(f"Updated the deployment of {deployment.app!r} on {code_host.about.name}")


async def _create(code_host: CodeHost, deployment: Deployment) -> int:
    """Create a deployment of the deployed commit, and return its ID."""
    about = code_host.about
    body: dict[str, object] = {
        "ref": about.commit or code_host.records(await code_host.send("GET", about.url))[0]["head"]["sha"],
        "task": deployment.task,
        "environment": deployment.environment,
        "transient_environment": True,
        "production_environment": False,
        "auto_merge": False,
        "required_contexts": [],
    }
    # If only the response was lost, a second POST would create a second deployment.
    created = await code_host.send("POST", about.deployments, body, is_repeatable=False)
    return int(code_host.records(created)[0]["id"])


async def _set_state(code_host: CodeHost, number: int, state: str, **urls: str) -> None:
    status = {"state": state, "auto_inactive": False, **urls}
    await code_host.send("POST", f"{code_host.about.deployments}/{number}/statuses", status)


async def _find_active(code_host: CodeHost, task: str, newest: int) -> list[int]:
    """Return the task's active deployments, the newest first.

    These are the deployments before `newest`, or all if it is 0. The search reads the newest 100 and ends at
    an inactive one. So the caller must set the oldest to inactive first. If it ends early, the next run still
    finds the rest.
    """
    active: list[int] = []
    url = code_host.about.deployments
    # GitHub lists the newest deployments and statuses first.
    listed = await code_host.send("GET", f"{url}?task={quote(task, safe='')}&per_page=100")
    for found in code_host.records(listed):
        number = found["id"]
        if found.get("task") != task or (newest and number >= newest):
            continue
        statuses = code_host.records(await code_host.send("GET", f"{url}/{number}/statuses?per_page=1"))
        if statuses and statuses[0].get("state") == _INACTIVE:
            break
        active.append(number)
    return active

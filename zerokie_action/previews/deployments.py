"""Shows an app in its pull request as a deployment of GitHub, with the button *View deployment*.

Each deployed commit gets a deployment, and the newest status of a deployment says what became of it. The
`task` of an app's deployments names the app, because other apps and other pull requests may have deployments
in the same environment. That is also why GitHub must not choose which deployments become inactive.
"""

from typing import NamedTuple
from urllib.parse import quote

from zerokie_action.previews.code_host import Forge

PERMISSION = "`github-token` needs `permissions: deployments: write`; Gitea and Forgejo have no deployments"
_INACTIVE = "inactive"


class Deployment(NamedTuple):
    """What became of an app.

    Attributes:
        app: the app's name.
        environment: the name of the environment.
        state: `success` or `failure` of a deploy; `inactive` for an app that is gone.
        url: where the app answers; empty if that is not known, and after a failure.
        log_url: the page of the run; empty if that is not known.
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


async def update_deployments(forge: Forge, deployment: Deployment) -> None:
    """Add this run's deployment, and set the older deployments of the app to inactive.

    A failed deploy leaves the older ones as they are, because the app still has its previous version.

    Raises:
        DeployError: as `Forge.send` and `Forge.records`.
    """
    newest = 0
    if deployment.state != _INACTIVE:
        newest = await _create(forge, deployment)
        urls = {"environment_url": deployment.url, "log_url": deployment.log_url}
        await _set_state(forge, newest, deployment.state, **urls)
    if deployment.state != "failure":
        for number in reversed(await _find_active(forge, deployment.task, newest)):
            await _set_state(forge, number, _INACTIVE)
    forge.log.info(f"Updated the deployment of {deployment.app!r} on {forge.about.name}")


async def _create(forge: Forge, deployment: Deployment) -> int:
    """Create a deployment of the commit that was deployed. Returns its ID."""
    about = forge.about
    body: dict[str, object] = {
        "ref": about.commit or forge.records(await forge.send("GET", about.url))[0]["head"]["sha"],
        "task": deployment.task,
        "environment": deployment.environment,
        "transient_environment": True,
        "production_environment": False,
        "auto_merge": False,
        "required_contexts": [],
    }
    # If only the answer was lost, a second POST would create a second deployment.
    created = await forge.send("POST", about.deployments, body, is_repeatable=False)
    return int(forge.records(created)[0]["id"])


async def _set_state(forge: Forge, number: int, state: str, **urls: str) -> None:
    status = {"state": state, "auto_inactive": False, **urls}
    await forge.send("POST", f"{forge.about.deployments}/{number}/statuses", status)


async def _find_active(forge: Forge, task: str, newest: int) -> list[int]:
    """Return the task's deployments to set to inactive, the newest first.

    These are the deployments before `newest`, or all if it is 0. The search reads the newest 100 and ends at
    an inactive one. So the oldest must be set first: a run that ends early then leaves no active deployment
    behind an inactive one.
    """
    active: list[int] = []
    url = forge.about.deployments
    # GitHub lists the newest deployments and statuses first.
    listed = await forge.send("GET", f"{url}?task={quote(task, safe='')}&per_page=100")
    for found in forge.records(listed):
        number = found["id"]
        if found.get("task") != task or (newest and number >= newest):
            continue
        statuses = forge.records(await forge.send("GET", f"{url}/{number}/statuses?per_page=1"))
        if statuses and statuses[0].get("state") == _INACTIVE:
            break
        active.append(number)
    return active

"""GitHub deployments that show an app in its pull request.

GitHub shows the button *View deployment* for an active deployment. Each deployed commit gets a deployment,
and its newest status has the outcome. Other apps and pull requests may use the same environment. So the
`task` of a deployment names its app, and this module chooses which deployments become inactive.
"""

from typing import NamedTuple
from urllib.parse import quote

from zerokie_action.ci import PullRequest
from zerokie_action.previews.code_host import CodeHost

_PERMISSION = (
    "`github-token` needs `permissions: deployments: write`. Gitea and Forgejo don't have deployments"
)
_INACTIVE = "inactive"


class Deployment(NamedTuple):
    """The outcome of a run for one app.

    Attributes:
        about: the pull request.
        app: the app's name.
        environment: the environment's name.
        state: `success` or `failure` of a deploy; `inactive` for a deleted app.
        url: the app's URL; empty after a failure, or if it is unknown.
        log_url: the URL of the run's page; empty if it is unknown.
    """

    about: PullRequest
    app: str
    environment: str
    state: str
    url: str
    log_url: str

    @property
    def purpose(self) -> str:
        """The start of sentences about this deployment."""
        return f"Updating the deployment on {self.about.host}"

    @property
    def permission(self) -> str:
        """The permission that the token needs, as a clause."""
        # A new deployment needs the commit, which may only be in the pull request.
        must_read = self.state != _INACTIVE and not self.about.commit
        return f"{self.about.reading}. {_PERMISSION}" if must_read else _PERMISSION

    @property
    def _task(self) -> str:
        """The task of all deployments of this app."""
        return f"zerokie:{self.app}"

    async def send(self, host: CodeHost) -> None:
        """Add this run's deployment, and set the older deployments of the app to inactive. Log it.

        After a failed deploy, older deployments don't change, because the app still has its previous version.

        Raises:
            DeployError: as `CodeHost.send`.
        """
        newest = 0
        if self.state != _INACTIVE:
            newest = await self._create(host)
            urls = {"environment_url": self.url, "log_url": self.log_url}
            await self._set_state(host, newest, self.state, **urls)
        if self.state != "failure":
            for number in reversed(await self._find_active(host, newest)):
                await self._set_state(host, number, _INACTIVE)
        host.log.info(f"Updated the deployment of {self.app!r} on {self.about.name}")

    async def _create(self, host: CodeHost) -> int:
        """Create a deployment of the deployed commit and return its ID."""
        about, purpose = self.about, self.purpose
        body: dict[str, object] = {
            "ref": about.commit or (await host.send(purpose, "GET", about.url))[0]["head"]["sha"],
            "task": self._task,
            "environment": self.environment,
            "transient_environment": True,
            "production_environment": False,
            "auto_merge": False,
            "required_contexts": [],
        }
        # If only the response was lost, a second POST would create a second deployment.
        created, _ = await host.send(purpose, "POST", about.deployments, body, is_repeatable=False)
        return int(created["id"])

    async def _set_state(self, host: CodeHost, number: int, state: str, **urls: str) -> None:
        status = {"state": state, "auto_inactive": False, **urls}
        await host.send(self.purpose, "POST", f"{self.about.deployments}/{number}/statuses", status)

    async def _find_active(self, host: CodeHost, newest: int) -> list[int]:
        """Return the app's deployments to set to inactive, the newest first.

        These are the deployments before `newest`, or all if it is 0. The search reads the newest 100 and ends
        at an inactive one. So callers must set the oldest first. Otherwise, a run that ends early would leave
        an active deployment behind an inactive one, where no search finds it.
        """
        active: list[int] = []
        url = self.about.deployments
        # GitHub lists the newest deployments and statuses first.
        query = f"task={quote(self._task, safe='')}&per_page=100"
        deployments, _ = await host.send(self.purpose, "GET", f"{url}?{query}")
        for found in deployments:
            number = found["id"]
            if found.get("task") != self._task or (newest and number >= newest):
                continue
            statuses, _ = await host.send(self.purpose, "GET", f"{url}/{number}/statuses?per_page=1")
            if statuses and statuses[0]["state"] == _INACTIVE:
                break
            active.append(number)
        return active

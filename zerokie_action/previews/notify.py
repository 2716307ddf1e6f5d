"""Reports a run to the code host: its comment on the pull request, and its deployment."""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from zerokie_action.ci import CI
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.inputs.settings import Settings
from zerokie_action.previews.code_host import RATE_LIMIT, CodeHost
from zerokie_action.previews.comment import Comment, update_comment
from zerokie_action.previews.deployments import PERMISSION, Deployment, update_deployments
from zerokie_action.report.files import rendered
from zerokie_action.report.report import Result
from zerokie_action.report.summary import render_comment
from zerokie_action.text.escapes import is_web_url
from zerokie_action.text.numbers import human_seconds

_TIME = 20.0
"""Seconds to tell the forge about a run."""
_FORBIDDEN = 403
_STATES = {
    ("deploy", "deployed"): "success",
    ("deploy", "failed"): "failure",
    ("deploy", "rolled-back"): "failure",
    ("destroy", "destroyed"): "inactive",
}
"""The state of a run's deployment by operation and status. No other run changes a deployment, nor does a dry
run, which may fail as well."""


async def tell_forge(result: Result, ci: CI, settings: Settings) -> None:
    """Comment on the run's request, and show the app there as a deployment, within 20 seconds.

    Each failure becomes one warning. A run for no request, as after a push, tells nothing.

    Args:
        result: the result of a run for one app; its secrets are removed already.
        ci: the environment of the run.
        settings: the inputs.
    """
    if result.status in {"skipped", "cancelled"}:
        return
    environment = settings.preview_environment
    text = rendered(render_comment, result, ci) if settings.comment else ""
    if not (text or environment):
        return
    about = ci.pull_request(settings.pull_request)
    if about is None:
        ci.log.info(
            "This run is not for a pull or merge request on GitHub or GitLab, so none shows it; to name one, "
            "set `pull-request`"
        )
        return
    async with Transport(ci.env) as transport, anyio.create_task_group() as tasks:
        http, token = (
            RetryingClient(transport, 0, log=ci.log.debug),
            settings.code_host_tokens[about.token_input],
        )
        forge = CodeHost(http, token, ci.log, about, "Commenting")
        if text:
            comment = Comment(settings.app, settings.api_key.get_secret_value(), text)
            tasks.start_soon(_tell, forge, about.permission, partial(update_comment, forge, comment))
        state = _STATES.get((result.operation, result.status))
        if environment and state and about.deployments and not result.dry_run:
            url = result.url if state == "success" and is_web_url(result.url or "") else None
            log_url = result.links.get("Log", "")
            deployment = Deployment(result.app, environment, state, url or "", log_url)
            forge = forge._replace(purpose="Updating the deployment")
            tasks.start_soon(_tell, forge, PERMISSION, partial(update_deployments, forge, deployment))


async def _tell(forge: CodeHost, permission: str, work: Callable[[], Awaitable[None]]) -> None:
    """Call `work`, which may take 20 seconds. A failure becomes one warning."""
    if not forge.token:
        name = forge.about.token_input
        forge.log.warning(f"{forge.purpose} is not possible: `{name}` is not set; {permission}")
        return
    try:
        with anyio.fail_after(_TIME):
            await work()
    except RequestRejected as error:
        limit = f". {RATE_LIMIT}" if error.status == _FORBIDDEN else ""
        forge.log.warning(f"{error}; {permission}{limit}")
    except DeployError as error:
        forge.log.warning(str(error))
    except TimeoutError:
        forge.log.warning(f"{forge.purpose} failed: no answer within {human_seconds(_TIME)}")
    except Exception as error:  # noqa: BLE001 - no error here may fail the deploy
        forge.log.warning(f"{forge.purpose} failed: {error!r}")

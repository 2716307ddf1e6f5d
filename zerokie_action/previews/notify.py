"""Reports a run on its pull request, as a comment and as a deployment on GitHub."""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from zerokie_action.ci import CI, Log
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.http.policy import ONCE
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.inputs.settings import Settings
from zerokie_action.previews.code_host import RATE_LIMIT, CodeHost
from zerokie_action.previews.comment import Comment, update_comment
from zerokie_action.previews.deployments import PERMISSION, Deployment, update_deployments
from zerokie_action.report.files import rendered
from zerokie_action.report.report import Report
from zerokie_action.report.summary import render_comment
from zerokie_action.text.escapes import is_web_url
from zerokie_action.text.numbers import human_seconds

_TIME = 20.0
"""Time limit in seconds for the comment, and for the deployment."""
_FORBIDDEN = 403
_STATES = {
    ("deploy", "deployed"): "success",
    ("deploy", "failed"): "failure",
    ("deploy", "rolled-back"): "failure",
    ("destroy", "destroyed"): "inactive",
}
"""State of the deployment, by operation and status of the run. Other runs don't change deployments."""


async def notify(report: Report, ci: CI, settings: Settings) -> None:
    """Update the comment on the run's pull request, and the app's deployment there, within 20 seconds.

    Each failure becomes one warning. A run without a pull request, such as a push, sends nothing.

    Args:
        report: the report of a run for one app.
        ci: the CI system of the run.
        settings: the inputs.
    """
    if report.status in {"skipped", "cancelled"}:
        return
    environment = settings.preview_environment
    text = rendered(render_comment, report, ci) if settings.comment else ""
    if not (text or environment):
        return
    about = ci.pull_request(settings.pull_request)
    if about is None:
        if ci.pull_request(1):
            ci.log.info("This run has no pull or merge request. To choose one, set `pull-request`")
        else:
            ci.log.info("`comment` and `preview-environment` have no effect outside of GitHub and GitLab")
        return
    async with Transport(ci.env) as transport, anyio.create_task_group() as tasks:
        http = RetryingClient(transport, ONCE, log=ci.log.debug)
        token = settings.code_host_tokens[about.token_input]
        # Otherwise, a warning after a successful deploy reads as if the deploy had failed.
        warn = partial(_warn, ci.log, f"The {report.what} succeeded. " if report.exit_code == 0 else "")
        host = CodeHost(http, token, ci.log, about, f"Commenting on {about.host}")
        if text:
            comment = Comment(settings.app, settings.api_key.get_secret_value(), text)
            tasks.start_soon(_try, host, warn, about.permission, partial(update_comment, host, comment))
        state = _STATES.get((report.operation, report.status))
        if environment and state and about.deployments and not report.dry_run:
            url = report.url if state == "success" and report.url and is_web_url(report.url) else ""
            log_url = report.links.get("Log", "")
            deployment = Deployment(settings.app, environment, state, url, log_url)
            host = host._replace(purpose=f"Updating the deployment on {about.host}")
            # A new deployment needs the commit, which may only be in the pull request.
            must_read = state != "inactive" and not about.commit
            permission = f"{about.reading}. {PERMISSION}" if must_read else PERMISSION
            tasks.start_soon(_try, host, warn, permission, partial(update_deployments, host, deployment))


def _warn(log: Log, result: str, problem: str) -> None:
    log.warning(f"{result}{problem}")


async def _try(
    host: CodeHost, warn: Callable[[str], None], permission: str, work: Callable[[], Awaitable[None]]
) -> None:
    """Call `work` with a time limit of 20 seconds. A failure becomes one warning."""
    if not host.token:
        name = host.about.token_input
        warn(f"{host.purpose} failed: `{name}` is not set. {permission}")
        return
    try:
        with anyio.fail_after(_TIME):
            await work()
    except RequestRejected as error:
        limit = f". {RATE_LIMIT}" if error.status == _FORBIDDEN else ""
        warn(f"{error}. {permission}{limit}")
    except DeployError as error:
        warn(str(error))
    except TimeoutError:
        warn(f"{host.purpose} failed: no response within {human_seconds(_TIME)}")
    except Exception as error:  # noqa: BLE001 - the deploy itself is done
        warn(f"{host.purpose} failed: {error!r}")

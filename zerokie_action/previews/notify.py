"""Reports a run on its pull request, as a comment and as a deployment on GitHub."""

from collections.abc import Iterator

import anyio

from zerokie_action import limits
from zerokie_action.ci import CI, PullRequest
from zerokie_action.errors import AuthenticationError, DeployError, RequestRejected
from zerokie_action.http.policy import UNTIL_DEADLINE
from zerokie_action.http.retry import RetryingClient
from zerokie_action.http.transport import Transport
from zerokie_action.inputs.settings import Settings
from zerokie_action.platform.responses import FORBIDDEN
from zerokie_action.previews.code_host import RATE_LIMIT, CodeHost
from zerokie_action.previews.comment import Comment
from zerokie_action.previews.deployments import Deployment
from zerokie_action.report.files import rendered
from zerokie_action.report.report import Report
from zerokie_action.report.summary import render_comment
from zerokie_action.text.escapes import is_web_url
from zerokie_action.text.numbers import human_seconds

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
    is_wanted = settings.comment or settings.preview_environment
    if report.status in {"skipped", "cancelled"} or not is_wanted:
        return
    about = ci.pull_request(settings.pull_request)
    if about is None:
        if ci.pull_request(1):
            ci.log.info("This run has no pull or merge request. To choose one, set `pull-request`")
        else:
            ci.log.info("`comment` and `preview-environment` need the variables of a job on GitHub or GitLab")
        return
    if not (updates := [*_updates(report, ci, settings, about)]):
        return
    # Otherwise, a warning after a successful deploy reads as if the deploy had failed.
    result = f"The {report.activity} succeeded. " if report.exit_code == 0 else ""
    token = settings.code_host_tokens[about.token_input]
    if not token:
        ci.log.warning(f"{result}Can't update {about.name}, because `{about.token_input}` is not set")
        return
    async with Transport(ci.env) as transport, anyio.create_task_group() as tasks:
        host = CodeHost(RetryingClient(transport, UNTIL_DEADLINE, log=ci.log.debug), token, ci.log)
        for update in updates:
            tasks.start_soon(_send, host, update, result)


def _updates(
    report: Report, ci: CI, settings: Settings, about: PullRequest
) -> Iterator[Comment | Deployment]:
    """Yield the comment and the deployment to send."""
    # The comment's hidden line depends on the key. A wrong key would never find the comment of the right one.
    has_key = report.exit_code != AuthenticationError.exit_code
    if settings.comment and has_key and (text := rendered(render_comment, report, ci)):
        yield Comment(about, settings.app, settings.api_key.get_secret_value(), text)
    environment, state = settings.preview_environment, _STATES.get((report.operation, report.status))
    if environment and state and about.deployments and not report.dry_run:
        url = report.url if state == "success" and report.url and is_web_url(report.url) else ""
        yield Deployment(about, settings.app, environment, state, url, report.links.get("Log", ""))


async def _send(host: CodeHost, update: Comment | Deployment, result: str) -> None:
    """Send the update, with a time limit of 20 seconds. A failure becomes one warning after `result`."""
    try:
        with anyio.fail_after(limits.PULL_REQUEST):
            await update.send(host)
            return
    except RequestRejected as error:
        limit = f". {RATE_LIMIT}" if error.status == FORBIDDEN else ""
        problem = f"{error}. {update.permission}{limit}"
    except DeployError as error:
        problem = str(error)
    except TimeoutError:
        problem = f"{update.purpose} failed: no response within {human_seconds(limits.PULL_REQUEST)}"
    except Exception as error:  # noqa: BLE001 - the deploy itself is done
        problem = f"{update.purpose} failed, because the response is not as expected ({error!r})"
    host.log.warning(f"{result}{problem}")

"""The errors of a run, each with its exit code.

`str(error)` says what failed and why, with a quotation from the platform's response if there is one. `hint`
says how to fix it. Every module can import this one, because it imports nothing from the package.
"""

# ruff: noqa: N818  the table of exit codes shows these names to users

import signal
from collections.abc import Iterator, Sequence


class DeployError(Exception):
    """The base class of all errors.

    The first line of a subclass's docstring is the exit code's description in the documents.

    Attributes:
        args: the problems, one sentence each. Usually, there is one.
        exit_code: the exit code of the process.
        run_status: the status of a run that ends with this error.
        hint: one or two sentences on how to fix the problem, or empty.
        retry_after: the seconds in the response's `Retry-After`; 0 without the header.
    """

    exit_code = 1
    run_status = "failed"
    retry_after = 0.0

    def __init__(self, *problems: str, hint: str = "") -> None:
        super().__init__(*problems)
        self.hint = hint

    def __str__(self) -> str:
        return "; ".join(self.args)

    def advise(self, advice: str) -> None:
        """Append advice that the code which raised the error can't give."""
        self.hint = f"{self.hint} {advice}".strip()


class ConfigurationError(DeployError):
    """Inputs are wrong or missing, the folder can't be deployed, or a safety check stopped the deploy."""

    exit_code = 2


class WrongInputs(ConfigurationError):
    """Inputs are wrong or missing, so the run didn't start."""


class AuthenticationError(DeployError):
    """The platform rejected the API key (401)."""

    exit_code = 3


class RequestRejected(DeployError):
    """The platform rejected a request with 400, 404 or another 4xx.

    Attributes:
        status: the HTTP status.
        response: the status and a quotation from the response, for messages.
    """

    exit_code = 4

    def __init__(self, message: str, *, status: int, response: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.response = response or f"{status}"


class NotFound(RequestRejected):
    """The platform rejected a request with 404."""


class Conflict(RequestRejected):
    """The platform rejected a request with 409."""


class PlatformUnavailable(DeployError):
    """No connection, 5xx, 429 or invalid responses for too long, or something else changed the app."""

    exit_code = 5


class LockHeld(DeployError):
    """Another deploy held the lock for longer than `lock-timeout`."""

    exit_code = 6


class LockLost(DeployError):
    """The run lost its deploy lock during the deploy.

    The run changes nothing after it notices the loss.
    """

    exit_code = 7


class DeployFailed(DeployError):
    """The app failed, another deploy replaced its image, or the folder changed during the deploy."""

    exit_code = 8


class Replaced(DeployFailed):
    """The app has another deploy's image."""

    run_status = "superseded"


class DeployTimedOut(DeployError):
    """`wait` or `timeout` expired."""

    exit_code = 9


class HealthCheckFailed(DeployError):
    """The deployed app failed its health check."""

    exit_code = 10


class Interrupted(DeployError):
    """A signal ended the run: SIGHUP 129, SIGINT 130, SIGQUIT 131, SIGTERM 143."""

    run_status = "cancelled"

    def __init__(self, signum: int, error: DeployError | None, *, hint: str) -> None:
        why = f" ({error})" if error else ""
        super().__init__(
            f"Cancelled by {signal.Signals(signum).name}{why}", hint=(error and error.hint) or hint
        )
        self.exit_code = 128 + signum


def exit_codes() -> Iterator[tuple[str, str, str]]:
    """Yield each exit code's number, class name (or empty) and description, for the documents."""
    yield "0", "", "Success."
    yield "1", "", "A bug. To see the traceback, set `log-level: debug`."
    for error in DeployError.__subclasses__():
        code = "128 + n" if error is Interrupted else str(error.exit_code)
        yield code, error.__name__, (error.__doc__ or "").partition("\n")[0]


def combine(errors: Sequence[DeployError]) -> DeployError:
    """Return the first error, with its exit code and hint, but with the problems of all errors."""
    errors[0].args = tuple(problem for error in errors for problem in error.args)
    return errors[0]


def unwrap(error: BaseException) -> BaseException:
    """Return a task group's most important error: the first `DeployError`, otherwise the first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    members = [unwrap(member) for member in error.exceptions]
    return next((member for member in members if isinstance(member, DeployError)), members[0])

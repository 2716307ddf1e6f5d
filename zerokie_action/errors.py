"""The errors of a run: subclasses of `DeployError`, each with its exit code.

`str(error)` says what happened and why, with the platform's own words if there are any; `hint` says what to
do. This module imports nothing from the package.
"""

# ruff: noqa: N818  users read these names in the table of exit codes

import signal
from collections.abc import Iterator, Sequence


class DeployError(Exception):
    """The base class. The first line of each subclass's docstring documents its exit code.

    Attributes:
        args: the problems, one sentence each; usually one.
        exit_code: the exit code of the process.
        run_status: the status of a run that ends with this error.
        hint: one or two sentences on how to fix the problem; may be empty.
        retry_after: the wait in seconds that `Retry-After` asked for; 0 without the header.
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
        """Add advice to the hint, where more is known than where the error was raised."""
        self.hint = f"{self.hint} {advice}".strip()


class ConfigurationError(DeployError):
    """Inputs are wrong or missing, the folder can't be deployed, or a check stopped the deploy."""

    exit_code = 2


class WrongInputs(ConfigurationError):
    """Inputs are wrong or missing, so the run has not begun."""


class AuthenticationError(DeployError):
    """The platform does not accept the API key (401)."""

    exit_code = 3


class RequestRejected(DeployError):
    """The platform refuses a request: 400, 404 or another 4xx.

    Attributes:
        status: the HTTP status.
        answer: the status and the answer's own words, for messages.
    """

    exit_code = 4

    def __init__(self, message: str, *, status: int, answer: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.answer = answer or f"{status}"


class PlatformUnavailable(DeployError):
    """No connection, 5xx or 429 for too long, or answers that make no sense."""

    exit_code = 5


class LockHeld(DeployError):
    """Another deploy held the lock for longer than `lock-timeout`."""

    exit_code = 6


class LockLost(DeployError):
    """The deploy lock was lost during the deploy.

    Nothing was written after the loss was noticed.
    """

    exit_code = 7


class DeployFailed(DeployError):
    """The app failed, another deploy replaced its image, or the folder changed during the deploy."""

    exit_code = 8


class Replaced(DeployFailed):
    """The app runs the image of another deploy."""

    run_status = "superseded"


class WentBack(DeployFailed):
    """The app runs the previous image again: the platform, or another deploy, went back."""


class DeployTimedOut(DeployError):
    """`wait-timeout` or `timeout` has expired."""

    exit_code = 9


class HealthCheckFailed(DeployError):
    """The deployed app does not answer as it should."""

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
    """Code, class name (empty for none) and meaning of each exit code, for the documents."""
    yield "0", "", "Done."
    yield "1", "", "A bug: `log-level: debug` shows the traceback."
    for error in DeployError.__subclasses__():
        code = "128 + n" if error is Interrupted else str(error.exit_code)
        yield code, error.__name__, (error.__doc__ or "").partition("\n")[0]


def combine(errors: Sequence[DeployError]) -> DeployError:
    """The first error, whose exit code and hint count, with the problems of all."""
    errors[0].args = tuple(problem for error in errors for problem in error.args)
    return errors[0]


def unwrap(error: BaseException) -> BaseException:
    """The most important error of a task group: the first `DeployError`, else the first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    members = [unwrap(member) for member in error.exceptions]
    return next((member for member in members if isinstance(member, DeployError)), members[0])

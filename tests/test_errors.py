"""Every error has an exit code, and is in the documented table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import DeployError, Interrupted
from zerokie_action.help import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator


def subclasses(base: type[DeployError]) -> Iterator[type[DeployError]]:
    for error in base.__subclasses__():
        yield error
        yield from subclasses(error)


def test_every_error_is_documented_with_its_exit_code() -> None:
    """The table has all classes, each with its own code. A signal decides the code of `Interrupted`."""
    documented = {name: code for code, name, _ in exit_codes() if name}
    own = {error.__name__: str(error.exit_code) for error in subclasses(DeployError)}
    assert documented == own | {"Interrupted": "128 + n"}


def test_interruptions_have_the_shells_exit_codes() -> None:
    """128 plus the signal's number."""
    assert [Interrupted(signum).exit_code for signum in (1, 2, 3, 15)] == [129, 130, 131, 143]

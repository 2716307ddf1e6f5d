"""Every error has an exit code, and is in the documented table."""

from __future__ import annotations

from zerokie_action.errors import DeployError, exit_codes


def test_every_error_is_documented_with_its_exit_code() -> None:
    """Each class has a code of its own and a meaning, and no code is hidden below another."""
    documented = {name: (code, meaning) for code, name, meaning in exit_codes() if name}
    assert len({code for code, _ in documented.values()}) == len(documented)
    assert all(meaning for _, meaning in documented.values())
    below = [hidden for error in DeployError.__subclasses__() for hidden in error.__subclasses__()]
    assert not any("exit_code" in vars(hidden) for hidden in below)

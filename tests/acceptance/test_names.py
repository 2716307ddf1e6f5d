"""Names of the apps that a run may touch."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from acceptance.names import ForbiddenAppError, leftovers, new_name, require_own


def begun(age: timedelta) -> str:
    return f"zk-acceptance-{datetime.now(UTC) - age:%y%m%d%H%M}-ab12c"


def old() -> str:
    return begun(timedelta(hours=2))


def others() -> list[str]:
    """Return names that a run must not touch at this moment."""
    return [
        "zk-acceptance",
        "production",
        "",
        begun(timedelta(minutes=50)),
        begun(timedelta(days=-1)),
        "zk-acceptance-2613010000-ab12c",  # no month
        "zk-acceptance-99999-ab12c",
        f"{old()}-x",
        f"x{old()}",
        f"{old()}\n",
        old().upper(),
        old()[:-1],
        f"{old()}/../production",
    ]


def test_new_names_are_unique_and_allowed() -> None:
    """Each name has 30 characters."""
    names = [new_name() for _ in range(100)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"zk-acceptance-[0-9]{10}-[a-z0-9]{5}", name) for name in names)
    assert {len(name) for name in names} == {30}
    assert [require_own(name) for name in names] == names
    assert leftovers(names) == []


def test_names_of_other_apps_are_refused() -> None:
    """A run can't touch them."""
    for name in others():
        with pytest.raises(ForbiddenAppError):
            require_own(name)


def test_leftovers_are_recognized_by_name() -> None:
    """Only acceptance apps that are more than an hour old are leftovers."""
    leftover = old()
    assert leftovers([*others(), leftover]) == [leftover]
    assert require_own(leftover) == leftover

"""The command, where it does not try anything."""

import re

from tests.acceptance.conftest import Acceptance
from tests.acceptance.test_names import old, others

COULD_NOT_RUN = 2


def test_a_plan_sends_nothing(acceptance: Acceptance) -> None:
    """`--plan` says where and what, and needs no key."""
    before = len(acceptance.platform.state()["requests"])
    code, said = acceptance.run("--plan", ZEROKIE_API_KEY="", ACCEPTANCE_DOMAIN="example.org")
    assert code == 0
    assert acceptance.platform.url in said
    assert "zk-<random>.example.org" in said
    assert len(acceptance.platform.state()["requests"]) == before


MISSING = [
    ({"ZEROKIE_API_KEY": ""}, "ZEROKIE_API_KEY is missing"),
    ({"ZEROKIE_API_KEY": "wrong"}, "401"),
    ({"ZEROKIE_API_URL": "http://platform.example"}, "https://"),
    ({"ZEROKIE_API_URL": "https://user@platform.example"}, "https://"),
]


def test_a_run_that_could_not_begin_says_why(acceptance: Acceptance) -> None:
    """It says what is missing, and nothing is created."""
    for env, what in MISSING:
        code, said = acceptance.run(**env)
        assert code == COULD_NOT_RUN
        assert what in said
    assert acceptance.apps() == ["production"]


def test_a_sweep_deletes_leftovers_only(acceptance: Acceptance) -> None:
    """Exactly the names of such apps, older than an hour."""
    leftover = old()
    names = [name for name in others() if re.fullmatch("zk[a-z0-9-]*", name)]  # the platform takes no others
    for name in (*names, leftover):
        acceptance.platform.create(name)
    code, said = acceptance.run("--sweep")
    assert code == 0
    assert f"{leftover}: deleted" in said
    assert acceptance.apps() == sorted([*names, "production"])

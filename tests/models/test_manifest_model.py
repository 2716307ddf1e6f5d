"""The rules for files hold in any history, and each is needed."""

import pytest

from tests.models.manifest_model import RULES, WORLDS, load, tried


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("count", [40, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_no_history_breaks_a_promise(world: str, count: int) -> None:
    """No random history breaks a promise; few have a file that is wrong for ever, where uploads land late."""
    assert [first for _, first, _ in tried(load(), count, world) if first] == []


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_stands_in_the_modules_once(rule: str) -> None:
    """Its text is in the modules, once."""
    assert load(rule) != load()


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", RULES)
def test_without_each_rule_some_history_breaks_a_promise(rule: str) -> None:
    """Without it, some history breaks a promise."""
    assert any(first for _, first, _ in tried(load(rule), 500))

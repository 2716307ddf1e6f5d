"""The rules for files that wait, are skipped and are deleted hold in any history, and each is needed."""

import pytest

from tests.models.manifest_model import RULES, tried


@pytest.mark.parametrize("count", [40, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_all_rules(count: int) -> None:
    """No random history breaks a promise."""
    assert [*tried(RULES.keys(), count)] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_needed(rule: str) -> None:
    """Without it, some history breaks a promise."""
    assert [*tried(RULES.keys() - {rule}, 500)] != []

"""Fixtures that many tests share."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support.world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _jitter() -> None:
    """The jitter of delays is the same in every run: what fails once fails always."""
    random.seed(1)


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch) as new:
        yield new

from __future__ import annotations

import pytest

from tests.files.gitoracle import Git


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    found = Git.create(tmp_path_factory.mktemp("git") / "repository")
    if found is None:
        pytest.skip("git is the reference here, and it is not installed")
    return found

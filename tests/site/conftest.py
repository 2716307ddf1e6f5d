import shutil
from pathlib import Path

import pytest

from tests.site.gitoracle import make_repository


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository without files."""
    if not shutil.which("git"):
        pytest.skip("git isn't installed, so there is no reference")
    return make_repository(tmp_path_factory.mktemp("git") / "repository")

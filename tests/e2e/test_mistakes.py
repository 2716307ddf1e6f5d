"""The mistakes of a first run, made in the image as a step of a GitHub workflow."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from tests.e2e.github import outputs, step
from tests.support.mistakes import APP, MISTAKES, SOMEBODY
from tests.support.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.engine import Image


@pytest.fixture(name="platform", scope="module")
def _platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One for all, with an empty app: of the mistakes, one changes anything."""
    platform = Platform.start(tmp_path_factory.mktemp("platform"))
    platform.create(APP)
    yield platform
    platform.stop()


@contextmanager
def lock_of_somebody(platform: Platform) -> Iterator[None]:
    """Somebody else deploys meanwhile."""
    session = {"deploy_session_id": SOMEBODY}
    platform.client.post(f"/v1/apps/{APP}/deploy/lock", json=session).raise_for_status()
    yield
    nothing = {"files_uploaded": 0, "files_deleted": 0, "total_bytes": 0}
    platform.client.post(f"/v1/apps/{APP}/deploy/finalize", json=session | nothing).raise_for_status()


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(image: Image, platform: Platform, tmp_path: Path, name: str) -> None:
    """The exit code, one annotation, and reports all the same."""
    mistake = MISTAKES[name]
    mistake.check_out(tmp_path / "checkout")
    env = step(platform, tmp_path, **{"app": APP, "directory": "dist", **mistake.inputs}) | dict(mistake.env)
    env["ZEROKIE_OUTPUT_FILE"] = "/workspace/result.json"

    with lock_of_somebody(platform) if mistake.held else nullcontext():
        run = image.run(env=env, workspace=tmp_path, options=("--workdir=/workspace/checkout",))

    assert run.code == mistake.exit_code, run.log
    assert run.log.count("::error title=Deploy failed::") == (1 if mistake.exit_code else 0)
    result = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert result["exit_code"] == mistake.exit_code
    assert outputs(tmp_path)["status"] == ("failed" if mistake.exit_code else "deployed")
    assert bool(result["error"]) == bool(mistake.exit_code)

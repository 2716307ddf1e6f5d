"""Workflows of CI and releases."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = "ghcr.io/your_org/zerokie-action@sha256:" + "5" * 64


@pytest.mark.skipif(
    "docker://" in (ROOT / "action.yml").read_text("utf-8"), reason="a release commit is not released again"
)
def test_a_release_can_pin_the_files_of_main() -> None:
    """This checkout has the lines that a release rewrites, and the release changes nothing else."""
    release = runpy.run_path(str(ROOT / ".ci" / "release.py"))
    for path in release["PINNED"]:
        before = (ROOT / path).read_text("utf-8").splitlines()
        after = release["pin"](path, "\n".join(before), IMAGE).splitlines()
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) == 1
        assert changed[0].endswith(IMAGE)


def test_developers_and_ci_run_the_same_commands() -> None:
    """`.ci/run` and the workflow have the same commands."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    by_people = re.findall(r"^ *step (.+)$", script, re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    by_ci = [step["run"] for job in jobs.values() for step in job.get("steps", []) if "run" in step]
    assert sorted(by_people) == sorted(by_ci)
    assert len(by_people) > 5

"""`.ci/run` on machines that lack some programs, with stand-ins for its steps."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("bash", "cat", "dirname", "mktemp", "rm", "sh")
ALL = ("nginx", "squid", "haproxy", "chromium", "python3.11", "rsync", "docker")
SKIPPED = ["./.ci/browser", "make browser", "make lowest", "make e2e"]
"""Steps that a machine with only `TOOLS` skips, if it has the servers for `make servers`."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the script and stand-ins for its steps, which write their names to `ran`."""
    checkout = tmp_path / "checkout"
    programs = tmp_path / "bin"
    (checkout / ".ci").mkdir(parents=True)
    programs.mkdir()
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci")
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (programs / tool).symlink_to(found)
    ran = tmp_path / "ran"
    write(programs / "make", f'echo "make $*" >>{ran}; [ "$1" != audit ] || [ ! -e {tmp_path}/broken ]')
    for script in ("servers", "browser"):
        write(checkout / ".ci" / script, f"echo ./.ci/{script} >>{ran}")
    return checkout


def write(program: Path, command: str) -> None:
    program.write_text(f"#!/bin/sh\n{command}\n", "utf-8")
    program.chmod(0o755)


def run(checkout: Path, *, code: int, ci: str = "") -> tuple[list[str], str]:
    """Run the script, and return the steps that ran with the output."""
    env = {"PATH": str(checkout.parent / "bin"), "TMPDIR": os.environ.get("TMPDIR", "/tmp"), "CI": ci}  # noqa: S108
    done = subprocess.run([checkout / ".ci" / "run"], env=env, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return (checkout.parent / "ran").read_text("utf-8").splitlines(), done.stdout


def steps() -> set[str]:
    """Return all steps of the script."""
    return set(re.findall(r"^ *step (.+)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE))


def test_a_person_without_root_skips_some_steps(checkout: Path) -> None:
    """The script names these steps with the reason, before it starts and in its last lines."""
    write(checkout.parent / "bin" / "sudo", "exit 1")
    write(checkout.parent / "bin" / "apt-get", "exit 1")
    if os.geteuid() == 0:
        (checkout.parent / "bin" / "apt-get").unlink()
    ran, output = run(checkout, code=0)
    assert not set(ran) & set(SKIPPED)
    assert {"make lint", "make lint-ci", "make audit", "make test", "make demo"} <= set(ran)
    plan, ended = output.partition("\n==> ")[0], output.rpartition("\nSkipped:\n")[2]
    for text in (plan, ended):
        assert "  make browser: Chromium is missing, and only root can install it with apt-get\n" in text
        assert "  make e2e: rsync is missing\n" in text
        assert [step for step in SKIPPED if f"  {step}: " not in text] == []
    assert ended.splitlines()[-1].startswith("The other steps passed after ")


def test_ci_skips_no_step(checkout: Path) -> None:
    """A green job must mean that every step ran."""
    ran, output = run(checkout, code=1, ci="true")
    assert not set(ran) & set(SKIPPED)
    assert set(SKIPPED) <= set(output.rpartition("\nFailed:\n")[2].splitlines())


def test_a_machine_with_everything_runs_every_step(checkout: Path) -> None:
    for name in ALL:
        write(checkout.parent / "bin" / name, "exit 0")
    ran, output = run(checkout, code=0)
    assert set(ran) == steps() | {"make tools"}
    assert output.splitlines()[-1].startswith("All passed after ")
    assert "Skip" not in output


def test_a_failure_is_listed_at_the_end(checkout: Path) -> None:
    """The other steps still run."""
    for name in ALL:
        write(checkout.parent / "bin" / name, "exit 0")
    (checkout.parent / "broken").touch()
    ran, output = run(checkout, code=1)
    assert set(ran) == steps() | {"make tools"}
    assert output.endswith("\nFailed:\nmake audit\n")

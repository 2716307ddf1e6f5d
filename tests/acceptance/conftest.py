"""Acceptance runs in their own process, environment and folder."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acceptance.__main__ import main
from tests.support.platform import API_KEY, Platform

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "acceptance"]


@dataclass(frozen=True)
class Acceptance:
    """A person with a shell in `folder`, and a platform with the app `production`."""

    platform: Platform
    folder: Path

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a run, by default with a valid key."""
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder.parent)}
        given |= {"ZEROKIE_API_URL": self.platform.url, "ZEROKIE_API_KEY": API_KEY, **env}
        command = [*COMMAND, "--patience", "5", *arguments]
        pipes: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=given, **pipes)

    def run(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Return the exit code and the output."""
        process = self.start(*arguments, **env)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def main(self, monkeypatch: pytest.MonkeyPatch, *arguments: str, **env: str) -> int:
        """Run the command in this process, and return the exit code."""
        monkeypatch.chdir(self.folder)
        for name, value in {"ZEROKIE_API_URL": self.platform.url, "ZEROKIE_API_KEY": API_KEY, **env}.items():
            monkeypatch.setenv(name, value)
        return main(["--patience", "3", *arguments])

    def until(self, process: subprocess.Popen[str], text: str) -> None:
        """Read the output until a line starts with this text."""
        assert process.stdout
        assert any(line.startswith(text) for line in process.stdout)

    @property
    def report(self) -> str:
        return (self.folder / "acceptance-report.md").read_text("utf-8")

    def rows(self, heading: str) -> dict[str, str]:
        """Return a table of the report as results or answers by the first cell."""
        part = self.report.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        cells = [row[2:-2].split(" | ") for row in re.findall(r"^\| .* \|$", part, re.MULTILINE)[2:]]
        column = 2 if heading == "Questions" else 1
        return {row[0]: row[column].strip("*` ") for row in cells}

    @property
    def results(self) -> dict[str, str]:
        return self.rows("Promises")

    @property
    def answers(self) -> dict[str, str]:
        return {name.strip("`"): answer for name, answer in self.rows("Questions").items()}

    @property
    def facts(self) -> dict[str, str]:
        """Return the answers by their questions, with `N` for numbers that depend on the machine."""
        return {
            text: re.sub(r"\b\d+(\.\d)?(s| a second)\b", r"N\2", answer)
            for text, answer in self.rows("Facts").items()
        }

    def apps(self) -> list[str]:
        return sorted(self.platform.state()["apps"])


@pytest.fixture
def acceptance(tmp_path: Path) -> Iterator[Acceptance]:
    platform = Platform.start(tmp_path / "platform", deploy_seconds=2)
    platform.create("production")
    platform.client.put("/v1/apps/production/files/index.html", content=b"live").raise_for_status()
    (tmp_path / "folder").mkdir()
    yield Acceptance(platform, tmp_path / "folder")
    platform.stop()

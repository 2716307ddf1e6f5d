"""Any other place: plain lines, whatever the stream can take."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from hypothesis import given

from tests.ci.grammar import HOSTILE, whatever_happens, workflow_commands
from zerokie_action.ci import CI, detect
from zerokie_action.ci.github import GitHub
from zerokie_action.ci.gitlab import GitLab


def test_a_log():
    """Every line is plain; a group is its title and its lines; the other parts of a problem are indented."""
    log = io.StringIO()
    ci = detect({}, log)
    ci.info("Deploy lock acquired")
    with ci.group("12 files"):
        ci.info("a.html", "b.html")
    ci.warning("careful")
    ci.error("App 'my-sit' not found", "Check the input app.")
    ci.debug("not shown")
    assert log.getvalue() == (
        "Deploy lock acquired\n"
        "12 files\n"
        "a.html\n"
        "b.html\n"
        "Warning: careful\n"
        "Error: App 'my-sit' not found\n"
        "  Check the input app.\n"
    )


def test_levels():
    """The log has what is at least as important as its level."""
    log = io.StringIO()
    for level in ("debug", "info", "warning", "error"):
        ci = detect({}, log, level)
        ci.debug("d")
        ci.info("i")
        ci.warning("w")
        ci.error("e")
    assert log.getvalue() == (
        "d\ni\nWarning: w\nError: e\ni\nWarning: w\nError: e\nWarning: w\nError: e\nError: e\n"
    )


@whatever_happens
@given(HOSTILE)
def test_no_text_is_a_command(text):
    """The log of a plain container may still be read by a runner: one line stays one harmless line."""
    log = io.StringIO()
    ci = detect({}, log, "debug")
    with ci.group(text):
        ci.debug(text)
        ci.info(text)
        ci.warning(text)
        ci.error(text, text, title=text)
    assert workflow_commands(log.getvalue()) == []
    lines = log.getvalue().split("\n")
    assert len(lines) == 6 + 1
    assert all(line.isprintable() for line in lines)


def test_secrets_are_redacted_before_anything_else():
    """A secret is found also where the log shows its characters differently."""
    log = io.StringIO()
    ci = detect({}, log)
    ci.mask("##secret\u200b##")
    ci.mask("other\tone")
    ci.info("a ##secret\u200b## b other\tone c")
    assert log.getvalue() == "a *** b *** c\n"


def test_a_stream_that_cannot_take_a_character():
    """An old terminal or a log in ASCII shows an escape instead of ending the run."""
    raw = io.BytesIO()
    ci = detect({}, io.TextIOWrapper(raw, encoding="ascii", newline=""))
    ci.info("café 日本")
    assert raw.getvalue() == b"caf\\xe9 \\u65e5\\u672c\n"


LOST_LOG = """
import os, sys
from zerokie_action.ci import detect
ci = detect({}, sys.stdout)
for _ in range(3):
    ci.info("x" * 1000)
print("alive", file=sys.stderr)
os._exit(0)
"""


def test_losing_the_log_does_not_end_the_run():
    """A reader that goes away must not keep us from releasing the lock."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", LOST_LOG], stdout=writer, stderr=subprocess.PIPE, text=True, check=True
    )
    os.close(writer)
    assert done.stderr == "alive\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal():
    """A person watches a terminal; a dumb one, or a file, is nothing to draw on."""
    terminal = Terminal()
    assert detect({}, terminal).terminal is terminal
    assert detect({"TERM": "dumb"}, terminal).terminal is None
    assert detect({}, io.StringIO()).terminal is None


@pytest.mark.parametrize(
    ("env", "adapter"),
    [
        ({}, CI),
        ({"GITHUB_ACTIONS": "false"}, CI),
        ({"GITHUB_ACTIONS": "true"}, GitHub),
        ({"GITLAB_CI": "true", "CI": "true"}, GitLab),
        ({"CI": "woodpecker"}, CI),
    ],
)
def test_detect(env, adapter):
    """The first system whose variables are there; anything else is generic."""
    assert type(detect(env, io.StringIO())) is adapter


def test_nothing_is_known_and_nothing_is_handed_on():
    """What a run belongs to is asked of GitHub and GitLab only."""
    log = io.StringIO()
    ci = detect({"CI_COMMIT_SHA": "a", "CI_REPO": "o/r"}, log)
    assert (ci.commit, ci.commit_url, ci.run_url, ci.owner.marks.is_known) == ("", "", "", False)
    ci.write_outputs({"url": "u"})
    ci.write_summary("## Done\n")
    ci.save_state({"a": "b"})
    assert log.getvalue() == ""


def test_imports_are_light():
    """Starting costs time: adapters need the standard library's small modules only."""
    modules = ", ".join(f"zerokie_action.{name}" for name in ("ci", "report.summary", "report.files"))
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"rich", "pydantic", "httpx", "anyio", "asyncio", "ssl", "shutil"}

"""The commands as processes: arguments, help, shells instead of the entrypoint, early signals."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import zerokie_action
from zerokie_action.cli import help_text
from zerokie_action.inputs.settings import INPUTS, spellings

ROOT = Path(__file__).resolve().parent.parent
ENTRYPOINT = [sys.executable, str(ROOT / "entrypoint.py")]
COMMANDS = Path(sys.executable).parent
"""The folder of the package's installed commands."""
VERSION = f"zerokie-action {zerokie_action.__version__}\n"


def run(*command: str, stdin: str = "", **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose environment has only `PATH` and these inputs."""
    env = {"PATH": os.environ["PATH"]} | {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}
    return subprocess.run(
        command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, check=False
    )


# --- shells instead of the entrypoint


@pytest.mark.parametrize(
    ("command", "stdin", "code", "output"),
    [
        (["sh", "-c", "echo $((20 + 3)); exit 7"], "", 7, "23\n"),
        (["bash", "-c", 'printf "%s\n" "$@"', "-", "a b", "--help"], "", 0, "a b\n--help\n"),
        (["/bin/sh", "-e"], "echo piped\nfalse\necho not here\n", 1, "piped\n"),
        (["cat"], "piped\n", 0, "piped\n"),
    ],
)
def test_a_shell_as_argument_replaces_the_entrypoint(
    command: list[str], stdin: str, code: int, output: str
) -> None:
    """GitLab and Jenkins start the image with their own command and pipe their script into it."""
    seen = run(*ENTRYPOINT, *command, stdin=stdin)
    assert (seen.returncode, seen.stdout, seen.stderr) == (code, output, "")


def test_the_shell_has_the_same_process_id_and_the_usual_signals() -> None:
    """A signal to the container reaches the shell and has its default effect."""
    script = "echo $$; kill -TERM $$; echo not here"
    with subprocess.Popen([*ENTRYPOINT, "sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate()
    assert (output, process.returncode) == (f"{process.pid}\n", -signal.SIGTERM)


# --- help and version


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ([*ENTRYPOINT, "--version"], VERSION),
        ([*ENTRYPOINT, "-h"], help_text() + "\n"),
        ([*ENTRYPOINT, "cleanup", "--help"], help_text() + "\n"),
    ],
    ids=["version", "entrypoint.py", "entrypoint.py cleanup"],
)
def test_help_and_version_need_no_input(command: list[str], text: str) -> None:
    seen = run(*command)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, text, "")


def test_help_shows_all_inputs_and_exit_codes() -> None:
    """Inputs have their defaults."""
    text = help_text()
    assert all(name in text for name in spellings("api_key"))
    names = re.findall(r"^  ([a-z-]+)(?: .*)?$", text, re.MULTILINE)
    assert names == [name.replace("_", "-") for name in INPUTS]
    assert re.findall(r"^  (\d+)", text, re.MULTILINE) == [*map(str, range(11)), "128"]
    assert "\n  app (required)\n" in text
    assert "\n  lock-timeout (default: 10m)\n" in text


# --- first contact


def test_missing_dependencies_cause_an_error_of_one_line() -> None:
    """In a new checkout, the error has the command to run and no traceback."""
    seen = run(sys.executable, "-S", "entrypoint.py", "--help")
    assert (seen.returncode, seen.stdout) == (2, "")
    assert re.fullmatch(
        r"Error: \w+ is not installed: run `make setup` in the checkout, then "
        r"`\.venv/bin/python entrypoint\.py`, or `pip install \.` into an environment of your own\n",
        seen.stderr,
    )


def test_an_old_python_causes_an_error_of_one_line() -> None:
    """The check precedes imports that an old Python can't parse."""
    program = (
        "import runpy, sys; sys.version_info = (3, 10, 13); sys.version = '3.10.13 (main)';"
        "sys.modules['zerokie_action'] = None; runpy.run_path('entrypoint.py', run_name='__main__')"
    )
    seen = run(sys.executable, "-c", program)
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr == "Error: Python 3.11 or newer is needed; this is 3.10.13\n"


# --- other arguments


def test_an_argument_is_exit_2_and_its_value_is_not_shown(tmp_path: Path) -> None:
    """The value may be a secret. The error is on stderr and in the result."""
    seen = run(*ENTRYPOINT, "--api-key=hunter2", "more", app="site", report_dir=str(tmp_path))
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr.startswith(
        "Error: Unknown argument '--api-key'. "
        "Set inputs as environment variables, such as `app` (ZEROKIE_APP). `--help` lists all inputs\n"
        "Error: `api-key` is required"
    )
    document = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert (document["status"], document["exit_code"], document["app"]) == ("failed", 2, "site")
    assert document["error"].startswith("Unknown argument '--api-key'. Set inputs")


@pytest.mark.parametrize("command", [ENTRYPOINT, [str(COMMANDS / "zerokie-cleanup")]])
def test_no_module_of_the_working_directory_is_imported(tmp_path: Path, command: list[str]) -> None:
    """Another person may control the module, and the environment has the key."""
    for name in ("anyio", "certifi", "httpx", "json", "pathspec", "pydantic", "zerokie_action"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w')\n")
    env = {"PATH": os.environ["PATH"], "ZEROKIE_API_KEY": "key", "ZEROKIE_STATE_FILE": "state.json"}
    (tmp_path / "state.json").write_text('{"app": "site", "session": "s"}')
    env["ZEROKIE_API_URL"] = "ftp://api.example.com"
    seen = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert b"isn't the URL of an API" in seen.stdout
    assert not (tmp_path / "imported").exists()


# --- an unusable log


@pytest.mark.parametrize("log", [">&- 2>&-", "| true; exit ${PIPESTATUS[0]}"])
def test_an_unusable_log_does_not_change_the_exit_code(tmp_path: Path, log: str) -> None:
    """The log is closed, or a pipe without a reader. The run still writes its reports."""
    seen = run("bash", "-c", f"{shlex.join(ENTRYPOINT)} {log}", app="site", report_dir=str(tmp_path))
    assert (seen.returncode, seen.stderr) == (2, "")
    assert json.loads((tmp_path / "result.json").read_text("utf-8"))["exit_code"] == 2


# --- early signals

SIGNAL_WHILE_IMPORTING = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {signum})
            os.kill(os.getpid(), {second})
sys.meta_path.insert(0, Finder())
from zerokie_action.cli import {command}
{command}()
"""


def test_a_signal_during_the_imports_cancels_the_run(tmp_path: Path) -> None:
    """The first signal decides. Exit code, log and result show it, and the run sends nothing."""
    (tmp_path / "index.html").touch()
    program = SIGNAL_WHILE_IMPORTING.format(module="pydantic", signum=1, second=15, command="deploy")
    with closing(socket.create_server(("127.0.0.1", 0))) as platform:
        url = f"http://127.0.0.1:{platform.getsockname()[1]}"
        inputs = {"api_key": "k", "api_url": url, "app": "site", "directory": f"{tmp_path}"}
        seen = run(sys.executable, "-c", program, **inputs, report_dir=f"{tmp_path}")
        platform.settimeout(0)
        with pytest.raises(BlockingIOError):
            platform.accept()
    assert (seen.returncode, seen.stderr) == (129, "")
    assert "Cancelled by SIGHUP" in seen.stdout
    result = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert (result["status"], result["exit_code"], result["error"]) == (
        "cancelled",
        129,
        "Cancelled by SIGHUP",
    )


def test_the_lock_cleanup_always_ends_with_0() -> None:
    """A wrong argument in an `after_script`, or an early signal, must not prevent the release."""
    program = SIGNAL_WHILE_IMPORTING.format(module="anyio", signum=15, second=2, command="cleanup")
    seen = run(sys.executable, "-c", program, "--app", "site")
    assert (seen.returncode, seen.stderr) == (0, "")
    assert seen.stdout == ("Cleanup: found no deploy lock to release in '.zerokie-state.json'\n")


def test_signals_that_the_caller_ignores_stay_ignored() -> None:
    """`nohup` ignores SIGHUP, and shells ignore SIGQUIT for background jobs."""
    program = SIGNAL_WHILE_IMPORTING.format(module="anyio", signum=1, second=3, command="deploy")
    command = shlex.join([sys.executable, "-c", program])
    assert run("sh", "-c", f"trap '' HUP QUIT; exec {command}").returncode == 2

"""The commands as processes: arguments, help, shells in the entrypoint's place, signals at the start."""

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
"""Where the package's commands are installed."""
VERSION = f"zerokie-action {zerokie_action.__version__}\n"


def run(*command: str, stdin: str = "", **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing in its environment but the path and these inputs."""
    env = {"PATH": os.environ["PATH"]} | {f"ZEROKIE_{name.upper()}": text for name, text in inputs.items()}
    return subprocess.run(
        command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, check=False
    )


# --- shells in the entrypoint's place


@pytest.mark.parametrize(
    ("command", "stdin", "code", "output"),
    [
        (["sh", "-c", "echo $((20 + 3)); exit 7"], "", 7, "23\n"),
        (["bash", "-c", 'printf "%s\n" "$@"', "-", "a b", "--help"], "", 0, "a b\n--help\n"),
        (["/bin/sh", "-e"], "echo piped\nfalse\necho not here\n", 1, "piped\n"),
        (["cat"], "piped\n", 0, "piped\n"),
    ],
)
def test_shells_take_the_entrypoints_place(command: list[str], stdin: str, code: int, output: str) -> None:
    """GitLab and Jenkins start the image with a command line of their own, and pipe their script in."""
    seen = run(*ENTRYPOINT, *command, stdin=stdin)
    assert (seen.returncode, seen.stdout, seen.stderr) == (code, output, "")


def test_the_shell_has_the_process_id_and_the_usual_signals() -> None:
    """It has the process' ID, so that signals reach it and its handlers are the usual ones."""
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
    """All inputs with their defaults, all exit codes."""
    text = help_text()
    assert all(name in text for name in spellings("api_key"))
    names = re.findall(r"^  ([a-z-]+)(?: .*)?$", text, re.MULTILINE)
    assert names == [name.replace("_", "-") for name in INPUTS]
    assert re.findall(r"^  (\d+)", text, re.MULTILINE) == [*map(str, range(11)), "128"]
    assert "\n  app (required)\n" in text
    assert "\n  lock-timeout (default: 10m)\n" in text


# --- first contact


def test_missing_dependencies_are_one_line() -> None:
    """A fresh checkout: one line that says what to run, and no traceback."""
    seen = run(sys.executable, "-S", "entrypoint.py", "--help")
    assert (seen.returncode, seen.stdout) == (2, "")
    assert re.fullmatch(
        r"Error: \w+ is not installed: run `make setup` in the checkout, then "
        r"`\.venv/bin/python entrypoint\.py`, or `pip install \.` into an environment of your own\n",
        seen.stderr,
    )


def test_an_old_python_is_one_line() -> None:
    """One line as well, before anything is imported that an old Python can't read."""
    program = (
        "import runpy, sys; sys.version_info = (3, 10, 13); sys.version = '3.10.13 (main)';"
        "sys.modules['zerokie_action'] = None; runpy.run_path('entrypoint.py', run_name='__main__')"
    )
    seen = run(sys.executable, "-c", program)
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr == "Error: Python 3.11 or newer is needed; this is 3.10.13\n"


# --- other arguments


def test_an_argument_is_exit_2_and_not_shown(tmp_path: Path) -> None:
    """Exit code 2, on stderr; the result is written; a value, which may be a secret, shows nowhere."""
    result = tmp_path / "result.json"
    seen = run(*ENTRYPOINT, "--api-key=hunter2", "more", app="site", output_file=str(result))
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr.startswith(
        "Error: Unknown argument '--api-key'. "
        "Set inputs as environment variables, such as `app` (ZEROKIE_APP). `--help` lists all inputs\n"
        "Error: `api-key` is required"
    )
    document = json.loads(result.read_text("utf-8"))
    assert (document["status"], document["exit_code"], document["app"]) == ("failed", 2, "site")
    assert document["error"].startswith("Unknown argument '--api-key'. Set inputs")


@pytest.mark.parametrize("command", [ENTRYPOINT, [str(COMMANDS / "zerokie-cleanup")]])
def test_no_module_of_the_working_directory_is_imported(tmp_path: Path, command: list[str]) -> None:
    """It may be somebody else's, and the key is in the environment."""
    for name in ("anyio", "certifi", "httpx", "json", "pathspec", "pydantic", "zerokie_action"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w')\n")
    env = {"PATH": os.environ["PATH"], "ZEROKIE_API_KEY": "key", "ZEROKIE_STATE_FILE": "state.json"}
    (tmp_path / "state.json").write_text('{"app": "site", "session": "s"}')
    env["ZEROKIE_API_URL"] = "ftp://api.example.com"
    seen = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert b"isn't the URL of an API" in seen.stdout
    assert not (tmp_path / "imported").exists()


# --- a log that nobody reads


@pytest.mark.parametrize("log", [">&- 2>&-", "| true; exit ${PIPESTATUS[0]}"])
def test_the_exit_code_is_not_about_the_log(tmp_path: Path, log: str) -> None:
    """Closed, full, or a pipe without a reader: the code is the contract's, and the reports are written."""
    result = tmp_path / "result.json"
    seen = run("bash", "-c", f"{shlex.join(ENTRYPOINT)} {log}", app="site", output_file=str(result))
    assert (seen.returncode, seen.stderr) == (2, "")
    assert json.loads(result.read_text("utf-8"))["exit_code"] == 2


# --- signals at the start

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


def test_a_signal_while_importing_is_a_cancelled_run(tmp_path: Path) -> None:
    """The run ends as cancelled by the first signal, says so everywhere, and has sent nothing."""
    (tmp_path / "index.html").touch()
    report = tmp_path / "result.json"
    program = SIGNAL_WHILE_IMPORTING.format(module="pydantic", signum=1, second=15, command="deploy")
    with closing(socket.create_server(("127.0.0.1", 0))) as platform:
        url = f"http://127.0.0.1:{platform.getsockname()[1]}"
        inputs = {"api_key": "k", "api_url": url, "app": "site", "directory": f"{tmp_path}"}
        seen = run(sys.executable, "-c", program, **inputs, output_file=f"{report}")
        platform.settimeout(0)
        with pytest.raises(BlockingIOError):
            platform.accept()
    assert (seen.returncode, seen.stderr) == (129, "")
    assert "Cancelled by SIGHUP" in seen.stdout
    result = json.loads(report.read_text("utf-8"))
    assert (result["status"], result["exit_code"], result["error"]) == (
        "cancelled",
        129,
        "Cancelled by SIGHUP",
    )


def test_the_cleanup_ends_with_0_whatever_comes() -> None:
    """A slip in an `after_script`, or a signal while it starts, must not cost a lock."""
    program = SIGNAL_WHILE_IMPORTING.format(module="anyio", signum=15, second=2, command="cleanup")
    seen = run(sys.executable, "-c", program, "--app", "site")
    assert (seen.returncode, seen.stderr) == (0, "")
    assert seen.stdout == ("Cleanup: found no deploy lock to release (`state-file` is not set)\n")


def test_signals_that_the_caller_ignores_stay_ignored() -> None:
    """What ignores the end of the terminal, or the quit key as a background job, goes on."""
    program = SIGNAL_WHILE_IMPORTING.format(module="anyio", signum=1, second=3, command="deploy")
    command = shlex.join([sys.executable, "-c", program])
    assert run("sh", "-c", f"trap '' HUP QUIT; exec {command}").returncode == 2

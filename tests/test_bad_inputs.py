"""Wrong inputs, as users give them: each has its exit code, and a sentence that names the fix."""
# ruff: noqa: E501  a mistake a line, with sentences that are expected word for word

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ci.grammar import file_command, workflow_commands
from tests.sandbox.process import sandbox
from tests.support.schema import check_result
from tests.support.world import API_KEY
from zerokie_action.environment import Environment
from zerokie_action.validation import path_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.support.world import Outcome, World

ROOT = Path(__file__).resolve().parent.parent
SECRET = "hunter2"  # noqa: S105
MEMORY = "/dev/shm"  # noqa: S108 - below /dev, and yet a folder of files
IMAGE: dict[str, object] = {"image": "nginx:2", "app": "web"}
REPORTS = {"GITHUB_OUTPUT": "output", "GITHUB_STATE": "state", "GITHUB_STEP_SUMMARY": "summary"}


@dataclass(frozen=True)
class Bad:
    """One mistake.

    Attributes:
        says: what the log must tell the user.
        inputs: what differs from a deploy that would succeed.
        prepare: what differs in the folder.
    """

    name: str
    says: str
    inputs: dict[str, object] = field(default_factory=dict)
    code: int = 2
    prepare: Callable[[World], object] = lambda _world: None

    def __str__(self) -> str:
        return self.name


def a_file_instead_of_the_folder(world: World) -> None:
    shutil.rmtree(world.folder)
    world.folder.write_text("x")


def a_closed_file(world: World) -> None:
    (world.folder / "secret.txt").touch(0)


def a_socket(world: World) -> None:
    here = Path.cwd()
    os.chdir(world.folder)  # a socket's path has to be short
    try:
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind("sock")
    finally:
        os.chdir(here)


def link(name: str, target: str) -> Callable[[World], None]:
    return lambda world: (world.folder / name).symlink_to(target)


def key(name: str) -> Callable[[World], object]:
    return lambda world: (world.folder / name).write_text("-----BEGIN RSA PRIVATE KEY-----\n")


BAD = [
    # --- missing, too much, contradicting
    Bad("no app", "`app` is required: set it to the app's name", {"app": None}),
    Bad("no key", "`api-key` is required: write `api-key: ${{ secrets.ZEROKIE_API_KEY }}`, and store", {"api_key": None}),
    Bad("neither", "one of `image` and `directory` is required", {"directory": None}),
    Bad("both", "`image` (ZEROKIE_IMAGE) and `directory` (ZEROKIE_DIRECTORY) are both set: deploy one of them", {"image": "nginx", "directory": "dist"}),
    Bad("restart with image", "only `operation: deploy` takes that; leave it out", {"operation": "restart", "image": "n"}),
    Bad("half of the credentials", "`registry-password` missing: give all three registry inputs or none", IMAGE | {"registry_server": "ghcr.io", "registry_username": "me"}),
    Bad("a password alone", "`registry-server`, `registry-username` missing", IMAGE | {"registry_password": SECRET}),
    Bad("domains of an image", "the platform has custom domains for static apps only", IMAGE | {"domains": ["www.example.com"]}),
    # --- values
    Bad("operation", "`operation` (ZEROKIE_OPERATION): '::error::x' should be 'deploy', 'restart' or 'destroy'", {"operation": "::error::x"}),
    Bad("duration", "`timeout` (ZEROKIE_TIMEOUT): 'soon' is not a duration; write for example 90, 90s, 5m or 1h30m", {"timeout": "soon"}),
    Bad("flag", "`create` (ZEROKIE_CREATE): 'maybe' is neither true nor false; write true or false", {"create": "maybe"}),
    Bad("number", "`concurrency` (ZEROKIE_CONCURRENCY): '0' should be greater than or equal to 1", {"concurrency": "0"}),
    Bad("log level", "`log-level` (ZEROKIE_LOG_LEVEL): 'loud' should be 'debug', 'info', 'warning' or 'error'", {"log_level": "loud"}),
    Bad("heartbeat", "`lock-heartbeat` (ZEROKIE_LOCK_HEARTBEAT): '30m' should be less than or equal to 900 s", {"lock_heartbeat": "30m"}),
    Bad("http", "would send the API key unencrypted; use https", {"api_url": "http://api.example.com"}),
    Bad("no URL", "`api-url` (ZEROKIE_API_URL): the value is not a URL; write for example https://", {"api_url": f"me:{SECRET}@host"}),
    Bad("URL with password", "leave user, query and fragment out", {"api_url": f"https://me:{SECRET}@host"}),
    Bad("URL that leads elsewhere", "`api-url` (ZEROKIE_API_URL): the value's path has an empty, `.` or `..` segment; write the path without it", {"api_url": "https://host/a/../b"}),
    Bad("URL with a bad escape", "without two hex digits; write", {"api_url": "https://host/%zz"}),
    Bad("key with a prefix", "`api-key` (ZEROKIE_API_KEY): the value holds white space", {"api_key": f"Bearer {SECRET}"}),
    Bad("key of two lines", "`api-key` (ZEROKIE_API_KEY): the value holds white space", {"api_key": f"{SECRET}\n{SECRET}"}),
    Bad("unexpanded key", "`api-key` (ZEROKIE_API_KEY): the value is a variable that was not expanded", {"api_key": "$ZEROKIE_KEY"}),
    Bad("unexpanded app", "looks like a variable that was not expanded", {"app": "site-${{ github.event.number }}"}),
    Bad("unexpanded app to destroy", "looks like a variable that was not expanded; check how the workflow sets it", {"app": "site-$CI_COMMIT_REF_SLUG", "operation": "destroy"}),
    Bad("app that leads elsewhere", "'..' can't be an app's name", {"app": "..", "operation": "destroy"}),
    Bad("image without tag", "'nginx:' ends in ':'; is the variable for what should follow empty?", IMAGE | {"image": "nginx:"}),
    Bad("env", "`env` (ZEROKIE_ENV): item 1 is not KEY=VALUE; write one per line", IMAGE | {"env": SECRET}),
    Bad("a URL as domain", "is not a domain; write one name per line, such as www.example.com", {"domains": ["https://www.example.com"]}),
    Bad("health check", "`health-check` (ZEROKIE_HEALTH_CHECK): the value is neither a path that starts with / nor a URL", {"health_check": "ok"}),
    Bad("ignore pattern", "`ignore` (ZEROKIE_IGNORE) line 1", {"ignore": ["[z-"]}),
    Bad("keep pattern", "`keep` (ZEROKIE_KEEP) line 1", {"keep": ["[z-"]}),
    Bad("a set that git reads in another way", "`keep` (ZEROKIE_KEEP) line 2: the pattern 'a[!b]' has a negated set", {"keep": ["x", "a[!b]"]}),
    Bad("keep of exceptions only", "`keep` (ZEROKIE_KEEP) keeps nothing: a pattern with `!` only makes an exception", {"keep": ["!/uploads/", "!*.txt"]}),
    Bad("comma in a pattern", "`keep` (ZEROKIE_KEEP): 'a/,b/' has a comma; write one pattern a line", {"keep": "a/,b/"}),
    Bad("apex domain", "'example.com' is an apex domain, which the platform does not support", {"domains": ["example.com"]}),
    Bad("limit in words", "`max-deletes` (ZEROKIE_MAX_DELETES): 'few' should be a valid integer, unable to parse string as an integer", {"max_deletes": "few"}),
    Bad("limit for an image", "`max-deletes` (ZEROKIE_MAX_DELETES): the deploy of an image deletes no files", IMAGE | {"max_deletes": 1}),
    Bad("pull request by its URL", "`pull-request` (ZEROKIE_PULL_REQUEST): 'https://a/b/pull/1' should be a valid integer, unable to parse string as an integer", {"pull_request": "https://a/b/pull/1"}),
    Bad("name that is nearly an input's", "ZEROKIE_DRYRUN is not an input, but nearly `dry-run`; set ZEROKIE_DRY_RUN, or remove it", {"dryrun": "true"}),
    # --- key files
    Bad("missing key file", "`api-key-file` (ZEROKIE_API_KEY_FILE): 'no.txt' can't be read (No such file or directory)", {"api_key": None, "api_key_file": "no.txt"}),
    Bad("key and key file", "`api-key` (ZEROKIE_API_KEY) and `api-key-file` (ZEROKIE_API_KEY_FILE) are both set; keep one of them", {"api_key_file": "key.txt"}, prepare=lambda _world: Path("key.txt").write_text(SECRET)),
    Bad("key with a prefix in a file", "`api-key` (ZEROKIE_API_KEY_FILE): the value holds white space", {"api_key": None, "api_key_file": "key.txt"}, prepare=lambda _world: Path("key.txt").write_text(f"Bearer {SECRET}")),
    Bad("path for a key", "the value is the path of a file; set `api-key-file` to it, and not `api-key`", {"api_key": "key.txt"}, prepare=lambda _world: Path("key.txt").touch()),
    Bad("password and its file", "`registry-password` (ZEROKIE_REGISTRY_PASSWORD) and `registry-password-file` (ZEROKIE_REGISTRY_PASSWORD_FILE) are both set", IMAGE | {"registry_server": "ghcr.io", "registry_username": "me", "registry_password": SECRET, "registry_password_file": "no.txt"}),
    # --- places
    Bad("report in a missing folder", "the folder 'no/such' does not exist; create it first", {"summary_file": "no/such/s.md"}),
    Bad("report to a folder", "is a folder; give the path of a file", {"annotations_file": "/"}),
    Bad("state in a missing folder", "`state-file` (ZEROKIE_STATE_FILE): the folder 'no' does not exist", {"state_file": "no/state.json"}),
    Bad("one file for two", "are the same file; give each its own", {"summary_file": "report.md", "state_file": "report.md"}),
    Bad("no ignore file", "`ignore-file` (ZEROKIE_IGNORE_FILE): '.deployignore' is neither in `directory` nor in the working directory", {"ignore_file": ".deployignore"}),
    Bad("a folder as ignore file", "assets' is not a file; name a text file", {"ignore_file": "assets"}),
    # --- the folder
    Bad("no folder", "`directory` (ZEROKIE_DIRECTORY): 'dist' does not exist; the working directory is empty: check out the repository", {"directory": "dist"}),
    Bad("the host's folder", "the action's container has the workspace at '/github/workspace': give the path relative to it", {"directory": "/home/runner/work/repo/repo/dist"}),
    Bad("a file", "is not a directory; name the one that holds the files", prepare=a_file_instead_of_the_folder),
    Bad("empty folder", "has nothing to deploy: there is no file in it", prepare=lambda world: world.write({})),
    Bad("all ignored", "has nothing to deploy: all that is in it is ignored", {"ignore": ["*"]}),
    Bad("unreadable file", "'secret.txt' cannot be read (Permission denied); make it readable or add it to `ignore`", prepare=a_closed_file),
    Bad("FIFO", "'fifo' is a FIFO, not a file; remove it or add it to `ignore`", prepare=lambda world: os.mkfifo(world.folder / "fifo")),
    Bad("socket", "'sock' is a socket, not a file; remove it or add it to `ignore`", prepare=a_socket),
    Bad("link that leaves", "is a symbolic link that leaves the directory (to '/etc/passwd')", prepare=link("p", "/etc/passwd")),
    Bad("link to a parent", "is a symbolic link to a directory that it is itself in", prepare=link("assets/up", "..")),
    Bad("link to itself", "'me' is a symbolic link that leads nowhere", prepare=link("me", "me")),
    Bad("dangling link", "'gone' is a symbolic link that leads nowhere", prepare=link("gone", "nowhere")),
    Bad("private key", "'assets/a.pem' begins as a private key; remove it or add it to `ignore`, or add `!/assets/a.pem` to publish it", prepare=key("assets/a.pem")),
    Bad("name that is not UTF-8", "has a name that is not UTF-8; rename it or add it to `ignore`", prepare=lambda world: Path(os.fsdecode(os.fsencode(world.folder) + b"/caf\xe9")).touch()),
    # --- the platform
    Bad("wrong key", "Check that the secret behind `api-key` holds a current key", {"api_key": SECRET}, code=3),
    Bad("unknown app", "App 'sitee' was not found", {"app": "sitee"}, code=4),
    Bad("close match", "Did you mean 'site'?", {"app": "sit"}, code=4),
    Bad("how to create", "or set `create: true` to create it", {"app": "another"}, code=4),
    Bad("image for a static app", "is a static app; `image` is for container apps", {"image": "nginx:2", "app": "site"}),
    Bad("folder for a container app", "is a container app; `directory` is for static apps", {"app": "web"}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _on_github(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of GitHub's, so that every kind of output is there."""
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    world.platform.apps.create_container("web", image="nginx:1", port=80)
    world.env |= {name: str(tmp_path / "job" / file) for name, file in REPORTS.items()}
    world.env |= {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace"}


@pytest.fixture(autouse=True)
def _nobody_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read every file, so the question whether `secret.txt` can be read is answered for it."""
    access = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, *mode, **options: "secret.txt" not in str(path) and access(path, *mode, **options),
    )


def everything_written(outcome: Outcome) -> str:
    """The log without its masks, and all reports."""
    log = re.sub(r"(?m)^::add-mask::.*\n", "", outcome.log)
    reports = [path for path in sorted(Path.cwd().iterdir()) if path.name != "key.txt"]
    return log + "".join(path.read_text("utf-8") for path in reports)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_inputs(world: World, bad: Bad) -> None:
    """The exit code, the fix, the outputs; and nothing has changed anywhere."""
    bad.prepare(world)
    before = (world.platform.apps.list(), world.stored())

    outcome = world.run(**{"dotenv_file": "deploy.env", "log_level": "debug"} | bad.inputs)

    assert outcome.exit_code == bad.code, outcome.log
    assert bad.says in outcome.log
    errors = [command for command in workflow_commands(outcome.log) if command.name == "error"]
    assert any(bad.says in error.data for error in errors)
    written = everything_written(outcome)
    assert "Traceback" not in written
    assert SECRET not in written
    assert API_KEY not in written

    assert [record for record in outcome.requests if record.method != "GET"] == []
    assert world.platform.lock("site") is None
    assert (world.platform.apps.list(), world.stored()) == before
    assert not Path("state").exists()

    check_result(outcome.outputs)
    assert (outcome.outputs["status"], outcome.outputs["exit_code"]) == ("failed", bad.code)
    assert outcome.outputs["error"]
    outputs = file_command(Path("output").read_text("utf-8"))
    assert (outputs["status"], outputs["error"]) == ("failed", outcome.outputs["error"])
    assert workflow_commands(Path("summary").read_text("utf-8")) == []
    dotenv = dict(line.split("=", 1) for line in Path("deploy.env").read_text("utf-8").splitlines())
    assert dotenv["ZEROKIE_STATUS"] == "failed"
    assert all(re.fullmatch(r"ZEROKIE_[A-Z_]+", name) for name in dotenv)


def test_there_is_a_bad_input_for_everything_that_comes_to_mind() -> None:
    """No name is used twice, so that each mistake has a test of its own."""
    assert len({bad.name for bad in BAD}) == len(BAD) >= 40


@pytest.mark.parametrize("name", ["output_file", "dotenv_file", "summary_file", "annotations_file"])
def test_a_report_that_cannot_be_written_does_not_stop_the_others(world: World, name: str) -> None:
    """What has a place of its own is written there, and no folder is made behind the user's back."""
    files = {file: f"{file}.txt" for file in ("dotenv_file", "summary_file", "annotations_file")}
    world.env["INPUT_" + name.upper()] = "missing/file"

    outcome = world.run(**files)

    assert outcome.exit_code == 2
    assert "the folder 'missing' does not exist; create it first or choose another path" in outcome.log
    assert outcome.requests == []
    assert not Path("missing").exists()
    assert file_command(Path("output").read_text("utf-8"))["status"] == "failed"
    written = {file.stem for file in Path().glob("*_file.txt")}
    assert written == set(files) - {name}
    assert bool(outcome.outputs) is (name != "output_file")


def test_a_run_that_is_skipped_reports_as_well(world: World) -> None:
    """So a report that has no place is a mistake there, too."""
    skipped = {"api_key": None, "skip_without_key": True}
    outcome = world.run(**skipped, dotenv_file="deploy.env")
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "skipped")
    outcome = world.run(**skipped, dotenv_file="missing/deploy.env")
    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "failed")
    assert "the folder 'missing' does not exist" in outcome.log


@pytest.mark.parametrize(
    ("one", "other", "wrong"),
    [
        (f"{MEMORY}/x.json", f"/dev/..{MEMORY}/x.json", True),
        ("r.json", "./r.json", True),
        ("link", "r.json", True),
        (f"{MEMORY}/x.json", f"{MEMORY}/y.json", False),
        ("/dev/stdout", "/dev/stdout", False),
        ("/dev/fd/1", "/dev/stdout", False),
        ("/dev/null", "/dev/null", False),
    ],
)
def test_what_two_reports_can_share(one: str, other: str, wrong: bool) -> None:  # noqa: FBT001 - expected
    """A stream gets one after the other; a file has room for one, wherever it is."""
    Path("r.json").touch()
    Path("link").symlink_to("r.json")
    written = {"output_file": Path(one), "state_file": Path(other)}
    problems = list(path_problems({}, written, Environment({})))
    expected = "`output-file` and `state-file` are the same file; give each its own"
    assert problems == ([expected] if wrong else [])


def test_all_problems_are_annotated_one_by_one(world: World) -> None:
    """A run with several mistakes shows each of them, and the way on once."""
    outcome = world.run(app="a b", create="maybe", timeout="soon")
    app, create, timeout = (
        command.data for command in workflow_commands(outcome.log) if command.name == "error"
    )
    assert (
        app
        == "`app` (ZEROKIE_APP): 'a b' can't be an app's name: no white space, slashes or control characters"
    )
    assert create == "`create` (ZEROKIE_CREATE): 'maybe' is neither true nor false; write true or false"
    assert timeout.splitlines() == [
        "`timeout` (ZEROKIE_TIMEOUT): 'soon' is not a duration; write for example 90, 90s, 5m or 1h30m",
        "Nothing was sent to the platform. Correct the inputs and run again.",
    ]


# --- the same as a user sees it: a process, a shell, another process as platform


@pytest.fixture(name="platform", scope="module")
def _platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with sandbox("--data", str(tmp_path_factory.mktemp("platform"))) as client:
        client.post("/v1/apps", json={"name": "site", "type": "static"}).raise_for_status()
        yield client


@pytest.mark.parametrize(
    ("inputs", "code", "says"),
    [
        ({"APP": ""}, 2, "Error: `app` is required: set it to the app's name\n"),
        (
            {"API_KEY": "hunter2"},
            3,
            "  Check that the secret behind `api-key` holds a current key",
        ),
        ({"APP": "sitee"}, 4, "Did you mean 'site'?\n  Correct `app`, or set `create: true` to create it.\n"),
        (
            {"DIRECTORY": "dist"},
            2,
            "'dist' does not exist; did you mean 'public'?",
        ),
    ],
)
def test_in_a_shell(
    platform: httpx.Client, tmp_path: Path, inputs: dict[str, str], code: int, says: str
) -> None:
    """The exit code and the log of a real process; the JSON result says the same."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("<h1>hello</h1>")
    given = {
        "API_KEY": "k",
        "API_URL": str(platform.base_url),
        "APP": "site",
        "DIRECTORY": "public",
        "OUTPUT_FILE": "r.json",
    }
    env = {"PATH": os.environ["PATH"]} | {f"ZEROKIE_{name}": text for name, text in (given | inputs).items()}

    run = subprocess.run(
        [sys.executable, ROOT / "entrypoint.py"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (code, ""), run.stdout
    assert says in run.stdout
    assert "Traceback" not in run.stdout
    assert "hunter2" not in run.stdout
    result = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (result["status"], result["exit_code"]) == ("failed", code)
    assert platform.get("/v1/apps/site/files").json() == []


def test_a_report_that_has_no_room(world: World) -> None:
    """The deploy is done; the exit code says that not everything is, and the JSON result says the same."""
    outcome = world.run(dotenv_file="/dev/full")
    problem = "`dotenv-file`: '/dev/full' can't be written (No space left on device)"
    assert outcome.exit_code == outcome.outputs["exit_code"] == 2
    assert (outcome.outputs["status"], outcome.outputs["error"]) == ("deployed", problem)
    assert problem in outcome.log
    told = file_command(Path("output").read_text("utf-8"))
    assert (told["status"], told["error"]) == ("deployed", problem)
    assert "'/dev/full' can't be written" in Path("summary").read_text("utf-8")


def test_what_the_dotenv_file_has_no_room_for_is_named(world: World) -> None:
    """GitLab would refuse the whole file; the job goes on without the output, and says so."""
    domains = [f"{number}.{'a' * 60}.{'b' * 60}.example.com" for number in range(30)]
    outcome = world.run(dotenv_file="deploy.env", domains=domains)
    assert outcome.exit_code == 0, outcome.log
    assert len(outcome.outputs["domains"]) == len(domains)
    assert "`dotenv-file`: `domains` left out, as GitLab takes no file of 5 KB or more" in outcome.log
    assert "ZEROKIE_DOMAINS" not in Path("deploy.env").read_text("utf-8")

"""Common mistakes in inputs, each with its exit code and the fix in its message."""
# ruff: noqa: E501  one mistake per line, with its exact message

import html
import os
import re
from pathlib import Path

import pytest

from tests.ci.grammar import file_command, workflow_commands
from tests.support.schema import check_result
from tests.support.world import API_KEY, World
from zerokie_action.docs import page

SECRET = "hunter2"  # noqa: S105
IMAGE: dict[str, object] = {"image": "nginx:2", "app": "web"}
PAGE = "troubleshooting.md#exit-code-2-inputs-and-checks"
REPORTS = {"GITHUB_OUTPUT": "output", "GITHUB_STATE": "state", "GITHUB_STEP_SUMMARY": "summary"}


BAD: dict[str, tuple[int, dict[str, object], str]] = {
    # name: exit code, inputs, message
    # --- missing
    "no app": (2, {"app": None}, "`app` is required. Set it to the name of the app"),
    "no key": (2, {"api_key": None}, "`api-key` is required. Pass it as a secret, on GitHub as `api-key: ${{ secrets.ZEROKIE"),
    # --- values
    "operation": (2, {"operation": "::error::x"}, "`operation` (ZEROKIE_OPERATION): '::error::x' isn't valid. Write 'deploy', 'restart', 'destroy', 'sweep' or 'status'"),
    "a pattern for another operation": (2, {"app": "my-site-pr-*"}, "`app` (ZEROKIE_APP): 'my-site-pr-*' contains a `*`, for `operation: sweep` only"),
    "a sweep without a pattern": (2, {"operation": "sweep", "app": "my-site", "directory": None}, "`app` (ZEROKIE_APP): 'my-site' isn't a pattern of previews for `operation: sweep`"),
    "a sweep of comments": (2, {"operation": "sweep", "app": "#my-site-pr-*\n# docs-pr-*", "directory": None}, "`app` is required. Set it to the name of the app"),
    "key with a prefix": (2, {"api_key": f"Bearer {SECRET}"}, "`api-key` (ZEROKIE_API_KEY): the value contains whitespace"),
    "path of a key": (2, {"api_key": "key.txt"}, "`api-key` (ZEROKIE_API_KEY): the value is a path. Pass the file's content (on GitLab, set `file: false`)"),
    "another tool's name": (2, {"exclude": "drafts/"}, "`exclude` (ZEROKIE_EXCLUDE) is called `ignore` here"),
    # --- former inputs
    "registry's URL": (2, IMAGE | {"directory": None, "registry_server": f"https://me:{SECRET}@ghcr.io/v2/", "registry_username": "me", "registry_password": SECRET}, "`registry-server` (ZEROKIE_REGISTRY_SERVER): the value starts with 'https://'. Write only the host, 'ghcr.io'"),
    # --- the folder
    "no folder": (2, {"directory": "dist"}, "`directory` (ZEROKIE_DIRECTORY): 'dist' doesn't exist. Between checkout and this step, build it or download its artifact"),
    "a file": (2, {"directory": "../folder/index.html"}, "is a file. Set the folder that contains the site (unpack an archive first)"),
    "empty folder": (2, {"directory": "empty"}, "contains nothing to deploy (0 ignored)"),
    # --- the platform
    "wrong key": (3, {"api_key": SECRET}, "Check that the secret for `api-key` contains a valid key"),
    "unknown app": (4, {"app": "sitee"}, "App 'sitee' doesn't exist (404"),
    "image for a static app": (2, {"image": "nginx:2", "app": "site"}, "is a static app, but `image` is for container apps"),
    "folder for a container app": (2, {"app": "web"}, "is a container app, but `directory` is for static apps"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _on_github(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a GitHub job, which has every kind of output."""
    (tmp_path / "job" / "empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "job")
    Path("key.txt").write_text(SECRET)
    world.platform.apps.create_container("web", image="nginx:1", port=80)
    world.env |= {name: str(tmp_path / "job" / file) for name, file in REPORTS.items()}
    world.env["GITHUB_ACTIONS"] = "true"


@pytest.mark.parametrize("mistake", BAD)
def test_each_mistake_has_its_exit_code_and_its_fix(world: World, mistake: str) -> None:
    """Each report has the exit code and the fix, and nothing changed."""
    code, inputs, says = BAD[mistake]
    before = (world.platform.apps.list(), world.stored())

    outcome = world.run(**{"log_level": "debug"} | inputs)

    assert outcome.exit_code == code, outcome.log
    errors = [command.data for command in workflow_commands(outcome.log) if command.name == "error"]
    assert any(says in error for error in errors), outcome.log
    assert [record for record in outcome.requests if record.method != "GET"] == []
    assert (world.platform.apps.list(), world.stored()) == before

    check_result(outcome.outputs)
    assert (outcome.outputs["status"], outcome.outputs["exit_code"]) == ("failed", code)
    outputs = file_command(Path("output").read_text("utf-8"))
    assert (outputs["status"], outputs["error"]) == ("failed", outcome.outputs["error"])
    assert "ZEROKIE_RESULT_STATUS=failed\n" in outcome.reports["result.env"]

    log = re.sub(r"(?m)^::add-mask::.*\n", "", outcome.log)
    written = log + "".join(Path(name).read_text("utf-8") for name in ("output", "summary"))
    written += "".join(outcome.reports.values())
    assert not [text for text in ("Traceback", SECRET, API_KEY) if text in written]


# Every kind of mistake, in the order of the inputs.
WRONG = {
    "api_key": ("hunter2 hunter2", "the value contains whitespace or other characters that tokens don't have. Pass only the token"),
    "api_url": ("http://api.example.com", "'http://api.example.com' would send the API key unencrypted. Use https (http works only for a loopback host, host.docker.internal and host.containers.internal)"),
    "app": ("a b", "'a b' isn't a valid app name. Write a name of a to z, 0 to 9 and dashes, such as 'a-b'"),
    "skip_without_key": ("maybe", "'maybe' isn't valid. Write true or false"),
    "image": ("Nginx:1", "'Nginx:1' isn't an image reference. Write a reference such as 'nginx:1'"),
    "port": ("65536", "'65536' isn't valid. Write 65535 or less"),
    "cpu": ("0", "'0' isn't valid. Write 1 or more"),
    "memory": ("512MB", "'512MB' isn't valid. Write a whole number"),
    "env": ("hunter2", "item 1 isn't `NAME=value` or repeats a name. Write one variable per line, and only letters, digits, _ . and - in its name"),
    "ignore": ("*.map\n\n# no\n!", "line 4: the pattern '!' "),
    "keep": ("  a/\nb/,c/", "line 2: the pattern 'b/,c/' contains a comma"),
    "max_deletes": ("-1", "'-1' isn't valid. Write 0 or more"),
    "domains": ("example.com\nwww.example.com", "'example.com' isn't a valid custom domain. Write one name per line with at least three labels, such as www.example.com"),
    "wait": ("soon", "'soon' isn't a duration. Write a duration such as 90, 90s, 5m, 1h30m or 7d"),
    "health_check": ("healthz", "the value isn't a URL or a path that starts with /. Write a path such as /healthz, with `%20` for a space"),
    "timeout": ("0.9", "'0.9' isn't valid. Write 1 or more"),
    "retry_timeout": ("-1", "'-1' isn't a duration. Write a duration such as 90, 90s, 5m, 1h30m or 7d"),
    "github_token": ("$TOKEN", "the value is an unexpanded variable. Check that the secret exists and this run can use it"),
    "log_level": ("verbose", "'verbose' isn't valid. Write 'debug', 'info', 'warning' or 'error'"),
    "report_dir": ("reports", "Can't write 'reports/annotations.json': Is a directory. Remove it, or choose another folder"),
}  # fmt: skip


def test_one_run_reports_all_mistakes(world: World) -> None:
    """Each annotation names the variable, and the last one has the hint.

    The summary lists all mistakes, and outputs and JSON list as many as fit. A folder in the place of
    a report doesn't stop the other reports.
    """
    Path("reports/annotations.json").mkdir(parents=True)
    world.env["PLUGIN_PORT"] = WRONG["port"][0]
    inputs = {name: text for name, (text, _) in WRONG.items()} | {"port": "80"}
    outcome = world.run(**inputs, registry_password=SECRET, dryrun="true")
    assert (outcome.exit_code, outcome.requests) == (2, [])

    label = {name: f"`{name.replace('_', '-')}` (ZEROKIE_{name.upper()})" for name in WRONG}
    label["port"] = "`port` (PLUGIN_PORT)"
    expected = [
        "`port` has different values in PLUGIN_PORT and ZEROKIE_PORT. Remove all but the right one",
        *(f"{label[name]}: {problem}" for name, (_, problem) in WRONG.items()),
        "ZEROKIE_DRYRUN isn't an input. Did you mean `dry-run` (ZEROKIE_DRY_RUN)?",
        f"Remove {label['domains']}, because only static apps can have custom domains",
        "Missing `registry-username`. Set username and password, or remove `registry-password` (ZEROKIE_REGISTRY_PASSWORD)",
    ]
    errors = [command.data for command in workflow_commands(outcome.log) if command.name == "error"]
    assert [error[: len(begin)] for error, begin in zip(errors, expected, strict=True)] == expected
    hint = errors[-1].partition("\nNothing was changed.\n")[2]
    assert hint == f"Correct the inputs and run again: {page(PAGE)}"
    summary = html.unescape(Path("summary").read_text("utf-8"))
    variables = [name.partition("(")[2] for name in label.values()]
    assert [variable for variable in variables if variable not in summary] == []
    told = file_command(Path("output").read_text("utf-8"))["error"]
    assert told == outcome.outputs["error"]
    assert [variable for variable in variables[:15] if variable not in told] == []  # it is one line


ACTION = {"GITHUB_ACTION_REPOSITORY": "acme/zerokie", "GITHUB_ACTION_REF": "v1.2"}


@pytest.mark.parametrize(
    ("env", "docs"),
    [
        (ACTION, "https://github.com/acme/zerokie/blob/v1.2/docs"),
        (
            ACTION | {"GITHUB_SERVER_URL": "https://git.acme.com"},
            "https://git.acme.com/acme/zerokie/blob/v1.2/docs",
        ),
        (dict.fromkeys(ACTION, ""), ""),
        (ACTION | {"GITEA_ACTIONS": "true"}, ""),
        (ACTION | {"GITHUB_ACTIONS": ""}, ""),
    ],
    ids=["a fork", "GitHub Enterprise", "a local action", "Gitea", "another system"],
)
def test_links_lead_to_the_documents_of_the_action(world: World, env: dict[str, str], docs: str) -> None:
    """Otherwise, they lead to those of the release, or messages name the page."""
    world.env |= {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/site", **env}
    os.mkfifo(world.folder / "pipe")
    for directory, name in (("dist", PAGE), (world.folder, "safety-checks.md#checks-of-the-folder")):
        outcome = world.run(directory=directory)
        link = f"{docs}/{name}" if docs else page(name)
        assert outcome.outputs["hint"].endswith(f": {link}")
        assert f": {link}\n" in outcome.log.replace("%0A", "\n")
        assert (f"](<{link}>)" in outcome.summary) is link.startswith("https://")


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"skip_without_key": True}, 0),
        ({"skip_without_key": "YES", "registry_server": "ghcr.io"}, 0),
        ({"skip_without_key": True, "apikey": SECRET}, 2),
        ({"skip_without_key": True, "report_dir": "reports"}, 2),
        ({"skip_without_key": "maybe"}, 2),
        ({}, 2),
    ],
)
def test_skip_without_key_skips(world: World, inputs: dict[str, object], code: int) -> None:
    """A wrong input is exit 2 even then."""
    Path("reports/annotations.json").mkdir(parents=True)
    outcome = world.run(api_key=None, **inputs)
    assert (outcome.exit_code, outcome.requests) == (code, [])
    assert outcome.outputs["status"] == ("failed" if code else "skipped")
    assert bool(outcome.outputs["warnings"]) is not bool(code)
    assert ("::warning::`api-key` is empty" in outcome.log) is not bool(code)


@pytest.mark.parametrize("ci", ["", "true"], ids=["a shell", "GitHub"])
def test_a_deleted_working_directory_is_exit_2(
    world: World, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends before the first request, and the message has the cause. A shell has a default state file."""
    world.env["GITHUB_ACTIONS"] = ci
    gone = world.folder.parent / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    given: list[dict[str, object]] = [{"directory": name} for name in (".", "dist", world.folder)]
    given += [{"operation": "status"}, {"operation": "destroy", "state_file": "state.json"}]
    for inputs in given:
        outcome = world.run(**inputs)
        assert (outcome.exit_code, outcome.requests) == (2, [])
        assert (
            "The run can't start, because its working directory was deleted. Start the run in another one"
            in outcome.outputs["error"]
        )

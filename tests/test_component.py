"""The GitLab component: what it passes on is what somebody has set, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.component import component, component_inputs, passed_on
from tests.support.settings import load
from tests.test_settings import COMPANY, VALUES
from zerokie_action.settings import input_name

if TYPE_CHECKING:
    from pathlib import Path

NOT_INPUTS = {
    "operation",  # each of the jobs has its own
    "api_key",  # secrets are CI/CD variables: inputs can be read in the pipeline's configuration
    "registry_password",
    "github_token",
    "gitlab_token",
    "dotenv_file",  # the job's artifacts name them
    "annotations_file",
    "state_file",  # GitLab has a default that the cleanup knows
}
FIELDS = [field for field in VALUES if field not in NOT_INPUTS]
OF_THE_STOP_JOB = {
    *("api_key_file", "api_url", "app", "comment", "dry_run", "lock_heartbeat", "lock_timeout"),
    *("log_level", "pull_request", "retries", "skip_without_key", "take_over", "timeout"),
}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dist", "public"):
        (tmp_path / name).mkdir()
    (tmp_path / ".deployignore").touch()
    for name in ("key.txt", "pass.txt"):
        (tmp_path / name).write_text("hunter2", "utf-8")


def as_input(field: str, text: str) -> object:
    """A value of the type that the component declares."""
    kind = component_inputs()[input_name(field)].get("type", "string")
    if kind == "boolean":
        return VALUES[field][1]
    return text.split("\n") if kind == "array" else text


def company(field: str) -> dict[str, str]:
    """What else has to be set."""
    required = {"app": "site", "directory": "dist"}
    required |= {"api_key": "key", **COMPANY.get(field, {})}
    required.pop(field, None)
    return required


def value_of(field: str, env: dict[str, str]) -> object:
    """What the run would make of it."""
    return getattr(load(env), field)


def test_every_other_input_is_there() -> None:
    """Under its own name, beside those that are about the jobs."""
    of_the_action = [input_name(field) for field in FIELDS]
    assert [name for name in component_inputs() if name in of_the_action] == of_the_action
    assert not {input_name(field) for field in NOT_INPUTS} & component_inputs().keys()


@pytest.mark.parametrize("field", FIELDS)
def test_what_is_set_is_passed_on(field: str, tmp_path: Path) -> None:
    """With the value that a `ZEROKIE_` variable of that text would have; it outranks such a variable."""
    others = company(field)
    inputs = {name: as_input(name, text) for name, text in others.items() if name in FIELDS and text}
    inputs |= {field: as_input(field, VALUES[field][0])}
    variables = {f"ZEROKIE_{name.upper()}": text for name, text in others.items() if name not in FIELDS}
    jobs = component(**{"app": "site"} | inputs)
    env = passed_on(jobs["zerokie-deploy"], tmp_path, **variables)
    assert value_of(field, env) == VALUES[field][1]


def own_inputs(job: str, folder: Path) -> dict[str, str]:
    """What a job passes on where nothing is set but the app."""
    env = passed_on(component(app="007")[job], folder)
    return {name: text for name, text in env.items() if name.startswith("INPUT_") and text}


def test_only_its_own_are_passed_on(tmp_path: Path) -> None:
    """Nothing but the app and the files of the reports: a `ZEROKIE_` variable counts for everything else."""
    assert own_inputs("zerokie-deploy", tmp_path) == {
        "INPUT_APP": "007",
        "INPUT_DOTENV_FILE": "zerokie.env",
        "INPUT_ANNOTATIONS_FILE": "zerokie-annotations.json",
    }
    assert own_inputs("zerokie-deploy-stop", tmp_path) == {"INPUT_OPERATION": "destroy", "INPUT_APP": "007"}


def test_lists(tmp_path: Path) -> None:
    """One item a line, whatever characters are in it."""
    patterns = ["/uploads/", "a b/", "\\#one", r"\,", 'quote"d', "it's", "<&>", "größe: *", "%s"]
    env = passed_on(component(app="site", keep=patterns)["zerokie-deploy"], tmp_path)
    assert env["INPUT_KEEP"].splitlines() == patterns


def test_a_list_that_can_t_be_read(tmp_path: Path) -> None:
    """For example with a variable that GitLab expands to a quotation mark: nothing is deployed without it."""
    job = component(app="site", keep=["$NAME/"])["zerokie-deploy"]
    job["variables"]["INPUT_KEEP"] = job["variables"]["INPUT_KEEP"].replace("$NAME", '"')
    assert passed_on(job, tmp_path) == {}


def test_modules_of_the_checkout_are_not_run(tmp_path: Path) -> None:
    """The job runs in one, with the key in its environment."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)", "utf-8")
    assert passed_on(component(app="site", keep=["/a/"])["zerokie-deploy"], tmp_path)["INPUT_KEEP"] == "/a/"


def test_the_stop_job(tmp_path: Path) -> None:
    """It destroys, and knows what the other one was told about the key and the platform."""
    given = {field: as_input(field, VALUES[field][0]) for field in OF_THE_STOP_JOB}
    others = {field: as_input(field, VALUES[field][0]) for field in set(FIELDS) - OF_THE_STOP_JOB}
    env = passed_on(component(**given, **others)["zerokie-deploy-stop"], tmp_path)
    assert load(env).operation == "destroy"
    assert load(env).directory is None
    for field in OF_THE_STOP_JOB:
        assert value_of(field, env) == VALUES[field][1]

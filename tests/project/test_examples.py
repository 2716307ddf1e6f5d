"""The examples use what exists: inputs, outputs, files."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.component import component_inputs
from zerokie_action.formats import parse_duration
from zerokie_action.report.files import render_json
from zerokie_action.report.result import Result
from zerokie_action.settings import INPUTS as FIELDS

ROOT = Path(__file__).resolve().parent.parent.parent
COMPONENT = ROOT / "templates" / "deploy.yml"
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").glob("*/*")
    if path.is_file() and path.parent.name != "site" and path.suffix in {".yml", ".sh", ""}
)
INPUTS = {name.replace("_", "-") for name in FIELDS}
OUTPUTS = {name.replace("_", "-") for name in json.loads(render_json(Result("deploy")))}


def mappings(node: Any) -> list[dict[str, Any]]:
    """Every mapping in a YAML document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) else []
    return own + [found for child in children for found in mappings(child)]


def names_used(path: Path) -> set[str]:
    """The inputs that an example gives to the action, however they are spelled there."""
    text = path.read_text("utf-8")
    names = set(re.findall(r"\b(?:ZEROKIE|INPUT)_(?!RESULT_)([A-Z_]+)\b", text))
    for mapping in mappings(list(yaml.safe_load_all(text))) if path.suffix == ".yml" else ():
        if "/zerokie-action@" in str(mapping.get("uses", "")):
            names |= set(mapping.get("with", {}))
        if "zerokie-action" in str(mapping.get("image", "")):
            names |= set(mapping.get("settings", {}))
    return {name.lower().replace("_", "-") for name in names}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_use_inputs_and_outputs_that_exist(path: Path) -> None:
    """Each that an example sets or reads is one of the contract's; none sets nothing."""
    used, text = names_used(path), path.read_text("utf-8")
    if path.parent.name == "gitlab" and "component:" in text:
        document = yaml.safe_load(text)
        assert all(set(include["inputs"]) <= set(component_inputs()) for include in document["include"])
    else:
        assert used
    assert used - INPUTS == set()
    read = set(re.findall(r"steps\.zerokie\.outputs\.([a-z-]+)", text))
    read |= {name.lower().replace("_", "-") for name in re.findall(r"ZEROKIE_RESULT_([A-Z_]+)", text)}
    assert read <= OUTPUTS


def gitlab(name: str) -> Any:
    return yaml.safe_load((ROOT / "examples" / "gitlab" / name).read_text("utf-8"))


@pytest.mark.parametrize(
    "names",
    [("monorepo.yml",), ("component.yml", "review.yml", "branch.yml")],
    ids=" and ".join,
)
def test_each_include_of_the_component_has_a_job_name(names: tuple[str, ...]) -> None:
    """Of two jobs with the same name, GitLab runs the last one only. Some files are used together."""
    inputs = [include["inputs"] for name in names for include in gitlab(name)["include"]]
    default = component_inputs()["job-name"]["default"]
    assert len({given.get("job-name", default) for given in inputs}) == len(inputs)
    assert len({given.get("environment", given["app"]) for given in inputs}) == len(inputs)


@pytest.mark.parametrize("name", ["component.yml", "review.yml", "branch.yml", "monorepo.yml"])
def test_a_forks_pipeline_leaves_the_component_out(name: str) -> None:
    """The fork can't include it: without the rule, its pipeline would run no job at all."""
    for include in gitlab(name)["include"]:
        assert include["rules"] == [{"if": '$CI_PROJECT_ID == "123"'}]
        assert re.findall(r"\$\w+", include["component"]) == ["$CI_SERVER_FQDN"]


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples" / "github").iterdir()))
def test_each_job_on_github_has_a_limit(name: str) -> None:
    """GitHub's own is six hours. A `timeout` of an hour fits into that of a deploy."""
    jobs = yaml.safe_load((ROOT / "examples" / "github" / name).read_text("utf-8"))["jobs"]
    assert all(5 <= job["timeout-minutes"] <= 90 for job in jobs.values())
    assert jobs.get("deploy", {"timeout-minutes": 75})["timeout-minutes"] > 65


def test_a_placeholder_deploys_nothing() -> None:
    """Who forgets to replace the build of three sites does not publish their sources."""
    build = yaml.safe_load((ROOT / "examples" / "github" / "monorepo.yml").read_text("utf-8"))["jobs"][
        "build"
    ]
    assert [step["run"] for step in build["steps"] if "run" in step] == ["exit 1"]


@pytest.mark.parametrize(
    ("forge", "name"), [("github", "image.yml"), ("gitlab", "image.yml"), ("gitlab", "staging.yml")]
)
def test_images_are_deployed_by_digest(forge: str, name: str) -> None:
    """Whoever may push a branch can overwrite a tag."""
    text = (ROOT / "examples" / forge / name).read_text("utf-8")
    assert "docker inspect --format '{{index .RepoDigests 0}}'" in text
    assert "workflow_dispatch" not in text


ELSEWHERE = [path for path in EXAMPLES if path.parent.name not in {"github", "gitlab"}]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_that_take_the_lock_have_a_cleanup(path: Path) -> None:
    """Where nothing calls the cleanup by itself, a deploy of a folder is followed by a call of it."""
    used = names_used(path)
    assert ("directory" in used) == ("state-file" in used) == ("zerokie-cleanup" in path.read_text("utf-8"))


@pytest.mark.parametrize("name", ["component.yml", "image.yml", "staging.yml"])
def test_a_schedule_on_gitlab_deploys_nothing(name: str) -> None:
    """It runs on the default branch: each rule keeps it out."""
    jobs = [job for job in gitlab(name).values() if isinstance(job, dict) and "stage" in job]
    rules = [*(rule for job in jobs for rule in job["rules"]), *component_inputs()["rules"]["default"]]
    assert rules
    assert all(rule["if"].endswith(' && $CI_PIPELINE_SOURCE != "schedule"') for rule in rules)


@pytest.mark.parametrize("name", ["review.yml", "monorepo.yml"])
def test_a_merge_train_has_no_review_app(name: str) -> None:
    """Its pipelines are those of merge requests too."""
    rules = [rule for include in gitlab(name)["include"] for rule in include["inputs"].get("rules", [])]
    assert rules
    assert all(rule["if"].endswith(' && $CI_MERGE_REQUEST_EVENT_TYPE != "merge_train"') for rule in rules)


def commands(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment in which these commands are shell scripts; `calls` has each call of one."""
    programs = folder / "programs"
    programs.mkdir()
    for name, script in scripts.items():
        program = programs / name.replace("_", "-")
        program.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> "{folder}/calls"\n{script}\n', "utf-8")
        program.chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin"}


SCRIPT = ROOT / "examples" / "shell" / "deploy.sh"


def docker(client: str, left: str = "", created: str = "true") -> str:
    """A `docker` whose client ends so; a container that it `created`, and only that, may outlive it (`left`).

    Another job's container, which has any other name, always ends well.
    """
    return f"""
case "$*" in
  "wait mine") echo "{left}"; [ "{left}" ] ;;
  wait*) echo 0 ;;
  *zerokie-cleanup*) ;;
  *)
    while [ "$1" != --cidfile ]; do shift; done
    {created} && echo mine > "$2"
    {client} ;;
esac"""


@pytest.mark.parametrize(
    ("client", "left", "created", "code"),
    [
        pytest.param("exit 0", "", "true", 0, id="deployed"),
        pytest.param("exit 6", "", "true", 6, id="failed"),
        pytest.param("exit 125", "", "false", 125, id="no container"),
        pytest.param("kill -9 $$", "", "true", 137, id="client and container killed"),
        pytest.param("kill -9 $$", "0", "true", 0, id="client killed, then deployed"),
        pytest.param("kill -9 $$", "5", "true", 5, id="client killed, then failed"),
        pytest.param("exit 1", "5", "true", 5, id="without the daemon, then failed"),
        pytest.param("exit 125", "", "true", 125, id="daemon killed"),
    ],
)
def test_shell_script_ends_as_the_deploy(
    client: str, left: str, created: str, code: int, tmp_path: Path
) -> None:
    """A container that outlives its client is waited for, and that of nobody else: no green without a deploy.

    After a failure the cleanup runs, whose exit code does not count. The API key is in no argument.
    """
    env = commands(tmp_path, docker=docker(client, left, created)) | {"ZEROKIE_APP": "my-site"}
    run = subprocess.run([SCRIPT], cwd=tmp_path, env=env, check=False)

    lines = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert run.returncode == code
    waits = ["docker wait mine"] if created == "true" and client != "exit 0" else []
    assert [line for line in lines if " wait " in line] == waits
    runs = [line for line in lines if line not in waits]
    assert ["--entrypoint zerokie-cleanup" in line for line in runs] == [False, True][: 2 if code else 1]
    assert ["--cidfile" in line for line in runs] == [True, False][: 2 if code else 1]
    assert all("ZEROKIE_STATE_FILE=.zerokie-state-my-site.json" in line for line in runs)
    assert not any("ZEROKIE_API_KEY=" in line for line in lines)


def test_shell_script_passes_inputs_on(tmp_path: Path) -> None:
    """By name, so that no secret is in an argument; a value may have several lines.

    Two apps side by side have a state file and a result each.
    """
    inputs = {"ZEROKIE_API_KEY": "key", "ZEROKIE_KEEP": "/a b/\n/c/", "ZEROKIE_IMAGE": "nginx:1"}
    inputs["ZEROKIE_APP"] = "my-api"
    env = commands(tmp_path, docker=docker("exit 0")) | inputs | {"OTHER": "x"}
    subprocess.run([SCRIPT], cwd=tmp_path, env=env, check=True)
    line = (tmp_path / "calls").read_text("utf-8").splitlines()[0]
    assert {name for name in line.split() if name.startswith("ZEROKIE_")} == {
        *inputs,
        "ZEROKIE_STATE_FILE=.zerokie-state-my-api.json",
        "ZEROKIE_OUTPUT_FILE=zerokie-my-api.json",
    }


def test_shell_script_removes_an_old_result(tmp_path: Path) -> None:
    """Otherwise a deploy that does not start would leave the outputs of the one before."""
    (tmp_path / "zerokie-site.json").touch()
    env = commands(tmp_path, docker=docker("exit 125", created="false")) | {"ZEROKIE_APP": "site"}
    subprocess.run([SCRIPT], cwd=tmp_path, env=env, check=False)
    assert not (tmp_path / "zerokie-site.json").exists()


def test_tekton_reads_no_older_result(tmp_path: Path) -> None:
    """A deploy that is killed writes none, and the task's results are read from the file."""
    steps = yaml.safe_load((ROOT / "examples" / "tekton" / "task.yml").read_text("utf-8"))["spec"]["steps"]
    (script,) = [step["script"] for step in steps if step["name"] == "deploy"]
    (tmp_path / "zerokie.env").write_text("ZEROKIE_RESULT_URL=https://old.example.com\n", "utf-8")
    env = commands(tmp_path, zerokie_deploy="exit 137")
    assert subprocess.run(["sh", "-c", script], cwd=tmp_path, env=env, check=False).returncode == 137
    assert not (tmp_path / "zerokie.env").exists()


def test_kubernetes_cleans_up_when_the_deploy_has_ended(tmp_path: Path) -> None:
    """Kubernetes then ends the sidecar with SIGTERM."""
    job = yaml.safe_load((ROOT / "examples" / "kubernetes" / "site.yml").read_text("utf-8"))
    containers = job["spec"]["template"]["spec"]["initContainers"]
    (command,) = [found["command"] for found in containers if found["name"] == "cleanup"]
    env = commands(tmp_path, zerokie_cleanup="", sleep=": > runs; /bin/sleep 0.01")
    with subprocess.Popen(command, cwd=tmp_path, env=env) as sidecar:
        while not (tmp_path / "runs").exists():
            assert sidecar.poll() is None
        sidecar.terminate()
        assert sidecar.wait() == 0
    assert (tmp_path / "calls").read_text("utf-8").splitlines()[-1].strip() == "zerokie-cleanup"


def test_shell_script_passes_a_cancel_on(tmp_path: Path) -> None:
    """Only the script gets the signal, as from a CI; the deploy ends by itself, then comes the cleanup."""
    trap = f"trap 'echo told >> {tmp_path}/calls; exit 143' TERM; : > {tmp_path}/runs"
    env = commands(tmp_path, docker=docker(f"{trap}; for _ in $(seq 1000); do sleep 0.01; done"))
    with subprocess.Popen([SCRIPT], cwd=tmp_path, env=env) as script:
        while not (tmp_path / "runs").exists():
            assert script.poll() is None
        script.terminate()
        code = script.wait()

    _, told, _, cleanup = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert (code, told) == (143, "told")
    assert "--entrypoint zerokie-cleanup" in cleanup


@pytest.mark.parametrize(
    "path",
    [COMPONENT, *(ROOT / "examples" / "gitlab" / name for name in ("image.yml", "staging.yml"))],
    ids=lambda path: path.name,
)
def test_gitlab_leaves_time_for_the_cleanup(path: Path) -> None:
    """The action ends before the script must, and 5 minutes of after_script still fit into an hour."""
    jobs = [
        job for job in mappings(list(yaml.safe_load_all(path.read_text("utf-8")))) if "after_script" in job
    ]
    limits = [parse_duration(job["variables"]["RUNNER_SCRIPT_TIMEOUT"]) for job in jobs]
    assert limits
    assert all(FIELDS["timeout"].default < limit <= 55 * 60 for limit in limits)

"""Examples and their deploys."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.pipelines import (
    EXAMPLES,
    ROOT,
    bash,
    commands,
    evaluate,
    example,
    fill,
    inputs,
    jobs_of,
    pipeline,
    step,
    triggers,
    workflow,
)
from tests.support.component import component_inputs, expand, passed_on
from tests.support.platform import contents
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.docs import page
from zerokie_action.inputs.formats import parse_duration
from zerokie_action.inputs.settings import INPUTS as FIELDS
from zerokie_action.report.files import DOTENV
from zerokie_action.report.outputs import OUTPUTS

FILES = sorted(
    path
    for path in EXAMPLES.glob("*/*")
    if path.is_file() and path.parent.name != "site" and path.suffix in {".yml", ".sh", ""}
)
INPUTS = {name.replace("_", "-") for name in FIELDS}
VARIABLES = {name.upper().replace("-", "_") for name in DOTENV}


def mappings(node: Any) -> list[dict[str, Any]]:
    """Yield every mapping in a YAML document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) else []
    return own + [found for child in children for found in mappings(child)]


def names_used(path: Path) -> set[str]:
    """Yield the inputs of the action in an example, with any spelling."""
    text = path.read_text("utf-8")
    names = set(re.findall(r"\b(?:ZEROKIE|INPUT)_(?!RESULT_)([A-Z_]+)\b", text))
    for mapping in mappings(list(yaml.safe_load_all(text))) if path.suffix == ".yml" else ():
        if "/zerokie-action@" in str(mapping.get("uses", "")):
            names |= set(mapping.get("with", {}))
        if "zerokie-action" in str(mapping.get("image", "")):
            names |= set(mapping.get("settings", {}))
    return {name.lower().replace("_", "-") for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_use_only_existing_inputs_and_outputs(path: Path) -> None:
    """Every example uses at least one."""
    used, text = names_used(path), path.read_text("utf-8")
    if path.parent.name == "gitlab" and "component:" in text:
        document = example(path.name)
        assert all(set(include["inputs"]) <= set(component_inputs()) for include in document["include"])
    else:
        assert used
    assert used - INPUTS == set()
    assert set(re.findall(r"steps\.zerokie\.outputs\.([a-z-]+)", text)) <= set(OUTPUTS)
    assert set(re.findall(r"ZEROKIE_RESULT_([A-Z_]+)", text)) <= VARIABLES


ELSEWHERE = [path for path in FILES if path.parent.name not in {"github", "gitlab"}]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_with_a_lock_have_a_cleanup(path: Path) -> None:
    """If a system doesn't start the cleanup itself, a folder deploy is followed by a call of it."""
    used = names_used(path)
    assert ("directory" in used) == ("zerokie-cleanup" in path.read_text("utf-8"))


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_set_a_state_file_only_for_a_cleanup_elsewhere(path: Path) -> None:
    """The default is in the working directory, which a step or a container may not share."""
    is_elsewhere = path.parent.name in {"shell", "tekton"} or path.name == "site.yml"
    assert ("state-file" in names_used(path)) == is_elsewhere


# --- GitHub

KEYS = {f"secrets.{name}": API_KEY for name in ("ZEROKIE_API_KEY", "REGISTRY_PASSWORD")}
DIGEST = f"sha256:{'a' * 64}"
DOCKER = f'case $1 in login) cat >/dev/null ;; inspect) echo "${{4%:*}}@{DIGEST}" ;; esac'
"""A `docker` command that doesn't push to a registry."""


@pytest.fixture
def dist(world: World, tmp_path: Path) -> Path:
    """The folder that most examples deploy."""
    return shutil.copytree(world.folder, tmp_path / "dist")


@pytest.fixture
def sites(world: World, tmp_path: Path) -> dict[str, dict[str, bytes]]:
    """The files of three sites below `out` and `sites`, with the apps `shop-NAME`."""
    for site in ("web", "docs", "status"):
        world.write({"index.html": site.encode(), f"{site}.css": b"body{}"})
        world.platform.apps.create_static(f"shop-{site}")
        for folder in ("out", "sites"):
            shutil.copytree(world.folder, tmp_path / folder / site)
    return {site.name: contents(site) for site in (tmp_path / "out").iterdir()}


def apps(world: World) -> set[str]:
    return {app.name for app in world.platform.apps.list()} - {"site"}


@pytest.mark.parametrize("name", sorted(path.name for path in (EXAMPLES / "github").iterdir()))
def test_each_github_job_has_a_time_limit(name: str) -> None:
    """GitHub's own limit is six hours. The limit of a deploy leaves room for a `timeout` of an hour."""
    jobs = workflow(name)["jobs"]
    assert all(5 <= job["timeout-minutes"] <= 90 for job in jobs.values())
    assert jobs.get("deploy", {"timeout-minutes": 75})["timeout-minutes"] > 65


def test_a_manual_run_can_override_a_safety_check(world: World, dist: Path) -> None:
    """As a dry run, it changes nothing. A push sets none of its inputs."""
    job = workflow("deploy.yml")["jobs"]["deploy"]
    world.platform.apps.create_static("my-site")
    world.platform.put_file("my-site", "old.html", b"old")

    def deploy(**by_hand: Any) -> Outcome:
        given = dict.fromkeys(("dry-run", "take-over", "max-deletes")) | by_hand
        return world.run(**inputs(job, KEYS | {f"inputs.{name}": value for name, value in given.items()}))

    assert (
        f"To continue, set `take-over: true` for one manual run: {page('safety-checks.md')}" in deploy().log
    )
    assert "Dry run: nothing was changed" in deploy(**{"take-over": True, "dry-run": True}).log
    assert set(world.stored("my-site")) == {"old.html"}
    assert deploy(**{"take-over": True, "dry-run": False, "max-deletes": "1"}).exit_code == 0
    assert world.stored("my-site") == contents(dist)


def steps_after(job: dict[str, Any], outcome: Outcome) -> str:
    """Return the scripts of the steps after a deploy."""
    given = {name.replace("_", "-"): value for name, value in outcome.outputs.items()}
    values: dict[str, object] = {
        f"steps.zerokie.outputs.{name}": json.dumps(value) for name, value in given.items()
    }
    values["failure()"] = outcome.exit_code != 0
    later = [found for found in job["steps"] if "run" in found]
    runs = [found for found in later if ("failure()" in found["if"]) == values["failure()"]]
    return "\n".join(found["run"] for found in runs if evaluate(found["if"], values))


def test_a_github_monorepo_deploys_each_site_to_its_app(
    world: World, sites: dict[str, dict[str, bytes]]
) -> None:
    """Later steps read the changes, and the reason of a failure."""
    job = workflow("monorepo.yml")["jobs"]["deploy"]
    for site in job["strategy"]["matrix"]["site"]:
        given = inputs(job, KEYS | {"matrix.site": site})
        assert "$URL changed" in steps_after(job, world.run(**given))
        assert steps_after(job, world.run(**given)) == ""
        assert world.stored(f"shop-{site}") == sites[site]
        assert given["keep"] == ("/uploads/" if site == "web" else "")

        (world.folder.parent / given["directory"] / "index.html").write_bytes(b"a new version")
        world.platform.take_lock(given["app"], "another")
        assert "Another deploy holds the lock" in steps_after(job, world.run(**given, lock_timeout="0"))


def test_a_placeholder_build_deploys_nothing() -> None:
    """If you forget to replace the build of three sites, your sources don't become public."""
    build = workflow("monorepo.yml")["jobs"]["build"]
    assert [step["run"] for step in build["steps"] if "run" in step] == ["exit 1"]


def test_an_image_on_github_is_deployed_by_digest(world: World) -> None:
    """Anyone who can push a branch can move a tag, so the build passes the digest to the deploy."""
    jobs, name = workflow("image.yml")["jobs"], workflow("image.yml")["env"]["IMAGE"]
    values = {"env.IMAGE": name, "github.sha": "c0ffee", "steps.push.outputs.digest": DIGEST}
    push = step(jobs["build"], "push")["with"]
    assert push["push"] is True
    assert fill(push["tags"], values) == f"{name}:c0ffee"
    image = fill(jobs["build"]["outputs"]["image"], values)

    outcome = world.run(**inputs(jobs["deploy"], KEYS | {"needs.build.outputs.image": image}))

    assert outcome.exit_code == 0, outcome.log
    assert world.platform.apps.get("my-api").image == f"{name}@{DIGEST}"
    assert "/healthz is healthy" in outcome.log
    assert triggers("image.yml") == {"push": {"branches": ["main"]}}


# --- GitLab

PROJECT = {"CI_PROJECT_ID": "123", "CI_DEFAULT_BRANCH": "main"}
MAIN = PROJECT | {"CI_COMMIT_BRANCH": "main"}
TAG = PROJECT | {"CI_COMMIT_TAG": "1.2.3"}
REQUEST = PROJECT | {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "3"}
SCHEDULE = MAIN | {"CI_PIPELINE_SOURCE": "schedule"}
PIPELINES = {
    "push": MAIN,
    "branch": MAIN | {"CI_COMMIT_BRANCH": "topic"},
    "tag": TAG,
    "merge request": REQUEST,
    "fork": REQUEST | {"CI_PROJECT_ID": "124"},
    "merge train": REQUEST | {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"},
    "schedule": SCHEDULE,
    "sweep": SCHEDULE | {"CI_PIPELINE_SCHEDULE_DESCRIPTION": "sweep review apps"},
    "schedule of a tag": TAG | {"CI_PIPELINE_SOURCE": "schedule"},
}
SITES = {f"deploy-{site}" for site in ("web", "docs", "status")}
JOBS: dict[tuple[str, ...], dict[str, set[str]]] = {
    ("component.yml", "branch.yml"): {
        "push": {"build", "zerokie-deploy"},
        "branch": {"deploy-branch", "deploy-branch-stop"},
    },
    ("review.yml",): {
        "push": {"build", "zerokie-deploy"},
        "merge request": {"build", "zerokie-deploy-preview", "zerokie-deploy-preview-stop"},
        "fork": {"build"},
        "merge train": {"build"},
        "sweep": {"zerokie-deploy-sweep"},
    },
    ("monorepo.yml",): {
        "push": SITES,
        "merge request": {f"{job}-preview{stop}" for job in SITES for stop in ("", "-stop")},
        "sweep": {f"{job}-sweep" for job in SITES},
    },
    ("image.yml",): {"push": {"build", "deploy"}},
    ("staging.yml",): {"tag": {"build", "staging", "production"}},
}
"""The jobs of each pipeline. The other pipelines have none."""


@pytest.mark.parametrize("names", JOBS, ids=" ".join)
def test_each_pipeline_has_the_right_jobs(names: tuple[str, ...]) -> None:
    """A schedule deploys nothing. A fork's pipeline can't include the component, but runs the other jobs."""
    jobs = pipeline(*names)
    assert {found: jobs_of(jobs, **PIPELINES[found]) for found in PIPELINES} == {
        found: JOBS[names].get(found, set()) for found in PIPELINES
    }
    deploys = [job for job in jobs.values() if "on_stop" in job.get("environment", {})]
    environments = [
        job["environment"]["name"].replace("$INPUT_APP", job["variables"]["INPUT_APP"]) for job in deploys
    ]
    assert len(set(environments)) == len(environments)


def run_job(world: World, job: dict[str, Any], folder: Path, **variables: str) -> None:
    """Run a deploy job in its checkout with these variables, and check that it succeeds."""
    env = passed_on(job, folder, **variables)
    world.env = {name: text for name, text in env.items() if name.startswith(("INPUT_", "ZEROKIE_"))}
    outcome = world.run(app=None, directory=None)
    assert outcome.exit_code == 0, outcome.log


@pytest.mark.parametrize(
    ("name", "job", "variables", "app"),
    [
        ("review.yml", "zerokie-deploy-preview", {"CI_MERGE_REQUEST_IID": "3"}, "my-site-mr-3"),
        (
            "branch.yml",
            "deploy-branch",
            {"CI_ENVIRONMENT_SLUG": "review-a-menu-tha-k3x9d2"},  # GitLab's are not longer
            "my-site-review-a-menu-tha-k3x9d2",
        ),
    ],
)
def test_a_review_app_exists_until_its_stop_job(
    world: World, dist: Path, tmp_path: Path, name: str, job: str, variables: dict[str, str], app: str
) -> None:
    """Its name fits even for a long branch name. The stop job deletes the same app."""
    jobs = pipeline(name)
    run_job(world, jobs[job], tmp_path, **variables)
    assert world.stored(app) == contents(dist)
    run_job(world, jobs[f"{job}-stop"], tmp_path, **variables)
    assert apps(world) == set()


def test_a_gitlab_monorepo_has_three_sites_and_three_review_apps(
    world: World, tmp_path: Path, sites: dict[str, dict[str, bytes]]
) -> None:
    """Main deploys three sites. A merge request has three previews, and their stop jobs delete them."""
    jobs = pipeline("monorepo.yml")
    for site, files in sites.items():
        run_job(world, jobs[f"deploy-{site}"], tmp_path)
        run_job(world, jobs[f"deploy-{site}-preview"], tmp_path, CI_MERGE_REQUEST_IID="3")
        assert world.stored(f"shop-{site}") == world.stored(f"shop-{site}-mr-3") == files
        run_job(world, jobs[f"deploy-{site}-preview-stop"], tmp_path, CI_MERGE_REQUEST_IID="3")
    assert apps(world) == {f"shop-{site}" for site in sites}


@pytest.mark.parametrize(
    ("name", "deploys"),
    [
        ("image.yml", {"deploy": "my-api"}),
        ("staging.yml", {"staging": "my-api-staging", "production": "my-api"}),
    ],
)
def test_an_image_on_gitlab_is_deployed_by_digest(
    world: World, tmp_path: Path, name: str, deploys: dict[str, str]
) -> None:
    """There is one build, and production gets the same digest as staging."""
    jobs = pipeline(name)
    given = {"CI_REGISTRY": "registry.example", "CI_REGISTRY_IMAGE": "registry.example/my-api"}
    given |= {"CI_COMMIT_SHA": "c0ffee", "CI_COMMIT_TAG": "1.2.3", "CI_REGISTRY_USER": "u"}
    given |= {"CI_REGISTRY_PASSWORD": "p", "CI_DEPLOY_USER": "token", "CI_DEPLOY_PASSWORD": "secret"}
    variables = {key: expand(text, given) for key, text in jobs["build"]["variables"].items()}
    env = given | variables | commands(tmp_path, docker=DOCKER)
    assert bash("\n".join(jobs["build"]["script"]), tmp_path, **env).returncode == 0
    for job, app in deploys.items():
        run_job(world, jobs[job], tmp_path, **given)
        assert world.platform.apps.get(app).image == f"registry.example/my-api@{DIGEST}"
        assert world.platform.apps.get(app).private


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "templates" / "deploy.yml",
        *(EXAMPLES / "gitlab" / name for name in ("image.yml", "staging.yml")),
    ],
    ids=lambda path: path.name,
)
def test_gitlab_leaves_time_for_the_cleanup(path: Path) -> None:
    """The action ends before the script's limit, and 5 minutes of after_script fit into an hour."""
    jobs = [
        job for job in mappings(list(yaml.safe_load_all(path.read_text("utf-8")))) if "after_script" in job
    ]
    limits = [parse_duration(job["variables"]["RUNNER_SCRIPT_TIMEOUT"]) for job in jobs]
    assert limits
    assert all(FIELDS["timeout"].default < limit <= 55 * 60 for limit in limits)


# --- elsewhere

SCRIPT = EXAMPLES / "shell" / "deploy.sh"


def docker(client: str, left: str = "", created: str = "true") -> str:
    """Return a `docker` script with this exit code. If its container is `created`, it may survive (`left`).

    Another job's container has another name, and always succeeds.
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
        pytest.param("kill -9 $$", "0", "true", 0, id="client killed, then deployed"),
        pytest.param("kill -9 $$", "5", "true", 5, id="client killed, then failed"),
    ],
)
def test_the_shell_script_returns_the_deploys_exit_code(
    client: str, left: str, created: str, code: int, tmp_path: Path
) -> None:
    """The script waits for its own container if that survives the client, so a failed deploy is never green.

    After a failure, the script runs the cleanup and ignores its exit code. Arguments never contain the API
    key.
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


def test_the_shell_script_passes_inputs_by_name(tmp_path: Path) -> None:
    """Secrets therefore don't appear in arguments, and a value can have several lines.

    Two parallel deploys have their own state files and results.
    """
    inputs = {"ZEROKIE_API_KEY": "key", "ZEROKIE_KEEP": "/a b/\n/c/", "ZEROKIE_IMAGE": "nginx:1"}
    inputs["ZEROKIE_APP"] = "my-api"
    env = commands(tmp_path, docker=docker("exit 0")) | inputs | {"OTHER": "x"}
    subprocess.run([SCRIPT], cwd=tmp_path, env=env, check=True)
    line = (tmp_path / "calls").read_text("utf-8").splitlines()[0]
    assert {name for name in line.split() if name.startswith("ZEROKIE_")} == {
        *inputs,
        "ZEROKIE_STATE_FILE=.zerokie-state-my-api.json",
        "ZEROKIE_REPORT_DIR=zerokie-reports/my-api",
    }


def test_the_shell_script_removes_an_old_result(tmp_path: Path) -> None:
    """Otherwise a deploy that doesn't start would leave the outputs of the previous one."""
    result = tmp_path / "zerokie-reports" / "site" / "result.json"
    result.parent.mkdir(parents=True)
    result.touch()
    env = commands(tmp_path, docker=docker("exit 125", created="false")) | {"ZEROKIE_APP": "site"}
    subprocess.run([SCRIPT], cwd=tmp_path, env=env, check=False)
    assert not result.exists()


@pytest.mark.parametrize(
    "example",
    [
        "gitlab/image.yml",
        "gitlab/staging.yml",
        "jenkins/Jenkinsfile",
        "kubernetes/job.yml",
        "kubernetes/site.yml",
        "tekton/task.yml",
    ],
)
def test_an_example_reads_its_reports_from_the_runs_folder(example: str) -> None:
    text = (EXAMPLES / example).read_text("utf-8")
    (folder,) = re.findall(r"ZEROKIE_REPORT_DIR(?:: | = '|\n +value: )([\w/-]+)", text)
    read = {*re.findall(r"[\w/-]*\bresult\.(?:env|json)", text)}
    assert read
    assert read <= {f"{folder}/result.env", f"{folder}/result.json"}


def test_tekton_ignores_an_older_result(tmp_path: Path) -> None:
    """A killed deploy writes no file, and the task reads its results from the file."""
    steps = yaml.safe_load((EXAMPLES / "tekton" / "task.yml").read_text("utf-8"))["spec"]["steps"]
    (script,) = [step["script"] for step in steps if step["name"] == "deploy"]
    result = tmp_path / "zerokie-reports" / "result.env"
    result.parent.mkdir()
    result.write_text("ZEROKIE_RESULT_URL=https://old.example.com\n", "utf-8")
    env = commands(tmp_path, zerokie_deploy="exit 137")
    assert subprocess.run(["sh", "-c", script], cwd=tmp_path, env=env, check=False).returncode == 137
    assert not result.exists()


def test_kubernetes_cleans_up_after_the_deploy(tmp_path: Path) -> None:
    """Kubernetes ends the sidecar with SIGTERM at that time."""
    job = yaml.safe_load((EXAMPLES / "kubernetes" / "site.yml").read_text("utf-8"))
    containers = job["spec"]["template"]["spec"]["initContainers"]
    (command,) = [found["command"] for found in containers if found["name"] == "cleanup"]
    env = commands(tmp_path, zerokie_cleanup="", sleep=": > runs; /bin/sleep 0.01")
    with subprocess.Popen(command, cwd=tmp_path, env=env) as sidecar:
        while not (tmp_path / "runs").exists():
            assert sidecar.poll() is None
        sidecar.terminate()
        assert sidecar.wait() == 0
    assert (tmp_path / "calls").read_text("utf-8").splitlines()[-1].strip() == "zerokie-cleanup"

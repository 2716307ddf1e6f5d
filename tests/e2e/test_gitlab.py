"""The component in a runner of GitLab pipelines (gitlab-ci-local)."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import PUBLISHED, ROOT
from tests.e2e.engine import Image, succeed
from tests.e2e.repository import commit
from tests.support.platform import API_KEY, Platform, contents
from tests.support.required import find_program
from tests.support.rest import rest

PROJECT = 7
DOCKER = Path(__file__).parent / "docker-tidied"
PIPELINE = """\
stages: [deploy, check]
include:
  - local: templates/deploy.yml
    inputs:
      app: site-$CI_COMMIT_REF_SLUG
      directory: dist
      create: true
      review: true
      review-in: branch
      environment: review/$CI_COMMIT_REF_SLUG
      action-image: %(image)s
      rules: %(rules)s
  - local: templates/deploy.yml
    inputs:
      job-name: deploy-image
      stage: check
      app: api
      image: nginx:1
      create: true
      action-image: %(image)s
check:
  stage: check
  image: %(image)s
  needs: [zerokie-deploy]
  script:
    - echo "$ZEROKIE_RESULT_APP is $ZEROKIE_RESULT_STATUS at $ZEROKIE_RESULT_URL"
"""


@pytest.fixture
def repository(image: Image, platform: Platform, workspace: Path) -> Path:
    """A repository with a pipeline of two deploys and a job that reads what they report."""
    variables = f"ZEROKIE_API_URL: {platform.url}\nZEROKIE_API_KEY: {API_KEY}\n"
    (workspace / ".gitlab-ci-local-variables.yml").write_text(variables, "utf-8")
    shutil.copytree(ROOT / "templates", workspace / "templates")
    rules = json.dumps([{"if": "$CI_COMMIT_BRANCH"}])
    (workspace / ".gitlab-ci.yml").write_text(PIPELINE % {"image": image.tag, "rules": rules}, "utf-8")
    commit(workspace)
    return workspace


def run_jobs(repository: Path, *jobs: str, **variables: str | int) -> str:
    """Run the pipeline, or some of its jobs, in the host's network. They succeed. Returns the log."""
    runner = find_program("gitlab-ci-local", from_="install the tools in .ci/package.json")
    find_program("rsync", from_="gitlab-ci-local copies the repository with it")
    variables = {"CI_PROJECT_ID": PROJECT, **variables}
    given = [option for name, value in variables.items() for option in ("--variable", f"{name}={value}")]
    options = [f"--container-executable={DOCKER}", "--pull-policy=if-not-present", "--network=host"]
    options.append("--json-schema-validation=false")  # its schema lacks `hooks` and `id_tokens` in `inherit`
    return succeed(runner, *options, *given, *jobs, folder=repository)


def test_variables_reach_later_jobs(platform: Platform, repository: Path) -> None:
    """Variables reach later jobs; a later deploy is not led astray by them; after_script is content."""
    log = run_jobs(repository)

    site = platform.app("site-main")
    assert platform.site("site-main") == contents(repository / "dist")
    assert f"site-main is deployed at {site['url']}\n" in log
    assert platform.app("api")["image"] == "nginx:1"
    assert log.count("$ zerokie-cleanup") == 2
    assert API_KEY not in log


DEFAULT = """\
default:
  image: node:24
  services: [postgres:17]
  before_script: [npm ci]
  after_script: [npm run bye]
  cache: { key: npm, paths: [node_modules] }
  artifacts: { paths: [build] }
  interruptible: true
zerokie-deploy:
  before_script: [echo "the project's own job"]
"""


def test_the_components_jobs_ignore_a_projects_defaults(platform: Platform, repository: Path) -> None:
    """It is not for the component's: no `npm` is in its image. A job of the same name still adds to them."""
    pipeline = repository / ".gitlab-ci.yml"
    pipeline.write_text(pipeline.read_text("utf-8") + DEFAULT, "utf-8")

    deploy = run_jobs(repository, "zerokie-deploy")
    assert "the project's own job\n" in deploy
    assert platform.site("site-main") == contents(repository / "dist")

    stop = run_jobs(repository, "zerokie-deploy-stop", CI_COMMIT_BRANCH="topic")
    assert "npm" not in deploy + stop
    assert "site-main" not in platform.state()["apps"]


# --- the examples of previews

API = "https://api.platform-dev.zerokie.com"
COMPONENT = "component: $CI_SERVER_FQDN/<YOUR_GROUP>/zerokie-action/deploy@1"


def use_example(repository: Path, name: str, platform: Platform, image: Image) -> None:
    """Make an example the repository's pipeline, with the component and the image of this checkout."""
    text = (ROOT / "examples" / "gitlab" / name).read_text("utf-8")
    text = text.replace(COMPONENT, "local: templates/deploy.yml").replace('"123"', f'"{PROJECT}"')
    text = re.sub(r"^( +)inputs:\n", rf"\g<0>\1  action-image: {image.tag}\n", text, flags=re.MULTILINE)
    text = text.replace(API, platform.url).replace(PUBLISHED, image.tag)
    (repository / ".gitlab-ci.yml").write_text(text, "utf-8")


def test_the_readmes_pipeline_makes_a_site_live(platform: Platform, repository: Path, image: Image) -> None:
    """The one that the README has, in a project that has nothing else: a site is live."""
    shutil.rmtree(repository / "dist")
    use_example(repository, "component.yml", platform, image)
    succeed("git", "add", "--all", folder=repository)

    run_jobs(repository)

    head = succeed("git", "rev-parse", "HEAD", folder=repository).strip()
    assert platform.site("my-site") == {"index.html": f"<h1>This is commit {head}</h1>\n".encode()}


def test_a_review_app_comes_and_goes_with_the_merge_request(
    platform: Platform, repository: Path, image: Image
) -> None:
    """Created by its pipeline, with a comment; removed by the job that GitLab runs when it is closed."""
    use_example(repository, "review.yml", platform, image)
    notes = "/projects/7/merge_requests/3/notes"
    with rest() as api:
        api.answers = {
            f"GET {notes}?per_page=100&page=1": ([], {}),
            f"POST {notes}": ({"id": 1}, {}),
            f"PUT {notes}/1": ({}, {}),
        }
        merge_request: dict[str, str | int] = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": 3,
            "CI_API_V4_URL": api.url,
            "ZEROKIE_GITLAB_TOKEN": "token",
            "ZEROKIE_COMMENT": "true",
        }

        log = run_jobs(repository, **merge_request | {"CI_PROJECT_ID": PROJECT + 1})
        assert "build-review" in log  # a fork's pipeline, which has no other job
        assert "deploy-review" not in log

        train = run_jobs(repository, **merge_request | {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"})
        assert "build-review" in train
        assert "deploy-review" not in train

        run_jobs(repository, "deploy-review", **merge_request)
        assert platform.site("my-site-mr-3") == contents(repository / "dist")
        assert "`my-site-mr-3` is deployed" in api.bodies[-1].decode()

        run_jobs(repository, "deploy-review-stop", **merge_request)
        assert platform.state()["apps"] == {}
        assert "`my-site-mr-3` is deleted" in api.bodies[-1].decode()


def test_the_schedule_of_the_sweep_deletes_closed_previews(
    platform: Platform, repository: Path, image: Image
) -> None:
    """With the job's own token, in the schedule of that description alone; other schedules deploy nothing."""
    use_example(repository, "sweep.yml", platform, image)
    for number in (3, 4):
        platform.create(f"my-site-mr-{number}")
    with rest() as api:
        api.answers = {
            "GET /projects/7/merge_requests/3": ({"iid": 3, "state": "merged"}, {}),
            "GET /projects/7/merge_requests/4": ({"iid": 4, "state": "opened"}, {}),
        }
        schedule = {
            "CI_PIPELINE_SOURCE": "schedule",
            "CI_PIPELINE_SCHEDULE_DESCRIPTION": "sweep review apps",
            "CI_API_V4_URL": api.url,
            "CI_JOB_TOKEN": "job-token",
        }
        run_jobs(repository, **schedule)
        assert {headers["authorization"] for headers in api.headers} == {"Bearer job-token"}
    assert set(platform.state()["apps"]) == {"my-site-mr-4"}


def test_a_review_app_of_a_branch_has_a_name_that_fits(
    platform: Platform, repository: Path, image: Image
) -> None:
    """Its name fits, however long the branch's is."""
    use_example(repository, "branch.yml", platform, image)
    branch = "feature/A_menu-that-nobody-can-type-in-one-go-and-nobody-wants-to-read-aloud"
    for command in (("checkout", "-q", "-b", branch), ("add", "--all")):
        succeed("git", *command, folder=repository)

    run_jobs(repository, "deploy-branch")
    (app,) = platform.state()["apps"]
    assert re.fullmatch("my-site-review-[a-z0-9-]{1,17}", app)
    assert platform.site(app) == contents(repository / "dist")

    run_jobs(repository, "deploy-branch-stop")
    assert platform.state()["apps"] == {}


def test_a_monorepo_has_three_sites_and_three_review_apps(
    platform: Platform, repository: Path, image: Image
) -> None:
    """Three sites from main; a merge request has three review apps, which their stop jobs remove."""
    use_example(repository, "monorepo.yml", platform, image)
    sites = ("web", "docs", "status")
    for site in sites:
        folder = shutil.copytree(repository / "dist", repository / "sites" / site)
        (folder / "index.html").write_text(f"<h1>{site}</h1>", "utf-8")
        platform.create(f"shop-{site}")
    succeed("git", "add", "--all", folder=repository)

    log = run_jobs(repository)
    for site in sites:
        assert platform.site(f"shop-{site}") == contents(repository / "sites" / site)
        assert f"environment: {{ name: production/shop-{site}" in log

    merge_request: dict[str, str | int] = {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": 3,
    }
    run_jobs(repository, *(f"review-{site}" for site in sites), **merge_request)
    for site in sites:
        assert platform.site(f"shop-{site}-mr-3") == contents(repository / "sites" / site)

    run_jobs(repository, *(f"review-{site}-stop" for site in sites), **merge_request)
    assert set(platform.state()["apps"]) == {f"shop-{site}" for site in sites}


REGISTRY = {
    "CI_REGISTRY": "registry.example",
    "CI_REGISTRY_IMAGE": "registry.example/my-api",
    "CI_DEPLOY_USER": "gitlab+deploy-token-1",
    "CI_DEPLOY_PASSWORD": "token",
}


def use_image_example(repository: Path, name: str, platform: Platform, image: Image) -> None:
    """The machine's own engine builds, and does not push; there is no Docker in Docker."""
    use_example(repository, name, platform, image)
    (repository / "Dockerfile").write_text("FROM scratch\nCOPY dist /\n", "utf-8")
    pipeline = repository / ".gitlab-ci.yml"
    text = re.sub(r"^  (image: docker|services): ?.*\n", "", pipeline.read_text("utf-8"), flags=re.MULTILINE)
    text = text.replace('docker login --username "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"', "cat")
    text = text.replace("docker push", "echo")
    pipeline.write_text(text, "utf-8")
    succeed("git", "add", "--all", folder=repository)


def test_production_gets_the_digest_that_staging_has(
    platform: Platform, repository: Path, image: Image
) -> None:
    """One build; the job for production deploys the digest that staging has."""
    use_image_example(repository, "staging.yml", platform, image)

    run_jobs(repository, "build", "staging", "production", CI_COMMIT_TAG="1.2.3", **REGISTRY)

    name = platform.app("my-api-staging")["image"]
    assert re.fullmatch("registry.example/my-api@sha256:[0-9a-f]{64}", name)
    assert platform.app("my-api")["image"] == name
    succeed("docker", "image", "rm", "registry.example/my-api:1.2.3")


def test_an_image_is_built_and_deployed_by_digest(platform: Platform, repository: Path, image: Image) -> None:
    """Built and pushed under the commit's own name, then deployed by digest, without the component."""
    use_image_example(repository, "image.yml", platform, image)

    log = run_jobs(repository, **REGISTRY)

    name = platform.app("my-api")["image"]
    assert re.fullmatch("registry.example/my-api@sha256:[0-9a-f]{64}", name)
    head = succeed("git", "rev-parse", "HEAD", folder=repository).strip()
    succeed("docker", "image", "rm", f"registry.example/my-api:{head}")
    assert "environment: { name: production/my-api" in log

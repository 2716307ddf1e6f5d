"""Whose app a static app is: the manifest says which repository deployed it, and another one is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import running_web
from tests.support.schema import check_result
from tests.support.world import SITE
from zerokie_action.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.support.world import Outcome, World

OURS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REPOSITORY_ID": "7",
    "GITHUB_RUN_ID": "123",
}
THEIRS = OURS | {"GITHUB_REPOSITORY": "acme/docs", "GITHUB_REPOSITORY_ID": "8", "GITHUB_RUN_ID": "456"}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_SERVER_URL": "https://gitlab.com",
    "CI_PROJECT_PATH": "acme/docs",
    "CI_PROJECT_ID": "7",
}
NOWHERE: dict[str, str] = {}
REFUSED = (
    "App 'site' was last deployed from 'github.com/acme/shop' "
    "(https://github.com/acme/shop/actions/runs/123), not from 'github.com/acme/docs'"
)
OPERATIONS = [
    pytest.param({}, id="deploy"),
    pytest.param({"incremental": False}, id="not incremental"),
    pytest.param({"operation": "destroy"}, id="destroy"),
]


def run(world: World, env: dict[str, str], **inputs: object) -> Outcome:
    world.env = dict(env)
    return world.run(**inputs)


def documents(world: World) -> dict[str, dict[str, object]]:
    """The manifests in the zone."""
    files = world.platform.files("site")
    return {path: json.loads(body) for path, body in files.items() if path.startswith(".zerokie/")}


def owner(world: World) -> object:
    (document,) = documents(world).values()
    return document.get("owner")


def put_owner(world: World, owner: object) -> None:
    """Have the manifest name this owner."""
    ((path, document),) = documents(world).items()
    world.platform.put_file("site", path, json.dumps(document | {"owner": owner}).encode())


def test_the_manifest_says_who_deployed(world: World) -> None:
    """Server, repository and run."""
    run(world, OURS)
    assert owner(world) == {
        "forge": "github.com",
        "id": "7",
        "name": "acme/shop",
        "run": "https://github.com/acme/shop/actions/runs/123",
    }


@pytest.mark.parametrize("inputs", OPERATIONS)
def test_another_repository(world: World, inputs: dict[str, object]) -> None:
    """Both are named, nothing is changed, and the lock is finalized with zeros."""
    run(world, OURS)
    before = world.platform.files("site")
    world.write({"index.html": b"theirs"})
    outcome = run(world, THEIRS, **inputs)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == REFUSED
    assert "`take-over: true`" in outcome.outputs["hint"]
    assert world.platform.files("site") == before
    assert world.platform.lock("site") is None
    assert [record.method for record in outcome.writes] == ["POST"]
    finalized = world.platform.deployments("site")[-1]
    assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
    check_result(outcome.outputs)


@pytest.mark.parametrize("inputs", OPERATIONS)
def test_another_repository_tries(world: World, inputs: dict[str, object]) -> None:
    """A dry run ends as the real one would, without the lock."""
    run(world, OURS)
    outcome = run(world, THEIRS, dry_run=True, **inputs)
    assert outcome.exit_code == 2
    assert outcome.outputs["error"] == REFUSED
    assert {record.method for record in outcome.requests} == {"GET"}


@pytest.mark.parametrize("inputs", OPERATIONS)
@pytest.mark.parametrize("dry_run", [True, False])
def test_taking_over(world: World, inputs: dict[str, object], *, dry_run: bool) -> None:
    """`take-over: true` goes on, and says whose app it was."""
    run(world, OURS)
    outcome = run(world, THEIRS, take_over=True, dry_run=dry_run, **inputs)
    assert outcome.exit_code == 0, outcome.log
    assert (
        "Taking over app 'site', last deployed from 'github.com/acme/shop' "
        "(https://github.com/acme/shop/actions/runs/123)"
    ) in outcome.log
    if dry_run:
        assert {record.method for record in outcome.requests} == {"GET"}
    elif inputs.get("operation") == "destroy":
        assert world.platform.apps.list() == []


def test_it_is_taken_over_for_good(world: World) -> None:
    """Even if not a single file is another one; then the former owner is the other repository."""
    run(world, OURS)
    outcome = run(world, THEIRS, take_over=True)
    assert outcome.outputs["files_uploaded"] == outcome.outputs["files_deleted"] == 0
    assert run(world, THEIRS).exit_code == 0
    assert run(world, OURS).exit_code == 2


def test_nothing_new_is_written_for_another_run(world: World) -> None:
    """A deploy that changes nothing leaves the manifest alone."""
    run(world, OURS)
    before = documents(world)
    outcome = run(world, OURS | {"GITHUB_RUN_ID": "124"})
    assert outcome.exit_code == 0
    assert documents(world) == before
    assert [record.path.rpartition("/")[2] for record in outcome.writes] == ["finalize"]


@pytest.mark.parametrize(
    ("env", "known"),
    [
        pytest.param(OURS | {"GITHUB_REPOSITORY": "acme/store"}, True, id="renamed"),
        pytest.param(OURS | {"GITHUB_REPOSITORY_ID": ""}, True, id="the name alone"),
        pytest.param(OURS | {"GITHUB_REPOSITORY_ID": "9"}, True, id="created anew"),
        pytest.param(OURS | {"GITHUB_SERVER_URL": "https://git.example.com"}, True, id="moved elsewhere"),
        pytest.param(GITLAB | {"CI_PROJECT_PATH": "acme/shop"}, True, id="moved to GitLab"),
        pytest.param(GITLAB, False, id="the same ID on another forge"),
        pytest.param(THEIRS | {"GITHUB_REPOSITORY_ID": ""}, False, id="another name alone"),
        pytest.param(NOWHERE, True, id="not asked"),
        pytest.param({"GITHUB_ACTIONS": "true"}, True, id="a run that does not know"),
    ],
)
def test_which_repository_is_the_same(world: World, env: dict[str, str], *, known: bool) -> None:
    """One that has the same ID on the same forge, or the same full name."""
    run(world, OURS)
    for operation in ({}, {"operation": "destroy"}):
        assert run(world, env, **operation).exit_code == (0 if known else 2)


def test_a_renamed_repository_is_recorded(world: World) -> None:
    """Its old name may become that of another one."""
    run(world, OURS)
    run(world, OURS | {"GITHUB_REPOSITORY": "acme/store"})
    assert run(world, THEIRS | {"GITHUB_REPOSITORY": "acme/shop"}).exit_code == 2


@pytest.mark.parametrize("files", [SITE, {"index.html": b"all of it is new"}])
def test_a_run_that_does_not_know_its_repository(world: World, files: dict[str, bytes]) -> None:
    """It is not asked, and leaves the recorded owner."""
    run(world, OURS)
    recorded = owner(world)
    world.write(files)
    outcome = run(world, NOWHERE)
    assert outcome.exit_code == 0
    assert owner(world) == recorded
    assert run(world, THEIRS).exit_code == 2


@pytest.mark.parametrize("forge", [OURS, GITLAB])
def test_a_site_without_an_owner(world: World, forge: dict[str, str]) -> None:
    """Deployed by an older version: it gets one by the next deploy, even if nothing changes."""
    run(world, NOWHERE)
    assert owner(world) is None
    outcome = run(world, forge)
    assert outcome.outputs["files_unchanged"] == len(SITE)
    assert run(world, THEIRS | {"GITHUB_REPOSITORY": "x/y"}).exit_code == 2


def test_a_failed_deploy_keeps_the_owner(world: World) -> None:
    """Every file is about to change, so the manifest vouches for nothing; it still says whose app this is."""
    run(world, OURS)
    world.write(dict.fromkeys(SITE, b"changed"))
    world.platform.faults.add(Fault(Kind.STATUS, "PUT", "/files/[a-z]", times=None, status=400))
    assert run(world, OURS).exit_code == 4
    world.platform.faults.clear()
    assert run(world, THEIRS).exit_code == 2


def test_a_deploy_that_was_killed_between_two_manifests(world: World) -> None:
    """Both say whose app it is."""
    run(world, OURS)
    ((path, document),) = documents(world).items()
    world.platform.put_file("site", f".zerokie/{'0' * 64}.json", json.dumps(document).encode())
    assert run(world, THEIRS).exit_code == 2
    assert run(world, OURS).exit_code == 0
    assert path not in documents(world)
    assert run(world, THEIRS).exit_code == 2


@pytest.mark.parametrize("inputs", OPERATIONS)
@pytest.mark.parametrize("kind", [Kind.RESET, Kind.STATUS])
def test_a_manifest_that_cannot_be_read_at_once(world: World, inputs: dict[str, object], kind: Kind) -> None:
    """It is asked for again: one lost answer is no take-over."""
    run(world, OURS)
    (path,) = documents(world)
    world.platform.faults.add(Fault(kind, "GET", path, status=503, times=2))
    outcome = run(world, THEIRS, **inputs)
    assert (outcome.exit_code, outcome.outputs["error"]) == (2, REFUSED)


def test_a_take_over_that_was_killed_between_two_manifests(world: World) -> None:
    """It may be either's: neither is locked out."""
    run(world, OURS)
    before = documents(world)
    run(world, THEIRS, take_over=True)
    for path, document in before.items():
        world.platform.put_file("site", path, json.dumps(document).encode())
    for env in (THEIRS, OURS):
        assert run(world, env, dry_run=True).exit_code == 0


@pytest.mark.parametrize("inputs", OPERATIONS)
def test_a_manifest_that_cannot_be_read(world: World, inputs: dict[str, object]) -> None:
    """Nobody is refused for it, but a warning says that nothing was compared."""
    run(world, OURS)
    (path,) = documents(world)
    world.platform.put_file("site", path, b"no JSON")
    outcome = run(world, THEIRS, **inputs)
    assert outcome.exit_code == 0
    warning = (
        "The manifest can't be read, so it is not known which repository deployed app 'site' last, "
        "nor what earlier deploys uploaded"
    )
    assert outcome.outputs["warnings"] == [warning]
    assert outcome.log.count("can't be read") == 1
    if not inputs:
        (path,) = documents(world)
        world.platform.put_file("site", path, b"no JSON")
        assert run(world, NOWHERE).outputs["warnings"] == []


@pytest.mark.parametrize(
    "recorded", [None, [], "acme/shop", {}, {"id": 7, "name": None}, {"forge": "github.com", "run": "x"}]
)
def test_an_owner_of_another_shape(world: World, recorded: object) -> None:
    """Is none."""
    run(world, OURS)
    put_owner(world, recorded)
    outcome = run(world, THEIRS)
    assert outcome.exit_code == 0
    assert outcome.outputs["files_unchanged"] == len(SITE)


def test_hostile_text(world: World) -> None:
    """What a manifest says is no command, no markup, and does not hide the rest of the message."""
    run(world, OURS)
    name = "x\r\n::error::y\n##[error]z\x1b[31m\u202e" + "w" * 100_000
    put_owner(world, {"forge": "\n::set-output name=a::b", "id": "", "name": name, "run": "javascript:\n"})
    outcome = run(world, THEIRS)
    assert outcome.exit_code == 2
    (error,) = [line for line in outcome.log.splitlines() if "was last deployed from" in line]
    assert error.startswith("::error")
    assert "not from 'github.com/acme/docs'" in error
    assert len(error) < 1000
    assert "javascript" not in error
    assert not {"\x1b", "\u202e"} & set(outcome.log)
    assert [line for line in outcome.log.splitlines() if "::set-output" in line] == [error]
    assert "##[" not in outcome.log


def test_only_an_id(world: World) -> None:
    """Then it is named by that."""
    run(world, OURS | {"GITHUB_REPOSITORY": ""})
    error = run(world, THEIRS).outputs["error"]
    assert "from 'github.com/repository 7', not from 'github.com/acme/docs'" in error


def test_container_apps_have_no_owner(world: World) -> None:
    """They have no storage that could say so."""
    running_web(world)
    for env in (OURS, THEIRS):
        assert run(world, env, app="web", image="nginx:2").exit_code == 0
    assert run(world, OURS, app="web", operation="destroy").exit_code == 0


def test_the_owner_changes_while_we_wait(world: World) -> None:
    """It is read under the lock."""
    run(world, OURS)
    world.platform.take_lock("site", "somebody else")

    def end() -> None:
        put_owner(world, {"forge": "github.com", "id": "8", "name": "acme/docs", "run": ""})
        world.platform.expire_lock("site")

    world.loop.call_later(20, end)
    assert run(world, OURS).exit_code == 2
    assert world.stored() == SITE


def test_what_a_refused_run_leaves(world: World) -> None:
    """No lock for the cleanup to release."""
    run(world, OURS)
    state = world.folder.parent / "state.json"
    for operation in ({}, {"operation": "destroy"}):
        run(world, THEIRS, state_file=state, **operation)
        assert not state.exists()

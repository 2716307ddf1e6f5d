"""Dry runs of all operations."""

import pytest

from tests.support.containers import NEW, OLD, lines, running_web
from tests.support.world import World

EVERYTHING: dict[str, object] = {
    "wait": True,
    "health_check": "/healthz",
    "rollback": True,
    "registry_server": "r.example.com",
    "registry_username": "u",
    "registry_password": "pass-word",
}
DOMAINS = ["Plan: would attach 'www.example.com'", "Plan: would remove 'old.example.com'"]
FOLDER = EVERYTHING | {"domains": "www.example.com", "remove_domains": "old.example.com"}
IMAGE = EVERYTHING | {"image": NEW, "port": 80, "env": "A=1"}
DESTROY = EVERYTHING | {"operation": "destroy"}

CASES: dict[str, tuple[dict[str, object], list[str]]] = {
    # name: inputs, text of the plan
    "folder, deployed before": (
        FOLDER | {"app": "site"},
        ["Plan: 2 to upload (23 B), 2 to delete, 2 unchanged", *DOMAINS],
    ),
    "folder, new app": (
        FOLDER | {"app": "new", "create": True},
        [
            "Plan: 4 to upload (29 B), 0 to delete, 0 unchanged",
            "Plan: would create static app 'new'",
            *DOMAINS,
        ],
    ),
    "image": (IMAGE | {"app": "web"}, ["Plan: would deploy 'nginx:2' instead of 'nginx:1'"]),
    "image, new app": (
        IMAGE | {"app": "new", "create": True},
        ["Plan: would create container app 'new' with 'nginx:2'"],
    ),
    "restart": (EVERYTHING | {"operation": "restart", "app": "web"}, ["Plan: would restart 'nginx:1'"]),
    "destroy": (DESTROY | {"app": "site"}, ["Plan: would delete app 'site' with 5 files"]),
    "destroy, no app": (DESTROY | {"app": "new"}, []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_dry_run_sends_only_get_requests(world: World, name: str) -> None:
    """This covers each operation on each type of app. Log, summary and JSON show the planned changes."""
    inputs, plan = CASES[name]
    running_web(world)
    site = world.read()
    same = {"empty": b"", "assets/style.css": b"body{}"}
    world.write(same | {"index.html": b"old", "stale": b"", "stale too": b""})
    world.run()
    world.write(site)
    before = _everything(world)
    outcome = world.run(dry_run=True, **inputs)

    assert {record.method for record in outcome.requests} == {"GET"}
    assert _everything(world) == before
    assert outcome.exit_code == 0, outcome.log
    outputs = outcome.outputs
    assert (outputs["status"], outputs["image"], outputs["deploy_id"]) == ("planned", None, None)
    assert outputs["previous_image"] == (OLD if inputs["app"] == "web" else None)
    assert outputs["created"] in {False, None}
    assert outputs["changed"] is bool(plan)
    assert [line for line in lines(outcome) if line.startswith("Plan:")] == plan
    assert lines(outcome)[-1] == "Dry run: nothing was changed"
    assert "Dry run for" in outcome.summary
    for line in plan:
        if "would" in line:
            said = line.removeprefix("Plan: ").replace("http://platform", world.platform.base_url)
            assert f"Dry run: {said}." in outcome.outputs["notes"]


def _everything(world: World) -> object:
    platform = world.platform
    return [
        (app, platform.files(app.name), platform.domains.list(app.name), platform.lock(app.name))
        for app in platform.apps.list()
    ]


def test_an_unknown_image_is_omitted(world: World) -> None:
    """The log has no empty quotation marks for the running image."""
    running_web(world)
    world.platform.dialect.speak("image=not-in-get")
    deploy = world.run(dry_run=True, app="web", image=NEW)
    assert lines(deploy)[0] == "Plan: would deploy 'nginx:2'"
    restart = world.run(dry_run=True, app="web", operation="restart")
    assert lines(restart)[0] == "Plan: would restart 'web'"


def test_the_plan_lists_deletions_first(world: World) -> None:
    """The plan shows a limited number of files, and at `debug` all of them with reasons."""
    world.write({"old.txt": b"", "000.txt": b"", "index.html": b"x"})
    world.run()
    world.write({"index.html": b"x"} | {f"{number:03}.txt": b"x" for number in range(60)})
    plan = "Plan: 60 to upload (60 B), 1 to delete, 1 unchanged"
    outcome = world.run(dry_run=True)
    assert (outcome.outputs["changed"], outcome.outputs["files_uploaded"]) == (True, 60)
    assert outcome.outputs["deleted"] == ["old.txt"]
    assert "`-` `old.txt` (0 B)" in outcome.summary
    log = lines(outcome)
    assert log[log.index(plan) + 1 :][:21] == [
        "  - old.txt",
        "  ~ 000.txt",
        *(f"  + {number:03}.txt" for number in range(1, 19)),
        "  and 41 more (`log-level: debug` lists all)",
    ]
    world.env["GITHUB_ACTIONS"] = "true"
    assert "  and 11 more (`log-level: debug` lists all)\n" in world.run(dry_run=True).log
    world.env.clear()
    log = lines(world.run(log_level="debug"))
    assert [line for line in log if line.startswith(("  - ", "  ~ ", "  + "))] == [
        "  - old.txt (missing from the folder, or ignored)",
        "  ~ 000.txt (content differs)",
        *(f"  + {number:03}.txt (new)" for number in range(1, 60)),
    ]


def test_the_plan_is_folded_if_the_ci_supports_it(world: World) -> None:
    """A path can't be a command there. A plan without changes has no group."""
    world.write({"old.txt": b""})
    world.run()
    world.env["GITHUB_ACTIONS"] = "true"
    outcome = world.run(dry_run=True)
    assert "::group::" not in outcome.log
    assert outcome.outputs["changed"] is False
    assert (outcome.outputs["files_uploaded"], outcome.outputs["files_unchanged"]) == (0, 1)
    world.write({"a.html": b"x", "::error::x": b"x"})
    plan = "::group::Plan: 2 to upload (2 B), 1 to delete, 0 unchanged\n"
    assert f"\n{plan}  - old.txt\n  + ::error::x\n  + a.html\n::endgroup::\n" in world.run(dry_run=True).log


def test_a_stopped_dry_run_is_not_a_failed_deploy(world: World) -> None:
    world.platform.put_file("site", "theirs", b"")
    world.env["GITHUB_ACTIONS"] = "true"
    outcome = world.run(dry_run=True)
    assert outcome.exit_code == 2
    assert "\n::error::" in outcome.log
    assert outcome.summary.startswith("## ❌ `site`: dry run failed\n")

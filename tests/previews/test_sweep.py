"""`operation: sweep`, whole runs: what a forge and the platform say decides which previews go."""

import math
from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.http.servers import Handler, Peer, always
from tests.previews.code_host import TOKEN, Forge, run
from tests.support.containers import lines, tell
from tests.support.schema import check_result
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.site.manifest import mark_repository, new_manifest_name

HOST = {"github": "github.example.com", "gitlab": "gitlab.example.com"}


def preview(world: World, name: str, repository: str = f"{HOST['github']}/o/r") -> None:
    """A static app that a repository has deployed; one without a name does not know which it is."""
    world.platform.apps.create_static(name)
    paths = ["index.html", "about.html"]
    for path in [*paths, new_manifest_name(1, mark_repository(repository), paths).path]:
        world.platform.put_file(name, path, b"{}")


def container(world: World, name: str) -> None:
    world.platform.apps.create_container(name, image="nginx:1", port=80)
    world.platform.apps.set_status(name, "running")


def sweep(world: World, forge: Forge | Handler, ci: str = "github", **inputs: Any) -> Outcome:
    given: dict[str, Any] = {"operation": "sweep", "app": "my-site-pr-*", "comment": True, **inputs}
    outcome = run(world, forge, ci, **given)
    check_result(outcome.outputs)
    assert [outcome.outputs[name] for name in ("app", "url", "kind")] == [None] * 3
    return outcome


def previews(world: World, count: int) -> list[str]:
    """The previews of the first so many requests."""
    names = [f"my-site-pr-{number}" for number in range(1, count + 1)]
    for name in names:
        preview(world, name)
    return names


def closed(count: int, **more: Any) -> Forge:
    """A forge where the first so many requests are closed."""
    return Forge(states=dict.fromkeys(range(1, count + 1), "closed"), **more)


def left(world: World) -> set[str]:
    return {app.name for app in world.platform.apps.list()} - {"site"}


def require(outcome: Outcome, apps: Iterable[str], code: int = 0, status: str = "destroyed") -> None:
    assert (outcome.exit_code, outcome.outputs["status"]) == (code, status), outcome.log
    assert outcome.outputs["apps"] == [*apps]
    assert outcome.outputs["changed"] is bool(outcome.outputs["apps"])


# --- which apps go

OTHERS = (
    *("my-site", "my-site-{}-", "my-site-{}-07", "my-site-{}-0", "my-site-{}-1-old", "a-my-site-{}-1"),
    *("my-site-{}-1x", "my-site-{}-5.1", "MY-SITE-{}-1", "my-site-{}-\u0663", "mylsite-{}-1", "blog-{}-1"),
)
"""Names that are no preview of a pattern `my-site-…-*`."""


@pytest.mark.parametrize("ci", HOST)
def test_only_previews_of_closed_requests_go(world: World, ci: str) -> None:
    """Those that are exactly a pattern's text and the number of a request that was closed or merged.

    Each deletion has its own session, and says so on its own request. The log tells why an app stays.
    """
    kind, request = {"github": ("pr", "pull request #"), "gitlab": ("mr", "merge request !")}[ci]
    stay = {name.format(kind) for name in OTHERS} | {f"my-site-{kind}-12", f"docs-{kind}-12"}
    go = [f"docs-{kind}-1", f"my-site-{kind}-1", f"my-site-{kind}-2", f"docs-{kind}-120"]
    for name in [*stay, *go]:
        preview(world, name, f"{HOST[ci]}/o/r")
    over = "merged" if ci == "gitlab" else "closed"
    forge = Forge(states=dict.fromkeys((0, 1, 2, 3, 5, 7, 120), over) | {12: "opened"})
    outcome = sweep(world, forge, ci, app=f"my-site-{kind}-*\ndocs-{kind}-*\n# all\n")
    require(outcome, go)
    assert left(world) == stay
    assert f"App 'docs-{kind}-12' stays: {request}12 is opened" in lines(outcome)
    assert f"Destroyed app 'my-site-{kind}-2' with 2 files: {request}2 is {over}" in lines(outcome)
    assert len({record.session for record in outcome.sent("POST", "/deploy/lock$")}) == len(go)
    told = [number for number, text in forge.comments.items() if "is deleted" in text]
    assert sorted(forge.about[number] for number in told) == [1, 1, 2, 120]
    assert f"- Destroyed app 'docs-{kind}-120' with 2 files: " in outcome.summary
    assert API_KEY not in "".join(forge.received)


def test_each_comment_has_the_time_of_its_own_preview(world: World) -> None:
    """The comment on a request gives the time of its own preview."""
    names, forge = previews(world, 2), closed(2)
    world.fault(Kind.DELAY, "DELETE", "-pr-2$", seconds=4.0)
    require(sweep(world, forge), names)
    first, second = forge.comments.values()
    assert "\n4 s\n" not in first
    assert "\n4 s\n" in second


def test_only_matching_apps_are_asked_about(world: World) -> None:
    """Nobody is asked about the apps of others, and no list of requests is read."""
    forge = Forge(states={1: "open", 2: "closed"})
    previews(world, 2)
    preview(world, "other-1")
    require(sweep(world, forge, comment=False), ["my-site-pr-2"])
    assert forge.requests == [f"GET /repos/o/r/pulls/{number}" for number in (1, 2, 2)]


def test_a_container_is_asked_about_right_before_the_delete(world: World) -> None:
    """They have no lock and no owner: the forge is asked right before the DELETE."""
    for number in (1, 2):
        container(world, f"my-site-pr-{number}")
    forge = closed(2)
    forge.on_request = lambda line: forge.states.update({2: "open"}) if line.endswith("/pulls/2") else None
    outcome = sweep(world, forge)
    require(outcome, ["my-site-pr-1"])
    assert left(world) == {"my-site-pr-2"}
    assert "App 'my-site-pr-2' stays: pull request #2 is open by now" in lines(outcome)
    assert outcome.sent("POST", "") == []


def test_pull_request_limits_the_sweep(world: World) -> None:
    """`pull-request` limits the sweep: its apps are looked up by name, and the forge is asked as well."""
    for name in ("my-site-pr-1", "my-site-pr-12", "docs-pr-1"):
        preview(world, name)
    forge = Forge(states={1: "closed", 12: "closed"})
    outcome = sweep(world, forge, app="my-site-pr-*\ndocs-pr-*\nblog-pr-*", pull_request=1)
    require(outcome, ["docs-pr-1", "my-site-pr-1"])
    assert left(world) == {"my-site-pr-12"}
    assert outcome.sent("GET", "/v1/apps$") == []
    assert outcome.outputs["warnings"] == []
    require(sweep(world, forge, pull_request=1), [])


def test_a_request_reopened_under_the_lock_keeps_its_preview(world: World) -> None:
    """The second answer counts; the lock is released with zeros. Nothing to do is a success."""
    previews(world, 1)
    forge = closed(1)
    world.once("POST", "/lock$", lambda: forge.states.update({1: "open"}))
    outcome = sweep(world, forge)
    require(outcome, [])
    assert left(world) == {"my-site-pr-1"}
    assert world.platform.lock("my-site-pr-1") is None
    (finalized,) = world.platform.deployments("my-site-pr-1")
    assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
    assert forge.comments == {}
    assert "nothing to delete" in outcome.summary


ANSWERS = {
    1: (200, b'{"number": 1, "state": "locked"}'),
    2: (200, b'{"number": 1, "state": "closed"}'),  # of another request
    3: (200, b'{"number": 3}'),  # without a state
    4: (200, b'[{"number": 4, "state": "closed"}]'),  # a list
    5: (404, b'{"message": "Not Found"}'),
    6: (404, b"<html><title>Not found</title></html>"),  # a proxy's
    7: (422, b'{"message": "state: closed"}'),
}


def test_any_other_answer_keeps_the_app(world: World) -> None:
    """The app stays, and the log says what was answered."""
    names = previews(world, len(ANSWERS))
    outcome = sweep(world, Forge(answers=ANSWERS))
    require(outcome, [])
    assert left(world) == {*names}
    locked, *others = (line for line in lines(outcome) if "stays: " in line)
    assert locked == "App 'my-site-pr-1' stays: pull request #1 is locked"
    for line, (status, _) in zip(others, [*ANSWERS.values()][1:], strict=True):
        assert f"answered {status}" in line


def test_another_repositorys_preview_stays(world: World) -> None:
    """It has the same key and the same names: a static app tells whose it is, a container does not."""
    preview(world, "my-site-pr-1", f"{HOST['github']}/o/template")
    preview(world, "my-site-pr-2", "")  # deployed by a run that knew no repository
    preview(world, "my-site-pr-3")
    world.fault(Kind.STATUS, "GET", "-pr-3/files$", status=404, skip=1)  # the list under the lock
    container(world, "my-site-pr-4")
    preview(world, "my-site-pr-5")
    world.platform.put_file("my-site-pr-5", "upload.jpg", b"of a visitor")  # nothing is asked about our own
    preview(world, "my-site-pr-6")
    world.fault(Kind.STATUS, "GET", "-pr-6/files$", status=404)  # the list that decides the kind
    outcome = sweep(world, closed(6), take_over=True)
    require(outcome, ["my-site-pr-4", "my-site-pr-5"])
    assert left(world) == {"my-site-pr-1", "my-site-pr-2", "my-site-pr-3", "my-site-pr-6"}
    kept = outcome.outputs["warnings"]
    assert kept[0] == (
        "Can't confirm that this repository deployed app 'my-site-pr-1', which has 2 files. The app stays. "
        "To delete it, use `operation: destroy` with this `app`."
    )
    assert kept[1].startswith("Can't confirm that this repository deployed app 'my-site-pr-2', ")
    assert kept[2].startswith("The platform lists no files of app 'my-site-pr-3' (")
    assert kept[3].startswith("The platform doesn't show whether 'my-site-pr-6' is a container app or ")
    assert {record.path for record in outcome.requests if "_zerokie" in record.path} == set()


def test_a_dry_run_says_which_and_comments_nothing(world: World) -> None:
    previews(world, 2)
    forge = Forge(states={1: "closed", 2: "opened"})
    outcome = sweep(world, forge, dry_run=True)
    require(outcome, ["my-site-pr-1"], status="planned")
    assert {record.method for record in outcome.requests} == {"GET"}
    assert all(line.startswith("GET ") for line in forge.requests)
    assert "Plan: would destroy app 'my-site-pr-1' with 2 files: " in outcome.log
    assert "nothing was changed" in outcome.summary


# --- the forge and the keys


async def hang(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


FAILURES: dict[str, tuple[Forge | Handler, int]] = {
    "500": (Forge(refuse={"GET": (500, b"oops")}), 5),
    "silence": (hang, 5),
    "no JSON": (always(200, b"<html>Sign in</html>"), 5),
    "a redirect": (always(302, b"", "Location: http://127.0.0.1:9/"), 2),
    "401": (Forge(refuse={"GET": (401, b'{"message": "Bad credentials"}')}), 2),
    "403": (Forge(refuse={"GET": (403, b'{"message": "Resource not accessible by integration"}')}), 2),
    "429": (Forge(refuse={"GET": (429, b'{"message": "Too many requests"}')}), 5),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_forge_that_refuses_ends_the_sweep(world: World, case: str) -> None:
    """The sweep ends and destroys nothing. For a refusal, the hint has both causes: permission and limit."""
    forge, code = FAILURES[case]
    ci = "gitlab" if case == "403" else "github"
    names = previews(world, 2)
    outcome = sweep(world, forge, ci, retry_timeout="20s")
    require(outcome, [], code, "failed")
    assert left(world) == {*names}
    assert outcome.outputs["error"].endswith("; left for the next sweep: 'my-site-pr-1', 'my-site-pr-2'")
    assert "Nothing was changed." in outcome.log
    for cause in (f"`{ci}-token` needs ", "If the token reached its rate limit, "):
        assert (cause in outcome.outputs["hint"]) is (code == 2)
    assert ("the status of 127.0.0.1" in outcome.outputs["hint"]) is (code == 5)
    if case.isdecimal():  # which API that is: the platform has one, too
        assert f"127.0.0.1 answered {case}" in outcome.outputs["error"]
    assert outcome.seconds < 60


@pytest.mark.parametrize("allowance", [2, 3], ids=lambda left: f"{left} left")
def test_a_code_hosts_limit_is_a_refusal(world: World, allowance: int) -> None:
    """Each app takes two requests, the second under its lock. A later sweep destroys the rest."""
    names, forge = previews(world, 3), closed(3, allowance=allowance)
    outcome = sweep(world, forge, comment=False)
    require(outcome, names[:1], 2, "failed")
    assert '127.0.0.1 answered 403: "{"message": "API rate limit exceeded"}"' in outcome.outputs["error"]
    assert outcome.outputs["error"].endswith(
        "left for the next sweep: " + ", ".join(map(repr, names[allowance - 1 :]))
    )
    assert [world.platform.lock(name) for name in left(world)] == [None, None]
    forge.allowance = math.inf
    require(sweep(world, forge), names[1:])


def test_an_outage_of_the_forge_is_waited_out(world: World) -> None:
    """It is asked again, also under the lock."""
    names, forge = previews(world, 1), closed(1, refuse={"GET": (502, b"")})
    world.loop.call_later(5, forge.refuse.clear)
    world.once("POST", "/lock$", lambda: forge.refuse.update(GET=(502, b"")))
    world.loop.call_later(20, forge.refuse.clear)
    require(sweep(world, forge, comment=False), names)


def test_no_token_is_exit_2(world: World) -> None:
    """Exit 2 before anything is asked."""
    outcome = sweep(world, Forge(), "gitlab", gitlab_token=None)
    require(outcome, [], 2, "failed")
    assert "`gitlab-token` is not set" in outcome.outputs["error"]
    assert outcome.requests == []


def test_no_forge_is_exit_2(world: World) -> None:
    outcome = world.run(operation="sweep", app="my-site-pr-*", github_token=TOKEN)
    assert (outcome.exit_code, outcome.requests) == (2, [])
    assert "GitHub or GitLab" in outcome.outputs["error"]


# --- what goes wrong with an app


def test_an_app_whose_lock_is_held_is_left(world: World) -> None:
    """The app is left for the next sweep, at once, and that is no error."""
    previews(world, 2)
    world.platform.take_lock("my-site-pr-1", "somebody")
    outcome = sweep(world, closed(2), lock_timeout="1h")
    require(outcome, ["my-site-pr-2"])
    assert outcome.seconds < 2
    assert world.platform.lock("my-site-pr-1") == "somebody"
    assert any("is left for the next sweep" in note for note in outcome.outputs["notes"])


def test_one_failed_deletion_does_not_stop_the_others(world: World) -> None:
    """The others are; the first error's code counts, all are named, and the next run deletes them."""
    names, forge = previews(world, 4), closed(4)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.fault(Kind.STATUS, "DELETE", "-pr-3$", status=503, times=None)
    outcome = sweep(world, forge, retry_timeout="70s")  # longer than the release of a lock may take
    require(outcome, [names[1], names[3]], 4, "failed")
    assert left(world) == {names[0], names[2]}
    error = outcome.outputs["error"]
    assert error.startswith(f"App '{names[0]}': Deleting app '{names[0]}' was refused (400")
    assert f"; App '{names[2]}': Deleting app" in error
    assert error.endswith(f"it is not known whether app '{names[2]}' was deleted")
    assert [world.platform.lock(name) for name in (names[0], names[2])] == [None, None]
    assert len(forge.comments) == 2
    world.platform.faults.clear()
    require(sweep(world, forge), [names[0], names[2]])


def test_a_deletion_whose_answer_is_lost_is_looked_up(world: World) -> None:
    """The app is gone, so it is among the destroyed, also in the error of another one."""
    names = previews(world, 2)
    world.fault(Kind.RESET, "DELETE", "-pr-1$", after=True)
    world.fault(Kind.STATUS, "DELETE", "-pr-2$", status=400)
    outcome = sweep(world, closed(2))
    require(outcome, names[:1], 4, "failed")
    assert "not known" not in outcome.outputs["error"]


def test_a_lock_that_could_not_be_released_is_told(world: World) -> None:
    previews(world, 1)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.fault(Kind.STATUS, "POST", "/finalize$", times=None)
    outcome = sweep(world, closed(1))
    require(outcome, [], 4, "failed")
    assert "the deploy lock may still be held" in outcome.outputs["error"]


def test_a_refused_token_after_an_error_tells_both(world: World) -> None:
    """The sweep ends there, and its error names both problems."""
    names, forge = previews(world, 3), closed(3)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.once("DELETE", "-pr-2$", lambda: forge.refuse.update(GET=(401, b"{}")))
    outcome = sweep(world, forge)
    require(outcome, names[1:2], 4, "failed")
    error = outcome.outputs["error"]
    assert error.startswith(f"App '{names[0]}': Deleting app '{names[0]}' was refused (400")
    assert "; Asking about pull request #3 was refused: 127.0.0.1 answered 401" in error
    assert error.endswith(f"; left for the next sweep: '{names[2]}'")


def test_timeout_names_what_is_left(world: World) -> None:
    """Exit 9 names what is left; what was deleted is in the output, and the lock is free."""
    names = previews(world, 3)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    outcome = sweep(world, closed(3), timeout="20s")
    require(outcome, names[:1], 9, "failed")
    assert outcome.outputs["error"].endswith(f"; left for the next sweep: '{names[1]}', '{names[2]}'")
    assert left(world) == {*names[1:]}
    assert world.platform.lock(names[1]) is None


def test_a_signal_reports_what_was_destroyed(world: World) -> None:
    """In five seconds the lock is free; the report says what was destroyed, and what is left."""
    names = previews(world, 2)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    tell(world, after=5)
    outcome = sweep(world, closed(2))
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.seconds < 10
    assert world.platform.lock(names[1]) is None
    assert f"left for the next sweep: '{names[1]}'" in outcome.outputs["error"]


def test_a_signal_after_a_deletion_counts_the_app_as_gone(world: World) -> None:
    """The app that is gone is not left."""
    names, forge = previews(world, 2), closed(2)
    forge.on_request = lambda line: tell(world, after=0) if line.startswith("POST") else None
    outcome = sweep(world, forge)
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.outputs["error"].endswith(f"left for the next sweep: '{names[1]}'")


def test_each_lock_is_recorded_and_no_record_stays(world: World) -> None:
    """Each lock is recorded before it is asked for, and no record is left."""
    names = previews(world, 2)
    recorded: list[str] = []
    state = world.folder.parent / "state.json"
    world.platform.on_request = lambda record: (
        recorded.append(state.read_text().split()[-3].strip('",')) if record.method == "POST" else None
    )
    require(sweep(world, closed(2), state_file=state), names)
    assert recorded == names
    assert state.read_bytes() == b""

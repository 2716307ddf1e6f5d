"""Whole runs of `operation: sweep`, with the previews that each one deletes."""

import math
from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.http.servers import Handler, Peer, always
from tests.previews.code_host import NO_JOB, TOKEN, CodeHost, run
from tests.support.containers import lines, tell
from tests.support.schema import check_result
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.site.manifest import mark_repository, new_manifest_name

HOST = {"github": "github.example.com", "gitlab": "gitlab.example.com"}


def preview(world: World, name: str, repository: str = f"{HOST['github']}/o/r") -> None:
    """Create a static app deployed by a repository. Without a name, the repository is unknown."""
    world.platform.apps.create_static(name)
    paths = ["index.html", "about.html"]
    for path in [*paths, new_manifest_name(1, mark_repository(repository), paths).path]:
        world.platform.put_file(name, path, b"{}")


def container(world: World, name: str) -> None:
    world.platform.apps.create_container(name, image="nginx:1", port=80)
    world.platform.apps.set_status(name, "running")


def sweep(world: World, host: CodeHost | Handler, ci: str = "github", **inputs: Any) -> Outcome:
    given: dict[str, Any] = {"operation": "sweep", "app": "my-site-pr-*", "comment": True, **inputs}
    outcome = run(world, host, ci, **given)
    check_result(outcome.outputs)
    assert [outcome.outputs[name] for name in ("app", "url", "kind")] == [None] * 3
    return outcome


def previews(world: World, count: int) -> list[str]:
    """Create the previews of pull requests 1 to `count`. Return their names."""
    names = [f"my-site-pr-{number}" for number in range(1, count + 1)]
    for name in names:
        preview(world, name)
    return names


def closed(count: int, **more: Any) -> CodeHost:
    """Return a code host where pull requests 1 to `count` are closed."""
    return CodeHost(states=dict.fromkeys(range(1, count + 1), "closed"), **more)


def left(world: World) -> set[str]:
    return {app.name for app in world.platform.apps.list()} - {"site"}


def require(outcome: Outcome, apps: Iterable[str], code: int = 0, status: str = "destroyed") -> None:
    assert (outcome.exit_code, outcome.outputs["status"]) == (code, status), outcome.log
    assert outcome.outputs["apps"] == [*apps]
    assert outcome.outputs["changed"] is bool(outcome.outputs["apps"])


# --- the apps to delete

OTHERS = (
    *("my-site", "my-site-{}-", "my-site-{}-07", "my-site-{}-0", "my-site-{}-1-old", "a-my-site-{}-1"),
    *("my-site-{}-1x", "my-site-{}-5.1", "MY-SITE-{}-1", "my-site-{}-\u0663", "mylsite-{}-1", "blog-{}-1"),
)
"""Names that don't match a pattern `my-site-…-*`."""


@pytest.mark.parametrize("ci", HOST)
def test_only_previews_of_closed_pull_requests_are_deleted(world: World, ci: str) -> None:
    """A preview's name is exactly the text of a pattern and the number of a closed or merged pull request.

    Each deletion has its own session ID and comments on its own pull request. The log has the reason for each
    app that stays.
    """
    kind, request = {"github": ("pr", "pull request #"), "gitlab": ("mr", "merge request !")}[ci]
    stay = {name.format(kind) for name in OTHERS} | {f"my-site-{kind}-12", f"docs-{kind}-12"}
    go = [f"docs-{kind}-1", f"my-site-{kind}-1", f"my-site-{kind}-2", f"docs-{kind}-120"]
    for name in [*stay, *go]:
        preview(world, name, f"{HOST[ci]}/o/r")
    over = "merged" if ci == "gitlab" else "closed"
    host = CodeHost(states=dict.fromkeys((0, 1, 2, 3, 5, 7, 120), over) | {12: "opened"})
    outcome = sweep(world, host, ci, app=f"my-site-{kind}-*\ndocs-{kind}-*\n# all\n")
    require(outcome, go)
    assert left(world) == stay
    assert f"Keeping 'docs-{kind}-12': {request}12 is opened" in lines(outcome)
    assert f"Deleted app 'my-site-{kind}-2' with 2 files: {request}2 is {over}" in lines(outcome)
    assert len({record.session for record in outcome.sent("POST", "/deploy/lock$")}) == len(go)
    told = [number for number, text in host.comments.items() if "is deleted" in text]
    assert sorted(host.about[number] for number in told) == [1, 1, 2, 120]
    assert f"- Deleted app 'docs-{kind}-120' with 2 files: " in outcome.summary
    assert API_KEY not in "".join(host.received)


def test_each_comment_has_the_duration_of_its_own_deletion(world: World) -> None:
    names, host = previews(world, 2), closed(2)
    world.fault(Kind.DELAY, "DELETE", "-pr-2$", seconds=4.0)
    require(sweep(world, host), names)
    first, second = host.comments.values()
    assert "\n4s\n" not in first
    assert "\n4s\n" in second


def test_only_pull_requests_of_matching_apps_are_read(world: World) -> None:
    """The run never lists pull requests."""
    host = CodeHost(states={1: "open", 2: "closed"})
    previews(world, 2)
    preview(world, "other-1")
    require(sweep(world, host, comment=False), ["my-site-pr-2"])
    assert host.requests == [f"GET /repos/o/r/pulls/{number}" for number in (1, 2, 2)]


def test_the_pull_request_of_a_container_is_read_again_right_before_the_delete(world: World) -> None:
    """A container app doesn't have a lock or an owner."""
    for number in (1, 2):
        container(world, f"my-site-pr-{number}")
    host = closed(2)
    host.on_request = lambda line: host.states.update({2: "open"}) if line.endswith("/pulls/2") else None
    outcome = sweep(world, host)
    require(outcome, ["my-site-pr-1"])
    assert left(world) == {"my-site-pr-2"}
    assert "Keeping 'my-site-pr-2': pull request #2 is open" in lines(outcome)
    assert outcome.sent("POST", "") == []


def test_pull_request_limits_the_sweep(world: World) -> None:
    """The run looks the apps up by name. It still reads the pull request."""
    for name in ("my-site-pr-1", "my-site-pr-12", "docs-pr-1"):
        preview(world, name)
    host = CodeHost(states={1: "closed", 12: "closed"})
    outcome = sweep(world, host, app="my-site-pr-*\ndocs-pr-*\nblog-pr-*", pull_request=1)
    require(outcome, ["docs-pr-1", "my-site-pr-1"])
    assert left(world) == {"my-site-pr-12"}
    assert outcome.sent("GET", "/v1/apps$") == []
    assert outcome.outputs["warnings"] == []
    require(sweep(world, host, pull_request=1), [])


def test_a_pull_request_reopened_under_the_lock_keeps_its_preview(world: World) -> None:
    """The second response decides. The lock is released with zeros, and the run succeeds."""
    previews(world, 1)
    host = closed(1)
    world.once("POST", "/lock$", lambda: host.states.update({1: "open"}))
    outcome = sweep(world, host)
    require(outcome, [])
    assert left(world) == {"my-site-pr-1"}
    assert world.platform.lock("my-site-pr-1") is None
    (finalized,) = world.platform.deployments("my-site-pr-1")
    assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
    assert host.comments == {}
    assert "no previews to delete" in outcome.summary
    assert outcome.log.endswith("\nNo previews to delete\n")


def test_a_kept_preview_that_something_else_deletes_is_not_called_deleted(world: World) -> None:
    """The pull request is open again, so it gets no comment about a deletion."""
    previews(world, 1)
    host = closed(1)
    host.on_request = lambda line: host.states.update({1: "open"}) if line.endswith("/pulls/1") else None
    world.once("POST", "/finalize$", lambda: world.platform.apps.delete("my-site-pr-1"))
    outcome = sweep(world, host)
    require(outcome, [])
    assert "Keeping 'my-site-pr-1': pull request #1 is open" in lines(outcome)
    assert "Deleted" not in outcome.log
    assert host.comments == {}


ANSWERS = {
    1: (200, b'{"number": 1, "state": "locked"}'),
    2: (200, b'{"number": 1, "state": "closed"}'),  # of another pull request
    3: (200, b'{"number": 3}'),  # without a state
    4: (200, b'[{"number": 4, "state": "closed"}]'),  # a list
    5: (200, b"null"),
    6: (404, b'{"message": "Not Found"}'),
    7: (404, b"<html><title>Not found</title></html>"),  # a proxy's
    8: (422, b'{"message": "state: closed"}'),
}


def test_any_other_response_keeps_the_app(world: World) -> None:
    """The log has the reason, and quotes a refusal."""
    names = previews(world, len(ANSWERS))
    outcome = sweep(world, CodeHost(answers=ANSWERS))
    require(outcome, [])
    assert left(world) == {*names}
    locked, *others = (line for line in lines(outcome) if line.startswith("Keeping "))
    assert locked == "Keeping 'my-site-pr-1': pull request #1 is locked"
    for line, (number, (status, _)) in zip(others, [*ANSWERS.items()][1:], strict=True):
        unclear = f"127.0.0.1 doesn't show the state of pull request #{number}"
        assert (unclear if status == 200 else f"127.0.0.1 responded with {status}: ") in line


def test_another_repositorys_preview_stays(world: World) -> None:
    """It has the same key and the same names. Only a static app shows its owner."""
    preview(world, "my-site-pr-1", f"{HOST['github']}/o/template")
    preview(world, "my-site-pr-2", "")  # deployed without a repository
    preview(world, "my-site-pr-3")
    world.fault(Kind.STATUS, "GET", "-pr-3/files$", status=404, skip=1)  # the list under the lock
    container(world, "my-site-pr-4")
    preview(world, "my-site-pr-5")
    world.platform.put_file(
        "my-site-pr-5", "upload.jpg", b"of a visitor"
    )  # this repository's previews get no further checks
    preview(world, "my-site-pr-6")
    world.fault(Kind.STATUS, "GET", "-pr-6/files$", status=404)  # the list that decides the kind
    outcome = sweep(world, closed(6), take_over=True)
    require(outcome, ["my-site-pr-4", "my-site-pr-5"])
    assert left(world) == {"my-site-pr-1", "my-site-pr-2", "my-site-pr-3", "my-site-pr-6"}
    kept = outcome.outputs["warnings"]
    assert kept[0] == (
        "Can't confirm that this repository deployed app 'my-site-pr-1', which has 2 files. "
        "The run kept the app. To delete it, use `operation: destroy` with this `app`."
    )
    assert kept[1].startswith("Can't confirm that this repository deployed app 'my-site-pr-2', ")
    assert kept[2].startswith("The platform lists no files of app 'my-site-pr-3' (")
    assert kept[3].startswith("The platform doesn't show whether 'my-site-pr-6' is a container app or ")


def test_a_dry_run_lists_the_apps_and_does_not_comment(world: World) -> None:
    previews(world, 2)
    host = CodeHost(states={1: "closed", 2: "opened"})
    outcome = sweep(world, host, dry_run=True)
    require(outcome, ["my-site-pr-1"], status="planned")
    assert {record.method for record in outcome.requests} == {"GET"}
    assert all(line.startswith("GET ") for line in host.requests)
    assert "Plan: would delete app 'my-site-pr-1' with 2 files: " in outcome.log
    assert "Deleting" not in outcome.log
    assert "nothing was changed" in outcome.summary


# --- the code host and its token


async def hang(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


FAILURES: dict[str, tuple[CodeHost | Handler, int]] = {
    "500": (CodeHost(refuse={"GET": (500, b"oops")}), 5),
    "silence": (hang, 5),
    "no JSON": (always(200, b"<html>Sign in</html>"), 5),
    "a redirect": (always(302, b"", "Location: http://127.0.0.1:9/"), 2),
    "401": (CodeHost(refuse={"GET": (401, b'{"message": "Bad credentials"}')}), 2),
    "403": (CodeHost(refuse={"GET": (403, b'{"message": "Resource not accessible by integration"}')}), 2),
    "429": (CodeHost(refuse={"GET": (429, b'{"message": "Too many requests"}')}), 5),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_of_the_code_host_ends_the_sweep(world: World, case: str) -> None:
    """The run deletes nothing. The hint for a rejected request has both causes, permission and rate limit."""
    host, code = FAILURES[case]
    ci = "gitlab" if case == "403" else "github"
    names = previews(world, 2)
    outcome = sweep(world, host, ci, retry_timeout="20s")
    require(outcome, [], code, "failed")
    assert left(world) == {*names}
    assert outcome.outputs["error"].endswith("; left for the next run: 'my-site-pr-1', 'my-site-pr-2'")
    assert "Nothing was changed." in outcome.log
    for cause in (f"`{ci}-token` needs ", "If the token reached its rate limit, "):
        assert (cause in outcome.outputs["hint"]) is (code == 2)
    assert ("the status of 127.0.0.1" in outcome.outputs["hint"]) is (code == 5)
    if case.isdecimal():  # the error names the API, because the platform has one as well
        assert " on 127.0.0.1 " in outcome.outputs["error"]
        assert f"{case}: " in outcome.outputs["error"]
    assert outcome.seconds < 60


def test_a_long_retry_after_of_the_code_host_gives_the_time_of_the_next_run(world: World) -> None:
    previews(world, 1)
    outcome = sweep(world, always(503, b"{}", "Retry-After: 3600"))
    require(outcome, [], 5, "failed")
    assert outcome.outputs["hint"] == "Run the job again after 1h 00m, as the response asks."


@pytest.mark.parametrize("allowance", [2, 3], ids=lambda left: f"{left} left")
def test_the_rate_limit_of_the_code_host_ends_the_sweep(world: World, allowance: int) -> None:
    """Each app needs two requests, the second under its lock. The next run deletes the rest."""
    names, host = previews(world, 3), closed(3, allowance=allowance)
    outcome = sweep(world, host, comment=False)
    require(outcome, names[:1], 2, "failed")
    said = ' on 127.0.0.1 was refused (403: "{"message": "API rate limit exceeded"}")'
    assert said in outcome.outputs["error"]
    assert outcome.outputs["error"].endswith(
        "left for the next run: " + ", ".join(map(repr, names[allowance - 1 :]))
    )
    assert [world.platform.lock(name) for name in left(world)] == [None, None]
    host.allowance = math.inf
    require(sweep(world, host), names[1:])


def test_an_outage_of_the_code_host_delays_the_sweep(world: World) -> None:
    """Requests are retried, even under the lock."""
    names, host = previews(world, 1), closed(1, refuse={"GET": (502, b"")})
    world.loop.call_later(5, host.refuse.clear)
    world.once("POST", "/lock$", lambda: host.refuse.update(GET=(502, b"")))
    world.loop.call_later(20, host.refuse.clear)
    require(sweep(world, host, comment=False), names)


def test_no_token_is_exit_2(world: World) -> None:
    """The run sends no request."""
    outcome = sweep(world, CodeHost(), "gitlab", gitlab_token=None)
    require(outcome, [], 2, "failed")
    assert "`gitlab-token` is not set" in outcome.outputs["error"]
    assert outcome.requests == []


@pytest.mark.parametrize("env", NO_JOB)
def test_no_code_host_is_exit_2(world: World, env: dict[str, str]) -> None:
    """Some variables of a job aren't enough, such as in a container that gets no others."""
    world.env = env
    outcome = world.run(operation="sweep", app="my-site-pr-*", github_token=TOKEN, gitlab_token=TOKEN)
    assert (outcome.exit_code, outcome.requests) == (2, [])
    assert "needs the variables of a job on GitHub or GitLab" in outcome.outputs["error"]


# --- failures with an app


def test_an_app_with_a_held_lock_is_left_for_the_next_run(world: World) -> None:
    """The run keeps the app without waiting, and succeeds."""
    previews(world, 2)
    world.platform.take_lock("my-site-pr-1", "somebody")
    outcome = sweep(world, closed(2), lock_timeout="1h")
    require(outcome, ["my-site-pr-2"])
    assert outcome.seconds < 2
    assert world.platform.lock("my-site-pr-1") == "somebody"
    assert any("until the next run: another deploy" in note for note in outcome.outputs["notes"])


def test_one_failed_deletion_does_not_stop_the_others(world: World) -> None:
    """The first error gives the exit code. The output has all errors. The next run deletes the rest."""
    names, host = previews(world, 4), closed(4)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.fault(Kind.STATUS, "DELETE", "-pr-3$", status=503, times=None)
    outcome = sweep(world, host, retry_timeout="70s")  # longer than the release of a lock may take
    require(outcome, [names[1], names[3]], 4, "failed")
    assert left(world) == {names[0], names[2]}
    error = outcome.outputs["error"]
    assert error.startswith(f"App '{names[0]}': Deleting app '{names[0]}' was refused (400")
    assert f"; App '{names[2]}': Deleting app" in error
    assert error.endswith(f"it is not known whether app '{names[2]}' was deleted")
    assert [world.platform.lock(name) for name in (names[0], names[2])] == [None, None]
    assert len(host.comments) == 2
    world.platform.faults.clear()
    require(sweep(world, host), [names[0], names[2]])


def test_a_deletion_with_a_lost_response_is_looked_up(world: World) -> None:
    """The app is gone, so the output `apps` has it, even if another app fails."""
    names = previews(world, 2)
    world.fault(Kind.RESET, "DELETE", "-pr-1$", after=True)
    world.fault(Kind.STATUS, "DELETE", "-pr-2$", status=400)
    outcome = sweep(world, closed(2))
    require(outcome, names[:1], 4, "failed")
    assert "not known" not in outcome.outputs["error"]


def test_the_error_mentions_a_lock_that_may_still_be_held(world: World) -> None:
    previews(world, 1)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.fault(Kind.STATUS, "POST", "/finalize$", times=None)
    outcome = sweep(world, closed(1))
    require(outcome, [], 4, "failed")
    assert "the deploy lock may still be held" in outcome.outputs["error"]


def test_a_rejected_token_after_a_failed_deletion_reports_both(world: World) -> None:
    """The sweep ends with the rejected token."""
    names, host = previews(world, 3), closed(3)
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=400)
    world.once("DELETE", "-pr-2$", lambda: host.refuse.update(GET=(401, b"{}")))
    outcome = sweep(world, host)
    require(outcome, names[1:2], 4, "failed")
    error = outcome.outputs["error"]
    assert error.startswith(f"App '{names[0]}': Deleting app '{names[0]}' was refused (400")
    assert "; Reading pull request #3 on 127.0.0.1 was refused (401: " in error
    assert error.endswith(f"; left for the next run: '{names[2]}'")


def test_after_a_timeout_the_error_lists_the_remaining_apps(world: World) -> None:
    """The output `apps` has the deleted apps, and the lock is free."""
    names = previews(world, 3)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    outcome = sweep(world, closed(3), timeout="20s")
    require(outcome, names[:1], 9, "failed")
    assert outcome.outputs["error"].endswith(f"; left for the next run: '{names[1]}', '{names[2]}'")
    assert left(world) == {*names[1:]}
    assert world.platform.lock(names[1]) is None


def test_after_a_signal_the_reports_list_the_deleted_and_the_remaining_apps(world: World) -> None:
    """The lock is free within five seconds."""
    names = previews(world, 2)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    tell(world, after=5)
    outcome = sweep(world, closed(2))
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.seconds < 10
    assert world.platform.lock(names[1]) is None
    assert f"left for the next run: '{names[1]}'" in outcome.outputs["error"]


def test_a_signal_after_a_deletion_counts_the_app_as_deleted(world: World) -> None:
    """The error doesn't list it as remaining."""
    names, host = previews(world, 2), closed(2)
    host.on_request = lambda line: tell(world, after=0) if line.startswith("POST") else None
    outcome = sweep(world, host)
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.outputs["error"].endswith(f"left for the next run: '{names[1]}'")


def test_each_lock_is_saved_in_the_state_file_until_its_release(world: World) -> None:
    """The session ID is saved before the lock request."""
    names = previews(world, 2)
    recorded: list[str] = []
    state = world.folder.parent / "state.json"
    world.platform.on_request = lambda record: (
        recorded.append(state.read_text().split()[-3].strip('",')) if record.method == "POST" else None
    )
    require(sweep(world, closed(2), state_file=state), names)
    assert recorded == names
    assert not state.exists()

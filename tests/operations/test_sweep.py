"""`operation: sweep`, whole runs: what a forge and the platform say decides which previews go."""

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from tests.ci.forge import GITHUB, TOKEN, Forge, run
from tests.http.servers import Handler, Peer, always
from tests.support.containers import lines, tell
from tests.support.schema import check_result
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.files.manifest import mark_repository, new_manifest_name
from zerokie_action.sandbox.faults import Kind
from zerokie_action.sandbox.records import Record

BOTH = pytest.mark.parametrize("ci", ["github", "gitlab"])
HOST = {"github": "github.example.com", "gitlab": "gitlab.example.com"}


def preview(world: World, name: str, repository: str = f"{HOST['github']}/o/r", files: int = 2) -> None:
    """A static app that a repository has deployed; one without a name does not know which it is."""
    world.platform.apps.create_static(name)
    paths = [f"{number}.html" for number in range(files)]
    for path in [*paths, new_manifest_name(1, mark_repository(repository), paths).path]:
        world.platform.put_file(name, path, b"{}")


def container(world: World, name: str) -> None:
    world.platform.apps.create_container(name, image="nginx:1", port=80)
    world.platform.apps.set_status(name, "running")


def fill(world: World, name: str, files: int) -> None:
    """An app without a manifest."""
    world.platform.apps.create_static(name)
    for number in range(files):
        world.platform.put_file(name, f"{number}.html", b"by hand")


def sweep(world: World, forge: Forge | Handler, ci: str = "github", **inputs: Any) -> Outcome:
    given: dict[str, Any] = {"operation": "sweep", "app": "my-site-pr-*", "comment": True, **inputs}
    outcome = run(world, forge, ci, **given)
    check_result(outcome.outputs)
    assert [outcome.outputs[name] for name in ("app", "url", "kind")] == [None] * 3
    return outcome


def left(world: World) -> set[str]:
    return {app.name for app in world.platform.apps.list()} - {"site"}


def require(outcome: Outcome, apps: Iterable[str], code: int = 0, status: str = "destroyed") -> None:
    assert (outcome.exit_code, outcome.outputs["status"]) == (code, status), outcome.log
    assert outcome.outputs["apps"] == [*apps]
    assert outcome.outputs["changed"] is bool(outcome.outputs["apps"])


# --- which apps go


@BOTH
def test_only_previews_of_closed_requests_go(world: World, ci: str) -> None:
    """Those that are exactly a pattern's text and the number of a request that was closed or merged.

    Each deletion has its own session, and says so on its own request. The log tells why an app stays.
    """
    kind = {"github": "pr", "gitlab": "mr"}[ci]
    request = {"github": "pull request #", "gitlab": "merge request !"}[ci]
    repository = f"{HOST[ci]}/o/r"
    others = ["my-site", "my-site-{}-", "my-site-{}-07", "my-site-{}-0", "my-site-{}-1-old", "a-my-site-{}-1"]
    others += [
        "my-site-{}-1x",
        "my-site-{}-5.1",
        "MY-SITE-{}-1",
        "my-site-{}-\u0663",
        "mylsite-{}-1",
        "blog-{}-1",
    ]
    stay = {name.format(kind) for name in others} | {f"my-site-{kind}-12", f"docs-{kind}-12"}
    go = [f"docs-{kind}-1", f"my-site-{kind}-1", f"my-site-{kind}-2", f"docs-{kind}-120"]
    for name in [*stay, *go]:
        preview(world, name, repository)
    states = {1: "closed", 2: "merged" if ci == "gitlab" else "closed", 120: "closed", 12: "opened"}
    states |= dict.fromkeys((0, 3, 5, 7), "closed")  # which no other name here is a preview of
    forge = Forge(states=states)
    outcome = sweep(world, forge, ci, app=f"my-site-{kind}-*\ndocs-{kind}-*\n# all\n")
    require(outcome, go)
    assert left(world) == stay
    assert f"App 'docs-{kind}-12' stays: {request}12 is opened" in lines(outcome)
    assert f"Destroyed app 'my-site-{kind}-2' with 2 files: {request}2 is {states[2]}" in lines(outcome)
    locks = [record.session for record in outcome.sent("POST", "/deploy/lock$")]
    assert len(set(locks)) == len(go)
    texts = {number: text for number, text in forge.comments.items() if "is deleted" in text}
    assert sorted(forge.about[number] for number in texts) == [1, 1, 2, 120]
    assert f"- Destroyed app 'docs-{kind}-120' with 2 files: " in outcome.summary
    assert outcome.log.count("Commented on") == len(go)


def test_each_comment_has_the_time_of_its_own_preview(world: World) -> None:
    """The comment on a request gives the time of its own preview."""
    for number in (1, 2):
        preview(world, f"my-site-pr-{number}")
    world.fault(Kind.DELAY, "DELETE", "-pr-2$", seconds=4.0)
    forge = Forge(states={1: "closed", 2: "closed"})
    require(sweep(world, forge), ["my-site-pr-1", "my-site-pr-2"])
    first, second = forge.comments.values()
    assert "\n4 s\n" not in first
    assert "\n4 s\n" in second


def test_only_matching_apps_are_asked_about(world: World) -> None:
    """Nobody is asked about the apps of others, and no list of requests is read."""
    forge = Forge(states=dict.fromkeys(range(1, 41), "open") | {7: "closed"})
    for number in range(1, 301):
        preview(world, f"my-site-pr-{number}" if number <= 40 else f"other-{number}")
    require(sweep(world, forge), ["my-site-pr-7"])
    asked = [line for line in forge.requests if line.startswith("GET") and "comments" not in line]
    assert asked.count("GET /repos/o/r/pulls/7") == 2
    assert sorted({*asked}) == sorted(f"GET /repos/o/r/pulls/{number}" for number in range(1, 41))
    assert len(left(world)) == 299


def test_nothing_to_do_is_a_success(world: World) -> None:
    """That is a success, and changes nothing."""
    preview(world, "my-site-pr-1")
    outcome = sweep(world, Forge(states={1: "open"}))
    require(outcome, [])
    assert "nothing to delete" in outcome.summary
    assert outcome.writes == []


def test_a_container_is_asked_about_right_before_the_delete(world: World) -> None:
    """They have no lock and no owner: the forge is asked right before the DELETE."""
    for number in (1, 2):
        container(world, f"my-site-pr-{number}")
    forge = Forge(states={1: "closed", 2: "closed"})
    asked = count()

    def reopen(line: str) -> None:
        if line.endswith("/pulls/2") and next(asked) == 0:
            forge.states[2] = "open"

    forge.on_request = reopen
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
    require(sweep(world, forge, pull_request=1), [])


def test_a_rerun_after_a_reopening_keeps_the_preview(world: World) -> None:
    """Somebody runs the job of the closing once more."""
    preview(world, "my-site-pr-12")
    require(sweep(world, Forge(states={12: "open"}), pull_request=12), [])
    assert left(world) == {"my-site-pr-12"}


def test_a_request_reopened_under_the_lock_keeps_its_preview(world: World) -> None:
    """The second answer counts; the lock is released with zeros."""
    preview(world, "my-site-pr-1")
    forge = Forge(states={1: "closed"})
    world.once("POST", "/lock$", lambda: forge.states.update({1: "open"}))
    outcome = sweep(world, forge)
    require(outcome, [])
    assert left(world) == {"my-site-pr-1"}
    assert world.platform.lock("my-site-pr-1") is None
    (finalized,) = world.platform.deployments("my-site-pr-1")
    assert (finalized.files_uploaded, finalized.files_deleted, finalized.total_bytes) == (0, 0, 0)
    assert forge.comments == {}


# As Gitea writes it in a recorded webhook; Forgejo has it from Gitea.
GITEA = b"""{"id": 8, "url": "https://git.example.com/o/r/pulls/1", "number": 1, "title": "update README",
  "user": {"id": 1, "login": "foo"}, "labels": [], "milestone": null, "state": "closed", "is_locked": false,
  "comments": 0, "mergeable": true, "merged": true, "merged_at": "2026-01-25T21:48:28+09:00",
  "allow_maintainer_edit": false, "base": {"label": "main", "ref": "main", "repo_id": 5}}"""


def test_gitea_and_forgejo_answer_as_github(world: World) -> None:
    """Its answers, and Forgejo's, have GitHub's names."""
    preview(world, "my-site-pr-1")
    require(sweep(world, Forge(answers={1: (200, GITEA)})), ["my-site-pr-1"])


ANSWERS = {
    "locked": (200, b'{"number": 1, "state": "locked"}'),
    "a number that is another's": (200, b'{"number": 2, "state": "closed"}'),
    "no state": (200, b'{"number": 1}'),
    "a list": (200, b'[{"number": 1, "state": "closed"}]'),
    "not found": (404, b'{"message": "Not Found"}'),
    "a page that is not found": (404, b"<html><title>Not found</title></html>"),
    "gone": (410, b""),
    "refused": (422, b'{"message": "state: closed"}'),
}


@BOTH
@pytest.mark.parametrize("answer", ANSWERS)
def test_any_other_answer_keeps_the_app(world: World, ci: str, answer: str) -> None:
    """The app stays, and the log says what was answered."""
    preview(world, "my-site-pr-1", f"{HOST[ci]}/o/r")
    outcome = sweep(world, Forge(answers={1: ANSWERS[answer]}), ci)
    require(outcome, [])
    assert left(world) == {"my-site-pr-1"}
    (line,) = [line for line in lines(outcome) if line.startswith("App 'my-site-pr-1' stays: ")]
    assert "locked" in line if answer == "locked" else f"answered {ANSWERS[answer][0]}" in line


def test_another_repositorys_preview_stays(world: World) -> None:
    """It has the same key and the same names: a static app tells whose it is, a container does not."""
    preview(world, "my-site-pr-1", f"{HOST['github']}/o/template")
    preview(world, "my-site-pr-2", "")
    fill(world, "my-site-pr-3", 4)
    fill(world, "my-site-pr-4", 3)
    fill(world, "my-site-pr-5", 0)
    container(world, "my-site-pr-6")
    preview(world, "my-site-pr-7", files=400)
    world.platform.put_file("my-site-pr-7", "upload.jpg", b"of a visitor")  # nothing is asked about our own
    outcome = sweep(world, Forge(states=dict.fromkeys(range(1, 8), "closed")), take_over=True)
    require(outcome, [f"my-site-pr-{number}" for number in (4, 5, 6, 7)])
    assert left(world) == {f"my-site-pr-{number}" for number in (1, 2, 3)}
    unused, *kept = outcome.outputs["warnings"]
    assert "`take-over` (ZEROKIE_TAKE_OVER): no effect with `operation: sweep`" in unused
    assert len(kept) == 3
    assert all("The app stays." in warning for warning in kept)
    assert {record.path for record in outcome.requests if "_zerokie" in record.path} == set()


def test_a_404_listing_keeps_the_app(world: World) -> None:
    """It does not tell that the app has no files of somebody else's: the app stays, with a warning."""
    fill(world, "my-site-pr-1", 40)
    world.fault(Kind.STATUS, "GET", "-pr-1/files$", status=404)
    outcome = sweep(world, Forge(states={1: "closed"}))
    require(outcome, [])
    assert left(world) == {"my-site-pr-1"}
    (warning,) = outcome.outputs["warnings"]
    assert warning.startswith("The platform lists no files of app 'my-site-pr-1' (")


def test_a_run_without_a_repository_keeps_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells that the preview of such a run is its own."""
    monkeypatch.delitem(GITHUB, "GITHUB_SERVER_URL")
    preview(world, "my-site-pr-1", "")
    require(sweep(world, Forge(states={1: "closed"})), [])


@BOTH
def test_a_dry_run_says_which_and_comments_nothing(world: World, ci: str) -> None:
    """It says which, and comments nothing."""
    for number in (1, 2):
        preview(world, f"my-site-pr-{number}", f"{HOST[ci]}/o/r")
    forge = Forge(states={1: "closed", 2: "opened"})
    outcome = sweep(world, forge, ci, dry_run=True)
    require(outcome, ["my-site-pr-1"], status="planned")
    assert {record.method for record in outcome.requests} == {"GET"}
    assert all(line.startswith("GET ") for line in forge.requests)
    assert "Plan: would destroy app 'my-site-pr-1' with 2 files: " in outcome.log
    assert "nothing was changed" in outcome.summary


# --- the forge and the keys


async def hang(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


REDIRECT = always(302, b"", "Location: http://127.0.0.1:9/")
FAILURES: dict[str, tuple[Forge | Handler, int]] = {
    "500": (Forge(refuse={"GET": (500, b"oops")}), 5),
    "silence": (hang, 5),
    "a page": (always(200, b"<html>Sign in</html>"), 5),
    "no JSON": (always(200, b"fine"), 5),
    "a redirect": (REDIRECT, 2),
    "401": (Forge(refuse={"GET": (401, b'{"message": "Bad credentials"}')}), 2),
    "403": (Forge(refuse={"GET": (403, b'{"message": "Resource not accessible by integration"}')}), 2),
}


@BOTH
@pytest.mark.parametrize("case", FAILURES)
def test_a_forge_that_refuses_ends_the_sweep(world: World, ci: str, case: str) -> None:
    """The sweep ends, with the token's name where that helps, and destroys nothing."""
    forge, code = FAILURES[case]
    names = [f"my-site-pr-{number}" for number in (1, 2)]
    for name in names:
        preview(world, name, f"{HOST[ci]}/o/r")
    outcome = sweep(world, forge, ci, retry_timeout="20s")
    require(outcome, [], code, "failed")
    assert left(world) == {*names}
    assert outcome.outputs["error"].endswith("; left for the next sweep: 'my-site-pr-1', 'my-site-pr-2'")
    assert "Nothing was changed." in outcome.log
    assert (f"`{ci}-token`" in outcome.outputs["hint"]) is (code == 2)
    assert ("the status of 127.0.0.1" in outcome.outputs["hint"]) is (code == 5)
    if case in {"500", "401", "403"}:  # which API that is: the platform has one, too
        assert f"127.0.0.1 answered {case}" in outcome.outputs["error"]
    assert outcome.seconds < 60


@pytest.mark.parametrize("allowance", [0, 1, 3, 4], ids=lambda left: f"{left} left")
def test_a_forges_limit_leaves_the_rest_to_the_next_sweep(world: World, allowance: int) -> None:
    """Each app takes two requests, the second under its lock. The rest is left for the next sweep, exit 0."""
    names = [f"my-site-pr-{number}" for number in (1, 2, 3)]
    for name in names:
        preview(world, name)
    forge = Forge(states=dict.fromkeys((1, 2, 3), "closed"), allowance=allowance)
    outcome = sweep(world, forge, comment=False)
    require(outcome, names[: allowance // 2])
    (warning,) = outcome.outputs["warnings"]
    assert "answers no more requests with `github-token` for now (403: " in warning
    assert warning.endswith(", ".join(map(repr, names[allowance // 2 :])))
    assert [world.platform.lock(name) for name in left(world)] == [None] * len(left(world))
    assert len(forge.requests) == allowance + 1
    require(sweep(world, Forge(states=forge.states)), names[allowance // 2 :])


def test_an_outage_of_the_forge_is_waited_out(world: World) -> None:
    """It is asked again, also under the lock."""
    preview(world, "my-site-pr-1")
    forge = Forge(states={1: "closed"}, refuse={"GET": (502, b"")})
    world.loop.call_later(5, forge.refuse.clear)
    require(sweep(world, forge, comment=False), ["my-site-pr-1"])
    preview(world, "my-site-pr-1")
    world.once("POST", "/lock$", lambda: forge.refuse.update(GET=(502, b"")))
    world.loop.call_later(20, forge.refuse.clear)
    require(sweep(world, forge, comment=False), ["my-site-pr-1"])


@BOTH
def test_no_token_is_exit_2(world: World, ci: str) -> None:
    """Exit 2 before anything is asked."""
    outcome = sweep(world, Forge(), ci, **{f"{ci}_token": None})
    require(outcome, [], 2, "failed")
    assert f"`{ci}-token` is not set" in outcome.outputs["error"]
    assert outcome.requests == []


def test_skip_without_key_skips_the_sweep(world: World) -> None:
    """As for a pull request that Dependabot closes."""
    outcome = sweep(world, Forge(), api_key=None, skip_without_key=True)
    require(outcome, [], status="skipped")
    assert "the secret is missing" in outcome.log  # at night, nothing comes from a fork
    assert outcome.requests == []


def test_no_forge_is_exit_2(world: World) -> None:
    outcome = world.run(operation="sweep", app="my-site-pr-*", github_token=TOKEN)
    assert (outcome.exit_code, outcome.requests) == (2, [])
    assert "GitHub or GitLab" in outcome.outputs["error"]


def test_a_sweep_sends_each_secret_to_its_own_origin(world: World) -> None:
    """The forge never sees the API key, nor the platform, nor whoever a redirect names, the token."""
    preview(world, "my-site-pr-1")
    forge = Forge(states={1: "closed"})
    seen: list[str] = []
    world.platform.on_request = lambda record: seen.append(f"{record}")
    outcome = sweep(world, forge)
    require(outcome, ["my-site-pr-1"])
    assert len(seen) == len(outcome.requests)
    assert API_KEY not in "".join(forge.received)
    assert TOKEN not in "".join(seen)
    assert f"Bearer {TOKEN}" in forge.received[0]
    said = "".join(lines(outcome)[2:]) + outcome.summary  # the first two mask them
    assert not [secret for secret in (API_KEY, TOKEN) if secret in said]


# --- what goes wrong with an app


def test_an_app_whose_lock_is_held_is_left(world: World) -> None:
    """The app is left for the next sweep, at once, and that is no error."""
    for number in (1, 2):
        preview(world, f"my-site-pr-{number}")
    world.platform.take_lock("my-site-pr-1", "somebody")
    outcome = sweep(world, Forge(states={1: "closed", 2: "closed"}), lock_timeout="1h")
    require(outcome, ["my-site-pr-2"])
    assert outcome.seconds < 2
    assert world.platform.lock("my-site-pr-1") == "somebody"
    assert any("is left for the next sweep" in note for note in outcome.outputs["notes"])


def test_one_failed_deletion_does_not_stop_the_others(world: World) -> None:
    """The others are; the first error's code counts, all are named, and the next run deletes them."""
    names = [f"my-site-pr-{number}" for number in (1, 2, 3, 4)]
    for name in names:
        preview(world, name)
    forge = Forge(states=dict.fromkeys((1, 2, 3, 4), "closed"))
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


def test_a_refused_token_after_an_error_tells_both(world: World) -> None:
    """The sweep ends there, and its error names both problems."""
    names = [f"my-site-pr-{number}" for number in (1, 2, 3)]
    for name in names:
        preview(world, name)
    forge = Forge(states=dict.fromkeys((1, 2, 3), "closed"))
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
    names = [f"my-site-pr-{number}" for number in (1, 2, 3)]
    for name in names:
        preview(world, name)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    outcome = sweep(world, Forge(states=dict.fromkeys((1, 2, 3), "closed")), timeout="20s")
    require(outcome, names[:1], 9, "failed")
    assert outcome.outputs["error"].endswith(f"; left for the next sweep: '{names[1]}', '{names[2]}'")
    assert left(world) == {*names[1:]}
    assert world.platform.lock(names[1]) is None


def test_a_signal_reports_what_was_destroyed(world: World) -> None:
    """In five seconds the lock is free; the report says what was destroyed, and what is left."""
    names = [f"my-site-pr-{number}" for number in (1, 2)]
    for name in names:
        preview(world, name)
    world.fault(Kind.HANG, "GET", "-pr-2/files$", times=None)
    tell(world, after=5)
    outcome = sweep(world, Forge(states=dict.fromkeys((1, 2), "closed")))
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.seconds < 10
    assert world.platform.lock(names[1]) is None
    assert f"left for the next sweep: '{names[1]}'" in outcome.outputs["error"]


def test_a_signal_after_a_deletion_counts_the_app_as_gone(world: World) -> None:
    """The app that is gone is not left."""
    names = [f"my-site-pr-{number}" for number in (1, 2)]
    for name in names:
        preview(world, name)
    forge = Forge(states=dict.fromkeys((1, 2), "closed"))
    forge.on_request = lambda line: tell(world, after=0) if line.startswith("POST") else None
    outcome = sweep(world, forge)
    require(outcome, names[:1], 143, "cancelled")
    assert outcome.outputs["error"].endswith(f"left for the next sweep: '{names[1]}'")


@pytest.mark.parametrize("kind", ["static", "container"])
def test_a_sweep_repeats_no_lost_deletion(world: World, kind: str) -> None:
    """The deploy of a reopened request has created it: it stays, and is not among the deleted."""
    for number in (1, 2):
        (preview if kind == "static" else container)(world, f"my-site-pr-{number}")
    world.fault(Kind.STATUS, "DELETE", "-pr-1$", status=502, after=True)

    def create_anew(record: Record) -> None:
        if record.method == "DELETE":
            world.once("GET", "-pr-1$", lambda: container(world, "my-site-pr-1"))

    world.platform.on_request = create_anew
    outcome = sweep(world, Forge(states={1: "closed", 2: "closed"}))
    require(outcome, ["my-site-pr-2"], 5, "failed")
    assert left(world) == {"my-site-pr-1"}
    assert "it is not known whether app 'my-site-pr-1' was deleted" in outcome.outputs["error"]


def test_the_accepted_deletion_is_the_end_of_a_sweep(world: World) -> None:
    """The accepted deletion is the end. The next sweep sends nothing."""
    names = [f"my-site-pr-{number}" for number in range(1, 6)]
    for name in names:
        preview(world, name)
    world.platform.dialect.speak("app-deletion=deleting")
    forge = Forge(states=dict.fromkeys(range(1, 6), "closed"))
    outcome = sweep(world, forge)
    require(outcome, names)
    assert (outcome.outputs["warnings"], outcome.seconds) == ([], 0)
    again = sweep(world, forge)
    require(again, [])
    assert again.writes == []


def test_each_lock_is_recorded_and_no_record_stays(world: World) -> None:
    """Each lock is recorded before it is asked for, and no record is left."""
    for number in (1, 2):
        preview(world, f"my-site-pr-{number}")
    recorded: list[str] = []
    state = world.folder.parent / "state.json"
    world.platform.on_request = lambda record: (
        recorded.append(state.read_text().split()[-3].strip('",')) if record.method == "POST" else None
    )
    outcome = sweep(world, Forge(states={1: "closed", 2: "closed"}), state_file=state)
    require(outcome, ["my-site-pr-1", "my-site-pr-2"])
    assert recorded == ["my-site-pr-1", "my-site-pr-2"]
    assert state.read_bytes() == b""


def test_a_sweep_names_inputs_without_effect(world: World) -> None:
    """One warning names them."""
    unused: dict[str, Any] = {
        "port": 80,
        "keep": "a",
        "max_deletes": 3,
        "rollback": True,
    }
    outcome = sweep(world, Forge(), **unused)
    (warning,) = outcome.outputs["warnings"]
    assert "no effect with `operation: sweep`; leave out" in warning
    assert all(f"(ZEROKIE_{name.upper()})" in warning for name in unused)
    assert "PULL_REQUEST" not in warning

"""`comment: true`, the whole way: what is written on the pull or merge request, and what it can't break."""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.ci.forge import GITHUB, GITLAB, TOKEN, Forge
from tests.http.servers import Peer, always, serve
from tests.operations.containers import BROKEN, running_web, tell
from tests.support import timewarp
from tests.support.world import API_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.http.servers import Handler, Server
    from tests.support.world import Outcome, World

BOTH = pytest.mark.parametrize("ci", ["github", "gitlab"])


@asynccontextmanager
async def serving(world: World, handler: Handler, ci: str) -> AsyncIterator[Server]:
    """A forge that listens, and the environment of its jobs."""
    async with serve(handler) as server:
        if ci == "github":
            files = {
                f"GITHUB_{name}": str(world.folder.parent / name)
                for name in ("OUTPUT", "STATE", "STEP_SUMMARY")
            }
            world.env = {**GITHUB, **files, "GITHUB_API_URL": server.url}
        else:
            world.env = {**GITLAB, "CI_API_V4_URL": server.url}
        yield server


def run(world: World, forge: Forge | Handler, ci: str = "github", **inputs: object) -> Outcome:
    """A run of the action in a job of the forge."""
    handler = forge.handle if isinstance(forge, Forge) else forge
    tokens = {"github_token": TOKEN, "gitlab_token": TOKEN}

    async def main() -> Outcome:
        async with serving(world, handler, ci):
            return await world.arun(**{"comment": True, **tokens, **inputs})

    return timewarp.run(world.loop, main())  # type: ignore[no-any-return]


def comment(forge: Forge) -> str:
    """The only comment there is, without the port of the platform."""
    (text,) = forge.comments.values()
    return text


def marker(ci: str, forge: Forge) -> str:
    """The first line of the only comment: a MAC of where it is, its ID and the app."""
    (number,) = forge.comments
    place = "/repos/o/r/issues/12/comments" if ci == "github" else "/projects/7/merge_requests/3/notes"
    label = f"zerokie-action comment\0001\0{place}\0{number}\0site"
    return f"<!-- zerokie-action: {hmac.new(API_KEY.encode(), label.encode(), sha256).hexdigest()} -->"


def warnings(outcome: Outcome) -> list[str]:
    return [line for line in outcome.log.splitlines() if "arning" in line and "omment" in line]


@BOTH
def test_created_once_and_edited_later(world: World, ci: str) -> None:
    """What was deployed, from which commit, what changed, and how long it took."""
    forge = Forge()
    outcome = run(world, forge, ci)
    assert outcome.exit_code == 0
    first = comment(forge)
    lines = first.splitlines()
    assert lines[0] == marker(ci, forge)
    assert lines[2] == "## ✅ `site` is deployed"
    assert f"- **Deploy ID:** `{outcome.outputs['deploy_id']}`" in lines
    assert f"](<{outcome.outputs['url']}>)" in lines[4]
    assert ("0123456789ab" if ci == "github" else "fedcba987654") in first
    assert lines[6] == "Uploaded 4 files (29&nbsp;B) in 0&nbsp;s."
    assert outcome.log.splitlines()[-1].startswith("Commented on " + ("pull" if ci == "github" else "merge"))

    world.write({"index.html": b"new"})
    outcome = run(world, forge, ci)
    assert "deleted 3 stale files" in comment(forge)
    assert comment(forge).splitlines()[0] == marker(ci, forge)
    assert outcome.log.splitlines()[-1].startswith("Updated the comment on ")


@BOTH
def test_a_number_that_the_run_does_not_know(world: World, ci: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork's build, `pull-request` says where to comment."""
    monkeypatch.setitem(GITHUB, "GITHUB_REF", "refs/heads/main")
    monkeypatch.setitem(GITLAB, "CI_MERGE_REQUEST_IID", "")
    forge = Forge()
    outcome = run(world, forge, ci)
    assert outcome.log.splitlines()[-1].startswith("Not commenting: this ")
    assert outcome.log.splitlines()[-1].endswith("; `pull-request` names one")
    assert warnings(outcome) == []
    assert forge.requests == []
    run(world, forge, ci, pull_request=12 if ci == "github" else 3)
    assert "`site` is deployed" in comment(forge)


def test_a_preview_that_is_destroyed(world: World) -> None:
    """The comment says so; it has no URL any more."""
    forge = Forge()
    run(world, forge)
    outcome = run(world, forge, operation="destroy")
    assert outcome.exit_code == 0
    assert "## ✅ `site` is deleted" in comment(forge)
    assert "http://127" not in comment(forge)


def test_a_failure(world: World) -> None:
    """Says what happened and what to do."""
    forge = Forge()
    running_web(world)
    outcome = run(world, forge, app="web", image=BROKEN, rollback=True)
    assert outcome.exit_code == 8
    assert "## ⚠️ `web` runs its previous image again" in comment(forge)
    assert "**Error:** The platform reports that" in comment(forge)
    outcome = run(world, forge, app="web", image=BROKEN)
    assert "## ❌ `web`: deploy failed" in comment(forge)


def test_a_dry_run(world: World) -> None:
    """What would be done, with the names; the platform is asked only, the comment is written."""
    forge = Forge()
    world.write({"index.html": b"old"})
    run(world, forge)
    assert "### What" not in comment(forge)
    world.write({"new/a|b.html": b"new"})
    outcome = run(world, forge, dry_run=True, domains="www.example.com")
    assert {record.method for record in outcome.requests} == {"GET"}
    assert "## 🔍 Dry run for `site`: nothing was changed" in comment(forge)
    assert "would attach" in comment(forge)
    assert "A deploy would upload 1 file (3&nbsp;B) and delete 1 stale file." in comment(forge)
    assert (
        "\n\n### What would change\n\n| Change | File | Size |\n| :--- | :--- | ---: |\n"
        "| `-` deleted | `index.html` |  |\n"
        "| `+` new | <code>new/a&#124;b.html</code> | 3&nbsp;B |\n\n"
    ) in comment(forge)


def test_a_dry_run_of_many_files(world: World) -> None:
    """A forge refuses long comments: of the names as many as fit."""
    forge = Forge()
    world.write({f"{number:0>200}.html": b"" for number in range(400)})
    run(world, forge, dry_run=True)
    assert "A deploy would upload 400 files" in comment(forge)
    assert 50_000 < len(comment(forge)) < 65_536
    assert comment(forge).endswith("\n</details>\n\n_The rest is cut: it is too long for this place._\n")


def test_two_apps_of_one_pull_request(world: World) -> None:
    """Two comments."""
    forge = Forge()
    running_web(world)
    run(world, forge)
    run(world, forge, app="web", image="nginx:2")
    assert len(forge.comments) == 2


def test_off(world: World) -> None:
    """Nothing is asked of the forge."""
    forge = Forge()
    run(world, forge, comment=False)
    assert forge.requests == []


class TestNeverFailsTheDeploy:
    """One warning, exit 0, and all that the deploy reported."""

    def fine(self, outcome: Outcome, words: str) -> None:
        assert outcome.exit_code == 0
        assert outcome.outputs["status"] == "deployed"
        (line,) = warnings(outcome)
        assert "Commenting failed: " in line
        assert words in line

    @BOTH
    def test_no_token(self, world: World, ci: str) -> None:
        forge = Forge()
        self.fine(run(world, forge, ci, github_token=None, gitlab_token=None), "-token` is not set: ")
        assert forge.requests == []

    def test_no_pull_request(self, world: World) -> None:
        running_web(world)
        outcome = world.run(comment=True, github_token=TOKEN)
        self.fine(outcome, "only on GitHub and GitLab is it known where to comment")

    @BOTH
    def test_a_wrong_token(self, world: World, ci: str) -> None:
        outcome = run(world, Forge(), ci, **dict.fromkeys(("github_token", "gitlab_token"), "wrong-token"))
        self.fine(outcome, "the API answered 401")
        assert "wrong-token" not in outcome.log.replace("::add-mask::", "").split("deploys")[1]

    @BOTH
    def test_no_permission(self, world: World, ci: str) -> None:
        forge = Forge(refuse={"POST": (403, b'{"message": "Resource not accessible by integration"}')})
        outcome = run(world, forge, ci)
        self.fine(outcome, "Resource not accessible by integration")
        needed = "permissions: pull-requests: write" if ci == "github" else "the scope `api`"
        assert needed in warnings(outcome)[0]

    @pytest.mark.parametrize("status", [301, 404, 422])
    def test_refused(self, world: World, status: int) -> None:
        """A redirect is not followed: the token would go along."""
        self.fine(
            run(world, always(status, b"", "Location: http://127.0.0.1:9/")), f"the API answered {status}"
        )

    @pytest.mark.parametrize("location", ["http://[", "http://h:x/", "mailto:a", "http://xn--/"])
    def test_a_redirect_to_nowhere(self, world: World, location: str) -> None:
        """It is not followed, so where it would lead does not matter."""
        self.fine(run(world, always(302, b"", f"Location: {location}")), "the API answered 302")

    @pytest.mark.parametrize("method", ["GET", "PATCH"])
    def test_down_for_a_moment(self, world: World, method: str) -> None:
        """What can be repeated is."""
        forge = Forge()
        run(world, forge)
        forge.refuse[method] = (503, b"")
        world.loop.call_later(1.5, forge.refuse.clear)
        outcome = run(world, forge)
        assert warnings(outcome) == []
        assert len(forge.comments) == 1

    @pytest.mark.parametrize("status", [429, 503])
    def test_the_forge_says_when_to_ask_again(self, world: World, status: int) -> None:
        """`Retry-After` is honoured: not before."""
        forge = Forge(refuse={"GET": (status, b"")}, retry_after="8")
        asked: list[float] = []

        def note(_method: str) -> None:
            asked.append(world.loop.now)
            if len(asked) == 1:
                world.loop.call_later(1, forge.refuse.clear)

        forge.on_request = note
        outcome = run(world, forge)
        assert warnings(outcome) == []
        assert len(forge.comments) == 1
        assert asked[1] - asked[0] == pytest.approx(8, abs=0.1)

    def test_the_forge_says_to_ask_much_later(self, world: World) -> None:
        """There is no waiting for nothing, and the warning has the forge's words."""
        forge = Forge(refuse={"GET": (429, b'{"message": "rate limit"}')}, retry_after="60")
        outcome = run(world, forge)
        self.fine(outcome, 'the API answered 429: "rate limit"')
        assert len(forge.requests) == 1
        assert outcome.seconds < 2

    def test_a_new_comment_is_asked_for_once(self, world: World) -> None:
        """Its answer may be lost, and there would be two."""
        forge = Forge(refuse={"POST": (502, b"")})
        self.fine(run(world, forge), "the API answered 502")
        assert sum(request.startswith("POST") for request in forge.requests) == 1

    def test_down(self, world: World) -> None:
        async def reset(peer: Peer) -> None:
            await peer.request()
            peer.reset()

        self.fine(run(world, reset), "the connection was reset")

    def test_nonsense(self, world: World) -> None:
        self.fine(run(world, always(200, b"<html>Sign in</html>")), "is not what its documentation describes")

    def test_an_address_that_is_none(self, world: World) -> None:
        world.env = {**GITHUB, "GITHUB_API_URL": "http://[", "GITHUB_OUTPUT": "/dev/null"}
        outcome = world.run(comment=True, github_token=TOKEN)
        self.fine(outcome, "Commenting failed: ")

    def test_a_forge_that_hangs(self, world: World) -> None:
        """Twenty seconds, no more."""

        async def hang(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        outcome = run(world, hang)
        self.fine(outcome, "it took longer than 20 s")
        assert outcome.seconds == pytest.approx(20, abs=0.1)
        assert outcome.outputs["duration_seconds"] == pytest.approx(0, abs=0.1)

    def test_hostile_words(self, world: World) -> None:
        """An answer issues no command."""
        forge = Forge(refuse={"POST": (422, b'{"message": "\\n::error::owned ##[error]"}')})
        outcome = run(world, forge)
        self.fine(outcome, "422")
        assert "\n::error" not in outcome.log
        assert "##[" not in outcome.log


def test_wrong_inputs(world: World) -> None:
    """Nothing is sent anywhere."""
    forge = Forge()
    outcome = run(world, forge, concurrency=0)
    assert outcome.exit_code == 2
    assert forge.requests == []


def test_without_a_key(world: World) -> None:
    """A pull request from a fork: nothing was done, so there is nothing to tell."""
    forge = Forge()
    outcome = run(world, forge, api_key=None, skip_without_key=True)
    assert outcome.outputs["status"] == "skipped"
    assert forge.requests == []


class TestSignals:
    """Five seconds from the signal to the end leave no time for a comment."""

    def test_before(self, world: World) -> None:
        """The cancelled run does not comment."""
        forge = Forge()
        running_web(world)
        world.platform.apps.deploy("web", image="nginx:3", private=False)
        world.platform.hold_deploy("web")
        tell(world, after=3)
        outcome = run(world, forge, app="web", image="nginx:4")
        assert outcome.exit_code == 143
        assert forge.requests == []

    def test_meanwhile(self, world: World) -> None:
        """The comment is given up at once; the run is what it was."""

        async def hang(peer: Peer) -> None:
            await peer.request()
            tell(world, after=2)
            await peer.gone()

        outcome = run(world, hang)
        assert outcome.exit_code == 0
        assert outcome.outputs["status"] == "deployed"
        assert outcome.seconds == pytest.approx(2, abs=0.1)
        assert warnings(outcome) == []


def test_hostile_texts_and_secrets(world: World) -> None:
    """File names mean nothing in Markdown, and no secret is in the comment."""
    forge = Forge()
    world.write({"index.html": b"x"})
    running_web(world)
    hostile = f"nginx:<b>@octocat-#1-{API_KEY}-{TOKEN}"
    run(world, forge, app="web", image=hostile)
    text = comment(forge)
    assert "`nginx:<b>@octocat-#1-***-***`" in text
    assert API_KEY not in text
    assert TOKEN not in text


def test_a_long_comment_is_cut(world: World) -> None:
    """The forge takes so many characters and no more."""
    forge = Forge()
    domains = [f"{'x' * 60}-{number}.example.com" for number in range(600)]
    run(world, forge, dry_run=True, domains=domains)
    assert len(comment(forge)) < 65_536
    assert "_The rest is cut: it is too long for this place._" in comment(forge)

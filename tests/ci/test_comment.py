"""`comment: true`, the whole way: what is written on the pull or merge request, and what it can't break."""

import hmac
import json
from typing import Any

import pytest

from tests.ci.forge import GITLAB, TOKEN, Forge
from tests.ci.forge import run as run_on_forge
from tests.http.servers import Handler, Peer, always
from tests.support.containers import tell
from tests.support.world import API_KEY, Outcome, World
from zerokie_action.sandbox.faults import Kind

BOTH = pytest.mark.parametrize("ci", ["github", "gitlab"])


def run(world: World, forge: Forge | Handler, ci: str = "github", **inputs: object) -> Outcome:
    given: dict[str, Any] = {"comment": True, **inputs}
    return run_on_forge(world, forge, ci, **given)


def marker(number: int, ci: str = "github", app: str = "site", key: str = API_KEY) -> str:
    """The first line of our comment with this ID."""
    place = "/repos/o/r/issues/12/comments" if ci == "github" else "/projects/7/merge_requests/3/notes"
    label = f"{place}\0{app}\0{number}"
    return f"<!-- zerokie-action: {hmac.new(key.encode(), label.encode(), 'sha256').hexdigest()} -->"


def comment(forge: Forge) -> str:
    """The only comment there is."""
    (text,) = forge.comments.values()
    return text


def warnings(outcome: Outcome) -> list[str]:
    return [line for line in outcome.log.splitlines() if "arning" in line]


@BOTH
def test_the_comment_is_created_once_and_edited_later(world: World, ci: str) -> None:
    """What was deployed, from which commit, what changed, and how long it took."""
    forge = Forge()
    outcome = run(world, forge, ci)
    assert outcome.exit_code == 0
    first = comment(forge)
    lines = first.splitlines()
    (number,) = forge.comments
    assert lines[0] == marker(number, ci)
    assert lines[2] == "## ✅ `site` is deployed"
    assert f" · deploy `{outcome.outputs['deploy_id']}`" in first
    assert f"](<{outcome.outputs['url']}>)" in lines[4]
    assert ("0123456789ab" if ci == "github" else "fedcba987654") in first
    assert lines[6].startswith("4 files uploaded (29 B), 0 deleted, 0 unchanged · 0 s · ")
    assert outcome.log.splitlines()[-1].startswith("Commented on " + ("pull" if ci == "github" else "merge"))
    assert [request.partition(" ")[0] for request in forge.requests] == [
        *("GET", "POST", "PATCH" if ci == "github" else "PUT")
    ]

    world.write({"index.html": b"new"})
    outcome = run(world, forge, ci)
    assert "3 deleted" in comment(forge)
    assert comment(forge).splitlines()[0] == marker(number, ci)
    assert outcome.log.splitlines()[-1].startswith("Commented on ")


@BOTH
def test_our_comment_is_found_among_hundreds(world: World, ci: str) -> None:
    """The newest counts. Another app's or key's, a quoted one and a copy are not ours."""
    others = ["hello"] * 340
    ours = {7: "an old one of ours", 330: "ours"}
    for number, text in ours.items():
        others[number] = f"{marker(number, ci)}\n\n{text}"
    others[0] = f"{others[330]}, a copy in an older comment"
    others[331] = f"{others[330]}, a copy in a newer comment"
    others[332] = f"{marker(332, ci, app='site-2')}\nanother app's"
    others[333] = f"{marker(333, ci, key='another-key')}\nanother key's"
    others[334] = f"> {marker(334, ci)}\nquoted"
    forge = Forge(dict(enumerate(others)))
    run(world, forge, ci)
    assert [number for number, text in enumerate(others) if forge.comments[number] != text] == [330]
    assert len(forge.comments) == len(others)


@BOTH
def test_a_run_without_a_request_comments_nothing(
    world: World, ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing wrong; `pull-request` says where to comment, for example after a fork's build."""
    monkeypatch.setattr("tests.ci.forge.EVENT", "{}")
    monkeypatch.setitem(GITLAB, "CI_MERGE_REQUEST_IID", "")
    forge = Forge()
    outcome = run(world, forge, ci)
    assert outcome.log.splitlines()[-1] == (
        "This run is not for a pull or merge request on GitHub or GitLab, so none shows it; "
        "to name one, set `pull-request`"
    )
    assert forge.requests == []
    run(world, forge, ci, pull_request=12 if ci == "github" else 3)
    assert "`site` is deployed" in comment(forge)


def test_the_comment_says_that_the_preview_is_destroyed(world: World) -> None:
    """The comment says so; it has no URL any more."""
    forge = Forge()
    run(world, forge)
    outcome = run(world, forge, operation="destroy")
    assert outcome.exit_code == 0
    assert "## ✅ `site` is deleted" in comment(forge)
    assert "http://127" not in comment(forge)


def test_the_comment_has_the_plan_of_a_dry_run(world: World) -> None:
    """What would be done, with as many names as fit: a forge refuses long comments."""
    forge = Forge()
    world.write({"index.html": b"", "new/a|b.html": b"new"} | {f"{no:0>200}.html": b"" for no in range(400)})
    outcome = run(world, forge, dry_run=True, domains="www.example.com")
    text = comment(forge)
    assert {record.method for record in outcome.requests} == {"GET"}
    assert "## 🔍 Dry run for `site`: nothing was changed" in text
    assert "would attach" in text
    assert "402 files to upload (3 B)" in text
    assert 50_000 < len(text) < 65_536
    assert text.endswith(
        "\n</details>\n\n_The rest was cut off. The JSON result (`output-file`) has everything._\n"
    )


def test_hostile_texts_and_secrets_mean_nothing_in_the_comment(world: World) -> None:
    """What the platform says means nothing in Markdown; an answer of the forge issues no command.

    No secret is in the comment, nor in the log.
    """
    forge = Forge()
    said = json.dumps({"error": f"<b>@octocat #1 {API_KEY} {TOKEN}"}).encode()
    world.fault(Kind.STATUS, "POST", "/lock$", status=400, body=said)
    run(world, forge)
    text = comment(forge)
    assert '(400: "`<b>@octocat` `#1` &#42;&#42;&#42; &#42;&#42;&#42;")' in text
    assert API_KEY not in text
    assert TOKEN not in text
    forge.refuse["POST"] = (422, b'{"message": "\\n::error::owned ##[error] good-token"}')
    forge.comments.clear()
    log = run(world, forge).log
    assert "Commenting was refused (422" in log
    assert not [text for text in ("\n::error::owned", "##[", TOKEN) if text in log.partition("deploys")[2]]


@pytest.mark.parametrize(
    "inputs", [{"comment": False}, {"concurrency": 0}, {"api_key": None, "skip_without_key": True}]
)
def test_nothing_is_asked_of_the_forge_where_there_is_nothing_to_tell(
    world: World, inputs: dict[str, object]
) -> None:
    """Off, wrong inputs, a pull request from a fork that is skipped: nothing is asked of the forge."""
    forge = Forge()
    run(world, forge, "github", **inputs)
    assert forge.requests == []


async def hang(peer: Peer) -> None:
    """A forge that does not answer."""
    await peer.request()
    await peer.gone()


def refuse(status: int, body: bytes = b"") -> Forge:
    return Forge(refuse={"POST": (status, body)})


NO_PERMISSION = b'{"message": "Resource not accessible by integration"}'
FAILURES: dict[str, tuple[str, Forge | Handler, dict[str, object], str]] = {
    # name: CI, forge, inputs, words of the warning
    "no token": (
        "github",
        Forge(),
        {"github_token": None},
        "Commenting is not possible: `github-token` is not set; ",
    ),
    "no token on GitLab": ("gitlab", Forge(), {"gitlab_token": None}, "`gitlab-token` is not set; "),
    "no permission": (
        "github",
        refuse(403, NO_PERMISSION),
        {},
        'by integration"}"); `github-token` needs `permissions: pull-requests: write`',
    ),
    "no permission on GitLab": ("gitlab", refuse(403), {}, "the scope `api`"),
    # A redirect is not followed: the token would go along.
    "a redirect": ("github", always(302, b"", "Location: http://127.0.0.1:9/"), {}, "was refused (302"),
    # The answer to a new comment may be lost, and there would be two: it is asked for once.
    "an error": ("github", refuse(502), {}, "Commenting failed after 1 attempt: "),
    # No comment is made of nonsense: there may be one already.
    "a page": (
        "github",
        always(200, b"<html>Sign in</html>"),
        {},
        "Commenting failed: the API's answer has no IDs",
    ),
    "nothing": ("github", hang, {}, "Commenting failed: no answer within 20 s"),
    "endless pages": ("github", Forge(is_endless=True), {}, "127.0.0.1 lists more than 30 pages"),
    "the limit": ("github", Forge(allowance=0), {}, "127.0.0.1 answers no more requests with `github-token`"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_comment_is_one_warning(world: World, case: str) -> None:
    """One warning, exit 0, and all that the deploy reported, within 20 seconds."""
    ci, forge, inputs, words = FAILURES[case]
    world.loop.jump(60)  # the clock does not begin with the run
    outcome = run(world, forge, ci, **inputs)
    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "deployed")
    (line,) = warnings(outcome)
    assert words in line
    assert outcome.seconds <= 20
    if isinstance(forge, Forge):
        assert len(forge.requests) <= 30
        assert ("`permissions:" in line) is (case in {"no token", "no permission"})
    assert outcome.outputs["duration_seconds"] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_short_outage_of_the_forge_is_waited_out(world: World, method: str) -> None:
    """What can be repeated is."""
    forge = Forge()
    run(world, forge)
    forge.refuse[method] = (503, b"")
    world.loop.call_later(1.5, forge.refuse.clear)
    outcome = run(world, forge)
    assert warnings(outcome) == []
    assert len(forge.comments) == 1


def test_a_signal_gives_the_comment_up(world: World) -> None:
    """Five seconds are left: the comment is given up at once; the run is what it was."""

    async def signalled(peer: Peer) -> None:
        tell(world, after=2)
        await hang(peer)

    outcome = run(world, signalled)
    assert outcome.exit_code == 0
    assert outcome.outputs["status"] == "deployed"
    assert outcome.seconds == pytest.approx(2, abs=0.1)
    assert warnings(outcome) == []

"""Comments on pull requests, with `comment: true`.

`tests/previews/test_notify.py` has the conditions for a comment, and failures of the code host.
"""

import hmac
import json
from typing import Any

import pytest

from sandbox.faults import Kind
from tests.previews.code_host import TOKEN, CodeHost, warnings
from tests.previews.code_host import run as run_on_code_host
from tests.support.world import API_KEY, Outcome, World

BOTH = pytest.mark.parametrize("ci", ["github", "gitlab"])


def run(world: World, host: CodeHost, ci: str = "github", **inputs: object) -> Outcome:
    given: dict[str, Any] = {"comment": True, **inputs}
    return run_on_code_host(world, host, ci, **given)


def marker(number: int, ci: str = "github", app: str = "site", key: str = API_KEY) -> str:
    """Return the first line of the action's comment with this ID."""
    place = "/repos/o/r/issues/12/comments" if ci == "github" else "/projects/7/merge_requests/3/notes"
    label = f"{place}\0{app}\0{number}"
    return f"<!-- zerokie-action: {hmac.new(key.encode(), label.encode(), 'sha256').hexdigest()} -->"


def comment(host: CodeHost) -> str:
    """Return the only comment."""
    (text,) = host.comments.values()
    return text


@BOTH
def test_the_comment_is_created_once_and_edited_later(world: World, ci: str) -> None:
    """It has the app, the commit, the changes and the duration."""
    host = CodeHost()
    outcome = run(world, host, ci)
    assert outcome.exit_code == 0
    first = comment(host)
    lines = first.splitlines()
    (number,) = host.comments
    assert lines[0] == marker(number, ci)
    assert lines[2] == "## ✅ `site` is deployed"
    assert f" · deploy `{outcome.outputs['deploy_id']}`" in first
    assert f"](<{outcome.outputs['url']}>)" in lines[4]
    assert ("0123456789ab" if ci == "github" else "fedcba987654") in first
    assert lines[6].startswith("4 files uploaded (29 B) · 0s · ")
    assert outcome.log.splitlines()[-1].startswith("Commented on " + ("pull" if ci == "github" else "merge"))
    assert [request.partition(" ")[0] for request in host.requests] == [
        *("GET", "POST", "PATCH" if ci == "github" else "PUT")
    ]

    world.write({"index.html": b"new"})
    outcome = run(world, host, ci)
    assert "3 deleted" in comment(host)
    assert comment(host).splitlines()[0] == marker(number, ci)
    assert outcome.log.splitlines()[-1].startswith("Commented on ")


def test_the_comment_links_the_pages_of_a_later_deploy(world: World) -> None:
    """In the first deploy, everything is new, so nothing is listed."""
    host = CodeHost()
    world.write({"index.html": b"home", "pricing/index.html": b"old", "app.css": b"old"})
    run(world, host)
    assert "pages" not in comment(host)
    changed = dict.fromkeys(("pricing/index.html", "blog/new-post.html", "app.css"), b"new")
    world.write({"index.html": b"home", **changed})
    url = run(world, host).outputs["url"]
    assert comment(host).endswith(
        "\n\nAdded or changed pages:\n\n"
        f"- [/blog/new-post.html](<{url}/blog/new-post.html>)\n- [/pricing/](<{url}/pricing/>)\n"
    )


@BOTH
def test_the_run_finds_its_comment_among_hundreds(world: World, ci: str) -> None:
    """It edits its newest comment, and ignores those of another app or key, quotations and copies."""
    others = ["hello"] * 340
    own = {7: "an old one", 330: "the newest one"}
    for number, text in own.items():
        others[number] = f"{marker(number, ci)}\n\n{text}"
    others[0] = f"{others[330]}, a copy in an older comment"
    others[331] = f"{others[330]}, a copy in a newer comment"
    others[332] = f"{marker(332, ci, app='site-2')}\nanother app's"
    others[333] = f"{marker(333, ci, key='another-key')}\nanother key's"
    others[334] = f"> {marker(334, ci)}\nquoted"
    host = CodeHost(dict(enumerate(others)))
    run(world, host, ci)
    assert [number for number, text in enumerate(others) if host.comments[number] != text] == [330]
    assert len(host.comments) == len(others)


def test_after_destroy_the_comment_says_so(world: World) -> None:
    """The comment doesn't contain the URL anymore."""
    host = CodeHost()
    run(world, host)
    outcome = run(world, host, operation="destroy")
    assert outcome.exit_code == 0
    assert "## ✅ `site` is deleted" in comment(host)
    assert "http://127" not in comment(host)


def test_the_comment_has_the_plan_of_a_dry_run(world: World) -> None:
    """It lists as many files as fit, because code hosts refuse long comments."""
    host = CodeHost()
    world.write({"index.html": b"", "new/a|b.html": b"new"} | {f"{no:0>200}.html": b"" for no in range(400)})
    outcome = run(world, host, dry_run=True, domains="www.example.com")
    text = comment(host)
    assert {record.method for record in outcome.requests} == {"GET"}
    assert "## 🔍 Dry run for `site`: nothing was changed" in text
    assert "would attach" in text
    assert "402 files to upload (3 B)" in text
    assert 50_000 < len(text) < 65_536
    assert text.endswith(
        "\n</details>\n\n_The rest was cut off. The JSON result (`report-dir`) has everything._\n"
    )


def test_hostile_texts_have_no_effect_in_the_comment(world: World) -> None:
    """The platform's words aren't Markdown, and a code host's response can't issue a command.

    Neither the comment nor the log contains a secret.
    """
    host = CodeHost()
    said = json.dumps({"error": f"<b>@octocat #1 {API_KEY} {TOKEN}"}).encode()
    world.fault(Kind.STATUS, "POST", "/lock$", status=400, body=said)
    run(world, host)
    text = comment(host)
    assert '(400: "`<b>@octocat` `#1` &#42;&#42;&#42; &#42;&#42;&#42;")' in text
    assert API_KEY not in text
    assert TOKEN not in text
    host.refuse["POST"] = (422, b'{"message": "\\n::error::owned ##[error] good-token"}')
    host.comments.clear()
    log = run(world, host).log
    assert "Commenting on 127.0.0.1 was refused (422" in log
    assert not [text for text in ("\n::error::owned", "##[", TOKEN) if text in log.partition("deploys")[2]]


def test_a_rejected_gitlab_token_is_a_warning(world: World) -> None:
    """The warning has the required scope, because the job's own token lacks it."""
    outcome = run(world, CodeHost(refuse={"POST": (403, b"")}), "gitlab")
    (warning,) = warnings(outcome.log)
    refused = "Commenting on 127.0.0.1 was refused (403)"
    assert f"The deploy succeeded. {refused}. `gitlab-token` needs the scope `api`" in warning
    assert outcome.exit_code == 0


def test_endless_pages_are_a_warning(world: World) -> None:
    host = CodeHost(is_endless=True)
    (warning,) = warnings(run(world, host).log)
    assert "127.0.0.1 lists more than 30 pages" in warning
    assert len(host.requests) == 30

"""Outputs and the JSON result: the contract's names, types and order, on success and on failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given

from tests.ci.grammar import whatever_happens, workflow_commands
from tests.report import results
from tests.support.schema import SCHEMA, check_result
from zerokie_action.redact import Redactor
from zerokie_action.report.files import render_json
from zerokie_action.report.result import Changes, Result, Uploaded, outputs, redact_result

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRACT = """
deploy-id url app kind status image previous-image created files-uploaded files-deleted files-unchanged
bytes-uploaded cache-purged domains duration-seconds lock-wait-seconds retries-used error
""".split()  # noqa: SIM905 it reads better


def test_outputs_of_a_static_deploy():
    """Everything that is known, in the contract's order, as text."""
    assert list(outputs(results.static()).items()) == [
        ("deploy-id", "d-20260307-170000"),
        ("url", "https://my-site.platform-dev.zerokie.com"),
        ("app", "my-site"),
        ("kind", "static"),
        ("status", "deployed"),
        ("created", "true"),
        ("files-uploaded", "2"),
        ("files-deleted", "1"),
        ("files-unchanged", "199"),
        ("bytes-uploaded", "8001200"),
        ("cache-purged", "true"),
        (
            "domains",
            '[{"domain":"www.example.com","cname_target":"my-site.zerokie.com","tls_status":"pending"}]',
        ),
        ("duration-seconds", "2.346"),
        ("lock-wait-seconds", "12"),
        ("retries-used", "3"),
        ("error", ""),
    ]


def test_outputs_of_a_container_that_failed():
    """Failure keeps what is known; the error is one line."""
    known = outputs(results.image())
    assert known["error"] == "my-api did not start: status is 'crashed'"
    assert (known["image"], known["previous-image"]) == ("ghcr.io/o/my-api:v1", "ghcr.io/o/my-api:v1")
    assert known["created"] == "false"
    assert "files-uploaded" not in known
    assert "cache-purged" not in known


def test_a_deploy_that_failed_reports_what_it_really_changed():
    """A plan that was not carried out is not reported as done; of a dry run it is what is reported."""
    result = Result(
        "deploy", changes=Changes([Uploaded("a", 1)]), planned=Changes([Uploaded("a", 1), Uploaded("b", 2)])
    )
    assert outputs(result)["files-uploaded"] == "1"
    result.status = "planned"
    assert outputs(result)["files-uploaded"] == "2"


def test_outputs_when_nothing_is_known():
    """Wrong inputs end a run before anything is known."""
    assert outputs(Result("deploy", error="Input app is missing")) == {
        "status": "failed",
        "domains": "[]",
        "duration-seconds": "0",
        "lock-wait-seconds": "0",
        "retries-used": "0",
        "error": "Input app is missing",
    }


@whatever_happens
@given(results.hostile())
def test_outputs_are_of_the_contract(result):
    """There is no output that the contract does not name, and their order is the contract's."""
    names = list(outputs(result))
    assert names == [name for name in CONTRACT if name in names]
    assert outputs(result)["error"].isprintable()


@pytest.mark.parametrize("result", [results.static(), results.image(), results.planned(), Result("deploy")])
def test_json_keeps_to_its_schema(result):
    """The schema describes every result, and every property of it."""
    document = json.loads(render_json(result))
    check_result(document)
    assert list(document) == list(SCHEMA["properties"]) == SCHEMA["required"]


def properties(part: Any) -> Iterator[tuple[str, Any]]:
    """Every property in a schema, at any depth."""
    if isinstance(part, dict):
        yield from part.get("properties", {}).items()
        for value in part.values():
            yield from properties(value)


def test_the_schema_explains_every_property():
    """It is a schema, and says of each what it means."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    described = dict(properties(SCHEMA))
    assert described.keys() > {"deploy_id", "cname_target", "seconds", "bytes"}
    assert [name for name, value in described.items() if not value.get("description")] == []


@pytest.mark.parametrize("place", ["", "domains", "phases", "uploaded"])
def test_what_the_schema_does_not_know_is_noticed(place):
    """A new property fails the tests until the schema describes it; to older readers it is no fault."""
    document = json.loads(render_json(results.static()))
    (document[place][0] if place else document)["new"] = 1
    jsonschema.validate(document, SCHEMA)
    with pytest.raises(jsonschema.ValidationError, match="'new' was unexpected"):
        check_result(document)


def test_json_of_a_static_deploy():
    """Numbers are numbers, names have underscores, lists are lists."""
    document = json.loads(render_json(results.static()))
    assert document["duration_seconds"] == 2.346
    assert document["created"] is True
    assert document["image"] is None
    assert document["uploaded"][1] == {"path": "assets/a b.png", "bytes": 8_000_000, "sign": "+"}
    assert document["deleted"] == ["old/a|b.html"]
    assert document["phases"][2] == {"name": "Finalize", "seconds": 0.001}


@whatever_happens
@given(results.hostile())
def test_json_of_anything(result):
    """Whatever is in a result, its JSON is valid, and harmless when somebody prints it."""
    text = render_json(result)
    check_result(json.loads(text))
    assert text.isascii()
    assert json.loads(text)["app"] == (result.app or None)
    assert workflow_commands(text) == []


def test_redact_result():
    """No text of a result, at any depth, has a secret in it; the original is untouched."""
    secret = "s3cr3t-key"  # noqa: S105
    result = Result(
        "deploy",
        app=secret,
        status="deployed",
        url=f"https://{secret}",
        changes=Changes([Uploaded(secret, 1)], [secret], 1),
        planned=Changes([Uploaded(secret, 1)], [secret], 1),
        domains=[{"domain": secret, "more": {secret: [secret, 1]}}],
        notes=[secret],
        warnings=[f"a {secret} b"],
        error=f"unknown: {secret}",
        hint=secret,
    )
    clean = redact_result(result, Redactor(secret, "deployed").redact)
    assert secret not in render_json(clean)
    assert (clean.status, clean.url, clean.warnings) == ("deployed", "https://***", ["a *** b"])
    assert clean.domains == [{"domain": "***", "more": {"***": ["***", 1]}}]
    assert clean.changes == Changes([Uploaded("***", 1)], ["***"], 1)
    assert result.app == secret
    assert redact_result(results.static(), Redactor().redact) == results.static()

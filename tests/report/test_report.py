"""The JSON result, the dotenv file and the annotations: names, types and order."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest

from tests.report import results
from tests.support.schema import SCHEMA
from zerokie_action.ci import Log
from zerokie_action.ci.commits import Line
from zerokie_action.errors import DeployError
from zerokie_action.http.request import Outcome
from zerokie_action.report.changes import Change, Files, UploadedFile
from zerokie_action.report.files import render_annotations, render_dotenv, render_json
from zerokie_action.report.outputs import outputs
from zerokie_action.report.report import Headline, Report


def test_the_json_result_follows_its_schema():
    """The properties have the schema's order and types."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(render_json(results.static()))
    assert list(document) == list(SCHEMA["properties"]) == SCHEMA["required"]
    assert document["duration_seconds"] == 2.346
    assert document["created"] is True
    assert document["image"] is None
    assert document["uploaded"][1] == {"path": "assets/a b.png", "bytes": 8_000_000, "sign": "+"}
    assert document["deleted"] == ["old/a|b.html"]


async def test_no_text_of_a_report_contains_a_secret() -> None:
    """Foreign text loses its secrets at any depth. The action's own words stay."""
    secret = "s3cr3t-key"  # noqa: S105
    report = results.make_report(
        "deploy",
        secret,
        requested_image=secret,
        links={secret: secret},
        kind="static",
        headline=Headline.LIVE,
        url=f"https://{secret}",
        files=Files(uploaded=[UploadedFile(secret, 1)], deleted={secret: 1}, unchanged=1),
        domains=[{"domain": secret, "more": {secret: [secret, 1]}}],
        notes=[secret],
        warnings=[f"a {secret} b"],
        left=[secret],
    )
    report.log.mask(secret, "deploy", "deployed", "static", "live")
    report.add(Change(f"created {secret}", creates=True)).new_delivery().outcome = Outcome.DONE
    clean, failed = report.finish(), report.finish(DeployError(secret, hint=secret))
    assert secret not in render_json(clean) + render_json(failed) + f"{clean}{failed}"
    assert (clean.operation, clean.status, clean.kind) == ("deploy", "deployed", "static")
    assert clean.outcome == "live"
    assert (clean.url, clean.warnings) == ("https://***", ["a *** b"])
    assert clean.files == Files(uploaded=[UploadedFile("***", 1)], deleted={"***": 1}, unchanged=1)
    assert failed.error == "***; created ***; left for the next run: '***'"


async def test_a_new_field_is_redacted() -> None:
    """A field that nobody listed as the action's own words loses its secrets, whatever its type."""
    secret = "s3cr3t-key"  # noqa: S105

    @dataclass
    class Newer(Report):
        text: str = secret
        path: Path = Path(secret)
        pairs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {secret: (secret,)})
        lines: Sequence[Line] = (Line("Commit ", secret),)
        number: int = 7

    log = Log(io.StringIO())
    log.mask(secret)
    clean = Newer(log, "deploy").finish()
    assert secret not in f"{clean}"
    assert f"{clean.text} {clean.path} {clean.pairs}" == "*** *** {'***': ('***',)}"
    assert (clean.lines, clean.number) == ((Line("Commit ", "***"),), 7)


def test_a_very_long_image_or_url_is_not_an_output():
    """The platform's response can have any length."""
    for end, is_known in (("a" * 100, True), ("a" * 3_000, False)):
        shown = outputs(results.make_report("deploy", url=f"https://a.b/{end}", image=end))
        assert ("url" in shown, "image" in shown) == (is_known, is_known)


def test_the_outputs_are_few_and_the_result_has_the_rest() -> None:
    """The paths of the files are only in `result.json`, because GitHub limits the size of outputs."""
    shown = outputs(results.static())
    result = json.loads(shown.pop("result"))
    assert shown == {
        "deploy-id": "d-20260307-170000",
        "url": "https://my-site.platform-dev.zerokie.com",
        "status": "deployed",
        "changed": "true",
        "created": "true",
        "exit-code": "0",
        "error": "",
    }
    document = json.loads(render_json(results.static()))
    assert result == {key: value for key, value in document.items() if key not in {"uploaded", "deleted"}}
    assert result["files_uploaded"] == 2


def test_the_dotenv_file_has_a_line_for_each_available_value():
    """The error, the result and empty values are omitted."""
    assert render_dotenv(results.static()) == (
        "ZEROKIE_RESULT_DEPLOY_ID=d-20260307-170000\n"
        "ZEROKIE_RESULT_URL=https://my-site.platform-dev.zerokie.com\n"
        "ZEROKIE_RESULT_STATUS=deployed\n"
        "ZEROKIE_RESULT_CHANGED=true\n"
        "ZEROKIE_RESULT_CREATED=true\n"
        "ZEROKIE_RESULT_EXIT_CODE=0\n"
        "ZEROKIE_RESULT_APP=my-site\n"
        "ZEROKIE_RESULT_FILES_UPLOADED=2\n"
        "ZEROKIE_RESULT_FILES_DELETED=1\n"
        "ZEROKIE_RESULT_FILES_UNCHANGED=199\n"
    )


@pytest.mark.parametrize(
    ("is_link", "urls"),
    [
        (True, ["http://127.0.0.1:8080/a%20b?c=d&e#f", "http://[::1]:8080/"]),
        (False, [None, "", "javascript:alert(1)", "https://a.b/ c", "https://a.b/\n", "https://user@a.b"]),
    ],
)
def test_only_a_plain_http_url_is_an_annotation(is_link, urls):
    """Other URLs don't become a link on the job's page."""
    for url in urls:
        found = json.loads(render_annotations(results.make_report("deploy", app="my-site", url=url)))
        link = {"external_link": {"label": "my-site", "url": url}}
        assert found == {"Zerokie": [link] if is_link else []}

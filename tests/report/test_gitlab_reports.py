"""The dotenv and annotations files keep to what GitLab accepts."""

from __future__ import annotations

import json

import pytest

from tests.report import results
from zerokie_action.report.files import render_annotations, render_dotenv
from zerokie_action.report.result import Result


def test_dotenv():
    """Known values, a line each; no error, no empty value."""
    assert render_dotenv(results.static()) == (
        "ZEROKIE_RESULT_DEPLOY_ID=d-20260307-170000\n"
        "ZEROKIE_RESULT_URL=https://my-site.platform-dev.zerokie.com\n"
        "ZEROKIE_RESULT_APP=my-site\n"
        "ZEROKIE_RESULT_KIND=static\n"
        "ZEROKIE_RESULT_STATUS=deployed\n"
        "ZEROKIE_RESULT_CREATED=true\n"
        "ZEROKIE_RESULT_CHANGED=true\n"
        "ZEROKIE_RESULT_FILES_UPLOADED=2\n"
        "ZEROKIE_RESULT_FILES_DELETED=1\n"
        "ZEROKIE_RESULT_FILES_UNCHANGED=199\n"
        "ZEROKIE_RESULT_BYTES_UPLOADED=8001200\n"
        "ZEROKIE_RESULT_CACHE_PURGED=true\n"
        'ZEROKIE_RESULT_DOMAINS=[{"domain":"www.example.com","cname_target":"my-site.zerokie.com","tls_status":"pending"}]\n'
        "ZEROKIE_RESULT_DURATION_SECONDS=2.346\n"
        "ZEROKIE_RESULT_EXIT_CODE=0\n"
    )


@pytest.mark.parametrize(
    ("is_link", "urls"),
    [
        (True, ["http://127.0.0.1:8080/a%20b?c=d&e#f", "http://[::1]:8080/"]),
        (False, [None, "", "javascript:alert(1)", "https://a.b/ c", "https://a.b/\n", "https://user@a.b"]),
    ],
)
def test_annotations(is_link, urls):
    """Only a plain web address becomes a link."""
    for url in urls:
        found = json.loads(render_annotations(Result("deploy", app="my-site", url=url)))
        assert bool(found["Zerokie"]) is is_link

"""Example reports: a static app, an image, and hostile text."""

import io
from typing import Any

from hypothesis import strategies as st

from tests.ci.grammar import HOSTILE
from zerokie_action.ci import Log
from zerokie_action.http.request import Delivery, Outcome
from zerokie_action.report.changes import Change, Files, UploadedFile
from zerokie_action.report.report import Headline, Report
from zerokie_action.text.escapes import one_line


def make_report(operation: str, app: str = "", **values: Any) -> Report:
    """Return a report with these values."""
    return Report(Log(io.StringIO()), operation, app, **values)


def static() -> Report:
    """Return the report of a static deploy with a value for everything."""
    return make_report(
        "deploy",
        "my-site",
        status="deployed",
        exit_code=0,
        kind="static",
        deploy_id="d-20260307-170000",
        url="https://my-site.platform-dev.zerokie.com",
        changes=[Change(creates=True, deliveries=[Delivery(outcome=Outcome.DONE)])],
        files=Files(
            uploaded=[UploadedFile("index.html", 1_200, "~"), UploadedFile("assets/a b.png", 8_000_000)],
            deleted={"old/a|b.html": 3400},
            unchanged=199,
        ),
        cache_purged=True,
        domains=[
            {"domain": "www.example.com", "cname_target": "my-site.zerokie.com", "tls_status": "pending"}
        ],
        notes=["The manifest was not readable"],
        warnings=["Input `port` changes nothing"],
        duration_seconds=2.34567,
        lock_wait_seconds=12.0,
    )


def image() -> Report:
    """Return the report of an image that did not start and was rolled back."""
    return make_report(
        "deploy",
        "my-api",
        status="rolled-back",
        exit_code=8,
        kind="container",
        deploy_id="550e8400-e29b-41d4-a716-446655440000",
        url="https://my-api.platform-dev.zerokie.com",
        image="ghcr.io/o/my-api:v1",
        previous_image="ghcr.io/o/my-api:v1",
        changes=[Change(deliveries=[Delivery(outcome=Outcome.DONE)])],
        duration_seconds=61,
        problems=["my-api did not start:\n status is 'crashed'"],
        hint="Read its log.",
    )


def hostile() -> st.SearchStrategy[Report]:
    """Generate reports with any text that a platform, a file system or a user could supply."""
    optional = st.none() | HOSTILE
    words = HOSTILE.filter(bool)
    domain = st.one_of(
        st.fixed_dictionaries(
            {"domain": HOSTILE},
            optional={"cname_target": words, "tls_status": words},
        ),
        st.fixed_dictionaries({"domain": HOSTILE, "cname_target": words, "dns_record": words}),
        st.fixed_dictionaries({"domain": HOSTILE, "status": st.just("attached already")}),
        st.fixed_dictionaries({"domain": HOSTILE, "error": words.map(one_line).filter(bool)}),
    )
    files = st.none() | st.builds(
        Files,
        st.lists(st.builds(UploadedFile, HOSTILE, st.integers(0), st.sampled_from("+~")), max_size=3),
        st.dictionaries(HOSTILE, st.integers(-1), max_size=1),
        st.integers(0),
    )
    some = st.lists(HOSTILE, max_size=2)
    return st.builds(
        make_report,
        operation=st.sampled_from(["deploy", "restart", "destroy"]),
        status=st.sampled_from(["deployed", "planned", "rolled-back", "failed", "cancelled"]),
        exit_code=st.integers(0, 255),
        kind=st.sampled_from([None, "static", "container"]),
        **dict.fromkeys(("app", "hint"), HOSTILE),
        **dict.fromkeys(("deploy_id", "url", "image", "previous_image"), optional),
        files=files,
        **dict.fromkeys(("notes", "warnings", "problems"), some),
        dry_run=st.booleans(),
        headline=st.none() | st.sampled_from(Headline),
        links=st.dictionaries(HOSTILE, HOSTILE, max_size=2),
        domains=st.lists(domain, max_size=1),
        duration_seconds=st.floats(0, 1e6),
    )

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import allow_header_conformance

from tests.sandbox.process import sandbox
from zerokie_action.sandbox.api import API

KEY = {"Authorization": "Bearer k"}
OTHER_METHODS = [allow_header_conformance]
"""No client sends these: a 405 need not list all methods of the path."""
reference = schemathesis.openapi.from_dict(API.openapi())


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A platform with one app of each type."""
    with sandbox("--data", str(tmp_path_factory.mktemp("data"))) as client:
        client.post("/v1/apps", json={"name": "site", "type": "static"})
        client.post("/v1/apps", json={"name": "api", "image": "nginx"})
        yield str(client.base_url)


@reference.parametrize()
@settings(max_examples=5, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_platform_does_what_its_description_says(case, url):
    """Status codes, bodies, methods, key, wrong and right data: all as documented."""
    if "name" in case.path_parameters:
        is_deleted = (case.method, case.path) == ("DELETE", "/v1/apps/{name}")
        existing = "api" if case.path.endswith("/deploy") else "site"
        case.path_parameters["name"] = "nobody" if is_deleted else existing
    case.call_and_validate(base_url=url, headers=KEY, excluded_checks=OTHER_METHODS)

import pytest
from hypothesis import HealthCheck, given, settings

from sandbox.api import API
from tests.sandbox.process import sandbox

KEY = {"Authorization": "Bearer k"}


@pytest.fixture
def url(tmp_path):
    """A platform with one app of each type."""
    with sandbox("--data", str(tmp_path / "data")) as client:
        client.post("/v1/apps", json={"name": "site", "type": "static"})
        client.post("/v1/apps", json={"name": "api", "image": "nginx"})
        yield str(client.base_url)


@pytest.mark.exhaustive
def test_the_platform_matches_its_openapi_document(url):
    """Status codes, bodies and authentication match the document, for valid and invalid data."""
    # Here, and without its pytest plugin: each worker would import it for seconds, to collect the tests.
    import schemathesis  # noqa: PLC0415
    from schemathesis.core.result import Ok  # noqa: PLC0415
    from schemathesis.generation import GenerationMode  # noqa: PLC0415

    found = [*schemathesis.openapi.from_dict(API.openapi()).get_all_operations()]
    assert found
    for operation in found:
        assert isinstance(operation, Ok)
        for mode in GenerationMode:

            @given(case=operation.ok().as_strategy(generation_mode=mode))
            @settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
            def check(case):
                if "name" in case.path_parameters:
                    is_deleted = (case.method, case.path) == ("DELETE", "/v1/apps/{name}")
                    existing = "api" if case.path.endswith("/deploy") else "site"
                    case.path_parameters["name"] = "nobody" if is_deleted else existing
                case.call_and_validate(base_url=url, headers=KEY)

            check()

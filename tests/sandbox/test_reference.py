from sandbox.api import API

ENDPOINTS = {
    ("POST", "/v1/apps"): {201, 400, 401, 409, 500, 502},
    ("GET", "/v1/apps"): {200, 400, 401, 500, 502},
    ("GET", "/v1/apps/{name}"): {200, 400, 401, 404, 500, 502},
    ("DELETE", "/v1/apps/{name}"): {204, 400, 401, 404, 500, 502},
    ("POST", "/v1/apps/{name}/deploy"): {200, 400, 401, 404, 409, 500, 502},
    ("GET", "/v1/apps/{name}/files"): {200, 400, 401, 404, 500, 502},
    ("PUT", "/v1/apps/{name}/files/{path}"): {200, 400, 401, 404, 500, 502},
    ("DELETE", "/v1/apps/{name}/files/{path}"): {204, 400, 401, 404, 500, 502},
    ("POST", "/v1/apps/{name}/deploy/lock"): {200, 400, 401, 404, 409, 500, 502},
    ("PUT", "/v1/apps/{name}/deploy/lock"): {200, 400, 401, 404, 409, 500, 502},
    ("POST", "/v1/apps/{name}/deploy/finalize"): {200, 400, 401, 404, 409, 500, 502},
    ("POST", "/v1/apps/{name}/domains"): {201, 400, 401, 404, 409, 500, 502},
    ("DELETE", "/v1/apps/{name}/domains/{domain}"): {204, 400, 401, 404, 500, 502},
}


def test_the_openapi_document_matches_the_reference():
    """It describes exactly the reference's endpoints and status codes, and all errors in its format."""
    document = API.openapi()
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {key: set(map(int, operation["responses"])) for key, operation in operations.items()} == ENDPOINTS
    assert document["components"]["schemas"]["Error"]["required"] == ["error"]
    assert document["security"] == [{"key": []}]

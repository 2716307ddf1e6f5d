"""The FastAPI application of the reference: endpoints, errors, `/docs`."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from zerokie_action.sandbox import admin, answers, page, routes
from zerokie_action.sandbox.exchange import Exchange
from zerokie_action.sandbox.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request, Response

_DESCRIPTION = """
The Zerokie platform's REST API, served by a local sandbox.

All requests require an Authorization header with your API key. All errors have the same format.
"""

_UNNAMED = {"body", "container", "static"}
"""Parts of an error's place that are no field of the body: where it is, and which form of it was meant."""


_ENDPOINTS = [
    route
    for router in (routes.apps, routes.static, admin.router, page.router)
    for route in router.routes
    if isinstance(route, APIRoute)
]


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Answer in the reference's error format."""
    return JSONResponse({"error": message}, status, headers)


async def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, ApiError)  # noqa: S101  registered for nothing else
    return answers.refused(Exchange.of(request).platform, problem)


async def _invalid(_: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, RequestValidationError)  # noqa: S101  registered for nothing else
    first = problem.errors()[0]
    # Neither the input nor its context: they may be credentials.
    place = ".".join(str(part) for part in first["loc"] if part not in _UNNAMED)
    return error(
        400, f"invalid request: {place}: {first['msg']}" if place else f"invalid request: {first['msg']}"
    )


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101  registered for nothing else
    if problem.status_code == HTTPStatus.NOT_FOUND and page.wants_page(request):
        return page.not_found(request)
    return error(problem.status_code, problem.detail.lower(), problem.headers)


async def _wrong_method(request: Request, _: Exception) -> JSONResponse:
    path = request.scope["path"]
    allowed = set[str]().union(*(route.methods or () for route in _ENDPOINTS if route.path_regex.match(path)))
    return error(405, "method not allowed", {"allow": ", ".join(sorted(allowed))})


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    return error(500, "internal server error")


def _describe(api: FastAPI) -> dict[str, Any]:
    """Build the document: FastAPI's, with the bearer key, and 400 instead of FastAPI's 422."""
    document = get_openapi(title=api.title, version=api.version, description=_DESCRIPTION, routes=api.routes)
    components = document["components"]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    return document


def _create() -> FastAPI:
    api = FastAPI(
        title="Zerokie",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers={
            ApiError: _refused,
            RequestValidationError: _invalid,
            HTTPException: _http_error,
            405: _wrong_method,
            Exception: _unexpected,
        },
    )
    for router in (routes.apps, routes.static, admin.router, page.router):
        api.include_router(router)
    api.mount("/_sandbox/assets", page.assets)
    api.openapi = partial(_describe, api)  # type: ignore[method-assign]
    return api


API = _create()
"""One for all platforms of the process, because building it takes long; see `Exchange.of`."""

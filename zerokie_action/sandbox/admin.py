"""`/_sandbox`: endpoints for programs, such as tests in other processes. They need no key.

A browser's request has an `Origin` if it may change something; a program's request has none. Requests with an
`Origin` are refused, so no page can use these endpoints. The switches on the sandbox's own page need the key.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from zerokie_action.sandbox.faults import Fault  # noqa: TC001  FastAPI reads the annotation
from zerokie_action.sandbox.records import ApiError, Exchange


async def _no_page(request: Request) -> None:
    if "origin" in request.headers:
        raise ApiError(403, "this is for programs; in a browser, use the page at /")


router = APIRouter(prefix="/_sandbox", include_in_schema=False, dependencies=[Depends(_no_page)])


@router.get("/state")
async def state(request: Request) -> Response:
    """Return the apps with locks, files, deployments and domains, and the records of all requests."""
    platform = Exchange.of(request).platform
    apps: dict[str, Any] = {
        app.name: asdict(app)
        | {
            "env": list(app.env),  # names only: the values may be secrets
            "status": platform.apps.status(app),
            "url": platform.url(app.name),
            "lock": platform.lock(app.name),
            "deployments": [asdict(deployment) for deployment in platform.deployments(app.name)],
            "domains": platform.domains.list(app.name),
            "files": [asdict(file) for file in platform.zone.list(app.name)],
        }
        for app in platform.apps.list()
    }
    records = [record.public() for record in platform.requests]
    # A client may have sent a lone surrogate: JSON's ASCII form can carry it, UTF-8 cannot.
    text = json.dumps({"apps": apps, "request_count": len(records), "requests": records})
    return Response(text, media_type="application/json")


@router.get("/dialect")
async def dialect(request: Request) -> Response:
    """Return the platform's answer to each question that the reference leaves open."""
    return JSONResponse(Exchange.of(request).platform.dialect.answers())


@router.patch("/dialect")
async def speak(request: Request, wanted: dict[str, str]) -> Response:
    """Change some answers; 400 for an unknown answer."""
    platform = Exchange.of(request).platform
    try:
        platform.dialect.speak(*(f"{name}={answer}" for name, answer in wanted.items()))
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    return JSONResponse(platform.dialect.answers())


@router.post("/faults", status_code=201)
async def add_fault(request: Request, fault: Fault) -> Response:
    """Add a fault; the body has the fields of `Fault`. The answer has its `id`."""
    faults = Exchange.of(request).platform.faults
    faults.add(fault)
    return JSONResponse({"id": faults.list()[-1].id}, 201)


@router.get("/faults")
async def list_faults(request: Request) -> Response:
    """List all faults, each with its `id` and how many requests it has hit."""
    faults = [
        {
            "id": armed.id,
            "hits": armed.hits,
            **asdict(armed.fault),
            "body": armed.fault.body and armed.fault.body.decode("utf-8", "replace"),
        }
        for armed in Exchange.of(request).platform.faults.list()
    ]
    return JSONResponse(faults)


@router.delete("/faults/{number}", status_code=204)
async def remove_fault(request: Request, number: int) -> Response:
    """Remove a fault; 404 when no fault has this `id`."""
    Exchange.of(request).platform.faults.remove(number)
    return Response(status_code=204)


@router.delete("/faults", status_code=204)
async def clear_faults(request: Request) -> Response:
    """Remove all faults."""
    Exchange.of(request).platform.faults.clear()
    return Response(status_code=204)

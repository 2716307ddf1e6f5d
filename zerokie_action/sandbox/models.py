"""Request and response bodies, as in the reference. They check requests and describe both in `/docs`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag

from zerokie_action.sandbox.apps import CPU, MEMORY, PORT
from zerokie_action.sandbox.domains import DOMAIN, MAX_LENGTH

AppName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", examples=["my-app"])]
Image = Annotated[str, Field(pattern=r"^[!-~]+$", examples=["nginx:alpine"])]
Session = Annotated[str, Field(min_length=1, examples=["550e8400-e29b-41d4-a716-446655440000"])]
Timestamp = Annotated[
    str, Field(examples=["2026-03-07T17:00:00Z"], pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
]
EnvName = Annotated[str, StringConstraints(pattern=r"^[^=\x00]+$")]
Env = Annotated[
    dict[EnvName, str],
    Field(json_schema_extra={"additionalProperties": False, "examples": [{"NODE_ENV": "production"}]}),
]


def _whole(value: object) -> object:
    """Turn 80.0 into 80: the same number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=0, lt=2**53), BeforeValidator(_whole)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True)


class Error(BaseModel):
    """Every error."""

    error: Annotated[str, Field(examples=["app not found"])]


class RegistryAuth(_Body):
    """Credentials for pulling from a private registry."""

    username: Annotated[str | None, Field(examples=["deploy-token"])] = None
    password: Annotated[str | None, Field(examples=["glpat-xxxx"])] = None
    server_address: Annotated[str | None, Field(examples=["registry.gitlab.com"])] = None


class NewContainerApp(_Body):
    """A container app to create."""

    name: AppName
    type: Literal["container"] = "container"
    image: Image
    port: Annotated[int, Field(ge=1, le=65535), BeforeValidator(_whole)] = PORT
    env: Env = {}
    cpu: Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_whole)] = CPU
    memory: Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_whole)] = MEMORY
    registry_auth: RegistryAuth | None = None


class NewStaticApp(_Body):
    """A static app to create. `image`, `port`, `cpu`, `memory` and `registry_auth` are ignored."""

    name: AppName
    type: Literal["static"]
    env: Env = {}


def _type_of(body: object) -> str:
    return "static" if isinstance(body, dict) and body.get("type") == "static" else "container"


NewApp = Annotated[
    Annotated[NewContainerApp, Tag("container")] | Annotated[NewStaticApp, Tag("static")],
    Discriminator(_type_of),
]


class DeployRequest(_Body):
    """What to deploy; nothing means the current image again."""

    image: Image | None = None
    registry_auth: RegistryAuth | None = None


class LockRequest(_Body):
    """Whose lock."""

    deploy_session_id: Session


class FinalizeRequest(_Body):
    """Whose deployment, and what it changed."""

    deploy_session_id: Session
    files_uploaded: Count
    files_deleted: Count
    total_bytes: Count


class DomainRequest(_Body):
    """A custom domain to attach; not an apex domain."""

    # Described here, checked by `Domains`, which tells an apex domain from nonsense.
    domain: Annotated[
        str,
        Field(examples=["www.example.com"], json_schema_extra={"pattern": DOMAIN, "maxLength": MAX_LENGTH}),
    ]


class AppSummary(BaseModel):
    """An app. Static apps have no `image` and no `port`."""

    name: Annotated[str, Field(examples=["my-app"])]
    image: Annotated[str | None, Field(examples=["nginx:alpine"])] = None
    port: Annotated[int | None, Field(examples=[PORT])] = None
    status: Annotated[str, Field(examples=["running"])]
    url: Annotated[str, Field(examples=["https://my-app.platform-dev.zerokie.com"])]


class AppDetail(AppSummary):
    """An app in full. Static apps have no `image`, `port`, `instances`, `cpu` and `memory`."""

    instances: int | None = None
    cpu: Annotated[int | None, Field(examples=[CPU])] = None
    memory: Annotated[int | None, Field(examples=[MEMORY])] = None
    created_at: Timestamp
    updated_at: Timestamp


class DeployAccepted(BaseModel):
    """A deploy that began."""

    name: Annotated[str, Field(examples=["my-app"])]
    image: Annotated[str, Field(examples=["nginx:alpine"])]
    status: Annotated[str, Field(examples=["deploying"])]


class RemoteFile(BaseModel):
    """A file of the storage zone."""

    path: Annotated[str, Field(examples=["assets/style.css"])]
    length: int
    lastModified: Timestamp  # noqa: N815  the reference's name


class Locked(BaseModel):
    """A lock that is held."""

    locked: Literal[True]
    deploy_session_id: Session


class Summary(BaseModel):
    """The client's own counts."""

    files_uploaded: int
    files_deleted: int
    total_bytes: int


class Finalized(BaseModel):
    """A recorded deployment."""

    deploy_id: Annotated[str, Field(examples=["d-20260307-170000"])]
    timestamp: Timestamp
    cache_purged: bool
    summary: Summary


class DomainAdded(BaseModel):
    """A custom domain that was attached."""

    domain: Annotated[str, Field(examples=["www.example.com"])]
    cname_target: Annotated[str, Field(examples=["my-site.platform-dev.zerokie.com"])]
    tls_status: Annotated[str, Field(examples=["pending"])]

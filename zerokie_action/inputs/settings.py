"""The table of all inputs, with their environment variables.

An input's name is its field's name with `-` for `_`. `make docs` generates the documents from each field's
default and docstring.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_origin

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from zerokie_action.ci import Level
from zerokie_action.http.url import is_this_machine, web_url
from zerokie_action.inputs import formats
from zerokie_action.inputs.patterns import parse_patterns

DEFAULT_API_URL = "https://api.platform-dev.zerokie.com"
_API_URL = re.compile(
    r"https?://[^/?#@${}\\]+(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!&'()*+,;=:@-]*)*", re.IGNORECASE
)


def input_name(field: str) -> str:
    """Return the input's name as users write it, such as `api-key` for the field `api_key`."""
    return field.replace("_", "-")


def spellings(field: str) -> tuple[str, ...]:
    """Return the environment variables of an input. Those that are set must have the same value.

    For `api_key`, these are `INPUT_API-KEY` (GitHub keeps the dash), `INPUT_API_KEY`, `PLUGIN_API-KEY`
    (Drone), `PLUGIN_API_KEY` (Woodpecker) and `ZEROKIE_API_KEY`.
    """
    upper = field.upper()
    dashed = input_name(upper)
    return (f"INPUT_{dashed}", f"INPUT_{upper}", f"PLUGIN_{dashed}", f"PLUGIN_{upper}", f"ZEROKIE_{upper}")


ONLY_AT_CREATION: tuple[str, ...] = ("port", "cpu", "memory", "env")
"""Inputs that the API accepts only when it creates a container app."""


def check_health_check(text: str) -> str:
    """Return a valid path or URL. Messages don't quote it, because its query may contain a token."""
    is_path = text.startswith("/") and text.isprintable() and not re.search(r"\s", text)
    if not (is_path or web_url(text)):
        raise ValueError(
            "the value isn't a URL or a path that starts with /. Write a path such as /healthz, with `%20` "
            "for a space"
        )
    return text


def check_api_url(text: str) -> str:
    """Return the URL of the platform's API without a final slash and `/v1`."""
    url = web_url(text)
    if url is None or not _API_URL.fullmatch(text):
        raise ValueError(
            "the value isn't the URL of an API. Write only scheme, host and path, such as "
            "https://api.example.com"
        )
    if url.scheme == "http" and not is_this_machine(url.host):
        raise ValueError(
            f"{text!r} would send the API key unencrypted. Use https (http works only for a loopback host, "
            "host.docker.internal and host.containers.internal)"
        )
    return text.rstrip("/").removesuffix("/v1")


def _parse_patterns(text: str) -> tuple[str, ...]:
    """Return gitignore patterns. The error has one line for each problem."""
    patterns, problems = parse_patterns(line.lstrip(" \t") for line in formats.split_lines(text))
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(patterns)


Seconds = Annotated[float, BeforeValidator(formats.parse_duration)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_parse_patterns)]
Domain = Annotated[str, BeforeValidator(formats.check_domain)]
Domains = Annotated[tuple[Domain, ...], BeforeValidator(formats.parse_lines)]
Token = Annotated[SecretStr, BeforeValidator(formats.check_token)]


class Settings(BaseSettings):
    """The valid inputs of a run. Durations are in seconds. Empty values and `None` mean not set."""

    model_config = SettingsConfigDict(
        frozen=True,
        validate_default=False,
        case_sensitive=True,
        enable_decoding=False,
        hide_input_in_errors=True,
        loc_by_alias=False,
        use_attribute_docstrings=True,
        alias_generator=AliasGenerator(validation_alias=lambda field: AliasChoices(*spellings(field))),
    )

    operation: Annotated[
        Literal["deploy", "restart", "destroy", "sweep", "status"], BeforeValidator(formats.check_operation)
    ] = "deploy"
    """`deploy`, `restart`, `destroy` (delete the app), `sweep` (delete previews of closed pull requests) or
    `status` (show the live version).
    """
    api_key: Annotated[SecretStr, BeforeValidator(formats.check_api_key)] = SecretStr("")
    """The platform's API key. Required and never printed. The lock cleanup uses it too."""
    api_url: Annotated[str, BeforeValidator(check_api_url)] = DEFAULT_API_URL
    """URL of the platform's API. Must use https, except for a loopback host, `host.docker.internal` and
    `host.containers.internal`.
    """
    app: Annotated[str, BeforeValidator(formats.check_app)] = ""
    """Name of the app, such as `my-site`. For `sweep`, patterns such as `my-site-pr-*`, one per line."""
    skip_without_key: bool = False
    """Skip the run with a warning if the API key is missing, as in a fork's pull request."""
    image: Annotated[str | None, BeforeValidator(formats.check_image)] = None
    """Container image to deploy. `deploy` needs either `image` or `directory`."""
    directory: Path | None = None
    """Folder to deploy as a static site. `deploy` needs either `image` or `directory`."""
    create: bool = False
    """Create the app if it doesn't exist."""
    port: int | None = Field(None, ge=1, le=65535)
    """Port that the container listens on. Applies only when the run creates the app."""
    cpu: int | None = Field(None, ge=1)
    """CPU units, such as 256. Applies only when the run creates the app."""
    memory: int | None = Field(None, ge=1)
    """Memory, such as 512 (the API doesn't name the unit). Applies only when the run creates the app."""
    env: Annotated[dict[str, str], BeforeValidator(formats.parse_variables)] = {}
    """Environment variables, one `NAME=value` per line. Applies only when the run creates the app."""
    registry_server: Annotated[str | None, BeforeValidator(formats.check_registry)] = None
    """Host of a private registry, such as registry.gitlab.com. Without it, the credentials are for Docker
    Hub.
    """
    registry_username: str | None = None
    """Username for the registry, or a deploy token's name. Needs `registry-password`."""
    registry_password: Annotated[SecretStr, BeforeValidator(formats.check_secret)] = SecretStr("")
    """Password or token for the registry. Needs `registry-username`. Never printed."""
    ignore: Patterns = ()
    """Gitignore patterns of files not to deploy, in addition to `.zerokieignore` and defaults. `!/path`
    publishes a refused file.
    """
    keep: Patterns = ()
    """Gitignore patterns of remote paths that are never deleted."""
    delete_stale: Annotated[bool | float, BeforeValidator(formats.parse_delete_stale)] = True
    """When to delete files missing from the folder: `true` (immediately), `false` (never), or a delay such as
    `7d` (pages immediately).
    """
    take_over: bool = False
    """Continue even if another repository may own the app, or other tools uploaded files. Usually for one
    manual run.
    """
    max_deletes: int | None = Field(None, ge=0)
    """Maximum number of files that one deploy may delete or schedule for deletion. Replaces two safety
    checks.
    """
    incremental: bool = True
    """Skip unchanged files."""
    dry_run: bool = False
    """Print and report the planned changes without making them."""
    domains: Domains = ()
    """Custom domains to attach to a static app, such as www.example.com, one per line."""
    remove_domains: Domains = ()
    """Custom domains to remove from a static app, one per line."""
    wait: Annotated[float, BeforeValidator(formats.parse_wait)] = formats.DEFAULT_WAIT
    """How long to wait until the app runs and `health-check` passes. With `false`, there is no wait and one
    check.
    """
    health_check: Annotated[str | None, BeforeValidator(check_health_check)] = None
    """Path or URL to check after the deploy. Expects the deployed file, or for other paths 2xx or 3xx."""
    health_check_text: str | None = None
    """Text that the response to `health-check` must contain, such as the commit. For images, it proves the
    new version.
    """
    rollback: bool = False
    """If `wait`, `health-check` or `timeout` fails, deploy the previous image again. Container apps only."""
    lock_timeout: Seconds = 600.0
    """How long to wait for another deploy's lock. `0` fails immediately."""
    timeout: Seconds = Field(1800.0, ge=1)
    """Time limit of the whole operation."""
    retry_timeout: Seconds = 120.0
    """How long to retry a failed request. `0` disables retries."""
    comment: bool = False
    """Keep one comment on the pull request up to date. Needs `pull-requests: write` on GitHub, or
    `gitlab-token`.
    """
    preview_environment: str | None = None
    """GitHub environment that shows the app in the pull request, such as `previews`. Needs `deployments:
    write`.
    """
    pull_request: int | None = Field(None, ge=1)
    """Number of the pull request, if the run can't determine it. Limits `sweep` to this pull request."""
    github_token: Token = SecretStr("")
    """GitHub token for `comment`, `preview-environment` and `sweep`. On GitHub, defaults to the job's
    token.
    """
    gitlab_token: Token = SecretStr("")
    """GitLab token for `comment` (scope `api`) and `sweep` (scope `read_api`). Never printed."""
    report_dir: Path | None = None
    """Folder for the reports `result.env`, `result.json`, `annotations.json` and `summary.md`. Created if
    missing.
    """
    commit: Annotated[str | None, BeforeValidator(formats.check_commit)] = None
    """Full SHA of the commit that the folder was built from. GitHub and GitLab provide it."""
    state_file: Path | None = None
    """File where the run saves its lock for `zerokie-cleanup`. Default: `.zerokie-state.json` in the working
    directory, but none on GitHub.
    """
    log_level: Level = "info"
    """`debug`, `info`, `warning` or `error`. `RUNNER_DEBUG=1` means `debug`."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # pydantic passes keywords
        cls, _: type[BaseSettings], *, init_settings: PydanticBaseSettingsSource, **_others: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return only the source of values that `load` passes."""
        return (init_settings,)

    @property
    def previews(self) -> tuple[str, ...]:
        """The prefixes of preview names for `sweep`. A pull request's number follows each."""
        return tuple(pattern.removesuffix("*") for pattern in formats.parse_lines(self.app))

    @property
    def code_host_tokens(self) -> dict[str, str]:
        """The tokens for the APIs of GitHub and GitLab by input name."""
        return {
            "github-token": self.github_token.get_secret_value(),
            "gitlab-token": self.gitlab_token.get_secret_value(),
        }

    @property
    def registry_auth(self) -> dict[str, str] | None:
        """The credentials for a private registry as the API takes them, or None without credentials."""
        password = self.registry_password.get_secret_value()
        if not password:  # `require_valid` requires username and password together
            return None
        auth = {"username": self.registry_username or "", "password": password}
        return auth | ({"server_address": self.registry_server} if self.registry_server else {})

    @property
    def registry_words(self) -> str:
        """The credentials for a private registry in words, without the password. Empty without any."""
        auth, server = self.registry_auth, self.registry_server or "Docker Hub"
        return f"the credentials of {auth['username']!r} for {server}" if auth else ""


INPUTS: dict[str, FieldInfo] = Settings.model_fields
"""All inputs by field name, in the order of the documents."""
_LISTS = [field for field, info in INPUTS.items() if get_origin(info.annotation) in {tuple, dict}]
SECRETS = [field for field, info in INPUTS.items() if info.annotation is SecretStr]


class Input(NamedTuple):
    """An input as the documents show it. `default` is a text, empty if there is none."""

    name: str
    default: str
    required: bool
    description: str
    is_list: bool
    is_secret: bool
    is_flag: bool


def documented_inputs() -> Iterator[Input]:
    """Yield every input in the order of the documents."""
    for field, info in INPUTS.items():
        # No other input has an empty text as its default.
        is_required = info.default == ""
        text, default = " ".join((info.description or "").split()), _written(info.default)
        kinds = (field in _LISTS, field in SECRETS, info.annotation is bool)
        yield Input(input_name(field), default, is_required, text, *kinds)


def _written(value: object) -> str:
    """Return a default as users write it; empty if there is none."""
    if isinstance(value, bool | int):
        return str(value).lower()
    return formats.written_duration(value) if isinstance(value, float) else str(value or "")

"""Every input, typed and frozen: the one table that settings, `action.yml` and the README share.

A field's name with `-` for `_` is the input's name, its default and description are the
documented ones. `InputSource` finds the texts, `load` makes settings of them; it lists all problems at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from zerokie_action import inputs
from zerokie_action import validation as checks
from zerokie_action.ci.base import Level
from zerokie_action.errors import ConfigurationError
from zerokie_action.files.root import IGNORE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

DEFAULT_API_URL = "https://api.platform-dev.zerokie.com"


def _parsed(parser: Callable[[str], object]) -> BeforeValidator:
    """Run a text parser first; defaults and values that are typed already pass through it."""
    return BeforeValidator(lambda value: parser(value) if isinstance(value, str) else value)


Operation = Literal["deploy", "restart", "destroy"]
Flag = Annotated[bool, _parsed(inputs.parse_flag)]
Seconds = Annotated[float, _parsed(inputs.parse_duration)]
Domains = Annotated[tuple[str, ...], _parsed(inputs.parse_domains)]
Patterns = Annotated[tuple[str, ...], _parsed(inputs.parse_patterns)]
Token = Annotated[SecretStr, _parsed(inputs.check_token)]


class Settings(BaseSettings):
    """All inputs of one run. Durations are seconds; `None` means not set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    operation: Operation = Field(
        "deploy",
        description="What to do: `deploy`, `restart` (re-pull and restart the current image) or "
        "`destroy` (delete the app).",
    )
    api_key: Token = Field(
        SecretStr(""), description="The platform's API key, sent as bearer token; never printed."
    )
    api_url: Annotated[str, _parsed(inputs.check_api_url)] = Field(
        DEFAULT_API_URL, description="The platform's API: https, or http for a loopback host only."
    )
    app: Annotated[str, _parsed(inputs.check_app)] = Field(description="The app's name.")
    skip_without_key: Flag = Field(
        default=False,
        description="When `api-key` is empty (a pull request from a fork has no secrets): warn, "
        "status `skipped`, exit 0.",
    )
    image: Annotated[str | None, _parsed(inputs.check_image)] = Field(
        None, description="Container image to deploy. `deploy` needs exactly one of `image` and `directory`."
    )
    directory: Path | None = Field(
        None, description="Static folder to deploy. `deploy` needs exactly one of `image` and `directory`."
    )
    create: Flag = Field(default=False, description="Create the app when it does not exist.")
    port: Annotated[int | None, _parsed(inputs.whole_number(1, 65535))] = Field(
        None, description="Port that the container listens on; used when a container app is created."
    )
    cpu: Annotated[int | None, _parsed(inputs.whole_number(1))] = Field(
        None, description="CPU units, for example 256; used when a container app is created."
    )
    memory: Annotated[int | None, _parsed(inputs.whole_number(1))] = Field(
        None, description="Memory in MB, for example 512; used when a container app is created."
    )
    env: Annotated[dict[str, str] | None, _parsed(inputs.parse_variables)] = Field(
        None,
        description="Environment variables, one `KEY=VALUE` per line; used when a container app is created.",
    )
    registry_server: str | None = Field(
        None,
        description="Private registry, for example registry.gitlab.com. All three registry inputs or none.",
    )
    registry_username: str | None = Field(
        None, description="User or deploy token name for the private registry."
    )
    registry_password: SecretStr | None = Field(
        None, description="Password or deploy token for the private registry; never printed."
    )
    ignore: Patterns = Field(
        (), description="Gitignore patterns, one per line, added to the defaults and to the ignore file."
    )
    ignore_file: str = Field(
        IGNORE_FILE, description="Ignore file inside `directory`, in gitignore syntax; need not exist."
    )
    keep: Patterns = Field((), description="Gitignore patterns of remote paths that are never deleted.")
    delete_stale: Flag = Field(default=True, description="Delete remote files that the folder no longer has.")
    incremental: Flag = Field(default=True, description="Skip files that are proven to be unchanged.")
    concurrency: Annotated[int, _parsed(inputs.whole_number(1, 256))] = Field(
        64, description="Upper bound on parallel uploads, 1 to 256."
    )
    dry_run: Flag = Field(
        default=False, description="Print and report what would change; takes no lock and writes nothing."
    )
    domains: Domains = Field(
        (), description="Custom domains, one per line, to attach to a static app after the deploy."
    )
    remove_domains: Domains = Field(
        (), description="Custom domains, one per line, to remove from a static app."
    )
    wait: Flag = Field(default=True, description="Container apps: wait until the app runs.")
    wait_timeout: Seconds = Field(300.0, description="How long `wait` waits.")
    health_check: Annotated[str | None, _parsed(inputs.check_health_check)] = Field(
        None, description="Path or URL that must answer 2xx or 3xx after the deploy."
    )
    health_check_timeout: Seconds = Field(120.0, description="How long the health check is retried.")
    rollback: Flag = Field(
        default=False,
        description="Container apps: when the wait or the health check fails, deploy the previous image "
        "again.",
    )
    lock_timeout: Seconds = Field(
        600.0, description="How long to wait for somebody else's deploy lock; `0` fails at once."
    )
    lock_heartbeat: Annotated[float, _parsed(inputs.duration("1s", "15m"))] = Field(
        180.0, description="Interval of the heartbeat that keeps the deploy lock alive."
    )
    timeout: Annotated[float, _parsed(inputs.duration("1s"))] = Field(
        1800.0, description="How long the whole operation may take."
    )
    retries: Annotated[int, _parsed(inputs.whole_number(0, 100))] = Field(
        5, description="Retries for each request that is safe to repeat."
    )
    comment: Flag = Field(
        default=False, description="GitHub, GitLab: keep one comment on the pull or merge request up to date."
    )
    github_token: Token | None = Field(
        None, description="Token for `comment` on GitHub (needs `pull-requests: write`); never printed."
    )
    gitlab_token: Token | None = Field(
        None, description="Token for `comment` on GitLab (needs the scope `api`); never printed."
    )
    output_file: Path | None = Field(None, description="Write the JSON result here.")
    dotenv_file: Path | None = Field(
        None, description="Write `KEY=VALUE` lines here (GitLab `artifacts:reports:dotenv`)."
    )
    annotations_file: Path | None = Field(
        None, description="Write GitLab's `artifacts:reports:annotations` JSON here."
    )
    summary_file: Path | None = Field(
        None, description="Write the Markdown summary here (on GitHub it also goes to the job summary)."
    )
    state_file: Path | None = Field(
        None,
        description="File in which the run records its lock, for the cleanup "
        "(GitHub uses its own state as well).",
    )
    log_level: Level = Field(
        "info", description="`debug`, `info`, `warning` or `error`; `RUNNER_DEBUG=1` means `debug`."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over counts: nothing is read from the process' environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def own_files(self) -> tuple[Path, ...]:
        """Files that this run writes, which must never be deployed."""
        return tuple(file for name in checks.OWN_FILES if (file := getattr(self, name)))


class InputSource(PydanticBaseSettingsSource):
    """The inputs in an environment, under all their spellings."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read from `env`, for example `os.environ`."""
        super().__init__(Settings)
        self._env = env

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """Text, name, and that it is not JSON."""
        del field
        found = inputs.find(self._env, field_name)
        return found and found[1], field_name, False

    def __call__(self) -> dict[str, str]:
        """The text of every input that is set, by field name."""
        values = inputs.read(self._env, self.settings_cls.model_fields)
        takes_no_image = "directory" in values or values.get("operation", "deploy") != "deploy"
        if takes_no_image and inputs.is_reported(self._env, "image"):
            del values["image"]
        return values


class Destinations(NamedTuple):
    """Where a run reports to. Known even when other inputs are wrong, so that those can be reported."""

    output_file: Path | None = None
    dotenv_file: Path | None = None
    annotations_file: Path | None = None
    summary_file: Path | None = None

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Destinations:
        """From the texts that an `InputSource` gives."""
        return cls(**{name: Path(texts[name]) for name in checks.REPORT_FILES if name in texts})

    def usable(self) -> Destinations:
        """Those that nothing is wrong with."""
        return Destinations.of(
            {
                name: str(path)
                for name in checks.REPORT_FILES
                if (path := getattr(self, name)) and not checks.unwritable(str(path))
            }
        )


def operation(texts: Mapping[str, str]) -> Operation:
    """The operation that was asked for, or the default. Known also when inputs are wrong."""
    wanted = texts.get("operation")
    return wanted if wanted in get_args(Operation) else "deploy"  # type: ignore[return-value]  # it is one


def suspicions(texts: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """What may be a mistake about the inputs' names, one sentence each, for warnings."""
    return list(checks.suspicions(texts, env, Settings.model_fields.keys()))


def load(texts: Mapping[str, str], env: Mapping[str, str]) -> Settings:
    """Settings from the texts that an `InputSource` has found in `env`.

    Raises:
        ConfigurationError: with every problem, by input name, in plain words.
    """
    settings, problems = None, []
    try:
        settings = Settings(**texts)  # type: ignore[arg-type]  # texts become values in the validators
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors(include_url=False, include_input=False)]
    problems += [
        *checks.contradictions(texts),
        *checks.wrong_patterns(texts),
        *checks.wrong_places(texts, env),
    ]
    if problems or settings is None:
        raise ConfigurationError(
            *problems, hint="Nothing was sent to the platform. Correct the inputs and run again."
        )
    return settings


def _sentence(detail: ErrorDetails) -> str:
    field = str(detail["loc"][0])
    name = inputs.input_name(field)
    if detail["type"] == "missing":
        meaning = Settings.model_fields[field].description or ""
        return f"`{name}` is required: set it to {meaning[:1].lower()}{meaning[1:].rstrip('.')}"
    if detail["type"] == "literal_error":
        return f"`{name}` must be one of {detail['ctx']['expected']}"
    return f"`{name}`: {detail['msg'].removeprefix('Value error, ')}"

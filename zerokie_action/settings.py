"""Every input, typed and frozen: the one table that settings, `action.yml`, the README and `--help` share.

A field's name with `-` for `_` is the input's name; its default and description are the documented ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from zerokie_action import formats, validation
from zerokie_action.ci import Level
from zerokie_action.environment import input_name, spellings
from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import IGNORE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from zerokie_action.environment import Environment

ONLY_AT_CREATION: tuple[str, ...] = ("port", "cpu", "memory", "env")
"""Of a container app: the API can't change them later."""
_ONLY_FOR_IMAGES: tuple[str, ...] = ("registry_server", "rollback")
_ONLY_FOR_FILES: tuple[str, ...] = (
    "ignore",
    "ignore_file",
    "keep",
    "delete_stale",
    "take_over",
    "incremental",
)
_NOT_FOR_RESTART: tuple[str, ...] = (*ONLY_AT_CREATION, "domains", "remove_domains", "rollback")
_NOT_FOR_DESTROY: tuple[str, ...] = (*_NOT_FOR_RESTART, "registry_server", "keep", "max_deletes")

Operation = Literal["deploy", "restart", "destroy"]
Seconds = Annotated[float, BeforeValidator(formats.parse_duration)]
Patterns = Annotated[tuple[str, ...], NoDecode, BeforeValidator(formats.parse_patterns)]
Token = Annotated[SecretStr, BeforeValidator(formats.check_token)]
ApiKey = Annotated[SecretStr, BeforeValidator(formats.check_api_key)]
ReportFile = Annotated[Path, AfterValidator(formats.check_report_file)]


class _Inputs(BaseSettings):
    """What all settings have in common: an input is read from its spellings, and from nowhere else."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        validate_default=False,
        hide_input_in_errors=True,
        alias_generator=AliasGenerator(validation_alias=lambda field: AliasChoices(*spellings(field))),
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
        """Only what an `InputSource` has found: pydantic's own sources read the process' environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class Settings(_Inputs):
    """What a run has to do. Durations are seconds; `None` means not set."""

    operation: Operation = Field(
        "deploy",
        description="What to do: `deploy`, `restart` (re-pull and restart the current image) or "
        "`destroy` (delete the app).",
    )
    api_key: ApiKey = Field(
        SecretStr(""),
        description="The platform's API key, sent as bearer token; never printed. Required, unless "
        "`api-key-file` is given.",
    )
    api_key_file: Path | None = Field(
        None,
        description="File that holds the API key instead; white space around it is cut off. It is never "
        "deployed.",
    )
    api_url: Annotated[str, BeforeValidator(formats.check_api_url)] = Field(
        formats.DEFAULT_API_URL, description="The platform's API: https, or http for a loopback host only."
    )
    app: Annotated[str, BeforeValidator(formats.check_app)] = Field(description="The app's name.")
    skip_without_key: bool = Field(
        default=False,
        description="When `api-key` is empty (a pull request from a fork has no secrets): warn, "
        "status `skipped`, exit 0.",
    )
    image: Annotated[str | None, BeforeValidator(formats.check_image)] = Field(
        None, description="Container image to deploy. `deploy` needs exactly one of `image` and `directory`."
    )
    directory: Path | None = Field(
        None, description="Static folder to deploy. `deploy` needs exactly one of `image` and `directory`."
    )
    create: bool = Field(default=False, description="Create the app when it does not exist.")
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port that the container listens on; used when a container app is created.",
    )
    cpu: int | None = Field(
        None, ge=1, description="CPU units, for example 256; used when a container app is created."
    )
    memory: int | None = Field(
        None, ge=1, description="Memory in MB, for example 512; used when a container app is created."
    )
    env: Annotated[dict[str, str] | None, NoDecode, BeforeValidator(formats.parse_variables)] = Field(
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
    registry_password_file: Path | None = Field(
        None,
        description="File that holds the registry password instead; white space around it is cut off. It is "
        "never deployed.",
    )
    ignore: Patterns = Field(
        (), description="Gitignore patterns, one per line, added to the defaults and to the ignore file."
    )
    ignore_file: Path = Field(
        IGNORE_FILE,
        description="File of gitignore patterns, which are relative to `directory`. Looked for in "
        "`directory`, then in the working directory; one that is named here has to exist.",
    )
    keep: Patterns = Field((), description="Gitignore patterns of remote paths that are never deleted.")
    delete_stale: bool = Field(default=True, description="Delete remote files that the folder no longer has.")
    take_over: bool = Field(
        default=False,
        description="Deploy to, or destroy, a static app that another repository deployed last.",
    )
    max_deletes: int | None = Field(
        None,
        ge=0,
        description="Refuse a deploy that would delete more files than this; without it there is no limit.",
    )
    incremental: bool = Field(default=True, description="Skip unchanged files.")
    concurrency: int = Field(64, ge=1, le=256, description="Upper bound on parallel uploads, 1 to 256.")
    dry_run: bool = Field(
        default=False, description="Print and report what would change; takes no lock and writes nothing."
    )
    domains: Annotated[tuple[str, ...], NoDecode, BeforeValidator(formats.parse_new_domains)] = Field(
        (), description="Custom domains, one per line, to attach to a static app after the deploy."
    )
    remove_domains: Annotated[tuple[str, ...], NoDecode, BeforeValidator(formats.parse_domains)] = Field(
        (), description="Custom domains, one per line, to remove from a static app."
    )
    wait: bool = Field(default=True, description="Container apps: wait until the app runs.")
    wait_timeout: Seconds = Field(300.0, description="How long `wait` waits.")
    health_check: Annotated[str | None, BeforeValidator(formats.check_health_check)] = Field(
        None, description="Path or URL that must answer 2xx or 3xx after the deploy."
    )
    health_check_timeout: Seconds = Field(120.0, description="How long the health check is retried.")
    rollback: bool = Field(
        default=False,
        description="Container apps: when the wait, the health check or `timeout` fails, deploy the previous "
        "image again, if that one was running.",
    )
    lock_timeout: Seconds = Field(
        600.0, description="How long to wait for somebody else's deploy lock; `0` fails at once."
    )
    lock_heartbeat: Seconds = Field(
        180.0, ge=1, le=900, description="Interval of the heartbeat that keeps the deploy lock alive."
    )
    timeout: Seconds = Field(1800.0, ge=1, description="How long the whole operation may take.")
    retries: int = Field(
        5, ge=0, le=100, description="Retries for a request that fails while others like it succeed."
    )
    comment: bool = Field(
        default=False,
        description="GitHub, GitLab: keep one comment on the pull or merge request up to date; needs "
        "`github-token` or `gitlab-token`.",
    )
    pull_request: int | None = Field(
        None,
        ge=1,
        description="Number of the pull or merge request to comment on, where the run does not know it.",
    )
    github_token: Token = Field(
        SecretStr(""),
        description="Token for `comment` on GitHub (needs `pull-requests: write`); never printed.",
    )
    gitlab_token: Token = Field(
        SecretStr(""), description="Token for `comment` on GitLab (needs the scope `api`); never printed."
    )

    @property
    def key_files(self) -> tuple[Path, ...]:
        """Files that hold secrets, which must never be deployed."""
        return tuple(file for file in (self.api_key_file, self.registry_password_file) if file)

    def useless_inputs(self, environment: Environment) -> Iterator[str]:
        """Yield a sentence for each input that has no effect beside the others."""
        label = environment.label
        if self.pull_request is not None and not self.comment:
            yield f"{label('pull_request')} has no effect without `comment: true`"
        if self.max_deletes is not None and not self.delete_stale:
            yield f"{label('max_deletes')} has no effect: {label('delete_stale')} is false"
        if self.image and self.rollback and not self.wait and self.health_check is None:
            why = "without `wait` and `health-check` nobody notices a failure"
            yield f"{label('rollback')} has no effect: {why}"
        for names, why in self._unused():
            given = [name for name in names if getattr(self, name) != INPUTS[name].default]
            if given:
                have = "has" if len(given) == 1 else "have"
                yield f"{', '.join(map(label, given))} {have} no effect: {why}"

    def _unused(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield inputs that this kind of run does not use, by field name, and why."""
        if self.operation != "deploy":
            names = _NOT_FOR_DESTROY if self.operation == "destroy" else _NOT_FOR_RESTART
            yield names, f"`operation: {self.operation}` does not use such inputs"
        elif self.directory:
            yield ONLY_AT_CREATION, "used only when a container app is created; this app is static"
            yield _ONLY_FOR_IMAGES, "for container apps only; this app is static"
        else:
            yield _ONLY_FOR_FILES, "for static apps only; an image has no files to deploy"


class ReportSettings(_Inputs):
    """What a run tells, and where. They are loaded first, so that wrong inputs reach the reports."""

    output_file: ReportFile | None = Field(None, description="Write the JSON result here.")
    dotenv_file: ReportFile | None = Field(
        None, description="Write `KEY=VALUE` lines here (GitLab `artifacts:reports:dotenv`)."
    )
    annotations_file: ReportFile | None = Field(
        None, description="Write GitLab's `artifacts:reports:annotations` JSON here."
    )
    summary_file: ReportFile | None = Field(
        None, description="Write the Markdown summary here (on GitHub it also goes to the job summary)."
    )
    state_file: ReportFile | None = Field(
        None,
        description="File in which the run records its lock, for the cleanup "
        "(GitHub uses its own state as well).",
    )
    log_level: Level = Field(
        "info", description="`debug`, `info`, `warning` or `error`; `RUNNER_DEBUG=1` means `debug`."
    )

    @property
    def files(self) -> dict[str, Path]:
        """The files that the run writes, by field name; they must never be deployed."""
        return {name: value for name, value in self if isinstance(value, Path)}


INPUTS: dict[str, FieldInfo] = {**Settings.model_fields, **ReportSettings.model_fields}
"""The whole table, by field name, in the documented order."""


class Input(NamedTuple):
    """An input as it is documented; `default` is the text that stands for it, empty for none."""

    name: str
    default: str
    required: bool
    description: str


def documented_inputs() -> Iterator[Input]:
    """Every input, in the documented order."""
    for field, info in INPUTS.items():
        yield Input(input_name(field), _written(info.default), info.is_required(), info.description or "")


def _written(default: object) -> str:
    if default in (None, PydanticUndefined, ()) or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return formats.written_duration(default) if isinstance(default, float) else str(default)


class InputSource(EnvSettingsSource):
    """The inputs of a settings class in an environment that is handed over, under all their spellings."""

    def __init__(self, settings_cls: type[_Inputs], environment: Environment) -> None:
        """Read from `environment`, which the process' own need not be."""
        self._environment = environment
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environment.variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text, its variable, and that it is not JSON."""
        text, variable, is_complex = super().get_field_value(field, field_name)
        return text and _split(text, variable, field_name), variable, is_complex


def _split(text: str, variable: str, field: str) -> str:
    """Woodpecker and Drone join lists with commas; everybody else writes one item a line."""
    if variable.startswith("PLUGIN_") and NoDecode in INPUTS[field].metadata:
        return formats.split_at_commas(text, only_variables=field == "env")
    return text


def operation(environment: Environment) -> Operation:
    """The operation that was asked for, or the default. Known also when inputs are wrong."""
    wanted = environment.text("operation")
    return wanted if wanted in get_args(Operation) else "deploy"  # type: ignore[return-value]  # it is one


def secrets(environment: Environment) -> list[str]:
    """What must never be seen. The values of `env` are not here: they are never printed at all."""
    fields = [
        field for field, info in INPUTS.items() if SecretStr in (info.annotation, *get_args(info.annotation))
    ]
    values = [environment.variables[name] for field in fields for name in environment.variables_of(field)]
    return [*dict.fromkeys((*values, *environment.key_file_contents))]


def load_reports(environment: Environment) -> tuple[ReportSettings, list[str]]:
    """The report settings, with defaults for those that are wrong; and what is wrong with them."""
    values = InputSource(ReportSettings, environment)()
    try:
        return ReportSettings(**values), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    for detail in details:
        del values[str(detail["loc"][0])]
    return ReportSettings(**values), [_sentence(detail, environment) for detail in details]


def load(environment: Environment, reports: ReportSettings, problems_of_reports: list[str]) -> Settings:
    """The settings of a run that reports as `load_reports` says.

    Raises:
        ConfigurationError: with every problem, by input name, in plain words.
    """
    settings, problems = None, []
    values = InputSource(Settings, environment)()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [
            _sentence(detail, environment) for detail in error.errors(include_url=False, include_input=False)
        ]
    raw_inputs = {field: values[spellings(field)[0]] for field in INPUTS if spellings(field)[0] in values}
    problems += [
        *problems_of_reports,
        *environment.problems,
        *(f"{sentence}; keep one of them" for sentence in _disagreements(environment, ["dry_run"])),
        *validation.near_misses(environment, INPUTS),
        *validation.missing_key(environment),
        *validation.conflicting_inputs(raw_inputs, environment),
        *validation.wrong_patterns(raw_inputs, environment),
        *validation.path_problems(raw_inputs, reports.files, environment),
    ]
    if problems or settings is None:
        raise ConfigurationError(
            *problems, hint="Nothing was sent to the platform. Correct the inputs and run again."
        )
    return settings


def name_warnings(environment: Environment) -> list[str]:
    """What may be a mistake about the inputs' names, one sentence each, for warnings."""
    others = [field for field in INPUTS if field != "dry_run"]
    warnings = (
        validation.unknown_names(environment, INPUTS),
        validation.earlier_report(environment),
        *(f"{sentence}; the first one counts" for sentence in _disagreements(environment, others)),
    )
    return [warning for warning in warnings if warning]


def _disagreements(environment: Environment, fields: Iterable[str]) -> Iterator[str]:
    """Yield the names of two variables that set one of these inputs to different values."""
    for field in fields:
        first, *others = environment.variables_of(field) or [""]
        for other in others:
            if _value(environment, field, first) != _value(environment, field, other):
                yield f"`{input_name(field)}`: {first} and {other} disagree"
                break


def _value(environment: Environment, field: str, variable: str) -> object:
    """What a variable says; its text, if that is not right for the input."""
    text = _split(environment.variables[variable], variable, field)
    try:
        value = TypeAdapter(INPUTS[field].rebuild_annotation()).validate_python(text)
    except ValidationError:
        return text
    return tuple(filter(None, value)) if isinstance(value, tuple) else value  # without lines that are skipped


def _sentence(detail: ErrorDetails, environment: Environment) -> str:
    """One problem in plain words. Pydantic knows an input by the first of its spellings."""
    field = next(field for field in INPUTS if spellings(field)[0] == detail["loc"][0])
    label = environment.label(field)
    if detail["type"] == "missing":
        meaning = INPUTS[field].description or ""
        return f"{label} is required: set it to {meaning[:1].lower()}{meaning[1:].rstrip('.')}"
    if detail["type"] == "value_error":
        is_path = field in ReportSettings.model_fields
        hint = validation.container_hint(environment.text(field), environment.env) if is_path else ""
        return f"{label}: {detail['ctx']['error']}{hint}"
    if detail["type"] == "bool_parsing":
        return f"{label}: {environment.text(field)!r} is neither true nor false; write true or false"
    unit = " s" if INPUTS[field].annotation is float else ""
    text, problem = repr(environment.text(field)), detail["msg"]
    # Pydantic's messages begin with `Input should be`, but for a number that is longer than any.
    is_usual = problem.startswith("Input ")
    return f"{label}: {text}{problem.removeprefix('Input') if is_usual else f': {problem}'}{unit}"

"""Reads the settings, their problems and the secrets from the environment."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from zerokie_action.http.url import web_url
from zerokie_action.inputs.settings import SECRETS, Settings, input_name, spellings


class Environment:
    """The inputs' texts from the environment.

    Attributes:
        env: the unchanged environment, for example `os.environ`.
        variables: the variables that are not empty, with their values stripped.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.variables = {name: text for name, value in env.items() if (text := value.strip())}

    def variable(self, field: str) -> str:
        """The name of the variable that sets the input; empty if no variable does."""
        return next((name for name in spellings(field) if name in self.variables), "")

    def text(self, field: str) -> str:
        """The input's text; empty if the input is not set."""
        return self.variables.get(self.variable(field), "")

    def label(self, field: str) -> str:
        """The input for a message: its name, with the variable in brackets."""
        variable = self.variable(field)
        return f"`{input_name(field)}` ({variable})" if variable else f"`{input_name(field)}`"


def secrets(environment: Environment) -> Iterator[str]:
    """All secrets, for masks: also those in variables that don't count.

    The values of `env` are not included: `run` redacts them in answers.
    """
    names = {name for field in SECRETS for name in spellings(field)}
    yield from (text for name, text in environment.variables.items() if name in names)
    if (url := web_url(environment.text("health_check"))) and url.password:
        yield from {url.password, url.userinfo.decode().partition(":")[2]}


def load(environment: Environment) -> tuple[Settings, dict[str, list[str]]]:
    """The settings, with defaults in place of wrong inputs, and the problems of each wrong input by field."""
    source = EnvSettingsSource(Settings)
    source.env_vars = environment.variables  # instead of `os.environ`
    values = source()
    problems: dict[str, list[str]] = {}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            field = str(detail["loc"][0])
            found = _problems(detail, environment.label(field), environment.text(field))
            problems.setdefault(field, []).extend(found)
            values.pop(spellings(field)[0], None)  # the source stores each value under the first spelling
        settings = Settings(**values)
    return settings, problems


def _problems(detail: ErrorDetails, label: str, text: str) -> list[str]:
    """Describe the problems with an input."""
    if detail["type"] == "value_error":  # from a function in `formats`, which quotes no secret
        return [f"{label}: {problem}" for problem in str(detail["ctx"]["error"]).split("\n")]
    advice = "Write true or false" if detail["type"] == "bool_parsing" else detail["msg"]
    return [f"{label}: {text!r} is wrong. {advice}"]

"""The settings, their problems and the secrets, read from the environment."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from zerokie_action.http.url import web_url
from zerokie_action.inputs.settings import INPUTS, SECRETS, Settings, input_name, spellings

_ADVICE = {
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge:g} or more",
    "less_than_equal": "{le:g} or less",
}
"""The values to write, by pydantic's kind of error. All other kinds are about whole numbers."""


class Environment:
    """The texts of the inputs in the environment.

    Attributes:
        env: the unchanged environment, for example `os.environ`.
        variables: the variables that aren't empty, with stripped values.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.variables = {name: text for name, value in env.items() if (text := value.strip())}

    def given(self, field: str) -> list[str]:
        """Return the names of the variables that set the input."""
        names = [name for name in dict.fromkeys(spellings(field)) if name in self.variables]
        # On GitHub, `action.yml` passes the job's token as the default.
        is_default = field == "github_token" and self.env.get("GITHUB_ACTIONS") == "true"
        own = spellings(field)[-1]
        return [own] if is_default and own in names else names

    def variable(self, field: str) -> str:
        """Return the name of the first variable that sets the input; empty if none does."""
        return next(iter(self.given(field)), "")

    def has_conflict(self, field: str) -> bool:
        """Return whether the input's variables have different values."""
        return len({self.variables[name] for name in self.given(field)}) > 1

    def text(self, field: str) -> str:
        """Return the input's text; empty if the input isn't set."""
        return self.variables.get(self.variable(field), "")

    def label(self, field: str) -> str:
        """Return the input's name for a message, with its variable in parentheses."""
        variable = self.variable(field)
        return f"`{input_name(field)}` ({variable})" if variable else f"`{input_name(field)}`"


def secrets(environment: Environment) -> Iterator[str]:
    """Yield all secrets to mask, from all variables of an input.

    The values of `env` aren't included, because `run` redacts them in responses.
    """
    names = {name for field in SECRETS for name in spellings(field)}
    yield from (text for name, text in environment.variables.items() if name in names)
    if (url := web_url(environment.text("health_check"))) and url.password:
        yield from {url.password, url.userinfo.decode().partition(":")[2]}


def load(environment: Environment) -> tuple[Settings, dict[str, list[str]]]:
    """Return the settings, and the problems of wrong inputs by field. Wrong inputs have their defaults."""
    source = EnvSettingsSource(Settings)
    # The source would read `os.environ`.
    source.env_vars = {spellings(field)[0]: text for field in INPUTS if (text := environment.text(field))}
    values = source()
    problems: dict[str, list[str]] = {}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            field = str(detail["loc"][0])
            found = _problems(detail, environment.label(field), environment.text(field))
            problems.setdefault(field, []).extend(found)
            values.pop(spellings(field)[0], None)
        settings = Settings(**values)
    return settings, problems


def _problems(detail: ErrorDetails, label: str, text: str) -> list[str]:
    """Return the problems with an input, as sentences."""
    # The functions of `formats` raise value errors, and they don't quote secrets.
    if detail["type"] == "value_error":
        return [f"{label}: {problem}" for problem in str(detail["ctx"]["error"]).split("\n")]
    advice = _ADVICE.get(detail["type"], "a whole number").format(**detail.get("ctx", {}))
    return [f"{label}: {text!r} isn't valid. Write {advice}"]

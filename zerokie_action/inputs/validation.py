"""Checks of combined inputs and of unknown names.

The checks read the texts of the inputs, so one run lists all problems even if some inputs are invalid.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from zerokie_action.docs import page
from zerokie_action.errors import WrongInputs
from zerokie_action.inputs.formats import DOCKER_HUB, ImageName, has_joined_variables, parse_lines
from zerokie_action.inputs.load import Environment
from zerokie_action.inputs.settings import INPUTS, Settings, input_name, spellings

_CREDENTIALS = ("registry_username", "registry_password")
_PREFIXES = ("INPUT_", "PLUGIN_", "ZEROKIE_")
"""The prefixes of all variables that `spellings` returns."""
_REPORT_PREFIX = "ZEROKIE_RESULT_"
"""The prefix of variables in a dotenv report, which GitLab passes to later jobs."""
_SIMILARITY = 0.88
_SOURCES = ("image", "directory")
GUESSES = {
    "api-token": "api_key",
    "exclude": "ignore",
    "folder": "directory",
    "local-dir": "directory",
    "project": "app",
    "publish-dir": "directory",
    "site-id": "app",
    "source": "directory",
    "source-dir": "directory",
    "token": "api_key",
}
"""Names that other tools use, each with the field of our input."""


def require_valid(settings: Settings, environment: Environment, problems: Iterable[str]) -> None:
    """Require that there are no problems and that the inputs fit together.

    Raises:
        WrongInputs: with these problems and those of combined inputs.
    """
    if all_problems := [*problems, *_problems(settings, environment)]:
        raise WrongInputs(*all_problems, hint=_hint())


def require_clear_operation(environment: Environment, problems: Sequence[str]) -> None:
    """Require a known operation, because the checks of all other inputs depend on it.

    Raises:
        WrongInputs: with only the problems of the operation.
    """
    if environment.has_conflict("operation"):
        problems = [_conflict(environment, "operation")]
    if problems:
        raise WrongInputs(*problems, hint=_hint())


def _hint() -> str:
    return f"Correct the inputs and run again: {page('troubleshooting.md#exit-code-2-inputs-and-checks')}"


def conflicting_values(environment: Environment) -> Iterator[str]:
    """Yield a problem for each input with different values. It doesn't quote them, because some are secret.

    For example, runners of act and Gitea pass the inputs of an outer action to the actions inside.
    """
    return (_conflict(environment, field) for field in INPUTS if environment.has_conflict(field))


def _conflict(environment: Environment, field: str) -> str:
    variables = " and ".join(environment.given(field))
    return f"`{input_name(field)}` has different values in {variables}. Remove all but the right one"


def wrong_names(environment: Environment) -> Iterator[str]:
    """Yield a problem for each variable that is a misspelled input, or stands for an unset one."""
    return (problem for _, problem in _unknown(environment) if problem)


def unknown_names(environment: Environment) -> list[str]:
    """Return a warning about all other variables that look like inputs; empty if there are none."""
    unknown = [variable for variable, problem in _unknown(environment) if not problem]
    return [f"Ignoring unknown inputs: {', '.join(unknown)}. `--help` lists all inputs"] if unknown else []


def input_warnings(settings: Settings, environment: Environment) -> Iterator[str]:
    """Yield warnings if `rollback` or `keep` has no effect, because users rely on these inputs."""
    task = next(filter(environment.text, _SOURCES), f"operation: {settings.operation}")
    if settings.rollback and task != "image":
        yield f"{environment.label('rollback')} has no effect with `{task}`"
    elif settings.rollback and not settings.wait and settings.health_check is None:
        yield "`rollback` has no effect without `wait` or `health-check`, because nothing is checked"
    if settings.keep and task in {"image", "operation: destroy", "operation: sweep"}:
        yield f"{environment.label('keep')} has no effect with `{task}`"


def wrong_argument(argument: str) -> str:
    """Return the problem with a command-line argument."""
    # The value may be a secret, as in `--api-key=…`.
    name = argument.partition("=")[0]
    return (
        f"Unknown argument {name!r}. Set inputs as environment variables, such as `app` "
        f"({spellings('app')[-1]}). `--help` lists all inputs"
    )


def _problems(settings: Settings, environment: Environment) -> Iterator[str]:
    label = environment.label
    # A list of comments contains no pattern, so it must not pass as one.
    if parse_lines(environment.text("app")):
        yield from _problems_of_app(settings, environment)
    else:
        yield "`app` is required. Set it to the name of the app"
    if not (environment.text("api_key") or settings.skip_without_key):
        yield (
            "`api-key` is required. Pass it as a secret, on GitHub as "
            "`api-key: ${{ secrets.ZEROKIE_API_KEY }}`, elsewhere in ZEROKIE_API_KEY. To skip runs that "
            "can't have it (from forks or unprotected branches), set `skip-without-key: true`"
        )
    if settings.operation == "deploy":
        yield from _problems_of_a_deploy(settings, environment)
    elif given := _given(environment, *_SOURCES):
        yield f"Remove {given}, because only `operation: deploy` deploys something"
    if settings.operation == "status" and settings.create:
        yield f"Remove {label('create')}, because `operation: status` changes nothing"
    if not environment.text("health_check") and (given := _given(environment, "health_check_text")):
        yield f"{given} needs `health-check`. Set the path or URL whose response must contain the text"
    missing = [label(field) for field in _CREDENTIALS if not environment.text(field)]
    if missing and (given := _given(environment, "registry_server", *_CREDENTIALS)):
        yield f"Missing {' and '.join(missing)}. Set username and password, or remove {given}"
    if environment.variable("env").startswith("PLUGIN_") and has_joined_variables(environment.text("env")):
        yield f"{label('env')} has a comma before `NAME=`. Write one per line"


def _problems_of_app(settings: Settings, environment: Environment) -> Iterator[str]:
    label, app = environment.label("app"), environment.text("app")
    if settings.operation == "sweep":
        problems = filter(None, map(problem_with_preview, parse_lines(app)))
        yield from (f"{label}: {problem}" for problem in problems)
    elif "*" in app:
        yield f"{label}: {app!r} contains a `*`, for `operation: sweep` only. Write the name of one app"


def _problems_of_a_deploy(settings: Settings, environment: Environment) -> Iterator[str]:
    label, image, directory = environment.label, environment.text("image"), environment.text("directory")
    if image and directory:
        yield (
            f"{label('image')} and {label('directory')} are both set. Deploy one of them here "
            "and the other in a separate step"
        )
    elif not (image or directory):
        yield "`image` or `directory` is required. Set the image or the folder to deploy"
    elif image and (given := _given(environment, "domains", "remove_domains")):
        yield f"Remove {given}, because only static apps can have custom domains"
    if both := ", ".join(sorted({*settings.domains} & {*settings.remove_domains})):
        yield f"{label('domains')} and {label('remove_domains')} both contain {both}. Remove it from one"
    credentials, host = _given(environment, *_CREDENTIALS), ImageName.parse(settings.image or "").registry
    if credentials and host not in {"", DOCKER_HUB} and not environment.text("registry_server"):
        yield (
            f"{label('image')} is on {host!r}, but the credentials in {credentials} are for Docker Hub. "
            f"Add `registry-server: {host}`"
        )


def _given(environment: Environment, *fields: str) -> str:
    return ", ".join(environment.label(field) for field in fields if environment.text(field))


def _unknown(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield the variables that look like inputs, each with its problem, or `""` for a warning."""
    known = set().union(*map(spellings, INPUTS))
    unset = {_letters(field): field for field in INPUTS if not environment.text(field)}
    guesses = {_letters(name): name for name in GUESSES}
    needs_directory = environment.text("operation") in {"", "deploy"} and not environment.text("image")
    for variable in sorted(environment.variables.keys() - known):
        if not variable.upper().startswith(_PREFIXES) or variable.startswith(_REPORT_PREFIX):
            continue
        prefix, _, name = variable.partition("_")
        letters, problem = _letters(name), ""
        if guess := guesses.get(letters):
            field = GUESSES[guess]
            if field in unset.values() and (field != "directory" or needs_directory):
                problem = f"`{guess}` ({variable}) is called `{input_name(field)}` here"
        elif close := get_close_matches(letters, unset, cutoff=_SIMILARITY):
            field = unset[close[0]]
            right = f"`{input_name(field)}` ({prefix.upper()}_{field.upper()})"
            problem = f"{variable} isn't an input. Did you mean {right}?"
        yield variable, problem


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


_PREVIEWS = re.compile(r"[^\s*/\\]+-[pm]r-\*")


def problem_with_preview(text: str) -> str:
    """Return why a text isn't a pattern of previews such as `my-site-pr-*`; empty if it is one."""
    if _PREVIEWS.fullmatch(text):
        return ""
    return (
        f"{text!r} isn't a pattern of previews for `operation: sweep`. Write one per line that ends in "
        "-pr-* or -mr-*, such as my-site-pr-*"
    )

"""Checks the inputs together: combinations, unknown names, and paths.

The checks read the inputs' texts, so that one run lists all problems, even if some inputs are invalid.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from zerokie_action.errors import WrongInputs
from zerokie_action.files.ignore import IGNORE_FILE
from zerokie_action.files.rules import find_ignore_file
from zerokie_action.files.scan import problem_with_directory
from zerokie_action.formats import DOCKER_HUB, parse_lines, registry_of
from zerokie_action.settings import INPUTS, ONLY_AT_CREATION, Environment, Settings, input_name, spellings

_LOGIN = ("registry_username", "registry_password")
_PREFIXES = ("INPUT_", "PLUGIN_", "ZEROKIE_")
"""The prefixes of all variables from `spellings`."""
_REPORT_PREFIX = "ZEROKIE_RESULT_"
"""The prefix of variables from a dotenv report, which later jobs have in their environment."""
_SIMILARITY = 0.88
_SOURCES = ("image", "directory")
_USED_WITH = {
    (*ONLY_AT_CREATION, "rollback"): {"image"},
    ("registry_server", *_LOGIN): {"image", "operation: restart"},
    ("ignore", "ignore_file", "keep", "delete_stale", "max_deletes", "incremental"): {"directory"},
    ("take_over",): {"directory", "operation: destroy"},
    ("preview_environment",): {*_SOURCES, "operation: destroy", "operation: sweep"},
}
"""Groups of inputs that a user may rely on in vain, with what uses them: the deploy of an `image` or a
`directory`, or another operation."""


def check(settings: Settings, environment: Environment, problems: Iterable[str]) -> None:
    """Raise `WrongInputs` with `problems`, and those of key files and combined inputs, if any."""
    if all_problems := [*problems, *environment.problems, *_problems(settings, environment)]:
        raise WrongInputs(*all_problems, hint="Correct the inputs and run again.")


def unknown_names(environment: Environment) -> list[str]:
    """A warning about variables that look like inputs; empty if there are none."""
    unknown = [variable for variable, field in _unknown(environment) if not field]
    return [f"These are not inputs: {', '.join(unknown)}; `--help` lists all inputs"] if unknown else []


def input_warnings(settings: Settings, environment: Environment) -> Iterator[str]:
    """A warning about the inputs that `check` accepts, and that have no effect."""
    task = next(filter(environment.text, _SOURCES), f"operation: {settings.operation}")
    unused = set().union(*(fields for fields, users in _USED_WITH.items() if task not in users))
    # An input that is set to its default needs no warning.
    given = [name for name, value in settings if name in unused and value != INPUTS[name].default]
    if given:
        yield f"{_given(environment, *given)}: no effect with `{task}`; leave out"


def wrong_argument(argument: str) -> str:
    """The error for a command-line argument."""
    name = argument.partition("=")[0]  # without the value, which may be a secret: `--api-key=…`
    return (
        f"{name!r}: there are no arguments; set inputs in the environment, such as `app` "
        f"({spellings('app')[-1]}); `--help` lists all inputs"
    )


def _problems(settings: Settings, environment: Environment) -> Iterator[str]:
    label = environment.label
    if parse_lines(environment.text("app")):  # patterns may be comments, and no pattern is no limit
        yield from _problems_of_app(settings, environment)
    else:
        yield "`app` is required: name the app"
    if not (environment.text("api_key") or environment.text("api_key_file") or settings.skip_without_key):
        yield (
            "`api-key` is required: pass the platform's API key as a secret, on GitHub as "
            "`api-key: ${{ secrets.ZEROKIE_API_KEY }}`, elsewhere in ZEROKIE_API_KEY. Runs that get none "
            "(pull requests from forks, branches that are not protected) need `skip-without-key: true`"
        )
    if settings.operation == "deploy":
        yield from _problems_of_a_deploy(settings, environment)
    elif given := _given(environment, *_SOURCES):
        yield f"{given}: only `operation: deploy` uses it; remove it"
    if not environment.text("health_check") and (given := _given(environment, "health_check_text")):
        yield f"{given} without `health-check`: set the path or URL whose answer must contain the text"
    missing = [label(field) for field in _LOGIN if not environment.text(field)]
    if missing and (given := _given(environment, "registry_server", *_LOGIN)):
        yield f"{given} without {', '.join(missing)}: set username and password, or no registry input"
    for variable, field in _unknown(environment):
        if field:
            right = f"{variable.partition('_')[0].upper()}_{field.upper()}"
            yield f"{variable} is not an input; did you mean `{input_name(field)}` ({right})?"


def _problems_of_app(settings: Settings, environment: Environment) -> Iterator[str]:
    label, app = environment.label("app"), environment.text("app")
    if settings.operation == "sweep":
        problems = filter(None, map(problem_with_preview, parse_lines(app)))
        yield from (f"{label}: {problem}" for problem in problems)
    elif "*" in app:
        yield f"{label}: {app!r} has a `*`, which only `operation: sweep` takes; write the name of one app"


def _problems_of_a_deploy(settings: Settings, environment: Environment) -> Iterator[str]:
    label, image, directory = environment.label, environment.text("image"), environment.text("directory")
    if image and directory:
        yield (
            f"{label('image')} and {label('directory')} are both set: deploy one of them here, "
            "and the other in a step of its own"
        )
    elif not (image or directory):
        yield "`image` or `directory` is required: what should be deployed?"
    elif image and (given := _given(environment, "domains", "remove_domains")):
        yield f"{given}: the platform has custom domains for static apps only"
    login, server = _given(environment, *_LOGIN), environment.text("registry_server")
    if settings.image and login and not server and (host := registry_of(settings.image)) != DOCKER_HUB:
        yield (
            f"{login} without `registry-server`, which means Docker Hub, and {label('image')} is on "
            f"{host!r}: add `registry-server: {host}`"
        )
    if directory and (problem := problem_with_directory(directory)):
        yield f"{label('directory')}: {directory!r} {problem}"
    elif directory and (name := environment.text("ignore_file")):
        where = "neither in `directory` nor in the working directory"
        if Path(name) != IGNORE_FILE and not find_ignore_file(Path(directory), Path(name)):
            yield f"{label('ignore_file')}: {name!r} is {where}; correct the path, or leave it out"


def _given(environment: Environment, *fields: str) -> str:
    return ", ".join(environment.label(field) for field in fields if environment.text(field))


def _unknown(environment: Environment) -> Iterator[tuple[str, str]]:
    """The variables that look like inputs, each with the similar input that is not set, or `""`."""
    known = set().union(*map(spellings, INPUTS))
    unset = {_letters(field): field for field in INPUTS if not environment.text(field)}
    for variable in sorted(environment.variables.keys() - known):
        if variable.upper().startswith(_PREFIXES) and not variable.startswith(_REPORT_PREFIX):
            name = _letters(variable.partition("_")[2])
            close = get_close_matches(name, unset, cutoff=_SIMILARITY)
            yield variable, unset[close[0]] if close else ""


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


_PREVIEWS = re.compile(r"[^\s*/\\]+-[pm]r-\*")


def problem_with_preview(text: str) -> str:
    """Why a text is no pattern of previews such as `my-site-pr-*`, as a sentence; empty if it is one."""
    if _PREVIEWS.fullmatch(text):
        return ""
    return (
        f"{text!r} is not a pattern of previews for `operation: sweep`; write one per line that ends in "
        "-pr-* or -mr-*, such as my-site-pr-*: the `*` stands for the number of the request"
    )

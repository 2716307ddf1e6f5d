"""Checks the inputs together: combinations and unknown names.

The checks read the inputs' texts, so that one run lists all problems, even if some inputs are invalid.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from zerokie_action import DOCS
from zerokie_action.errors import WrongInputs
from zerokie_action.inputs.formats import DOCKER_HUB, has_joined_variables, parse_lines, registry_of
from zerokie_action.inputs.load import Environment
from zerokie_action.inputs.settings import INPUTS, Settings, input_name, spellings

_LOGIN = ("registry_username", "registry_password")
_PREFIXES = ("INPUT_", "PLUGIN_", "ZEROKIE_")
"""The prefixes of all variables from `spellings`."""
_REPORT_PREFIX = "ZEROKIE_RESULT_"
"""The prefix of variables from a dotenv report, which later jobs have in their environment."""
_SIMILARITY = 0.88
_SOURCES = ("image", "directory")
_SECRET_FILES = f"{DOCS}/keys.md#secret-files"
OTHER_NAMES = {
    # names in other tools
    "api-token": "is called `api-key` here",
    "exclude": "is called `ignore` here",
    "folder": "is called `directory` here",
    "local-dir": "is called `directory` here",
    "project": "is called `app` here",
    "publish-dir": "is called `directory` here",
    "server-dir": "is not an input. The content of `directory` becomes the root of the site. Remove it",
    "site-id": "is called `app` here",
    "source": "is called `directory` here",
    "source-dir": "is called `directory` here",
    "token": "is called `api-key` here (for GitHub or GitLab: `github-token`, `gitlab-token`)",
    # former inputs
    "api-key-file": f"is not an input anymore. Pass the file's content as `api-key`: {_SECRET_FILES}",
    "registry-password-file": "is not an input anymore. Pass the file's content as `registry-password`: "
    f"{_SECRET_FILES}",
    "ignore-file": "is not an input anymore. Name the file `.zerokieignore`, in `directory` or in the "
    "working directory, or use `ignore`",
    "lock-heartbeat": "is not an input anymore. A heartbeat is sent every 3 minutes. Remove it",
}
"""Names that are not inputs, with the rest of a sentence that says what to write instead."""


def check(settings: Settings, environment: Environment, problems: Iterable[str]) -> None:
    """Raise `WrongInputs` with `problems`, and those of combined inputs, if any."""
    if all_problems := [*problems, *_problems(settings, environment)]:
        raise WrongInputs(*all_problems, hint="Correct the inputs and run again.")


def wrong_names(environment: Environment) -> Iterator[str]:
    """A problem for each variable that is a misspelled input, or a name from `OTHER_NAMES`."""
    return (problem for _, problem in _unknown(environment) if problem)


def unknown_names(environment: Environment) -> list[str]:
    """A warning about all other variables that look like inputs; empty if there are none."""
    unknown = [variable for variable, problem in _unknown(environment) if not problem]
    return [f"These are not inputs: {', '.join(unknown)}; `--help` lists all inputs"] if unknown else []


def input_warnings(settings: Settings, environment: Environment) -> Iterator[str]:
    """Warnings about `rollback` and `keep`, which users rely on, if they have no effect."""
    task = next(filter(environment.text, _SOURCES), f"operation: {settings.operation}")
    if settings.rollback and task != "image":
        yield f"{environment.label('rollback')} has no effect with `{task}`"
    if settings.keep and task in {"image", "operation: destroy", "operation: sweep"}:
        yield f"{environment.label('keep')} has no effect with `{task}`"


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
    if not (environment.text("api_key") or settings.skip_without_key):
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
    if environment.variable("env").startswith("PLUGIN_") and has_joined_variables(environment.text("env")):
        yield f"{label('env')} has a comma before `NAME=`. Write one per line"


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


def _given(environment: Environment, *fields: str) -> str:
    return ", ".join(environment.label(field) for field in fields if environment.text(field))


def _unknown(environment: Environment) -> Iterator[tuple[str, str]]:
    """The variables that look like inputs, each with its problem, or `""` for a warning."""
    known = set().union(*map(spellings, INPUTS))
    unset = {_letters(field): field for field in INPUTS if not environment.text(field)}
    others = {_letters(name): name for name in OTHER_NAMES}
    for variable in sorted(environment.variables.keys() - known):
        if not variable.upper().startswith(_PREFIXES) or variable.startswith(_REPORT_PREFIX):
            continue
        prefix, _, name = variable.partition("_")
        letters, problem = _letters(name), ""
        if other := others.get(letters):  # before similar names: `registry-password-file` is similar to one
            problem = f"`{other}` ({variable}) {OTHER_NAMES[other]}"
        elif close := get_close_matches(letters, unset, cutoff=_SIMILARITY):
            field = unset[close[0]]
            right = f"`{input_name(field)}` ({prefix.upper()}_{field.upper()})"
            problem = f"{variable} is not an input; did you mean {right}?"
        yield variable, problem


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

"""What is wrong, or looks wrong, about inputs that may each be right: with one another, and with the place.

Most functions yield a sentence for each problem. `raw_inputs` are the texts of the inputs that are set, by
field name: so they work beside inputs that are wrong by themselves.
"""
# os.path says no where pathlib raises: a name that is too long, a folder that can't be entered.
# ruff: noqa: PTH117

from __future__ import annotations

import difflib
import os.path
from itertools import combinations
from typing import TYPE_CHECKING

from zerokie_action.environment import PREFIXES, input_name, spellings
from zerokie_action.files.ignore import find_ignore_file, parse_patterns
from zerokie_action.files.scan import problem_with_directory
from zerokie_action.formats import host_name, parse_lines, split_lines
from zerokie_action.report.files import is_stream
from zerokie_action.report.result import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from zerokie_action.environment import Environment

_REGISTRY = ("registry_server", "registry_username", "registry_password")
_PATTERNS = ("ignore", "keep")
_PROTECTIVE = ("dry_run", "keep", "ignore", "delete_stale", "max_deletes")
"""Without one of these, a deploy may write or delete what its author wanted to protect."""
_TRUE = {"true", "t", "yes", "y", "on", "1"}
"""As pydantic reads a boolean: this is asked before there are settings."""
_OUTPUT_VARIABLES = {f"ZEROKIE_{name.upper().replace('-', '_')}" for name in OUTPUTS}
_CLOSE = 0.8


# --- inputs together


def skips(environment: Environment) -> bool:
    """Whether the run has nothing to do: no key, and `skip-without-key` says that this is fine."""
    skip = environment.text("skip_without_key").lower() in _TRUE
    return skip and not environment.text("api_key") and not environment.problems


def missing_key(environment: Environment) -> Iterator[str]:
    """Yield a sentence when there has to be a key, and is none."""
    if not (environment.text("api_key") or environment.problems or skips(environment)):
        empty = (
            f"{environment.label('api_key_file')} is empty, and " if environment.text("api_key_file") else ""
        )
        yield f"{empty}`api-key` is required: {_how_to_pass_a_key(environment.env)}"


def _how_to_pass_a_key(env: Mapping[str, str]) -> str:
    """Where the CI keeps secrets, and why a run may get none."""
    if env.get("GITHUB_ACTIONS") == "true":
        advice = (
            "write `api-key: ${{ secrets.ZEROKIE_API_KEY }}`, and store the platform's API key as a secret "
            "of that name"
        )
        if env.get("GITHUB_EVENT_NAME") == "pull_request":
            return (
                "pull requests from forks and by Dependabot get no secrets: set `skip-without-key: true`; "
                f"for others {advice}"
            )
        return advice
    if env.get("GITLAB_CI"):
        advice = "store the platform's API key as the masked CI/CD variable ZEROKIE_API_KEY"
        if env.get("CI_COMMIT_REF_PROTECTED") == "false":
            advice += "; one that is protected does not reach this branch, which is not"
        return f"{advice} (or set `skip-without-key: true` for pipelines that have none)"
    return (
        "pass the platform's API key as a secret, in ZEROKIE_API_KEY "
        "(or set `skip-without-key: true` for runs that have none)"
    )


def conflicting_inputs(raw_inputs: Mapping[str, str], environment: Environment) -> Iterator[str]:
    """Yield a sentence for each thing that is missing, or is too much beside another one."""
    operation = raw_inputs.get("operation", "deploy")
    if operation == "deploy":
        yield from _conflicts_of_a_deploy(raw_inputs, environment)
    elif operation in {"restart", "destroy"} and (
        given := _given(raw_inputs, environment, "image", "directory")
    ):
        yield f"{given}: only `operation: deploy` takes that; leave it out"
    missing = [f"`{input_name(field)}`" for field in _REGISTRY if field not in raw_inputs]
    if 0 < len(missing) < len(_REGISTRY):
        yield f"{', '.join(missing)} missing: give all three registry inputs or none"


def _conflicts_of_a_deploy(raw_inputs: Mapping[str, str], environment: Environment) -> Iterator[str]:
    label = environment.label
    if "image" in raw_inputs and "directory" in raw_inputs:
        yield (
            f"{label('image')} and {label('directory')} are both set: deploy one of them, "
            "the other in a step of its own"
        )
    elif "directory" in raw_inputs:
        added, removed = (
            set(map(host_name, parse_lines(raw_inputs.get(field, ""))))
            for field in ("domains", "remove_domains")
        )
        if both := ", ".join(map(repr, sorted(added & removed))):
            yield f"{label('domains')} and {label('remove_domains')} both name {both}; leave it out of one"
    elif "image" not in raw_inputs:
        yield "one of `image` and `directory` is required: what should be deployed?"
    else:
        if given := _given(raw_inputs, environment, "domains", "remove_domains"):
            yield f"{given}: the platform has custom domains for static apps only"
        if "max_deletes" in raw_inputs:
            yield f"{label('max_deletes')}: the deploy of an image deletes no files; leave it out"


def _given(raw_inputs: Mapping[str, str], environment: Environment, *fields: str) -> str:
    return ", ".join(environment.label(field) for field in fields if field in raw_inputs)


def wrong_patterns(raw_inputs: Mapping[str, str], environment: Environment) -> Iterator[str]:
    """Yield a sentence for each pattern that is refused; only the deploy of a directory uses them."""
    given = [field for field in _PATTERNS if field in raw_inputs]
    if given and "directory" in raw_inputs and raw_inputs.get("operation", "deploy") == "deploy":
        for field in given:
            lines = [line.lstrip() for line in split_lines(raw_inputs[field])]
            patterns, problems = parse_patterns(lines, environment.label(field))
            yield from problems
            if field == "keep" and patterns and all(pattern.startswith("!") for pattern in patterns):
                yield (
                    f"{environment.label(field)} keeps nothing: a pattern with `!` only makes an exception "
                    "from the patterns before it; remove the `!`, or write what to keep before it"
                )


def path_problems(
    raw_inputs: Mapping[str, str], written: Mapping[str, Path], environment: Environment
) -> Iterator[str]:
    """Yield a sentence for each path that can't be what it is given for.

    `written` are the files that the run writes, by field name.
    """
    for (one, path), (other, same) in combinations(written.items(), 2):
        is_same = os.path.realpath(path) == os.path.realpath(same)
        if is_same and not (is_stream(path) and is_stream(same)):
            labels = f"{environment.label(one)} and {environment.label(other)}"
            yield f"{labels} are the same file; give each its own"
    if "directory" in raw_inputs and raw_inputs.get("operation", "deploy") == "deploy":
        yield from _directory_problems(raw_inputs["directory"], raw_inputs.get("ignore_file"), environment)


def _directory_problems(directory: str, ignore_file: str | None, environment: Environment) -> Iterator[str]:
    if problem := problem_with_directory(directory):
        hint = "" if os.path.lexists(directory) else container_hint(directory, environment.env)
        problem = f"does not exist{hint}" if hint else problem
        yield f"{environment.label('directory')}: {directory!r} {problem}"
    elif ignore_file is not None:
        _, problem = find_ignore_file(directory, ignore_file)
        if problem:
            yield f"{environment.label('ignore_file')}: {problem}"


def container_hint(path: str, env: Mapping[str, str]) -> str:
    """What to say of a path that only the runner has, around its container; empty for any other."""
    # `${{ github.workspace }}` becomes the runner's own path, which the action's container does not have.
    workspace = env.get("GITHUB_WORKSPACE", "")
    if env.get("GITHUB_ACTIONS") != "true" or not os.path.isabs(path) or path.startswith(workspace):
        return ""
    return f"; the action's container has the workspace at {workspace!r}: give the path relative to it"


# --- names


def near_misses(environment: Environment, fields: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable whose name is nearly that of an input that protects files."""
    for variable, field in _near_misses(environment, fields).items():
        yield (
            f"{variable} is not an input, but nearly `{input_name(field)}`; "
            f"set {_prefix(variable)}{field.upper()}, or remove it"
        )


def unknown_names(environment: Environment, fields: Collection[str]) -> str:
    """A warning about all other variables that look like inputs, and are none; empty when there are none."""
    unknown = sorted(_unknown(environment, fields) - _near_misses(environment, fields).keys())
    if not unknown:
        return ""

    def suggested(variable: str) -> str:
        name = variable.partition("_")[2].lower().replace("-", "_")
        close = difflib.get_close_matches(name, fields, n=1, cutoff=_CLOSE)
        return f"{variable} (did you mean {_prefix(variable)}{close[0].upper()}?)" if close else variable

    return f"no input is read from {', '.join(map(suggested, unknown))}; `--help` lists all inputs"


def wrong_argument(argument: str, fields: Iterable[str]) -> str:
    """A sentence that names the input to set instead of this argument: there are no arguments."""
    name, equals, _ = argument.partition("=")
    shown = f"{name}=…" if equals else name  # what follows may be a secret: `--api-key=…`
    close = difflib.get_close_matches(name.lstrip("-").replace("-", "_").lower(), fields, n=1)
    field = close[0] if close else "app"
    fix = f"set the input `{input_name(field)}`" if close else f"set inputs, such as `{field}`"
    return f"{shown!r}: there are no arguments; {fix} ({spellings(field)[-1]}) in the environment"


def earlier_report(environment: Environment) -> str:
    """A warning about inputs that another job may have replaced; empty when there are none."""
    reported = [field.upper() for field in ("app", "image") if environment.is_reported(field)]
    if not reported or "GITLAB_CI" not in environment.variables:
        return ""
    ours, instead = (" and ".join(f"{prefix}_{name}" for name in reported) for prefix in ("ZEROKIE", "INPUT"))
    return (
        f"an earlier job's dotenv report is in this environment, and replaces {ours} of this job; "
        f"if it is about something else, set {instead}, or keep the report away with `dependencies: []`"
    )


def _unknown(environment: Environment, fields: Iterable[str]) -> set[str]:
    """The variables with our prefixes that are set, and neither inputs nor outputs."""
    known = _OUTPUT_VARIABLES.union(*map(spellings, fields))
    return {name for name in environment.variables.keys() - known if name.upper().startswith(PREFIXES)}


def _near_misses(environment: Environment, fields: Iterable[str]) -> dict[str, str]:
    """The unknown variables that were probably meant to protect files, with the field that is not set."""
    return {
        variable: field
        for variable in sorted(_unknown(environment, fields))
        for field in _PROTECTIVE
        if not environment.text(field) and _is_nearly(_letters(variable.partition("_")[2]), _letters(field))
    }


def _prefix(variable: str) -> str:
    """What the user has written before the name, so that a suggestion is of the same kind."""
    return f"{variable.partition('_')[0].upper()}_"


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _is_nearly(one: str, other: str) -> bool:
    """Whether one word becomes the other by one edit at most: a letter more, another one, or two swapped."""
    short, long = sorted((one, other), key=len)
    same = len(os.path.commonprefix([short, long]))  # noqa: RUF071 - letter by letter
    swapped = short[same : same + 2][::-1] + short[same + 2 :]
    return long[same:] == swapped or long[same + 1 :] in {short[same:], short[same + 1 :]}

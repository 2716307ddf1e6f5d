"""What is wrong, or looks wrong, about inputs that may each be right: with one another, and with the place.

`texts` are the inputs that are set, by field name, as they came.
"""
# os.path says no where pathlib raises: a name that is too long, a folder that can't be entered.
# ruff: noqa: PTH112, PTH117, PTH120

from __future__ import annotations

import os.path
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING

from zerokie_action.files.root import problem_with_folder
from zerokie_action.inputs import (
    host_name,
    input_name,
    is_reported,
    parse_flag,
    parse_lines,
    parse_patterns,
    spellings,
)
from zerokie_action.report.files import is_stream
from zerokie_action.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

REPORT_FILES = ("output_file", "dotenv_file", "annotations_file", "summary_file")
OWN_FILES = (*REPORT_FILES, "state_file")
"""What a run writes, and never deploys."""
_PATTERNS = ("ignore", "keep")
_REGISTRY = ("registry_server", "registry_username", "registry_password")
_OUTPUT_VARIABLES = {name.upper().replace("-", "_") for name in OUTPUTS}
_CLOSE = 0.8


def skips(texts: Mapping[str, str]) -> bool:
    """Whether the run has nothing to do: no key, and `skip-without-key` says that this is fine."""
    skip = False
    with suppress(ValueError):
        skip = parse_flag(texts.get("skip_without_key", "false"))
    return skip and "api_key" not in texts


def contradictions(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each thing that is missing, or is too much beside another one."""
    if "api_key" not in texts and not skips(texts):
        yield (
            "`api-key` is required: pass the platform's API key as a secret "
            "(or set skip-without-key: true for runs that have none)"
        )
    operation = texts.get("operation", "deploy")
    if operation == "deploy":
        yield from _deploy_contradictions(texts)
    elif operation in {"restart", "destroy"} and (given := _given(texts, "image", "directory")):
        yield f"{given}: only `operation: deploy` takes that; leave it out"
    missing = [f"`{input_name(field)}`" for field in _REGISTRY if field not in texts]
    if 0 < len(missing) < len(_REGISTRY):
        yield f"{', '.join(missing)} missing: give all three registry inputs or none"


def _deploy_contradictions(texts: Mapping[str, str]) -> Iterator[str]:
    if "image" in texts and "directory" in texts:
        yield "`image` and `directory` are both set: deploy one of them, the other in a step of its own"
    elif "directory" in texts:
        added, removed = (
            set(map(host_name, parse_lines(texts.get(field, "")))) for field in ("domains", "remove_domains")
        )
        if both := ", ".join(map(repr, sorted(added & removed))):
            yield f"`domains` and `remove-domains` both name {both}; leave it out of one"
    elif "image" not in texts:
        yield "one of `image` and `directory` is required: what should be deployed?"
    elif given := _given(texts, "domains", "remove_domains"):
        yield f"{given}: the platform has custom domains for static apps only"


def _given(texts: Mapping[str, str], *fields: str) -> str:
    return ", ".join(f"`{input_name(field)}`" for field in fields if field in texts)


def wrong_patterns(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each pattern that is refused; only a folder's deploy has a use for them."""
    given = [field for field in _PATTERNS if field in texts]
    if given and "directory" in texts and texts.get("operation", "deploy") == "deploy":
        from zerokie_action.files import ignore  # noqa: PLC0415 - few runs have patterns

        for field in given:
            _, problems = ignore.parse_input(parse_patterns(texts[field]), input_name(field))
            yield from problems


def wrong_places(texts: Mapping[str, str], env: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each path that can't be what it is given for."""
    files = {field: texts[field] for field in OWN_FILES if field in texts}
    for field, path in tuple(files.items()):
        if problem := unwritable(path):
            yield f"`{input_name(field)}`: {problem}{_container_hint(path, env)}"
            del files[field]
    for (one, path), (other, same) in combinations(files.items(), 2):
        if os.path.realpath(path) == os.path.realpath(same) and not (is_stream(path) and is_stream(same)):
            yield f"`{input_name(one)}` and `{input_name(other)}` are the same file; give each its own"
    folder = texts.get("directory", "")
    if folder and texts.get("operation", "deploy") == "deploy" and (problem := problem_with_folder(folder)):
        hint = "" if os.path.lexists(folder) else _container_hint(folder, env)
        yield f"`directory`: {folder!r} {f'does not exist{hint}' if hint else problem}"


def unwritable(path: str) -> str:
    """Say why no file can be written to `path`; empty when nothing speaks against it."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        return f"{path!r} is a folder; give the path of a file"
    if not os.path.isdir(folder):
        return f"the folder {folder!r} does not exist; create it first or choose another path"
    try:
        allowed = any(os.access(place, os.W_OK, effective_ids=True) for place in (path, folder))
    except ValueError:
        return f"{path!r} can't be the path of a file; choose another path"
    return "" if allowed else f"{path!r} can't be written (Permission denied); choose another path"


def _container_hint(path: str, env: Mapping[str, str]) -> str:
    # `${{ github.workspace }}` becomes the runner's own path, which the action's container does not have.
    workspace = env.get("GITHUB_WORKSPACE", "")
    if env.get("GITHUB_ACTIONS") != "true" or not os.path.isabs(path) or path.startswith(workspace):
        return ""
    return f"; the action's container has the workspace at {workspace!r}: give the path relative to it"


def suspicions(texts: Mapping[str, str], env: Mapping[str, str], fields: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each variable that may not be what its author believes; `fields` are all names."""
    known = {spelling for field in fields for spelling in spellings(field)}
    for variable in sorted(env.keys() - known):
        if env[variable].strip() and (field := _meant(variable, fields - texts.keys())):
            yield f"{variable} is not an input; `{input_name(field)}` is read from {spellings(field)[-1]}"
    reported = [field.upper() for field in ("app", "image") if field in texts and is_reported(env, field)]
    if reported and env.get("GITLAB_CI"):
        ours, instead = (
            " and ".join(f"{prefix}_{name}" for name in reported) for prefix in ("ZEROKIE", "INPUT")
        )
        yield (
            f"an earlier job's dotenv report is in this environment, and replaces {ours} of this job; "
            f"if it is about something else, set {instead}, or keep the report away with `dependencies: []`"
        )


def _meant(variable: str, fields: Collection[str]) -> str:
    """The input whose name was meant, or empty: another tool's variable may begin like ours."""
    prefix, _, rest = variable.upper().replace("-", "_").partition("_")
    if prefix not in {"INPUT", "PLUGIN", "ZEROKIE"} or rest in _OUTPUT_VARIABLES:
        return ""
    import difflib  # noqa: PLC0415 - nearly always there is no such variable

    return next(iter(difflib.get_close_matches(rest.lower(), fields, n=1, cutoff=_CLOSE)), "")

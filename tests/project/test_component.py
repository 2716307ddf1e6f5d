"""Values that the GitLab component passes to the action."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.component import InvalidInputError, component, component_inputs, passed_on
from tests.support.settings import VALUES
from tests.support.world import REPORTS, World
from zerokie_action.inputs.settings import input_name

NOT_INPUTS = {
    "operation",  # each of the jobs has its own
    "api_key",  # Secrets are CI/CD variables, because inputs are visible in the configuration.
    "registry_password",
    "github_token",
    "gitlab_token",
    "preview_environment",  # GitLab has its own environments.
    "report_dir",  # the job's artifacts name its files
    "state_file",  # The cleanup uses the same default on GitLab.
}
FIELDS = [field for field in VALUES if field not in NOT_INPUTS]
OF_THE_STOP_JOB = [
    *("api_url", "app", "comment", "dry_run", "lock_timeout", "log_level"),
    *("pull_request", "retry_timeout", "skip_without_key", "take_over", "timeout"),
]


IN_YAML = [
    *('"', "\\", "a: b", "# b", "|", ">-", "---", "...", "- a", "? a", "&a *b"),
    *("!a", "`@%", "null", "a\t", " "),
]
ONE_LINE = st.sampled_from(IN_YAML) | st.text(
    st.characters(exclude_categories=("Cc", "Cn", "Cs", "Zl", "Zp"), include_characters="\t")
)


def as_input(field: str, text: str) -> object:
    """Return a value of the input's declared type."""
    kind = component_inputs()[input_name(field)].get("type", "string")
    if kind == "boolean":
        return VALUES[field][1]
    return text.split("\n") if kind == "array" else text


def test_inputs_that_the_component_lacks_are_listed() -> None:
    assert not {input_name(field) for field in NOT_INPUTS} & component_inputs().keys()


def inputs(job: str, folder: Path, given: dict[str, object]) -> dict[str, str]:
    """Return the inputs that a job's script passes to `zerokie-deploy`."""
    env = passed_on(component(**given)[job], folder)
    return {name: text for name, text in env.items() if name.startswith("INPUT_") and text}


@pytest.mark.parametrize(
    ("job", "fields", "own"),
    [
        ("zerokie-deploy", FIELDS, {"INPUT_REPORT_DIR": "zerokie-reports"}),
        ("zerokie-deploy-stop", OF_THE_STOP_JOB, {"INPUT_OPERATION": "destroy"}),
    ],
)
def test_the_component_passes_on_only_given_inputs(
    job: str, fields: list[str], own: dict[str, str], tmp_path: Path
) -> None:
    """A `ZEROKIE_` variable therefore replaces a missing input. The stop job has its own inputs."""
    assert inputs(job, tmp_path, {"app": "007"}) == own | {"INPUT_APP": "007"}
    texts = {field: VALUES[field][0] for field in FIELDS}
    given = {field: as_input(field, text) for field, text in texts.items()}
    told = {
        field: str(value).lower() if isinstance(value, bool) else texts[field]
        for field, value in given.items()
    }
    expected = {f"INPUT_{field.upper()}": told[field] for field in fields}
    assert inputs(job, tmp_path, given) == own | expected


def test_a_list_is_passed_on_with_one_item_per_line(tmp_path: Path) -> None:
    """The items can contain any characters."""
    patterns = ["/uploads/", "a b/", "\\#one", r"\,", 'quote"d', "it's", "<&>", "größe: *", "%s"]
    env = passed_on(component(app="site", keep=patterns)["zerokie-deploy"], tmp_path)
    assert env["INPUT_KEEP"].splitlines() == patterns


def test_an_unreadable_list_deploys_nothing(tmp_path: Path) -> None:
    """A list is unreadable if GitLab expands a variable in it to a quotation mark."""
    job = component(app="site", keep=["$NAME/"])["zerokie-deploy"]
    assert passed_on(job, tmp_path, NAME="a")["INPUT_KEEP"] == "a/"
    (tmp_path / "seen").unlink()
    assert passed_on(job, tmp_path, NAME='"') == {}


# --- whatever is in a text

FREE = sorted(
    name.replace("-", "_")
    for name, row in component_inputs().items()
    if row.get("type", "string") == "string" and not {"regex", "options"} & row.keys()
)
USUAL = component(app="site")
LINES = [
    *('a "b" c', "it's", "C:\\temp\\new", "007", "  a", "größe 🚀 ✓: {", ""),
    *("5 $", "$$5", "$[ a ]"),  # in GitLab's variables, `$$` is a dollar sign
]


@settings(max_examples=25)
@given(st.fixed_dictionaries(dict.fromkeys(FREE, ONE_LINE)))
def test_a_free_input_accepts_any_line(texts: dict[str, str]) -> None:
    """YAML syntax in the value has no effect. Both jobs get the value, and stay the same otherwise."""
    for name, job in component(app="site", **texts).items():
        usual = USUAL[name]["variables"]
        told = {f"INPUT_{field.upper()}": text for field, text in texts.items()}
        assert job == USUAL[name] | {"variables": usual | {key: told.get(key, usual[key]) for key in usual}}


@pytest.mark.parametrize("name", ["app", "environment", "auto_stop_in", "stage", "action_image"])
def test_a_name_with_a_quote_creates_no_pipeline(name: str) -> None:
    """GitLab rejects the input by its name. `$NAME` is a valid name."""
    for text in ('a"b', "a\\b", "a\nb", ""):
        with pytest.raises(InvalidInputError, match=name.replace("_", "-")):
            component(**{"app": "site", name: text})
    assert component(**{"app": "site", name: "a-$NAME-${ONE}/ü ✓: #b"})


@pytest.mark.parametrize("line", LINES)
def test_any_line_in_a_free_input_can_be_deployed(line: str, world: World, tmp_path: Path) -> None:
    """The line is the name of a folder, and the text of a health check."""
    told = line.replace("$$", "$").strip()
    folder = tmp_path / (told or "dist")
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(f"<p>{told}</p>", "utf-8")
    texts = {"directory": line.strip() or "dist", "health_check_text": line, "health_check": "/index.html?"}
    job = component(app="site", **texts)["zerokie-deploy"]
    world.env = {name: text for name, text in passed_on(job, tmp_path).items() if name.startswith("INPUT_")}
    outcome = world.run(directory=None)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == {"index.html": f"<p>{told}</p>".encode()}


def test_modules_of_the_checkout_are_not_run(tmp_path: Path) -> None:
    """The job runs in a checkout, with the key in its environment."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)", "utf-8")
    assert passed_on(component(app="site", keep=["/a/"])["zerokie-deploy"], tmp_path)["INPUT_KEEP"] == "/a/"


def test_old_reports_in_the_checkout_are_removed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script removes them before it starts Python, so that a job that dies early has no reports."""
    monkeypatch.chdir(tmp_path)
    job = component(app="site")["zerokie-deploy"]
    reports = [Path(path) for path in job["artifacts"]["reports"].values()]
    assert {path.name for path in reports} < {*REPORTS}
    for path in reports:
        path.parent.mkdir(exist_ok=True)
        path.write_text("LD_PRELOAD=/builds/evil.so\n", "utf-8")
    assert {str(path.parent) for path in reports} == {passed_on(job, tmp_path)["INPUT_REPORT_DIR"]}
    assert not [path for path in reports if path.exists()]


def test_a_preview_has_its_own_app_and_no_domains(tmp_path: Path) -> None:
    """A domain belongs to one app, so the preview doesn't take it. Other inputs are the same."""
    given: dict[str, object] = {"app": "site", "directory": "dist", "previews": True}
    domains = {"domains": ["www.example.com"], "remove_domains": ["old.example.com"]}
    jobs = component(**given, **domains)
    number = {"CI_MERGE_REQUEST_IID": "3"}
    preview = passed_on(jobs["zerokie-deploy-preview"], tmp_path, **number)
    assert {name: text for name, text in preview.items() if name.startswith("INPUT_") and text} == {
        **inputs("zerokie-deploy", tmp_path, given),
        "INPUT_APP": "site-mr-3",
        "INPUT_CREATE": "true",
    }
    stop = passed_on(jobs["zerokie-deploy-preview-stop"], tmp_path, **number)
    assert (stop["INPUT_APP"], stop["INPUT_OPERATION"]) == ("site-mr-3", "destroy")

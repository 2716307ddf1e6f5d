"""The log: exact lines for each CI system, without commands or markers from other text."""

import io

import pytest
from hypothesis import given, settings

from tests.ci.grammar import HOSTILE, gitlab_sections, workflow_commands
from zerokie_action.ci import CI, Level, detect
from zerokie_action.text.escapes import LINE_LIMIT

GITHUB, GITLAB = {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}
ELSEWHERE = {"CI": "woodpecker", "GITHUB_ACTIONS": "false"}


def system(env: dict[str, str], level: Level = "info") -> tuple[CI, io.StringIO]:
    """Return the adapter for a job with these variables, and its log."""
    log = io.StringIO()
    return detect(env, log, level), log


@pytest.mark.parametrize(
    ("env", "lines"),
    [
        pytest.param(
            ELSEWHERE,
            [
                *("Lock acquired", "12 files", "a.html", "b.html", "Warning: old/%20, kept"),
                *("Error: App 'my-sit' not found", "  It says: 100% gone", "  Check it."),
            ],
            id="elsewhere",
        ),
        pytest.param(
            GITHUB,
            [
                *("Lock acquired", "::group::12 files", "a.html", "b.html", "::endgroup::"),
                "::warning::old/%2520, kept",
                "::error::App 'my-sit' not found%0AIt says: 100%25 gone%0ACheck it.",
            ],
            id="GitHub",
        ),
        pytest.param(
            GITLAB,
            [
                "Lock acquired",
                "\x1b[0Ksection_start:1700000000:zerokie_0102[collapsed=true]\r\x1b[0K12 files",
                *("a.html", "b.html", "\x1b[0Ksection_end:1700000000:zerokie_0102\r\x1b[0K"),
                "\x1b[0;33mWarning: old/%20, kept\x1b[0;m",
                "\x1b[31;1mError: App 'my-sit' not found\x1b[0;m",
                *("\x1b[31;1m  It says: 100% gone\x1b[0;m", "\x1b[31;1m  Check it.\x1b[0;m"),
            ],
            id="GitLab",
        ),
    ],
)
def test_details_are_folded_and_problems_highlighted(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], lines: list[str]
) -> None:
    """GitHub and GitLab have groups, annotations or colors. Elsewhere, the log is plain text."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.9)
    monkeypatch.setattr("os.urandom", lambda _size: b"\x01\x02")
    ci, log = system(env)
    ci.log.info("Lock acquired")
    ci.log.group("12 files", ["a.html", "b.html"])
    ci.log.warning("old/%20, kept")
    ci.log.error("App 'my-sit' not found", "It says: 100% gone", "Check it.")
    ci.log.debug("not shown")
    assert log.getvalue().split("\n") == [*lines, ""]


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", "dightwe"), ("info", "ightwe"), ("warning", "we"), ("error", "e")]
)
def test_the_level_limits_the_log(level: Level, shown: str) -> None:
    """The log has all messages of its level and above. An empty group only has its title."""
    ci, log = system({}, level)
    ci.log.debug("d")
    ci.log.info("i")
    ci.log.group("g", ["h"])
    ci.log.group("t", [])
    ci.log.warning("w")
    ci.log.error("e")
    assert [line[-1] for line in log.getvalue().splitlines()] == [*shown]


def test_runner_debug_outranks_log_level() -> None:
    for value, is_shown in (("1", True), ("0", False)):
        assert system({"RUNNER_DEBUG": value}, "error")[0].log.shows("debug") is is_shown


def test_each_section_on_gitlab_has_its_own_name() -> None:
    """A job may deploy several times. Above the level of its lines, the section is omitted."""
    log = io.StringIO()
    for level in ("warning", "info", "info"):
        detect(GITLAB, log, level).log.group("files", ["a"])
    (_, one), (_, end), (_, another), _ = gitlab_sections(log.getvalue())
    assert one == end != another


@settings(max_examples=50)
@given(HOSTILE, HOSTILE)
def test_no_logged_text_is_a_command_or_a_marker(text: str, title: str) -> None:
    """Runners only find the action's own commands, sections and colors."""
    logs = {}
    for name, env in {"GitHub": GITHUB, "GitLab": GITLAB}.items():
        ci, log = system(env, "debug")
        ci.log.group(title, [text])
        ci.log.debug(text)
        ci.log.warning(text)
        ci.log.error(text, text)
        logs[name] = log.getvalue()
    commands = workflow_commands(logs["GitHub"])
    assert [command.name for command in commands] == ["group", "endgroup", "warning", "error"]
    assert all(command.properties == "" for command in commands)
    assert not {"\r", "\x1b"} & {*logs["GitHub"]}
    assert len(gitlab_sections(logs["GitLab"])) == 2
    assert logs["GitLab"].count("\x1b") == 2 + 2 + 2 * 3
    assert logs["GitLab"].count("\n") == 3 + 1 + 1 + 2
    assert workflow_commands(logs["GitLab"]) == []


def test_secrets_are_redacted_before_anything_else() -> None:
    """A secret is found even if the log escapes its characters or cuts a long line."""
    ci, log = system({})
    ci.log.mask("##secret\u200b##", "other\tone")
    ci.log.info("a ##secret\u200b## b other\tone c")
    assert log.getvalue() == "a *** b *** c\n"
    ci.log.info("a" * (LINE_LIMIT - 7) + "other\tone")
    assert "othe" not in log.getvalue()


def test_each_line_of_a_secret_is_redacted_on_github() -> None:
    """The action sends no `add-mask` command, because a log without a runner would show the secret."""
    ci, log = system(GITHUB, "error")
    ci.log.mask("pass%word\nline", "", "abc", "variable")
    ci.log.error("pass%word, dXNlcjpsaW5l, variable, abc")
    assert log.getvalue() == "::error::***, dXNlcjp***, ***, abc\n"


def test_a_character_outside_the_streams_encoding_is_escaped() -> None:
    """`tests/test_cli.py` has closed and full streams."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    detect({}, stream).log.info("café")
    stream.seek(0)
    assert stream.read() == "caf\\xe9\n"

"""Any other place: plain lines, whatever the stream can take."""

import io

from zerokie_action.ci import detect


def test_every_line_is_plain():
    """Every line is plain; a group is its title and its lines; the other parts of a problem are indented."""
    log = io.StringIO()
    ci = detect({"CI": "woodpecker", "GITHUB_ACTIONS": "false"}, log)
    ci.log.info("Deploy lock acquired")
    ci.log.group("12 files", ["a.html", "b.html"])
    ci.log.warning("careful")
    ci.log.error("App 'my-sit' not found", "Check the input app.")
    ci.log.debug("not shown")
    for write in (ci.write_outputs, ci.save_state):
        write({"not": "shown"})
    ci.write_summary("not shown")
    assert log.getvalue() == (
        "Deploy lock acquired\n"
        "12 files\n"
        "a.html\n"
        "b.html\n"
        "Warning: careful\n"
        "Error: App 'my-sit' not found\n"
        "  Check the input app.\n"
    )


def test_the_level_decides_what_is_shown():
    """The log has what is at least as important as its level. An empty group is its title."""
    shown = {}
    for level in ("debug", "info", "warning", "error"):
        log = io.StringIO()
        ci = detect({}, log, level)
        ci.log.debug("d")
        ci.log.info("i")
        ci.log.group("g", ["h"])
        ci.log.group("t", [])
        ci.log.warning("w")
        ci.log.error("e")
        shown[level] = "".join(line[-1] for line in log.getvalue().splitlines())
    assert shown == {"debug": "dightwe", "info": "ightwe", "warning": "we", "error": "e"}


def test_runner_debug_outranks_log_level() -> None:
    for value, is_shown in (("1", True), ("0", False)):
        assert detect({"RUNNER_DEBUG": value}, io.StringIO(), "error").log.shows("debug") is is_shown


def test_secrets_are_redacted_before_anything_else():
    """A secret is found also where the log shows its characters differently."""
    log = io.StringIO()
    ci = detect({}, log)
    ci.log.mask("##secret\u200b##", "other\tone")
    ci.log.info("a ##secret\u200b## b other\tone c")
    assert log.getvalue() == "a *** b *** c\n"


def test_a_stream_that_can_t_take_a_character():
    """An escape stands for it. `tests/test_cli.py` has streams that take nothing."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    detect({}, stream).log.info("café")
    stream.seek(0)
    assert stream.read() == "caf\\xe9\n"

"""The log on a terminal: a progress bar below the lines, and a paused terminal."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator

import anyio
import pytest

from sandbox.faults import Kind
from sandbox.server import serve
from tests.support import timewarp
from tests.support.world import World
from zerokie_action import limits
from zerokie_action.ci import Level, detect
from zerokie_action.ci.terminal import Terminal
from zerokie_action.run import run
from zerokie_action.site.progress import Progress

CTRL_S, CTRL_Q = b"\x13", b"\x11"
MB = 10**6


class Pseudo:
    """A pseudo-terminal and its visible screen."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream = open(slave, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        self.seen = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def pause(self) -> None:
        """Press Ctrl-S, and wait for its effect."""
        os.write(self._master, CTRL_S)
        while select.select([], [self.stream], [], 0)[1]:
            pass

    def read_until(self, text: str) -> None:
        while text not in self.seen:
            assert select.select([self._master], [], [], 20)[0], f"{text!r} isn't in {self.seen!r}"
            self.seen += os.read(self._master, 65536).decode()

    def screen(self) -> list[str]:
        """Return the lines after all carriage returns took effect."""
        lines = []
        for line in self.seen.split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines

    def close(self) -> None:
        os.write(self._master, CTRL_Q)
        self.stream.close()
        os.close(self._master)


@pytest.fixture(name="pseudo")
def _pseudo() -> Iterator[Pseudo]:
    pseudo = Pseudo()
    yield pseudo
    pseudo.close()


async def test_a_bar_is_shown_below_the_lines(pseudo: Pseudo) -> None:
    """It has percentage, files, bytes, rate, time left and current file, and is erased at the end."""
    log = detect({"TERM": "xterm"}, Terminal(pseudo.stream)).log
    progress = Progress(30, 90 * MB, log, lambda: 0)
    for number in range(10):
        progress.begin(str(number), 3 * MB, lambda: 0)
        progress.end(str(number))
    progress.begin("large.bin", 60 * MB, lambda: 15 * MB)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.show)
        await anyio.sleep(5.1)
        bar = " 50% |█████     | 10/30 files, 45.0/90.0 MB, 9.0 MB/s, 5s left, large.bin"
        pseudo.read_until(bar)
        log.info("Uploads: HTTP 503; sending again")
        pseudo.read_until("again\r\n")
        await anyio.sleep(12)
        pseudo.read_until("no progress for 17s")
        tasks.cancel_scope.cancel()
    log.info("Uploaded 30 files")
    pseudo.read_until("30 files\r\n")
    assert pseudo.screen() == ["Uploads: HTTP 503; sending again", "Uploaded 30 files", ""]


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (80, r"  7% |▋         | a/\x1b[2J\u202e#\#.js"),
        (30, "  7% |▋         | a/\\x1b[2J\\"),
        (10, "  7% |▋  "),
        (0, r"  7% |▋         | a/\x1b[2J\u202e#\#.js"),
    ],
)
def test_the_bar_is_cut_to_the_width_and_escaped(pseudo: Pseudo, columns: int, bar: str) -> None:
    """A file's name can't move the cursor, and the bar fits one line. The default width is 80 columns."""
    pseudo.resize(columns)
    log = detect({}, Terminal(pseudo.stream)).log
    log.show_bar((7, "a/\x1b[2J\u202e##.js"))
    pseudo.read_until(bar.rstrip())
    log.show_bar(None)
    log.info("end")
    pseudo.read_until("end\r\n")
    assert max(map(len, pseudo.seen.replace("\n", "\r").split("\r"))) <= (columns or 80) - 1
    assert "\x1b" not in pseudo.seen
    assert pseudo.screen() == ["end", ""]


def test_a_terminal_of_one_column_has_no_bar(pseudo: Pseudo) -> None:
    pseudo.resize(1)
    log = detect({}, Terminal(pseudo.stream)).log
    log.show_bar((7, "a.js"))
    log.info("first")
    pseudo.read_until("first\r\n")
    log.show_bar(None)
    log.info("last")
    pseudo.read_until("last\r\n")
    assert pseudo.seen == "first\r\nlast\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TQDM_ASCII", "1"),
        ("TQDM_MININTERVAL", "5s"),
        ("TQDM_NCOLS", "x"),
        ("TQDM_DISABLE", "1"),
        ("TQDM_X", "1"),
    ],
)
def test_variables_of_the_library_do_not_change_the_bar(
    pseudo: Pseudo, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The library reads them when it is imported."""
    monkeypatch.setenv(name, value)
    for module in [module for module in sys.modules if module.partition(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, module)
    pseudo.resize(30)
    log = detect({}, Terminal(pseudo.stream)).log
    log.show_bar((50, "a.js"))
    pseudo.read_until(" 50% |█████     | a.js")


def test_an_error_of_the_library_costs_only_the_bar(pseudo: Pseudo, monkeypatch: pytest.MonkeyPatch) -> None:
    from tqdm.std import tqdm  # type: ignore[import-untyped] # noqa: PLC0415 - as the client

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(tqdm, "format_meter", fail)
    log = detect({}, Terminal(pseudo.stream)).log
    log.show_bar((7, "a.js"))
    log.info("first")
    log.show_bar((8, "a.js"))
    log.error("last")
    pseudo.read_until("last\r\n")
    assert "first\r\n" in pseudo.seen


def test_a_wide_character_has_two_columns(pseudo: Pseudo) -> None:
    pseudo.resize(30)
    log = detect({}, Terminal(pseudo.stream)).log
    log.show_bar((7, "漢" * 20))
    pseudo.read_until("漢" * 5)
    log.show_bar(None)
    log.info("end")
    pseudo.read_until("end\r\n")
    assert "漢" * 6 not in pseudo.seen


@pytest.mark.parametrize(
    ("env", "level"),
    [({"CI": "true"}, "info"), ({"TERM": "dumb"}, "info"), ({}, "warning")],
    ids=["CI", "dumb", "level"],
)
async def test_without_a_bar_progress_is_shown_in_lines(
    pseudo: Pseudo, env: dict[str, str], level: Level
) -> None:
    """A CI log and a dumb terminal have lines. With the level `warning`, there is neither."""
    log = detect(env, Terminal(pseudo.stream), level).log
    progress = Progress(1, 10, log, lambda: -100)
    progress.begin("a", 10, lambda: 5)
    with anyio.move_on_after(11):
        await progress.show()
    log.error("end")
    pseudo.read_until("end\r\n")
    shown = ["Uploading: 50% (0 of 1 file, 5 of 10 B, 0 B/s, 10s left)"] if level == "info" else []
    assert pseudo.screen() == [*shown, "Error: end", ""]


def test_a_paused_terminal_does_not_stop_heartbeats(
    world: World, pseudo: Pseudo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy of 13 minutes sends its heartbeats, uploads and finalize. Its last lines time out."""
    monkeypatch.setattr(limits, "LAST_LINES", 0.01)
    world.write({f"{number}.js": b"x" for number in range(40)} | {"index.html": b"y"})
    world.fault(Kind.DELAY, "PUT", "/files/", seconds=20, times=None)
    terminal = Terminal(pseudo.stream)
    pseudo.pause()

    async def deploy() -> int:
        async with serve(world.platform) as server:
            return await run(world.at_once(1).environment(server.url), world.signals, terminal)

    assert timewarp.run(world.loop, deploy()) == 0
    terminal.finish()
    assert world.stored() == world.read()
    assert world.platform.lock("site") is None
    heartbeats = [
        record for record in world.platform.requests if record.method == "PUT" and "lock" in record.path
    ]
    assert len(heartbeats) == 41 * 20 // limits.HEARTBEAT
    assert not select.select([pseudo._master], [], [], 0)[0], "the terminal received something"

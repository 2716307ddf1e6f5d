"""Server programs of the system as child processes, on loopback, each in a folder of its own."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from tests.support.required import find_program

_PATIENCE = 30.0
_TIME_TO_TIDY_UP = 5.0
_NOBODY = 65534
_LISTENS = "0A"


def need(name: str) -> str:
    """The path of a program that these tests run."""
    return find_program(name, from_="run ./.ci/servers")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, also while its server is away.

    It is below the range from which the kernel takes ports for connections that go out: else one of the
    deploy's own connections could get the port of a server that is about to come back.
    """
    ends = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    dice = random.SystemRandom()  # the tests' own generator has the same seed in every process
    while True:
        port = dice.randrange(10_000, ends)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether anybody listens on this TCP port. It opens no connection, which a server would note."""
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        if (path := Path("/proc/net") / table).exists()
        for row in path.read_text("ascii").splitlines()[1:]
    ]
    return any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def wait_until(holds: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Look again and again until it holds.

    Raises:
        TimeoutError: it did not hold in time.
    """
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience:g} s")
        time.sleep(0.02)


class Server:
    """A server program that runs as long as the `with` block, and can be stopped and started in it.

    It runs as a user without rights where the tests run as root, and ends with the tests even when those
    are killed.

    Attributes:
        folder: where it runs, with its configuration and logs.
        port: where it listens on loopback.
    """

    program: str
    arguments: tuple[str, ...]

    def __init__(self) -> None:
        as_nobody = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
        user = as_nobody if os.geteuid() == 0 else ()
        self._command = [need("setpriv"), "--pdeathsig=TERM", *user, need(self.program)]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        # pytest's own folders are closed to everybody but their owner.
        self.folder = Path(mkdtemp(prefix=f"zerokie-{self.program}-"))
        if os.geteuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)

    def __enter__(self) -> Self:
        try:
            self.configure()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self) -> None:
        """Write the configuration into `folder`."""
        raise NotImplementedError

    def write(self, name: str, text: str) -> Path:
        """Write a file that the server reads."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def start(self) -> None:
        """Start the program and wait until it listens.

        Raises:
            RuntimeError: it ended, with what it wrote.
        """
        with (self.folder / "output.log").open("ab") as output:
            process = self._process = subprocess.Popen(
                [*self._command, *self.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: listens(self.port) or process.poll() is not None, f"the start of {self.program}")
        if process.poll() is not None:
            raise RuntimeError(f"{self.program} ended with {process.returncode}: {self.output()[-2000:]}")

    def stop(self) -> None:
        """End the program at once, with all of its connections. Its port refuses new ones then."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_PATIENCE)
        wait_until(lambda: not listens(self.port), f"the end of {self.program}")

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TIME_TO_TIDY_UP)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder)

    def seen(self, part: str = "") -> list[str]:
        """The requests in its log that have this part, a line each; a server may have no such log."""
        log = self.folder / "access.log"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return [line for line in lines if part in line]

    def output(self) -> str:
        """What the program wrote."""
        return (self.folder / "output.log").read_text("utf-8", "replace")

"""The system's server programs as child processes on loopback."""

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
    """Return the path of a program that these tests run."""
    return find_program(name, from_="run ./.ci/servers")


def free_port() -> int:
    """Return a free port of 127.0.0.1, which stays free while its server is stopped.

    The port is below the kernel's range for outgoing connections. Otherwise, one of the deploy's connections
    could take the port of a server that is about to restart.
    """
    ends = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    dice = random.SystemRandom()  # the tests' generator has the same seed in every process
    while True:
        port = dice.randrange(10_000, ends)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Return whether a server listens on this TCP port, without a connection that it would log."""
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        if (path := Path("/proc/net") / table).exists()
        for row in path.read_text("ascii").splitlines()[1:]
    ]
    return any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def wait_until(holds: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Poll until the condition is true.

    Raises:
        TimeoutError: when the condition doesn't become true in time.
    """
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience:g}s")
        time.sleep(0.02)


class Server:
    """A server program that runs during a `with` block, which can stop and start it.

    If the tests run as root, the program runs as an unprivileged user. It ends with the tests, even if they
    are killed.

    Attributes:
        folder: the working directory with configuration and logs.
        port: its port on loopback.
    """

    program: str
    arguments: tuple[str, ...]

    def __init__(self) -> None:
        as_nobody = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
        user = as_nobody if os.geteuid() == 0 else ()
        self._command = [need("setpriv"), "--pdeathsig=TERM", *user, need(self.program)]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        # Only the owner can read pytest's own folders.
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
        """The server's URL."""
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
            RuntimeError: when the program ends, with its output.
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
        """End the program and all of its connections immediately. Its port then refuses new ones."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_PATIENCE)
        wait_until(lambda: not listens(self.port), f"the end of {self.program}")

    def close(self) -> None:
        """Stop the program and clean up."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TIME_TO_TIDY_UP)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder)

    def seen(self, part: str = "") -> list[str]:
        """Return the log lines of requests that contain this text. Some servers lack such a log."""
        log = self.folder / "access.log"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return [line for line in lines if part in line]

    def output(self) -> str:
        """Return the program's output."""
        return (self.folder / "output.log").read_text("utf-8", "replace")

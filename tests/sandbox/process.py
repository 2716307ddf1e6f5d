"""A sandbox in its own process."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = [sys.executable, "-W", "error", "-m", "sandbox"]


@contextmanager
def sandbox(*arguments: str, end: signal.Signals = signal.SIGINT) -> Iterator[httpx.Client]:
    """Run a sandbox with the key `k`, end it with a signal, and check its output and exit code."""
    command = [*MODULE, "--port", "0", "--api-key", "k", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").rstrip("\n")
        assert [process.stdout.readline() for _ in range(4)] == [
            f"page:        {url}/\n",
            "API key:     k\n",
            f"reference:   {url}/openapi.json\n",
            f"apps answer: {url}/_apps/NAME/\n",
        ]
        with httpx.Client(base_url=url, headers={"authorization": "Bearer k"}, trust_env=False) as client:
            yield client
        process.send_signal(end)
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output, errors) == (0, "", ""), errors or output
    finally:
        process.kill()
        process.communicate()

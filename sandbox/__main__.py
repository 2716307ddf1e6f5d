"""Command `python -m sandbox`, for people and for tests in other processes."""
# ruff: noqa: T201  a command-line program

import argparse
import asyncio
import fcntl
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    from sandbox.addresses import is_loopback
    from sandbox.dialects import PLATFORMS, QUESTIONS, check
    from sandbox.faults import GRAMMAR, HELP, parse_fault
    from sandbox.platform import Platform, Rollout
    from sandbox.server import serve
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package == __package__.partition(".")[0]:
        raise
    raise SystemExit(
        f"The sandbox needs {package}. Run `make setup` in the checkout and start the sandbox with"
        " `.venv/bin/python -m sandbox`, or run `pip install '.[sandbox]'` in your environment"
    ) from None


_OPEN = (
    "Warning: the sandbox listens on {host}. Other machines can see its apps and requests, and make it fail."
    " To serve this machine only, omit --host."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    The first line on stdout is `listening on http://HOST:PORT`, with the real port.
    """
    options = _parser().parse_args(arguments)
    try:
        with _alone(options.data):
            asyncio.run(_serve(options))
    except OSError as error:
        print(f"Can't start the sandbox: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Lock the folder against other sandboxes until the block or the process ends.

    Raises:
        OSError: when another sandbox uses the folder, or the folder can't be created.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(
                f"another sandbox uses the folder {data}. Stop that sandbox, or set another folder with"
                " --data"
            ) from None
        yield


async def _serve(options: argparse.Namespace) -> None:
    platform = Platform(
        options.data,
        api_keys={options.api_key},
        rollout=Rollout(seconds=options.deploy_seconds),
        public_url=options.public_url,
        latency=options.latency / 1000,
        dialect=options.dialect,
    )
    platform.faults.add(*options.fault)
    if not is_loopback(options.host):
        print(_OPEN.format(host=options.host), file=sys.stderr)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(platform, options.host, options.port) as server:
        print(f"listening on {server.url}")
        print(f"page:        {server.url}/")
        print(f"API key:     {options.api_key}")
        print(f"reference:   {server.url}/openapi.json")
        print(f"apps answer: {server.url}/_apps/NAME/", flush=True)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a local Zerokie platform.",
        epilog=_dialects(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="listen on this address (%(default)s)")
    add("--port", type=int, default=8080, help="listen on this port; 0 for any free port (%(default)s)")
    public = "show other machines this URL, such as http://host.docker.internal:8080 (the address of --host)"
    add("--public-url", default="", metavar="URL", help=public)
    add("--data", type=Path, default=Path(".sandbox"), help="store all state in this folder (%(default)s)")
    add("--api-key", default="sandbox-key", help="accept this API key (%(default)s)")
    deploy = "set the duration of a container app's deploy (%(default)s)"
    add("--deploy-seconds", type=float, default=1.0, help=deploy)
    add("--latency", type=float, default=0.0, metavar="MS", help="delay every request by MS milliseconds")
    each: Any = {"action": "append", "default": []}
    add("--fault", type=_read(parse_fault), metavar=f"{GRAMMAR!r}", help=HELP.replace("%", "%%"), **each)
    dialect = (
        "choose one of the API variants below, or all the variants of one of these platforms:"
        f" {', '.join(PLATFORMS)}"
    )
    add("--dialect", type=_read(check), metavar="NAME=ANSWER|PLATFORM", help=dialect, **each)
    return parser


def _dialects() -> str:
    lines = ["API variants (the first answer is the default):"]
    for name, question in QUESTIONS.items():
        text = textwrap.fill(question.text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines.append(f"  {name}={'|'.join(question.answers)}\n{text}")
    return "\n".join(lines)


def _read(parse: Callable[[str], object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


if __name__ == "__main__":
    raise SystemExit(main())

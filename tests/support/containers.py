"""The container app `web`, and simulated responses about it."""

import json
import os
import re
import signal

from sandbox.faults import Kind
from sandbox.platform import Rollout
from tests.support.world import Outcome, World

OLD, NEW, BROKEN = "nginx:1", "nginx:2", "nginx:broken"
LOOK = r"/v1/apps/web$"


def running_web(world: World) -> None:
    """Create the app, with `OLD` running for a long time."""
    world.platform.apps.create_container("web", image=OLD, port=80)
    world.platform.apps.set_status("web", "running")
    world.loop.jump(60)


def deploy(world: World, image: str = NEW, **inputs: object) -> Outcome:
    """Deploy an image to `web`."""
    return world.run(app="web", image=image, **inputs)


def takes(world: World, seconds: float) -> None:
    """Set the seconds until a container runs."""
    world.platform.apps.rollout = Rollout(seconds=seconds)


def says(world: World, *, skip: int = 2, times: int | None = 1, **app: str) -> None:
    """Replace the platform's responses about the app, after `skip` true ones. Two come before the request."""
    body = json.dumps({"name": "web"} | app).encode()
    world.fault(Kind.STATUS, "GET", LOOK, skip=skip, times=times, status=200, body=body)


def asked(outcome: Outcome) -> int:
    """Return the number of requested deploys."""
    return len(outcome.sent("POST", "/deploy$"))


def lines(outcome: Outcome) -> list[str]:
    """Return the log without the first line, the API's URL, the port and seconds that depend on jitter."""
    port = next((part for part in outcome.log.split() if part.startswith("http://127.0.0.1:")), "")
    base = port.partition("/_apps")[0]
    log = outcome.log.replace(base, "http://platform") if base else outcome.log
    log = re.sub(r"(runs \S+|running) after \d(\.\d)?s\b", r"\1 after …s", log)
    return [line for line in log.splitlines()[1:] if not line.startswith("API: ")]


def tell(world: World, *, after: float) -> None:
    """Send SIGTERM after these seconds."""
    world.signals.install()
    world.loop.call_later(after, os.kill, os.getpid(), signal.SIGTERM)

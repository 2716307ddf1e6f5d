"""Runs against the sandbox, in virtual time, whose logs the documents show."""

import random
import re
from collections.abc import Callable

from tests.support.world import Outcome, World

APP = "my-site"
SITE = {"index.html": b"<h1>hello</h1>", "about.html": b"<h1>us</h1>", "style.css": b"body {}" * 200}


def begin(world: World) -> None:
    """Yield a world with a static app, its folder `dist` and some milliseconds of latency."""
    random.seed(1)
    world.platform.apps.create_static(APP)
    world.platform.latency = 0.03
    world.folder = world.folder.rename(world.folder.with_name("dist"))
    world.write(SITE)


def deploy(world: World, **inputs: object) -> Outcome:
    return world.run(app=APP, directory="dist", **inputs)


def dry_run(world: World) -> str:
    deploy(world)
    world.write({"index.html": SITE["index.html"], "new.html": b"new"})
    return deploy(world, dry_run=True).log


STORIES: dict[str, Callable[[World], str]] = {"dry run": dry_run}


def tell(name: str, world: World) -> str:
    """Return the log of a story, with the platform's real URL and a fixed version."""
    begin(world)
    here = r"http://127\.0\.0\.1:\d+/_apps/([a-z-]+)/?"
    log = re.sub(here, r"https://\1.platform-dev.zerokie.com", STORIES[name](world))
    log = re.sub(r"(?m)^(zerokie-action) \S+", r"\1 1.0.0", log)
    return re.sub(r"(?m)^API: .*\n", "", log)


def timeless(log: str) -> str:
    """Return a log without durations and without deploy IDs, which contain the time."""
    return re.sub(r"\b(\d+m )?\d+(\.\d+)?s\b|(?<= d-)\d{8}-\d{6}\b", "…", log)

"""Runs with a working directory in a checkout."""

import os

from tests.support.world import Outcome, World

SHOP = "git@gitlab.com:acme/web/shop.git"


def run_in_checkout(
    world: World, origin: str, env: dict[str, str] | None = None, **inputs: object
) -> Outcome:
    """Run in a folder of a checkout with this `origin`, or outside any checkout without an `origin`."""
    here = world.folder.parent
    if origin:
        here = here / f"checkout of {origin.rpartition('/')[2]}" / "web"
        here.mkdir(parents=True, exist_ok=True)
        (here.parent / ".git").mkdir(exist_ok=True)
        (here.parent / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {origin}\n')
    os.chdir(here)  # the world gives the working directory back
    world.env = env or {}
    return world.run(**inputs)

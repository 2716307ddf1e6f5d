"""Deploys of an image on every kind of platform that the reference allows.

Platforms differ in how they write an image, in how soon and in which order a GET shows a deploy, and in what
becomes of a request whose answer is lost. A deploy that runs is green, one that does not is red, nobody is
asked more often than necessary, and `rollback` goes back where our own image failed in place of another.
"""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.operations.containers import BROKEN, NEW, OLD, asked, running_web, takes
from zerokie_action.sandbox.dialects import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.world import World

NAMES = ("updated-at", "image", "deploying", "before-deploying", "deploy-answer")
PINNED = f"nginx@sha256:{'2' * 64}"
PLATFORMS = list(product(*(QUESTIONS[name].answers for name in NAMES), (0.4, 1, 6, 90)))
"""Answers to these questions, and how many seconds a deploy takes."""
FAR = "registry.example.com:5000/team/nginx"
CASES = list(product(PLATFORMS, (NEW, OLD, PINNED, FAR, BROKEN, None)))
"""The image that is deployed; None restarts the app."""


def flaws(world: World, platform: tuple[object, ...], image: str | None) -> Iterator[str]:
    """What is wrong about what a run says and does."""
    _, writes, shows, _, answer, seconds = platform
    running_web(world)
    world.platform.dialect.speak(*map("=".join, zip(NAMES, map(str, platform), strict=False)))
    takes(world, 0 if shows == "none" else float(str(seconds)))
    what = {"operation": "restart"} if image is None else {"image": image, "rollback": True}
    outcome = world.run(app="web", wait_timeout="10m", **what)
    goes_back = image == BROKEN and writes != "not-in-get"
    least = most = 2 if answer == "lost-before" else 1
    codes = {8 if image == BROKEN else 0}
    if answer in {"lost", "empty"} and (
        image in {OLD, None} or writes == "not-in-get"
    ):  # no sign of it is for certain
        codes, most = codes | {5}, 3
    if outcome.exit_code not in codes:
        yield f"exit code {outcome.exit_code}, not {codes}"
    if not least * (1 + goes_back) <= asked(outcome) <= most * (1 + goes_back):
        yield f"{asked(outcome)} requests to deploy"
    if (outcome.outputs["status"] == "rolled-back") != goes_back:
        yield f"status {outcome.outputs['status']}"
    app = world.platform.apps.get("web")
    is_broken = image == BROKEN and not goes_back
    if (app.image == BROKEN, world.platform.apps.status(app)) != (
        is_broken,
        "failed" if is_broken else "running",
    ):
        yield f"{app.image} is left, {world.platform.apps.status(app)}"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(1, 50))])
def test_any_platform(world: World, seed: int) -> None:
    """The rules of `zerokie_action/operations/rollout.py` hold on all of them."""
    found = []
    for platform, image in random.Random(seed).sample(CASES, 60):  # noqa: S311 - no secret
        found += [f"{flaw}: {image} on {platform}" for flaw in flaws(world, platform, image)]
        world.platform.dialect.speak(*(f"{name}={QUESTIONS[name].answers[0]}" for name in NAMES))
        world.platform.delete_app("web")
    assert not found, f"{len(found)}: " + "\n".join(found[:20])

"""The ten most likely mistakes of a first run, as steps of a GitHub workflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

APP = "my-site"
SOMEBODY = "0b5c"
"""Holds the deploy lock where a mistake needs that."""

_CHECKOUT = {"src/page.md": b"# hello", "package.json": b"{}"}
_BUILT = {**_CHECKOUT, "dist/index.html": b"<h1>hello</h1>"}


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and how that ends.

    Attributes:
        exit_code: the run's.
        inputs: those that are not as in the README's workflow, by field name.
        env: what else is in the step's environment.
        files: what the checkout holds when the step begins.
        held: whether somebody else holds the app's deploy lock.
    """

    exit_code: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=lambda: _BUILT)
    held: bool = False

    def check_out(self, folder: Path) -> None:
        """Put the files there."""
        for path, content in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


MISTAKES = {
    "no key": Mistake(2, {"api_key": ""}),
    "key of something else": Mistake(3, {"api_key": "ghs_a-token-of-the-job"}),
    "wrong key": Mistake(3, {"api_key": "the-key-of-last-year"}),
    "no key in a pull request": Mistake(2, {"api_key": ""}, {"GITHUB_EVENT_NAME": "pull_request"}),
    "not built": Mistake(2, files=_CHECKOUT),
    "wrong directory": Mistake(2, {"directory": "public"}),
    "whole repository": Mistake(0, {"directory": "."}, files={**_BUILT, ".git/config": b"[core]"}),
    "no app": Mistake(4, {"app": "my-stie"}),
    "image and directory": Mistake(2, {"image": "nginx:1"}),
    "lock held": Mistake(6, {"lock_timeout": "0"}, held=True),
}

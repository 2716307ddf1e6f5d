"""Versions and commands in the package, the action, the image and the changelog."""

import re
from pathlib import Path

import zerokie_action

ROOT = Path(__file__).resolve().parent.parent.parent
MAJOR = zerokie_action.__version__.split(".")[0]


SHOWN = [
    path
    for folder in ("examples", "templates", "docs", ".")
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*")
    if path.suffix in {".md", ".yml", ".sh"} or path.name == "Jenkinsfile"
]


def test_copied_text_names_the_major_version() -> None:
    """Examples pin the action, the component and the image to this major version, or to a commit."""
    pins = {
        (path.relative_to(ROOT).as_posix(), version)
        for path in SHOWN
        for version in re.findall(
            r"/zerokie-action(?:/deploy)?(?:@v?|:)(?!sha256)([\w.]+)", path.read_text("utf-8")
        )
    }
    assert len(pins) > 10
    assert {version for _, version in pins if not re.fullmatch("[0-9a-f]{40}", version)} == {MAJOR}, pins


def test_an_unreleased_version_is_a_development_version() -> None:
    """`--version` must not show a release that doesn't exist."""
    release, dev, _ = zerokie_action.__version__.partition(".dev0")
    is_released = f"\n## [{release}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert is_released is not bool(dev)
